// The comparison's index, and its conversations in their chunks.

const index = JSON.parse(byId("index").textContent);
byId("index").remove(); // read once; its text need not be held twice

// A conversation reads its place in the index's columns: ten thousand of them are light.
class Conversation {
  constructor(position) { this.position = position; }

  get name() { return index.columns.name[this.position]; }
  get title() { return index.titles[index.columns.title[this.position]]; }
  get script() { return index.scripts[index.columns.script[this.position]]; }
  get tags() { return index.sets.tags[index.columns.tags[this.position]].map((tag) => index.tags[tag]); }
  get change() { return index.changes[index.columns.change[this.position]]; }
  get before() { return verdictAt(index.columns.before[this.position]); }
  get after() { return verdictAt(index.columns.after[this.position]); }
  get cause() { return index.columns.cause[this.position]; }
  get turns() { return index.columns.turns[this.position]; }
  get turn() { return index.columns.turn[this.position]; }
  get chunk() { return index.columns.chunk[this.position]; }
  get line() { return index.columns.line[this.position]; }
}

function verdictAt(place) {
  return place < 0 ? null : index.verdicts[place];
}

const cases = Array.from({ length: index.count }, (_, position) => new Conversation(position));
const caseByName = new Map(cases.map((item) => [item.name, item]));
const casesOfCause = index.causes.map(() => []);
for (const item of cases) if (item.cause >= 0) casesOfCause[item.cause].push(item);

function causeOf(item) {
  return item.cause < 0 ? null : index.causes[item.cause];
}

const MOST_CHUNKS = 4; // kept inflated
const inflated = new Map();

function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const packed = atob(text);
  const bytes = new Uint8Array(packed.length);
  for (let place = 0; place < packed.length; place += 1) bytes[place] = packed.charCodeAt(place);
  return bytes;
}

async function inflate(id) {
  const stream = new DecompressionStream("gzip");
  const writer = stream.writable.getWriter();
  for (const written of [writer.write(bytesOf(byId(id).textContent)), writer.close()]) written.catch(() => {}); // the reader is told
  return new Response(stream.readable).text();
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
