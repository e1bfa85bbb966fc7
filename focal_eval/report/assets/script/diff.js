// What differs between two texts, word by word: the longest common subsequence of their words.

const MOST_CELLS = 1_000_000; // of the table; longer texts are shown without marks

function words(text) {
  return text.match(/\s+|[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu) || [];
}

// The runs of words that are the same and that differ, in order; null where the texts are too long.
function wordDiff(left, right) {
  const a = words(left);
  const b = words(right);
  const width = b.length + 1;
  if ((a.length + 1) * width > MOST_CELLS) return null;
  const table = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      table[i * width + j] = a[i] === b[j]
        ? table[(i + 1) * width + j + 1] + 1
        : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
    }
  }
  const runs = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      extend(runs, a[i], a[i]);
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && table[(i + 1) * width + j] >= table[i * width + j + 1])) {
      extend(runs, a[i], "");
      i += 1;
    } else {
      extend(runs, "", b[j]);
      j += 1;
    }
  }
  return calmed(runs);
}

// A run is {same, gone, come}: words both sides share, or what stands on either side instead.
function extend(runs, gone, come) {
  const same = gone === come;
  const last = runs[runs.length - 1];
  if (!last || last.same !== same) runs.push({ same, gone, come });
  else {
    last.gone += gone;
    last.come += come;
  }
}

// Shared words that are fewer than what differs on both sides of them explain nothing: they are counted among it.
function calmed(runs) {
  const size = (run) => Math.max(run.gone.length, run.come.length);
  let out = runs;
  for (let before = 0; before !== out.length;) {
    before = out.length;
    const next = [];
    out.forEach((run, place) => {
      const island = run.same && place > 0 && place + 1 < out.length && size(run) <= Math.min(size(out[place - 1]), size(out[place + 1]));
      const kept = { ...run, same: run.same && !island };
      const last = next[next.length - 1];
      if (last && last.same === kept.same) {
        last.gone += kept.gone;
        last.come += kept.come;
      } else next.push(kept);
    });
    out = next;
  }
  return out;
}

function diffColumns(golden, observed) {
  const found = wordDiff(golden, observed);
  const runs = found && found.some((run) => run.same) ? found : null; // where nothing is shared, marks would only hide the words
  const marked = (side, tag) => runs.filter((run) => run[side]).map((run) => (run.same ? visible(run[side]) : h(tag, null, visible(run[side]))));
  const column = (title, text, side, tag) => h("div", { class: "diff-side" }, h("h4", null, title),
    h("p", { dir: "auto" }, runs ? marked(side, tag) : visible(text)));
  return h("div", { class: "diff" }, column("Golden reply", golden, "gone", "del"), column("Observed", observed, "come", "ins"));
}
