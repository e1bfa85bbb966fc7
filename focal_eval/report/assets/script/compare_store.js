// The comparison's index, its conversations in their chunks, and the words said in them, read in slices when they are first searched.

const index = JSON.parse(byId("index").textContent);

const cases = index.cases.map((row, position) => {
  const item = { position };
  index.columns.forEach((name, column) => { item[name] = row[column]; });
  item.title = index.titles[item.title];
  item.script = index.scripts[item.script];
  item.tags = item.tags.map((tag) => index.tags[tag]);
  item.change = index.changes[item.change];
  item.before = item.before < 0 ? null : index.verdicts[item.before];
  item.after = item.after < 0 ? null : index.verdicts[item.after];
  return item;
});
const caseByName = new Map(cases.map((item) => [item.name, item]));
const casesOfCause = index.causes.map(() => []);
for (const item of cases) if (item.cause >= 0) casesOfCause[item.cause].push(item);

function causeOf(item) {
  return item.cause < 0 ? null : index.causes[item.cause];
}

const MOST_CHUNKS = 4; // kept inflated
const inflated = new Map();

async function inflate(id) {
  const packed = atob(byId(id).textContent);
  const bytes = new Uint8Array(packed.length);
  for (let place = 0; place < packed.length; place += 1) bytes[place] = packed.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return (await new Response(stream).text()).split("\n");
}

async function chunk(number) {
  if (!inflated.has(number)) {
    inflated.set(number, inflate(`chunk-${number}`));
    if (inflated.size > MOST_CHUNKS) inflated.delete(inflated.keys().next().value);
  }
  return inflated.get(number);
}

// Whole numbers beyond what JavaScript counts exactly keep their digits, where the browser can.
function exact(key, value, context) {
  const rounded = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
  return rounded && context && JSON.rawJSON ? JSON.rawJSON(context.source) : value;
}

async function details(item) {
  return JSON.parse((await chunk(item.chunk))[item.line], exact);
}

// What was said, per conversation; null until somebody searches for words.
const spoken = { texts: null, done: 0, total: document.querySelectorAll("script[id^=said-]").length };

const SLICE_MS = 12; // of work before the page may answer the reader again

async function readSpoken(progress) {
  if (spoken.texts) return;
  spoken.texts = [];
  while (spoken.done < spoken.total) {
    for (const line of await inflate(`said-${spoken.done}`)) spoken.texts.push(line.toLowerCase());
    spoken.done += 1;
    progress();
    await new Promise((resolve) => { setTimeout(resolve); });
  }
}

function isRead() {
  return spoken.done >= spoken.total;
}
