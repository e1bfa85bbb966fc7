// The language of filters: `verdict:regressed rule:offer-refund -tag:slow "free text"`. All terms have to hold; `a,b` is either.

// Each key's `test` gets the places of the wanted values and gives a function of a row's position.
const KEYS = {
  verdict: { hint: "what became of it", values: () => index.changes, test: (wanted) => inColumn("change", wanted) },
  rule: { hint: "a rule that matched", values: () => index.rules, test: (wanted) => inSet("rules", wanted) },
  tool: { hint: "a tool that was called", values: () => index.tools, test: (wanted) => inSet("tools", wanted) },
  step: { hint: "a step it stood at", values: () => index.steps, test: (wanted) => inSet("steps", wanted) },
  cause: { hint: "why it changed", values: () => index.causes.map((cause) => cause.key), test: (wanted) => inColumn("cause", wanted) },
  tag: { hint: "a tag of its script", values: () => index.tags, test: (wanted) => inSet("tags", wanted) },
  script: { hint: "its file", values: () => index.scripts, test: (wanted) => inColumn("script", wanted) },
  before: { hint: "the baseline's verdict", values: () => [...index.verdicts, "none"], test: (wanted) => inColumn("before", verdictPlaces(wanted)) },
  after: { hint: "the candidate's verdict", values: () => [...index.verdicts, "none"], test: (wanted) => inColumn("after", verdictPlaces(wanted)) },
};

function inColumn(name, wanted) {
  const column = index.columns[name];
  return (position) => wanted.has(column[position]);
}

// Rows share their sets: each set is looked at once.
function inSet(name, wanted) {
  const holds = index.sets[name].map((set) => set.some((place) => wanted.has(place)));
  const column = index.columns[name];
  return (position) => holds[column[position]];
}

// No verdict is written -1 in the columns, and stands last among the values.
function verdictPlaces(wanted) {
  return new Set([...wanted].map((place) => (place === index.verdicts.length ? -1 : place)));
}

// One word of the query: -key:"a value",other or words.
const TERM = /(-?)(?:([A-Za-z_]+):)?((?:"[^"]*"?|[^\s"])*)/y;

function splitValues(text) {
  const parts = text.match(/(?:"[^"]*"?|[^,"])+/g) || [];
  return parts.map((part) => part.replace(/"/g, "")).filter(Boolean);
}

function parseQuery(text) {
  const terms = [];
  const problems = [];
  let place = 0;
  while (place < text.length) {
    if (/\s/.test(text[place])) {
      place += 1;
      continue;
    }
    TERM.lastIndex = place;
    const [whole, minus, key, rest] = TERM.exec(text);
    if (!whole) break;
    place += whole.length;
    if ((rest.match(/"/g) || []).length % 2) problems.push("A quotation mark is still open.");
    readTerm({ minus: Boolean(minus), key, rest, whole }, terms, problems);
  }
  return { terms, problems };
}

function readTerm({ minus, key, rest, whole }, terms, problems) {
  if (key === undefined || (!Object.hasOwn(KEYS, key.toLowerCase()) && !nearest(key.toLowerCase(), Object.keys(KEYS), 2))) {
    const words = key === undefined ? rest : whole.replace(/^-/, "");
    const plain = words.replace(/"/g, "").replace(/\s+/g, " ").toLowerCase();
    if (plain.trim()) terms.push({ minus, words: plain });
    return;
  }
  const name = key.toLowerCase();
  if (!Object.hasOwn(KEYS, name)) {
    problems.push(`No filter is called “${key}”. Did you mean “${nearest(name, Object.keys(KEYS), 2)}:”?`);
    return;
  }
  const given = splitValues(rest);
  if (!given.length) {
    problems.push(`“${name}:” needs a value after it: ${KEYS[name].hint}.`);
    return;
  }
  const known = KEYS[name].values();
  const wanted = given.flatMap((value) => {
    const meant = fitting(value, known);
    if (!meant.length) problems.push(unknownValue(name, value, known));
    return meant;
  });
  terms.push({ minus, key: name, given, wanted });
}

// Names a value stands for: the same name, whatever its case, or those that begin as `refund-*` says.
function fitting(value, known) {
  const low = value.toLowerCase();
  if (low.includes("*")) {
    const parts = low.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const pattern = new RegExp(`^${parts.join(".*")}$`, "s");
    return known.filter((name) => pattern.test(name.toLowerCase()));
  }
  return known.filter((name) => name.toLowerCase() === low);
}

function unknownValue(key, value, known) {
  const near = nearest(value.toLowerCase(), known, 3);
  if (key === "verdict" && index.verdicts.includes(value)) return `“${value}” is one side's verdict: write “after:${value}” or “before:${value}”.`;
  const name = key === "verdict" ? `No verdict is called “${value}”` : `No conversation has the ${key} “${value}”`;
  return `${name}.${near ? ` Did you mean “${near}”?` : key === "verdict" ? ` There are ${index.changes.join(", ")}.` : ""}`;
}

function nearest(value, known, most) {
  let best = null;
  let least = Math.min(most, Math.max(1, Math.floor(value.length / 2))) + 1;
  for (const name of known.slice(0, 2000)) {
    const far = name.toLowerCase().startsWith(value) && value.length > 1 ? 1 : distance(value, name.toLowerCase(), least);
    if (far < least) {
      least = far;
      best = name;
    }
  }
  return best;
}

// Letters to change, no further than `most`.
function distance(one, other, most) {
  if (Math.abs(one.length - other.length) >= most) return most;
  let row = Array.from({ length: other.length + 1 }, (_, place) => place);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (one[i - 1] === other[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[other.length];
}

// A function of a row's position: whether the term holds there.
function testOf(term) {
  if (term.key) {
    const wanted = new Set(term.wanted);
    const places = new Set();
    for (const [place, value] of KEYS[term.key].values().entries()) if (wanted.has(value)) places.add(place);
    const holds = KEYS[term.key].test(places);
    return (position) => holds(position) !== term.minus;
  }
  const rows = rowsWith(term.words);
  return (position) => (rows[position] === 1) !== term.minus;
}

function filtered(terms) {
  const tests = terms.map(testOf);
  return tests.length ? cases.filter((_, position) => tests.every((test) => test(position))) : cases;
}

// How many conversations there are of each change, without a list of them.
function counted(terms) {
  const tests = terms.map(testOf);
  const found = index.changes.map(() => 0);
  let total = 0;
  for (let position = 0; position < cases.length; position += 1) {
    if (!tests.every((test) => test(position))) continue;
    total += 1;
    found[index.columns.change[position]] += 1;
  }
  return { counts: new Map(index.changes.map((change, place) => [change, found[place]])), total };
}

function quotedValue(value) {
  return /^[^\s",]+$/.test(value) ? value : `"${value.replace(/"/g, "")}"`;
}

// The query with other values for one filter; none takes it out.
function withFilter(text, key, values) {
  const rest = [];
  let place = 0;
  while (place < text.length) {
    TERM.lastIndex = place;
    const [whole, minus, name] = TERM.exec(text);
    if (!whole) {
      place += 1;
      continue;
    }
    if (minus || !name || name.toLowerCase() !== key) rest.push(whole);
    place += whole.length;
  }
  if (values.length) rest.unshift(`${key}:${values.map(quotedValue).join(",")}`);
  return rest.join(" ");
}

function valuesOf(terms, key) {
  return terms.filter((term) => term.key === key && !term.minus).flatMap((term) => term.wanted);
}
