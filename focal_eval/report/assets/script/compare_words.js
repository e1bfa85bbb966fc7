// Words of conversations, to be searched: those of many rows stand in one string, so that a search is a few quick looks.

const SLICE_MS = 8; // of work before the page may answer the reader again
const SLICE_ROWS = 500;
const MOST_SEARCHES = 8; // whose finds are kept

// `names` and `said` are read once, when somebody may want them; `slices` grows meanwhile.
const spoken = { slices: [], names: null, said: null, done: 0, total: document.querySelectorAll("script[id^=said-]").length, problem: null };

function pause() {
  return new Promise((resolve) => { setTimeout(resolve); });
}

function isRead() {
  return spoken.done >= spoken.total;
}

function nameOf(item) {
  const cause = causeOf(item);
  return [item.name, item.title, item.tags.join(" "), cause ? cause.text : "", item.script].join("\t").replaceAll("\n", " ");
}

// The text of rows from `first` on, a line for each; `ends` says where each line ends.
function addSlice(first, text) {
  const ends = [];
  for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", end + 1)) ends.push(end);
  ends.push(text.length);
  spoken.slices.push({ first, text, ends: Uint32Array.from(ends) });
  return ends.length;
}

function readNames() {
  spoken.names ??= (async () => {
    let begun = performance.now();
    for (let first = 0; first < cases.length; first += SLICE_ROWS) {
      addSlice(first, cases.slice(first, first + SLICE_ROWS).map(nameOf).join("\n").toLowerCase());
      if (performance.now() - begun < SLICE_MS) continue;
      await pause();
      begun = performance.now();
    }
  })();
  return spoken.names;
}

// `progress` is called when the names are there, and after each part of what was said.
function readSpoken(progress) {
  spoken.said ??= (async () => {
    await readNames();
    progress();
    for (let first = 0; !isRead(); spoken.done += 1, progress()) {
      first += addSlice(first, await inflate(`said-${spoken.done}`));
      byId(`said-${spoken.done}`).remove();
      await pause();
    }
  })();
  return spoken.said;
}

const finds = new Map(); // words -> which rows hold them, in the slices looked through so far

// A row's place holds 1 where its names, or what was said in it, hold the words.
function rowsWith(words) {
  const found = finds.get(words) || { rows: new Uint8Array(cases.length), looked: 0 };
  finds.delete(words);
  finds.set(words, found);
  if (finds.size > MOST_SEARCHES) finds.delete(finds.keys().next().value);
  for (; found.looked < spoken.slices.length; found.looked += 1) look(spoken.slices[found.looked], words, found.rows);
  return found.rows;
}

function look({ first, text, ends }, words, rows) {
  let row = 0;
  for (let place = text.indexOf(words); place >= 0; place = text.indexOf(words, ends[row])) {
    while (ends[row] <= place) row += 1;
    rows[first + row] = 1;
  }
}
