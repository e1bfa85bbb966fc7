// The Coverage view: items worst first beside the agent file with its gutter. It is read and drawn when it is first opened.

const coverage = { data: null, shown: [], element: null };
const COVERAGE_STATES = { // worst first, as the data has them
  missed: "Missed", near: "Near miss only", suppressed: "Suppressed only", unknown: "Unknown", hit: "Hit, not asserted", seen: "Hit", off: "Not enabled", asserted: "Asserted",
};
const COVERAGE_MEANING = {
  missed: "No turn had anything to do with it.",
  near: "Some of what makes it match was there, but never enough.",
  suppressed: "It would have matched, and something always dropped it.",
  unknown: "The records do not tell.",
  hit: "It was at work, and no expectation fails when it is taken out of the record.",
  seen: "It was at work. Whether an expectation would miss it is unknown.",
  off: "It is switched off.",
  asserted: "An expectation fails when it is taken out of the record.",
};
const COVERAGE_ROWS = 150; // of the list, before more are asked for
const SOURCE_BLOCK = 80; // lines that the browser lays out together

function parseCoverage() {
  const fields = new URLSearchParams(location.hash.replace(/^#/, ""));
  if (!fields.has("coverage")) return null;
  return { kind: fields.get("kind") || "", state: fields.get("state") || "", query: fields.get("find") || "", item: fields.get("item") || "" };
}

function coverageHref(changes) {
  const fields = new URLSearchParams("coverage=");
  for (const [name, value] of Object.entries({ ...coverage.view, ...changes })) if (value) fields.set(name === "query" ? "find" : name, value);
  return `#${fields}`;
}

// Shows the view where the address asks for it; false where it does not.
function routeCoverage() {
  const asked = parseCoverage();
  const link = byId("tab-coverage");
  byId("coverage-view").hidden = !asked;
  for (const [tab, here] of [[byId("tab-cases"), !asked], [link, Boolean(asked)]]) {
    if (here) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  if (!asked) return false;
  coverage.view = asked;
  byId("overview").hidden = byId("detail").hidden = true;
  document.title = `Coverage · ${listTitle}`;
  openCoverage();
  return true;
}

async function openCoverage() {
  if (!coverage.data) {
    coverage.data = JSON.parse((await inflate("coverage")).join("\n"));
    coverage.data.items.forEach((item, place) => { item.place = place; item.id = `${item.kind}:${item.name}`; });
    buildCoverage();
  }
  if (parseCoverage()) drawCoverage();
}

function fittingItems(view) {
  const wanted = view.query.toLowerCase().split(/\s+/).filter(Boolean);
  return coverage.data.items.filter((item) => (!view.kind || item.kind === view.kind) && wanted.every((word) => item.id.toLowerCase().includes(word)));
}

function stateOf(item) {
  return COVERAGE_STATES[item.state];
}

function narrowCoverage(changes) {
  history.replaceState(history.state, "", coverageHref({ item: "", ...changes }));
  coverage.view = parseCoverage();
  drawCoverage();
}

function buildCoverage() {
  const { data } = coverage;
  const search = h("input", { id: "cov-search", type: "search", placeholder: "Search rule, step, tool", autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
  search.addEventListener("input", () => narrowCoverage({ query: search.value }));
  const list = h("ol", { id: "cov-list", class: "cov-list", "aria-label": "Items, the worst first" });
  const file = h("h2", { class: "cov-file" }, said("code", "", data.file), data.text === null && h("span", { class: "quiet-note" }, "its text is not known"));
  byId("coverage-view").replaceChildren(
    h("section", { class: "summary cov-summary", "aria-labelledby": "cov-title" },
      h("h1", { id: "cov-title", class: "verdict small", tabindex: "-1" }, visible(data.words)),
      h("p", { class: "quiet-note" }, data.judged ? "Asserted means that an expectation fails when the item is taken out of the record." : "Nothing was judged again, so it is unknown what expectations would miss."),
      data.notes.map((note) => said("p", "partial-note", note)),
      h("ul", { class: "cov-kinds", id: "cov-kinds" }, data.kinds.map(kindCard))),
    h("div", { class: "toolbar cov-toolbar" },
      h("div", { class: "counters", role: "group", "aria-label": "Show items by state", id: "cov-states" }),
      h("div", { class: "finders" }, h("label", { class: "search" }, h("span", { class: "sr-only" }, "Search items"), icon("search"), search, h("kbd", { "aria-hidden": "true" }, "/")))),
    h("p", { class: "sr-only", id: "cov-found", role: "status" }),
    h("div", { class: data.text === null ? "cov-panes alone" : "cov-panes" },
      h("section", { class: "cov-left", "aria-label": "Items" }, list),
      data.text === null ? null : h("section", { class: "cov-right", "aria-label": "Agent file" }, file, sourceOf(data))));
}

function kindCard(kind) {
  const items = coverage.data.items.filter((item) => item.kind === kind);
  const parts = Object.keys(COVERAGE_STATES).reverse().map((state) => [state, items.filter((item) => item.state === state).length]).filter(([, count]) => count);
  const bar = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ class: "cov-bar", viewBox: "0 0 1000 10", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" })) bar.setAttribute(name, value);
  let start = 0;
  for (const [state, count] of parts) {
    const part = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({ class: `cov-part s-${state}`, x: start, y: 0, width: (count / items.length) * 1000, height: 10 })) part.setAttribute(name, value);
    start += (count / items.length) * 1000;
    bar.append(part);
  }
  const good = items.filter((item) => item.state === (coverage.data.judged ? "asserted" : "seen")).length;
  const button = h("button", { type: "button", class: "cov-kind", "data-kind": kind, "aria-pressed": "false", title: parts.map(([state, count]) => `${COVERAGE_STATES[state]}: ${count}`).join("\n") },
    h("span", { class: "cov-kind-name" }, `${kind}s`), h("span", { class: "cov-kind-figure" }, h("b", null, good.toLocaleString("en")), ` of ${items.length.toLocaleString("en")}`, h("span", { class: "sr-only" }, coverage.data.judged ? " asserted" : " hit")), bar);
  button.addEventListener("click", () => narrowCoverage({ kind: coverage.view.kind === kind ? "" : kind, state: "" }));
  return h("li", null, button);
}

// The file in blocks that are laid out only when they come into sight; each item's first line has a button.
function sourceOf(data) {
  const marks = new Map(data.lines);
  const firsts = new Map();
  for (const item of data.items) if (item.line) firsts.set(item.line, [...(firsts.get(item.line) || []), item]);
  const lines = data.text.split(/\r\n|\r|\n/);
  if (lines.at(-1) === "") lines.pop();
  const blocks = [];
  for (let begin = 0; begin < lines.length; begin += SOURCE_BLOCK) {
    blocks.push(h("div", { class: "cov-block" }, lines.slice(begin, begin + SOURCE_BLOCK).map((text, offset) => sourceLine(begin + offset + 1, text, marks, firsts))));
  }
  return h("div", { class: "cov-source", id: "cov-source" }, blocks);
}

function sourceLine(number, text, marks, firsts) {
  const on = (marks.get(number) || []).map((place) => coverage.data.items[place]);
  const worst = on.reduce((found, item) => (found === null || item.place < found.place ? item : found), null);
  const begun = firsts.get(number) || [];
  const told = begun.length ? begun.reduce((found, item) => (item.place < found.place ? item : found)) : null;
  const button = told && h("button", { type: "button", class: "cov-mark", "data-item": told.id, "aria-expanded": "false", title: `${stateOf(told)}: ${plural(told.turns, "turn")}, ${plural(told.hitBy.count, "script")}`, "aria-label": `Line ${number}: ${begun.map((item) => `${item.kind} ${visible(item.name)}, ${stateOf(item)}, ${plural(item.turns, "turn")}`).join("; ")}` },
    h("span", { class: "cov-count" }, told.turns ? told.turns.toLocaleString("en") : ""), icon(told.state));
  if (button) button.addEventListener("click", () => toggleItem(told));
  return h("div", { class: `cov-line${worst ? ` s-${worst.state}` : ""}`, id: `L${number}` }, h("span", { class: "cov-number", "data-n": number }), button || h("span", { class: "cov-none" }), said("code", "cov-text", text));
}

function toggleItem(item) {
  const open = coverage.view.item === item.id;
  location.hash = coverageHref({ item: open ? "" : item.id });
}

function drawCoverage() {
  const { view } = coverage;
  const pool = fittingItems(view);
  coverage.shown = view.state ? pool.filter((item) => item.state === view.state) : pool;
  drawStates(pool);
  for (const button of byId("cov-kinds").querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.kind === view.kind));
  const search = byId("cov-search");
  if (search.value !== view.query) search.value = view.query;
  byId("cov-found").textContent = `${plural(coverage.shown.length, "item")} of ${coverage.data.items.length.toLocaleString("en")} shown`;
  drawItems(COVERAGE_ROWS);
  drawDetail();
}

function drawStates(pool) {
  const states = Object.keys(COVERAGE_STATES).filter((state) => coverage.data.items.some((item) => item.state === state));
  const buttons = ["", ...states].map((state) => {
    const count = state ? pool.filter((item) => item.state === state).length : pool.length;
    const button = h("button", { type: "button", class: "counter", "aria-pressed": String(coverage.view.state === state), "data-state": state, title: state ? COVERAGE_MEANING[state] : null },
      state && icon(state), h("span", null, state ? COVERAGE_STATES[state] : "All"), " ", h("b", null, count.toLocaleString("en")));
    button.addEventListener("click", () => {
      narrowCoverage({ state });
      byId("cov-states").querySelector(`[data-state="${state}"]`).focus();
    });
    return button;
  });
  byId("cov-states").replaceChildren(...buttons);
}

function drawItems(most) {
  const rows = coverage.shown.slice(0, most).map(itemRow);
  if (coverage.shown.length > most) {
    const more = h("button", { type: "button", class: "button" }, `Show ${(coverage.shown.length - most).toLocaleString("en")} more`);
    more.addEventListener("click", () => drawItems(Infinity));
    rows.push(h("li", { class: "cov-more" }, more));
  }
  if (!rows.length) rows.push(h("li", { class: "empty" }, "Nothing fits these filters."));
  byId("cov-list").replaceChildren(...rows);
  markCurrent();
}

function itemRow(item) {
  const beside = [item.line ? `line ${item.line}` : null, item.turns ? plural(item.turns, "turn") : null, item.edited && visible(item.edited)].filter(Boolean).join(" · ");
  return h("li", null, h("a", { class: `cov-item s-${item.state}`, href: coverageHref({ item: item.id }), "data-item": item.id },
    icon(item.state), h("span", { class: "cov-item-words" }, h("span", { class: "cov-item-name" }, h("span", { class: "cov-item-kind" }, `${item.kind} `), visible(item.name)),
      h("span", { class: "cov-item-beside" }, `${stateOf(item)}${beside ? ` · ${beside}` : ""}`))));
}

function markCurrent() {
  for (const link of byId("cov-list").querySelectorAll(".cov-item")) {
    if (link.dataset.item === coverage.view.item) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

// The chosen item, told below its line; without a text below its row of the list.
function drawDetail() {
  if (coverage.element) coverage.element.remove();
  coverage.element = null;
  for (const button of document.querySelectorAll(".cov-mark[aria-expanded=true]")) button.setAttribute("aria-expanded", "false");
  const item = coverage.data.items.find((one) => one.id === coverage.view.item);
  if (!item) return;
  const line = item.line && byId(`L${item.line}`);
  const row = [...byId("cov-list").querySelectorAll(".cov-item")].find((link) => link.dataset.item === item.id);
  const place = line || (row && row.parentElement);
  if (!place) return;
  const others = line ? coverage.data.items.filter((one) => one.line === item.line) : [item];
  coverage.element = h("div", { class: "cov-detail", tabindex: "-1", role: "region", "aria-label": `${item.kind} ${visible(item.name)}` }, others.map(detailOf));
  if (line) line.after(coverage.element);
  else place.append(coverage.element);
  const mark = line && line.querySelector(".cov-mark");
  if (mark) mark.setAttribute("aria-expanded", "true");
  place.scrollIntoView({ block: line ? "center" : "nearest" });
  coverage.element.focus({ preventScroll: true });
}

function detailOf(item) {
  const figures = [
    ["Hit", plural(item.turns, "turn")],
    coverage.data.judged && ["Asserted", plural(item.asserted, "turn")],
    coverage.data.judged && ["Checked absent", plural(item.refuted, "turn")],
    item.near && ["Near miss", plural(item.near, "turn")],
    item.either && ["It or another edge of that name", plural(item.either, "turn")],
    ...Object.entries(item.outcomes).map(([outcome, count]) => [outcome, plural(count, "turn")]),
    ...item.dropped.map(([why, by, turns]) => [`Suppressed: ${why}${by ? ` by ${by}` : ""}`, plural(turns, "turn")]),
  ].filter(Boolean);
  return h("div", { class: "cov-told" },
    h("h3", null, icon(item.state), h("span", null, h("span", { class: "cov-item-kind" }, `${item.kind} `), visible(item.name))),
    h("p", { class: "quiet-note" }, `${stateOf(item)}. ${COVERAGE_MEANING[item.state]}`),
    h("dl", { class: "cov-figures" }, figures.map(([name, value]) => h("div", null, h("dt", null, visible(name)), h("dd", null, value)))),
    scriptsOf("Asserted by", item.assertedBy), scriptsOf("Hit by", item.hitBy), scriptsOf("Checked absent in", item.refutedBy));
}

function scriptsOf(title, found) {
  if (!found.count) return null;
  const links = found.some ? found.some.map((number) => coverage.data.scripts[number]).sort() : [];
  return h("div", { class: "cov-scripts" }, h("h4", null, `${title} ${plural(found.count, "script")}`),
    h("ul", null, links.map((name) => h("li", null, h("a", { href: formatView({ ...view, case: null, query: name }) }, said("code", "", name)))),
      found.count > links.length ? h("li", { class: "quiet-note" }, `and ${(found.count - links.length).toLocaleString("en")} more`) : null));
}

// Keys of this view: j and k through the list, n and p through what is to be looked at, Esc closes, / searches. True where it was one.
function coverageKey(event) {
  if (byId("coverage-view").hidden || !coverage.data) return false;
  const { key } = event;
  if (key === "Escape") {
    if (coverage.view.item) {
      const back = coverage.view.item;
      location.hash = coverageHref({ item: "" });
      setTimeout(() => focusItem(back));
    } else narrowCoverage({ query: "", kind: "", state: "" });
  } else if (key === "/") byId("cov-search").focus();
  else if ("jknp".includes(key)) stepItem(key);
  else return false;
  return true;
}

function stepItem(key) {
  const fine = (item) => item.state === "asserted" || item.state === "seen" || item.state === "off";
  const pool = key === "j" || key === "k" ? coverage.shown : coverage.shown.filter((item) => !fine(item));
  const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.item : "";
  const here = coverage.view.item || focused;
  const at = pool.findIndex((item) => item.id === here);
  const next = pool[at < 0 ? 0 : at + (key === "j" || key === "n" ? 1 : -1)];
  if (next) location.hash = coverageHref({ item: next.id });
}

function focusItem(id) {
  const link = [...byId("cov-list").querySelectorAll(".cov-item")].find((one) => one.dataset.item === id);
  if (link) link.focus();
}
