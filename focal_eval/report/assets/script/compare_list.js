// The list of conversations: as many rows as there are, only those in sight as elements.

const HEIGHTS = { plain: 40, told: 64 };
const NARROW_HEIGHTS = { plain: 64, told: 88 };
const narrowScreen = matchMedia("(max-width: 720px)");
const OVERSCAN = 300; // pixels above and below the window
const MOST_ROWS_KEPT = 200; // that were in sight and may be again

const list = { hits: [], tops: new Float64Array(cases.length), total: 0, shown: new Map(), made: new Map(), stale: new Set(), active: -1, table: null, body: null };

function layOut() {
  const heights = narrowScreen.matches ? NARROW_HEIGHTS : HEIGHTS;
  list.total = 0;
  for (const [position, item] of list.hits.entries()) {
    list.tops[position] = list.total;
    list.total += item.cause < 0 ? heights.plain : heights.told;
  }
}

function rowAt(offset) {
  let low = 0;
  let high = list.hits.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((middle + 1 < list.hits.length ? list.tops[middle + 1] : list.total) <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function verdictWay(item) {
  const word = (verdict) => (verdict === null ? "none" : index.words[verdict] || verdict);
  if (item.before === item.after) return h("span", { class: "way-words muted" }, word(item.after));
  return h("span", { class: "way-words" }, h("span", { class: "muted" }, word(item.before)), h("span", { class: "arrow", "aria-hidden": "true" }, " → "), h("span", { class: "sr-only" }, " to "), h("b", { class: `v-${item.after}` }, word(item.after)));
}

function listRow(item) {
  const cause = causeOf(item);
  const link = h("a", { class: "row-link" }, said("span", "row-title", item.title), said("span", "row-name", item.name));
  const cell = (className, ...parts) => h("div", { role: "cell", class: className }, ...parts);
  const element = h("div", { role: "row", class: `row ${cause ? "attention" : "calm"} v-${item.change}` },
    cell("cell-verdict", icon(item.change), h("span", { class: "sr-only" }, index.change_words[item.change])),
    cell("cell-case", h("div", { class: "row-line" }, link), cause && said("div", "row-message", cause.text)),
    cell("cell-tags", item.tags.slice(0, 2).map((tag) => said("span", "tag", tag)), item.tags.length > 2 && h("span", { class: "tag more", title: visible(item.tags.slice(2).join(", ")) }, `+${item.tags.length - 2}`)),
    cell("cell-turns", item.turn >= 0 ? `turn ${item.turn + 1} of ${item.turns}` : plural(item.turns, "turn")),
    cell("cell-time", verdictWay(item)));
  return element;
}

function rowOf(item) {
  const element = list.made.get(item) || listRow(item);
  list.made.delete(item);
  list.made.set(item, element);
  if (list.made.size > MOST_ROWS_KEPT) list.made.delete(list.made.keys().next().value);
  return element;
}

// A row that stays in sight while a filter is typed stays the same element: little is made, nothing under the pointer flickers.
function putAt(element, position) {
  const link = element.querySelector(".row-link");
  link.dataset.row = position;
  link.setAttribute("href", hrefOf({ case: list.hits[position].name }));
  element.setAttribute("aria-rowindex", position + 2);
  element.style.transform = `translateY(${list.tops[position]}px)`;
  element.style.height = `${(position + 1 < list.hits.length ? list.tops[position + 1] : list.total) - list.tops[position]}px`;
  return element;
}

function drawRows() {
  if (!list.body || byId("overview").hidden || view.tab !== "conversations") return;
  const begin = list.body.getBoundingClientRect().top;
  showRows(rowAt(Math.max(0, -begin - OVERSCAN)), Math.min(list.hits.length, rowAt(-begin + innerHeight + OVERSCAN) + 1));
}

function showRows(first, last) {
  for (const [position, element] of list.shown) {
    if (position < first || position >= last) {
      element.remove();
      list.shown.delete(position);
    }
  }
  for (let position = first; position < last; position += 1) {
    if (list.shown.has(position)) continue;
    const element = rowOf(list.hits[position]);
    list.stale.delete(element);
    list.shown.set(position, putAt(element, position));
  }
  for (const element of list.stale) element.remove();
  list.stale.clear();
  let next = null;
  for (let position = last - 1; position >= first; position -= 1) {
    const element = list.shown.get(position);
    if (element.nextSibling !== next || !element.isConnected) list.body.insertBefore(element, next);
    next = element;
  }
}

function buildTable() {
  list.body = h("div", { role: "rowgroup", class: "rows" });
  const heads = ["Change", "Conversation and cause", "Tags", "First differs", "Verdict"].map((title, place) => h("div", { role: "columnheader", class: ["", "", "head-tags", "head-turns", "head-time"][place] }, title));
  list.table = h("div", { role: "table", class: "table", "aria-label": "Conversations" }, h("div", { role: "rowgroup" }, h("div", { role: "row", class: "heads", "aria-rowindex": 1 }, heads)), list.body);
}

function drawList() {
  list.stale = new Set(list.shown.values());
  list.hits = filtered(query.terms);
  list.active = -1;
  layOut();
  byId("found").textContent = `${plural(list.hits.length, "conversation")} of ${cases.length.toLocaleString("en")} shown`;
  if (!list.table) buildTable();
  list.shown.clear();
  list.body.style.height = `${list.total}px`;
  list.table.setAttribute("aria-rowcount", list.hits.length + 1);
  const body = list.hits.length ? list.table : emptyList();
  if (byId("list").firstChild !== body) byId("list").replaceChildren(body);
  drawRows();
}

function emptyList() {
  if (!cases.length) return h("div", { class: "empty" }, h("p", null, "No conversation was compared."));
  return h("div", { class: "empty" }, h("p", null, isRead() || spoken.problem ? "No conversation matches this filter." : "Still looking through what was said …"), h("button", { type: "button", class: "button", onclick: () => narrow("") }, "Show all conversations"));
}

function step(direction) {
  if (view.tab !== "conversations" || !list.hits.length) return;
  let position = list.active;
  if (position < 0) position = direction > 0 ? rowAt(Math.max(0, -list.body.getBoundingClientRect().top)) - 1 : list.hits.length;
  position += direction;
  if (list.hits[position]) focusRow(position);
}

function focusRow(position) {
  list.active = position;
  const bar = byId("toolbar").getBoundingClientRect().height + 12;
  const top = list.body.getBoundingClientRect().top + list.tops[position];
  const bottom = top + 70;
  if (top < bar) scrollBy(0, top - bar - 40);
  else if (bottom > innerHeight) scrollBy(0, bottom - innerHeight + 40);
  drawRows();
  const element = list.shown.get(position);
  if (element) element.querySelector("a").focus({ preventScroll: true });
}
