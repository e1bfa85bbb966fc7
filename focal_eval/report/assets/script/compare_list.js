// The list of conversations: as many rows as there are, only those in sight as elements.

const HEIGHTS = { plain: 40, told: 64 };
const NARROW_HEIGHTS = { plain: 64, told: 88 };
const narrowScreen = matchMedia("(max-width: 720px)");
const OVERSCAN = 300; // pixels above and below the window
const MOST_SPARE = 60; // elements of rows that wait for another conversation

const list = { hits: [], tops: new Float64Array(cases.length), total: 0, rows: new Map(), spare: [], active: -1, table: null, body: null };

function layOut() {
  const heights = narrowScreen.matches ? NARROW_HEIGHTS : HEIGHTS;
  list.total = 0;
  for (let position = 0; position < list.hits.length; position += 1) {
    list.tops[position] = list.total;
    list.total += list.hits[position].cause < 0 ? heights.plain : heights.told;
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

// A row whose words are still empty: only they change when it shows another conversation, so typing makes little that is thrown away.
function blankRow() {
  const cell = (className, ...parts) => h("div", { role: "cell", class: className }, ...parts);
  const text = (tag, className) => h(tag, { class: className }, "");
  return h("div", { role: "row" },
    cell("cell-verdict", icon("same"), text("span", "sr-only")),
    cell("cell-case", h("div", { class: "row-line" }, h("a", { class: "row-link" }, said("span", "row-title", ""), said("span", "row-name", ""))), said("div", "row-message", "")),
    cell("cell-tags", said("span", "tag", ""), said("span", "tag", ""), text("span", "tag more")),
    cell("cell-turns", ""),
    cell("cell-time", h("span", { class: "way-words" }, h("span", null, text("span", "muted"), h("span", { class: "arrow", "aria-hidden": "true" }, " → "), h("span", { class: "sr-only" }, " to ")), text("b", ""))));
}

function setWords(element, words) {
  element.firstChild.data = words;
}

function fillRow(element, item) {
  const cause = causeOf(item);
  const { change, tags } = item;
  const part = (selector) => element.querySelector(selector);
  element.className = `row ${cause ? "attention" : "calm"} v-${change}`;
  part(".icon").setAttribute("class", `icon v-${change}`);
  part("use").setAttribute("href", `#i-${change}`);
  setWords(part(".cell-verdict .sr-only"), index.change_words[change]);
  setWords(part(".row-title"), visible(item.title));
  setWords(part(".row-name"), visible(item.name));
  part(".row-message").hidden = !cause;
  setWords(part(".row-message"), cause ? visible(cause.text) : "");
  for (const [place, tag] of [...part(".cell-tags").children].entries()) {
    const words = place < 2 ? tags[place] : tags.length > 2 ? `+${tags.length - 2}` : undefined;
    tag.hidden = words === undefined;
    setWords(tag, words === undefined ? "" : visible(words));
  }
  part(".tag.more").title = visible(tags.slice(2).join(", "));
  setWords(part(".cell-turns"), item.turn >= 0 ? `turn ${item.turn + 1} of ${item.turns}` : plural(item.turns, "turn"));
  fillVerdicts(part(".way-words"), item.before, item.after);
  return element;
}

function fillVerdicts(element, before, after) {
  const word = (verdict) => (verdict === null ? "none" : index.words[verdict] || verdict);
  const [was, now] = element.children;
  element.className = before === after ? "way-words muted" : "way-words";
  was.hidden = before === after;
  setWords(was.firstChild, word(before));
  setWords(now, word(after));
  now.className = before === after ? "" : `v-${after}`;
}

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

// A conversation that stays in sight while a filter is typed stays the same element: nothing under the pointer flickers.
function showRows(first, last) {
  const wanted = new Set(list.hits.slice(first, last));
  const spare = [];
  for (const [item, element] of list.rows) if (!wanted.has(item)) spare.push(element);
  const rows = new Map();
  for (let position = first; position < last; position += 1) {
    const item = list.hits[position];
    rows.set(item, putAt(list.rows.get(item) || fillRow(spareRow(spare), item), position));
  }
  for (const element of spare) setAside(element);
  list.rows = rows;
  let next = null;
  for (const element of [...rows.values()].reverse()) {
    if (element.nextSibling !== next || !element.isConnected) list.body.insertBefore(element, next);
    next = element;
  }
}

// One with the focus shows no other conversation: Enter would open what nobody chose.
function spareRow(leaving) {
  while (leaving.length) {
    const element = leaving.shift();
    if (!element.contains(document.activeElement)) return element;
    element.remove();
  }
  return list.spare.pop() || blankRow();
}

function setAside(element) {
  element.remove();
  if (list.spare.length < MOST_SPARE) list.spare.push(element);
}

function buildTable() {
  list.body = h("div", { role: "rowgroup", class: "rows" });
  const heads = ["Change", "Conversation and cause", "Tags", "First differs", "Verdict"].map((title, place) => h("div", { role: "columnheader", class: ["", "", "head-tags", "head-turns", "head-time"][place] }, title));
  list.table = h("div", { role: "table", class: "table", "aria-label": "Conversations" }, h("div", { role: "rowgroup" }, h("div", { role: "row", class: "heads", "aria-rowindex": 1 }, heads)), list.body);
}

function drawList() {
  list.hits = filtered(query.terms);
  list.active = -1;
  layOut();
  byId("found").textContent = `${plural(list.hits.length, "conversation")} of ${cases.length.toLocaleString("en")} shown`;
  if (!list.table) buildTable();
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
  const element = list.rows.get(list.hits[position]);
  if (element) element.querySelector("a").focus({ preventScroll: true });
}
