// The list: as many rows as there are cases, only those in sight as elements.

const HEIGHTS = { section: 44, group: 40, calm: 40, attention: 66, "grouped calm": 40, "grouped attention": 66 };
const NARROW_HEIGHTS = { section: 44, group: 56, calm: 60, attention: 92, "grouped calm": 42, "grouped attention": 68 };
const narrowScreen = matchMedia("(max-width: 720px)");
const OVERSCAN = 600; // pixels above and below the window

const list = { rows: [], tops: [], total: 0, shown: new Map(), active: -1, table: null, body: null, hits: [] };

function matches(item, terms, tags) {
  for (const tag of tags) if (!item.tags.includes(tag)) return false;
  const text = haystack(item);
  return terms.every((term) => text.includes(term));
}

// Cases that pass the search and the tags; the verdict filter comes after, so that the counters tell what is left.
function found() {
  const terms = view.query.toLowerCase().split(/\s+/).filter(Boolean);
  return cases.filter((item) => matches(item, terms, view.tags));
}

const MEASURES = {
  verdict: (one, other) => index.verdicts.indexOf(one.verdict) - index.verdicts.indexOf(other.verdict),
  case: (one, other) => CASE_NAMES.compare(one.title, other.title) || CASE_NAMES.compare(one.name, other.name),
  turns: (one, other) => other.turns - one.turns,
  time: (one, other) => other.ms - one.ms,
};
const CASE_NAMES = new Intl.Collator("en", { numeric: true });

// In the order a column asks for; cases that are alike there stay in the page's own order.
function ordered(hits) {
  if (!view.order) return hits;
  const way = view.order.back ? -1 : 1;
  return [...hits].sort((one, other) => way * MEASURES[view.order.name](one, other) || one.position - other.position);
}

function rowsOf(hits) {
  if (view.order) return hits.map((item) => ({ kind: item.attention ? "attention" : "calm", item, grouped: false }));
  const rows = [];
  const both = hits.length > 0 && hits[0].attention && !hits[hits.length - 1].attention;
  let section = null;
  for (let place = 0; place < hits.length; place += 1) {
    const item = hits[place];
    if (both && section !== item.attention) {
      section = item.attention;
      const count = hits.filter((hit) => hit.attention === section).length;
      rows.push({ kind: "section", text: section ? "To look at" : "The rest", count });
    }
    const follows = place > 0 && sameGroup(hits[place - 1], item);
    const heads = !follows && place + 1 < hits.length && sameGroup(item, hits[place + 1]);
    if (heads) {
      let size = 1;
      while (place + size < hits.length && sameGroup(item, hits[place + size])) size += 1;
      rows.push({ kind: "group", item, count: size });
    }
    rows.push({ kind: item.attention ? "attention" : "calm", item, grouped: follows || heads });
  }
  return rows;
}

function sameGroup(one, other) {
  return one.script === other.script && one.attention === other.attention;
}

function layOut() {
  const heights = narrowScreen.matches ? NARROW_HEIGHTS : HEIGHTS;
  list.tops = [];
  list.total = 0;
  for (const row of list.rows) {
    list.tops.push(list.total);
    row.height = heights[row.grouped ? `grouped ${row.kind}` : row.kind];
    list.total += row.height;
  }
}

function rowAt(offset) {
  let low = 0;
  let high = list.rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list.tops[middle] + list.rows[middle].height <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function cell(role, className, ...children) {
  return h("div", { role, class: className }, ...children);
}

function headRow(row, position) {
  const text = row.kind === "section" ? row.text : visible(row.item.title);
  const parts = [h("span", { class: "row-title", dir: "auto" }, text)];
  if (row.kind === "group") parts.push(said("span", "row-name", row.item.script));
  parts.push(h("span", { class: "row-count" }, row.kind === "section" ? row.count.toLocaleString("en") : plural(row.count, "case")));
  return h("div", { role: "row", class: `row ${row.kind}`, "aria-rowindex": position + 2 },
    h("div", { role: "rowheader", class: "cell-head", "aria-colspan": 5 }, ...parts));
}

function caseRow(row, position) {
  const item = row.item;
  const words = index.words[item.verdict];
  const name = said("span", "row-name", row.grouped ? shortName(item) : item.name);
  const label = row.grouped ? [name] : [said("span", "row-title", item.title), name];
  const link = h("a", { class: "row-link", href: hrefOf({ case: item.id }), "data-row": position }, ...label);
  const second = item.attention || (item.message && item.verdict !== "passed");
  const telling = item.tags.filter((tag) => !sharedTags.has(tag));
  const fitting = fittingTags(telling);
  const tags = telling.slice(0, fitting).map((tag) => said("span", "tag", tag));
  if (telling.length > fitting) tags.push(h("span", { class: "tag more", title: visible(telling.slice(fitting).join(", ")) }, `+${telling.length - fitting}`));
  return h("div", { role: "row", class: `row ${row.kind} v-${item.verdict}${row.grouped ? " grouped" : ""}`, "aria-rowindex": position + 2 },
    cell("cell", "cell-verdict", icon(item.verdict), h("span", { class: "sr-only" }, words)),
    cell("cell", "cell-case", h("div", { class: "row-line" }, link, flakyMark(item), heldMark(item), stripMark(item)), second && said("div", "row-message", item.message || words)),
    cell("cell", "cell-tags", ...tags),
    cell("cell", "cell-turns", plural(item.turns, "turn")),
    cell("cell", "cell-time", duration(item.ms)));
}

// Tags that every case has tell no case from another.
const sharedTags = new Set(cases.length > 1 ? index.tags.filter((tag) => cases.every((item) => item.tags.includes(tag))) : []);

const TAGS_WIDTH = 264; // pixels of the column; a tag is shown whole or counted, unless it is the only one

function fittingTags(tags) {
  let left = TAGS_WIDTH;
  for (let count = 0; count < tags.length; count += 1) {
    left -= tags[count].length * 6.6 + 23;
    if (left < (count + 1 < tags.length ? 36 : 0)) return Math.max(count, 1);
  }
  return tags.length;
}

// What tells a case from its sisters: `[order=A-1]#2` of the name, in words.
function shortName(item) {
  const [, params, repeat] = item.name.slice(item.script.length).match(/^(?:\[(.*)\])?(?:#(\d+))?$/s) || [];
  if (!item.name.startsWith(item.script) || (params === undefined && repeat === undefined && item.name !== item.script)) return item.name;
  return [params, repeat ? `repeat ${repeat}` : !params && "repeat 1"].filter(Boolean).join(", ");
}

function flakyMark(item) {
  return item.flaky ? h("span", { class: "badge flaky" }, icon("flaky"), "flaky") : null;
}

function drawRows() {
  if (!list.body || byId("overview").hidden) return;
  const begin = list.body.getBoundingClientRect().top;
  const first = rowAt(Math.max(0, -begin - OVERSCAN));
  const last = Math.min(list.rows.length, rowAt(-begin + innerHeight + OVERSCAN) + 1);
  showRows(first, last);
}

function showRows(first, last) {
  const focused = document.activeElement && document.activeElement.dataset ? Number(document.activeElement.dataset.row ?? -1) : -1;
  for (const [position, element] of list.shown) {
    if ((position < first || position >= last) && position !== focused) {
      element.remove();
      list.shown.delete(position);
    }
  }
  let before = null; // rows stand in order in the document, so that Tab follows the eye
  for (let position = last - 1; position >= first; position -= 1) {
    let element = list.shown.get(position);
    if (!element) {
      const row = list.rows[position];
      element = row.item && row.kind !== "group" ? caseRow(row, position) : headRow(row, position);
      element.style.height = `${row.height}px`;
      element.style.transform = `translateY(${list.tops[position]}px)`;
      list.body.insertBefore(element, before);
      list.shown.set(position, element);
    }
    before = element;
  }
}

// A column's title; a press puts its order first, then the other way round, then back to the page's own.
function columnHead(title) {
  const name = title.toLowerCase();
  if (!ORDERS[name]) return h("span", { role: "columnheader", class: `head-${name}` }, title);
  const button = h("button", { type: "button", class: "sorter", "data-order": name }, title, icon("down"));
  button.addEventListener("click", () => {
    const asked = view.order && view.order.name === name ? view.order : null;
    narrow({ order: !asked ? { name, back: false } : asked.back ? null : { name, back: true } });
    announce(view.order ? `Ordered by ${name}, ${view.order.back ? `not ${ORDERS[name]}` : ORDERS[name]}` : "In the page's own order: what is to be looked at first");
  });
  return h("span", { role: "columnheader", class: `head-${name}` }, button);
}

function drawHeads() {
  for (const button of list.table.querySelectorAll(".sorter")) {
    const { order } = button.dataset;
    const chosen = view.order && view.order.name === order ? view.order : null;
    const falls = chosen && (order === "case" ? chosen.back : !chosen.back); // verdicts fall from the worst
    button.parentElement.setAttribute("aria-sort", !chosen ? "none" : falls ? "descending" : "ascending");
    button.title = !chosen ? `Order by ${order}: ${ORDERS[order]}` : chosen.back ? "Back to the page's own order" : "The other way round";
  }
}

function buildTable() {
  const titles = ["Verdict", "Case", "Tags", "Turns", "Time"].map(columnHead);
  list.body = h("div", { role: "rowgroup", class: "rows" });
  list.table = h("div", { role: "table", class: "table", "aria-label": "Cases" },
    h("div", { role: "rowgroup" }, h("div", { role: "row", class: "heads", "aria-rowindex": 1 }, titles)), list.body);
}

function drawList() {
  const pool = found();
  list.hits = ordered(view.verdicts.size ? pool.filter((item) => view.verdicts.has(item.verdict)) : pool);
  list.rows = rowsOf(list.hits);
  list.active = -1;
  layOut();
  drawCounters(pool);
  drawTags();
  if (byId("search").value !== view.query) byId("search").value = view.query;
  byId("found").textContent = `${plural(list.hits.length, "case")} of ${cases.length.toLocaleString("en")} shown`;
  if (!list.table) buildTable();
  drawHeads();
  list.shown.clear();
  list.body.replaceChildren();
  list.body.style.height = `${list.total}px`;
  list.table.setAttribute("aria-rowcount", list.rows.length + 1);
  const body = list.hits.length ? list.table : emptyList();
  if (byId("list").firstChild !== body) byId("list").replaceChildren(body); // a column's title keeps the focus
  drawRows();
}

function emptyList() {
  if (!cases.length) return h("div", { class: "empty" }, h("p", null, typeof startLive === "function" ? "No case is over yet." : "No case was recorded."));
  const clear = h("button", { type: "button", class: "button" }, "Show all cases");
  clear.addEventListener("click", () => narrow({ query: "", verdicts: new Set(), tags: new Set() }));
  return h("div", { class: "empty" }, h("p", null, "No case matches these filters."), clear);
}

function drawCounters(pool) {
  for (const button of document.querySelectorAll(".counter")) {
    const verdict = button.dataset.verdict;
    const count = verdict ? pool.filter((item) => item.verdict === verdict).length : pool.length;
    const never = verdict === "not_run" && !view.query && !view.tags.size;
    if (!never) button.querySelector("b").textContent = count.toLocaleString("en");
    button.setAttribute("aria-pressed", String(verdict ? view.verdicts.has(verdict) : !view.verdicts.size));
  }
}

function drawTags() {
  const menu = byId("tags-menu");
  menu.hidden = !index.tags.length;
  menu.classList.toggle("chosen", view.tags.size > 0);
  menu.querySelector("summary").firstChild.textContent = view.tags.size ? `Tags (${view.tags.size})` : "Tags";
  for (const button of byId("tags-body").children) {
    button.setAttribute("aria-pressed", String(view.tags.has(index.tags[Number(button.dataset.tag)])));
  }
}

// Moves to the next case row in a direction and gives it the focus.
function step(direction) {
  let position = list.active;
  if (position < 0) position = direction > 0 ? rowAt(Math.max(0, -list.body.getBoundingClientRect().top)) - 1 : list.rows.length;
  do position += direction; while (list.rows[position] && !isCase(list.rows[position]));
  if (list.rows[position]) focusRow(position);
}

function isCase(row) {
  return row.kind === "calm" || row.kind === "attention";
}

function focusRow(position) {
  list.active = position;
  const bar = byId("toolbar").getBoundingClientRect().height + 12;
  const top = list.body.getBoundingClientRect().top + list.tops[position];
  const bottom = top + list.rows[position].height;
  if (top < bar) scrollBy(0, top - bar - 40);
  else if (bottom > innerHeight) scrollBy(0, bottom - innerHeight + 40);
  drawRows();
  const element = list.shown.get(position);
  if (element) element.querySelector("a").focus({ preventScroll: true });
}
