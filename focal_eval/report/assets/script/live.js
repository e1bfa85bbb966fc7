// A run that is going on: cases come as events, and the summary is asked for anew when some have come.

const LIVE_MS = 700; // between two drawings
const live = { chunks: 0, at: 0, dirty: false, timer: null, over: false, failures: 0 };

// As the report has it: what is to be looked at first, scripts together, the worst script and case first.
function liveOrder() {
  const worst = new Map();
  const rank = (item) => index.verdicts.indexOf(item.verdict);
  const key = (item) => `${item.attention ? 0 : 1} ${item.script}`;
  for (const item of cases) worst.set(key(item), Math.min(worst.get(key(item)) ?? 99, rank(item)));
  const text = (one, other) => (one < other ? -1 : Number(one > other));
  cases.sort((one, other) => other.attention - one.attention || worst.get(key(one)) - worst.get(key(other))
    || text(one.script, other.script) || rank(one) - rank(other) || text(one.name, other.name));
  cases.forEach((item, position) => { item.position = position; });
}

function liveTake(event) {
  const told = JSON.parse(event.data);
  const number = live.chunks;
  live.chunks += 1;
  live.at = Number(event.lastEventId);
  document.body.append(h("script", { type: "application/octet-stream", id: `chunk-${number}` }, told.chunk));
  for (const tag of told.tags) if (!index.tags.includes(tag)) index.tags.push(tag);
  for (const row of told.cases) {
    const item = itemOf(row, told, 0);
    item.chunk = number;
    const known = caseById.get(item.id);
    if (known) Object.assign(known, { text: undefined }, item);
    else {
      cases.push(item);
      caseById.set(item.id, item);
    }
  }
  liveSoon();
}

function liveSoon() {
  live.dirty = true;
  if (live.timer === null) live.timer = setTimeout(liveDraw, LIVE_MS);
}

async function liveDraw() {
  live.dirty = false;
  liveOrder();
  if (!live.over) liveSummary(await liveAsk());
  byId("tags-body").replaceChildren();
  buildTags();
  if (!view.case && !byId("overview").hidden) liveList();
  live.timer = live.dirty ? setTimeout(liveDraw, LIVE_MS) : null;
}

// The list anew, with the focus and the place in it where they were.
function liveList() {
  const focused = document.activeElement && document.activeElement.closest(".row-link");
  const href = focused && focused.getAttribute("href");
  const place = scrollY;
  drawList();
  scrollTo(0, place);
  if (!href) return;
  const position = list.rows.findIndex((row) => isCase(row) && hrefOf({ case: row.item.id }) === href);
  const element = list.shown.get(position);
  if (element) element.querySelector("a").focus({ preventScroll: true });
}

async function liveAsk() {
  try {
    const answer = await fetch("summary", { cache: "no-store" });
    live.dirty ||= Number(answer.headers.get("cases-over")) < live.at; // it was made before the last cases came
    return answer.ok ? await answer.text() : "";
  } catch {
    return ""; // the run's process is gone; the stream of events says so
  }
}

// The report's own summary, as it is now: the same page without cases, of which the parts that change are taken.
function liveSummary(text) {
  if (!text) return;
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const part of [".summary", ".counters"]) {
    document.querySelector(part).replaceChildren(...[...fresh.querySelector(part).children].map((child) => document.importNode(child, true)));
  }
  byId("verdict").className = fresh.getElementById("verdict").className;
  document.documentElement.dataset.tone = fresh.documentElement.dataset.tone;
  document.querySelector("link[rel=icon]").href = fresh.querySelector("link[rel=icon]").getAttribute("href");
  if (!view.case) document.title = fresh.title;
  for (const button of document.querySelectorAll(".counter")) button.addEventListener("click", () => toggleVerdict(button.dataset.verdict));
}

async function liveEnd(source, event) {
  source.close();
  live.over = true;
  clearTimeout(live.timer);
  liveSummary(JSON.parse(event.data).page);
  await liveDraw();
  const note = "The run is over. Everything stays on this page; the run folder has it as report.html.";
  byId("verdict").after(h("p", { class: "partial-note", role: "note", id: "live-note" }, note));
  announce("The run is over");
}

function liveLost(source) {
  live.failures += 1;
  if (live.over || live.failures < 4) return;
  source.close();
  const note = "The run's process does not answer any more. What came until then is shown; focal-eval report renders what is recorded.";
  for (const old of document.querySelectorAll(".summary .partial-note")) old.remove();
  byId("verdict").after(h("p", { class: "partial-note", role: "note", id: "live-note" }, note));
  announce("The run's process does not answer any more");
}

function startLive() {
  const source = new EventSource("events");
  source.addEventListener("open", () => { live.failures = 0; });
  source.addEventListener("message", liveTake);
  source.addEventListener("end", (event) => liveEnd(source, event));
  source.addEventListener("error", () => liveLost(source));
}
