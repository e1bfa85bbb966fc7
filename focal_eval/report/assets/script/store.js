// The index, and the cases' lines in their chunks.

const index = JSON.parse(byId("index").textContent);
const ATTENTION = new Set(index.attention);

function itemOf(row, table, position) {
  const item = { position };
  table.columns.forEach((name, column) => { item[name] = row[column]; });
  item.verdict = index.verdicts[item.verdict];
  item.script = table.scripts[item.script];
  item.tags = item.tags.map((tag) => table.tags[tag]);
  item.attention = ATTENTION.has(item.verdict);
  return item;
}

const cases = index.cases.map((row, position) => itemOf(row, index, position));
const caseById = new Map(cases.map((item) => [item.id, item]));

function haystack(item) {
  if (item.text === undefined) {
    item.text = [item.name, item.title, item.tags.join(" "), item.message || ""].join("\n").toLowerCase();
  }
  return item.text;
}

const MOST_CHUNKS = 4; // kept inflated
const inflated = new Map();

async function inflate(number) {
  const packed = atob(byId(`chunk-${number}`).textContent);
  const bytes = new Uint8Array(packed.length);
  for (let place = 0; place < packed.length; place += 1) bytes[place] = packed.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return (await new Response(stream).text()).split("\n");
}

async function chunk(number) {
  if (!inflated.has(number)) {
    inflated.set(number, inflate(number));
    if (inflated.size > MOST_CHUNKS) inflated.delete(inflated.keys().next().value);
  }
  return inflated.get(number);
}

// Whole numbers beyond what JavaScript counts exactly keep their digits, where the browser can.
function exact(key, value, context) {
  const rounded = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
  return rounded && context && JSON.rawJSON ? JSON.rawJSON(context.source) : value;
}

// The case's header and its attempts, each with its turns and its end (null where it was cut off).
async function details(item) {
  const lines = (await chunk(item.chunk)).slice(item.first, item.first + item.lines).map((line) => JSON.parse(line, exact));
  const attempts = new Map();
  for (const line of lines.slice(1)) {
    if (!attempts.has(line.attempt)) attempts.set(line.attempt, { number: line.attempt, turns: [], end: null });
    if (line.t === "turn") attempts.get(line.attempt).turns.push(line);
    else attempts.get(line.attempt).end = line;
  }
  return { header: lines[0], attempts: [...attempts.values()] };
}
