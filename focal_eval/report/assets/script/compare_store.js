// The comparison's index, and its conversations in their chunks.

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
  return new Response(stream).text();
}

async function chunk(number) {
  if (!inflated.has(number)) {
    inflated.set(number, inflate(`chunk-${number}`).then((text) => text.split("\n")));
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
