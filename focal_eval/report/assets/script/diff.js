// What differs between two texts, word by word: the longest common subsequence of their words.

const MOST_CELLS = 1_000_000; // of the table; longer texts are shown without marks

function words(text) {
  return text.match(/\s+|[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu) || [];
}

// Pairs of [kind, text] for both sides, kind is "same" or "other"; null where the texts are too long.
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
  const sides = [[], []];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      extend(sides[0], "same", a[i]);
      extend(sides[1], "same", b[j]);
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && table[(i + 1) * width + j] >= table[i * width + j + 1])) {
      extend(sides[0], "other", a[i]);
      i += 1;
    } else {
      extend(sides[1], "other", b[j]);
      j += 1;
    }
  }
  return sides;
}

function extend(side, kind, text) {
  const last = side[side.length - 1];
  if (last && last[0] === kind) last[1] += text;
  else side.push([kind, text]);
}

function diffColumns(golden, observed) {
  const sides = wordDiff(golden, observed) || [[["same", golden]], [["same", observed]]];
  const column = (title, side, tag) => h("div", { class: "diff-side" }, h("h4", null, title),
    h("p", { dir: "auto" }, side.map(([kind, text]) => (kind === "same" ? visible(text) : h(tag, null, visible(text))))));
  return h("div", { class: "diff" }, column("Golden reply", sides[0], "del"), column("Observed", sides[1], "ins"));
}
