// What is shown, kept in the address after `#` so that a view can be linked: q, v (verdicts), t (tags), s (order), case, attempt.

const ORDERS = { verdict: "worst first", case: "a to z", turns: "most first", time: "slowest first" }; // each as it is first asked for

// `time` is the column's first order, `-time` the other way round; anything else is the page's own: what is to be looked at, by script.
function parseOrder(text) {
  const name = (text || "").replace(/^-/, "");
  return Object.hasOwn(ORDERS, name) ? { name, back: text.startsWith("-") } : null;
}

function parseView(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  return {
    query: fields.get("q") || "",
    verdicts: new Set((fields.get("v") || "").split(",").filter((name) => index.verdicts.includes(name))),
    order: parseOrder(fields.get("s")),
    tags: new Set(fields.getAll("t").filter((tag) => index.tags.includes(tag))),
    case: caseById.has(fields.get("case")) ? fields.get("case") : null,
    attempt: Number(fields.get("attempt")) || null,
  };
}

function formatView(view) {
  const fields = new URLSearchParams();
  if (view.query) fields.set("q", view.query);
  if (view.verdicts.size) fields.set("v", [...view.verdicts].join(","));
  for (const tag of view.tags) fields.append("t", tag);
  if (view.order) fields.set("s", `${view.order.back ? "-" : ""}${view.order.name}`);
  if (view.case) fields.set("case", view.case);
  if (view.case && view.attempt) fields.set("attempt", view.attempt);
  return `#${fields}`;
}

let view = parseView(location.hash);

function hrefOf(changes) {
  return formatView({ ...view, attempt: null, ...changes });
}

// Narrower filters replace the address, so that Back leaves the list and not a letter of the search.
function narrow(changes) {
  view = { ...view, ...changes };
  history.replaceState(history.state, "", formatView(view));
  drawList();
}
