// Puts it together: which view is shown, the filter, the keyboard, the theme, printing.

const pageTitle = document.title;
let listScroll = 0;
let cameFrom = null;

function route() {
  const before = view;
  forgetAddress();
  if (!byId("overview").hidden) listScroll = scrollY;
  view = parseView(location.hash);
  query = parseQuery(view.query);
  const item = view.case === null ? null : caseByName.get(view.case);
  byId("overview").hidden = Boolean(item);
  byId("detail").hidden = !item;
  if (item) {
    cameFrom = item;
    drawCase(item);
    return;
  }
  drawing += 1;
  byId("detail").replaceChildren();
  document.title = pageTitle;
  drawOverview();
  if (before.case !== null) returnTo();
  else if (before.tab !== view.tab && scrollY > byId("toolbar").offsetTop) scrollTo(0, byId("toolbar").offsetTop);
}

// Where the strip of tabs is wider than the page, the chosen one is brought into sight.
function showTab(link) {
  link.setAttribute("aria-current", "true");
  const strip = byId("tabs").getBoundingClientRect();
  const { left, right } = link.getBoundingClientRect();
  byId("tabs").scrollLeft += Math.max(0, right - strip.right) - Math.max(0, strip.left - left);
}

function drawOverview() {
  document.querySelector(".compared").classList.toggle("brief", view.tab !== "causes");
  for (const tab of TABS) byId(`view-${tab}`).hidden = tab !== view.tab;
  for (const link of byId("tabs").children) {
    if (link.dataset.tab === view.tab) showTab(link);
    else link.removeAttribute("aria-current");
    link.href = formatView({ ...view, tab: link.dataset.tab, case: null });
  }
  if (byId("search").value !== view.query) byId("search").value = view.query;
  drawProblems();
  drawCounters();
  if (view.tab === "causes" && !byId("causes").childElementCount) drawCauses(false);
  if (view.tab === "causes") for (const [place, card] of [...byId("causes").querySelectorAll("article.cause")].entries()) refreshDecision(card, index.causes[place]);
  if (view.tab === "conversations") drawList();
  else byId("tab-count").textContent = filtered(query.terms).length.toLocaleString("en");
  if (view.tab === "conversations") byId("tab-count").textContent = list.hits.length.toLocaleString("en");
  if (query.terms.some((term) => term.words) && !isRead()) searchSpoken();
}

// A decision made elsewhere shows on the card too.
function refreshDecision(card, cause) {
  const old = card.querySelector(".decide");
  if (!old || old.querySelector("form")) return;
  old.replaceWith(decisionControl({ cause: cause.key }, "this cause"));
}

async function searchSpoken() {
  if (spoken.said) return;
  let shown = -Infinity; // the names are searched at once
  const progress = () => {
    drawProblems();
    if ((performance.now() - shown > 700 || isRead()) && view.tab === "conversations" && view.case === null && query.terms.some((term) => term.words)) {
      shown = performance.now();
      drawList();
      byId("tab-count").textContent = list.hits.length.toLocaleString("en");
    }
  };
  try {
    await readSpoken(progress);
  } catch (problem) {
    spoken.problem = `What was said could not be read (${problem.message}); names and causes are searched.`;
    drawProblems();
  }
}

function drawProblems() {
  const told = [...query.problems];
  if (spoken.problem) told.push(spoken.problem);
  else if (query.terms.some((term) => term.words) && !isRead()) told.push(`Looking through what was said: ${Math.floor((100 * spoken.done) / spoken.total)} %`);
  const words = told.join(" ");
  if (byId("query-problem").textContent !== words) byId("query-problem").textContent = words;
  byId("query-problem").classList.toggle("wrong-query", query.problems.length > 0);
}

function drawCounters() {
  const chosen = new Set(valuesOf(query.terms, "verdict"));
  const others = query.terms.filter((term) => term.key !== "verdict");
  const { counts, total } = counted(others);
  for (const button of document.querySelectorAll(".counter")) {
    const { change } = button.dataset;
    button.querySelector("b").textContent = (change ? counts.get(change) || 0 : total).toLocaleString("en");
    button.setAttribute("aria-pressed", String(change ? chosen.has(change) : !chosen.size && view.tab === "conversations"));
  }
}

function toggleChange(change) {
  const chosen = new Set(valuesOf(query.terms, "verdict"));
  if (!change) chosen.clear();
  else if (!chosen.delete(change)) chosen.add(change);
  narrow(withFilter(view.query, "verdict", index.changes.filter((name) => chosen.has(name))));
}

// Back in the overview: where one was, with the focus on the conversation one looked at.
function returnTo() {
  scrollTo(0, listScroll);
  const position = view.tab === "conversations" ? list.hits.indexOf(cameFrom) : -1;
  if (position >= 0) focusRow(position);
}

const THEMES = ["auto", "light", "dark"];

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  byId("theme-word").textContent = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" }[theme];
  try {
    localStorage.setItem("focal-eval-theme", theme);
  } catch { /* a page opened from a file may have no storage; the choice then lasts as long as the page */ }
}

function storedTheme() {
  try {
    return THEMES.includes(localStorage.getItem("focal-eval-theme")) ? localStorage.getItem("focal-eval-theme") : "auto";
  } catch {
    return "auto";
  }
}

function openBeside(direction) {
  const link = byId("detail").querySelector(`.neighbours a[rel=${direction > 0 ? "next" : "prev"}]`);
  if (link) location.hash = link.getAttribute("href");
}

function differingTurn(direction) {
  const turns = [...byId("detail").querySelectorAll(".pair.differs > .pair-title > h3")];
  const here = 80;
  const wanted = direction > 0 ? turns.find((title) => title.getBoundingClientRect().top > here) : turns.reverse().find((title) => title.getBoundingClientRect().top < 0);
  if (wanted) jumpTo(wanted);
}

function jumpTo(target) {
  target.scrollIntoView({ block: "start" });
  target.focus({ preventScroll: true });
}

function escape() {
  const menu = byId("filters-menu");
  if (menu.open) {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (view.case !== null) location.hash = hrefOf({ case: null });
  else if (view.query) narrow("");
  else document.activeElement.blur();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("keys-dialog").open) return;
  const typing = event.target.closest("input, textarea, select");
  const handled = (action) => { event.preventDefault(); action(); };
  if (event.key === "Escape") return handled(escape);
  if (typing) {
    if (event.target.id === "search" && (event.key === "ArrowDown" || event.key === "Enter")) handled(() => { list.active = -1; step(1); });
    return undefined;
  }
  if (event.key === "?") handled(() => byId("keys-dialog").showModal());
  else if (event.key === "/") handled(() => { if (view.case !== null) location.hash = hrefOf({ case: null }); setTimeout(() => byId("search").focus()); });
  else if (view.case !== null) onCaseKey(event, handled);
  else if (event.key === "j" || event.key === "k") handled(() => step(event.key === "j" ? 1 : -1));
  else if (event.target.closest(".row") && (event.key === "ArrowDown" || event.key === "ArrowUp")) handled(() => step(event.key === "ArrowDown" ? 1 : -1));
  return undefined;
}

function onCaseKey(event, handled) {
  if (event.key === "j" || event.key === "k") handled(() => openBeside(event.key === "j" ? 1 : -1));
  else if (event.key === "n" || event.key === "p") handled(() => differingTurn(event.key === "n" ? 1 : -1));
}

function jump(event) {
  const link = event.target.closest("a[data-jump]");
  const target = link && byId(link.dataset.jump);
  if (!target) return;
  event.preventDefault();
  jumpTo(target);
}

function buildFilters() {
  byId("filters-body").append(...Object.entries(KEYS).filter(([, key]) => key.values().length).map(([name, key]) => h("button", { type: "button", class: "filter-choice", onclick: () => beginFilter(name) }, h("code", null, `${name}:`), h("span", null, key.hint))),
    h("p", { class: "filters-note" }, "Several have to hold at once; ", h("code", null, "a,b"), " is either, ", h("code", null, "-tag:x"), " is not, ", h("code", null, "refund-*"), " begins so. Other words are looked for in names and in what was said."));
}

function beginFilter(name) {
  byId("filters-menu").open = false;
  const search = byId("search");
  search.value = `${search.value.trim()}${search.value.trim() ? " " : ""}${name}:`;
  search.focus();
  narrow(search.value);
}

function preparePrint() {
  if (view.case === null && view.tab === "conversations") showRows(0, Math.min(list.hits.length, 1000));
}

function start() {
  history.scrollRestoration = "manual";
  for (const element of document.querySelectorAll(".needs-script")) element.hidden = false;
  readDecisions();
  drawTray();
  setTheme(storedTheme());
  buildFilters();
  byId("theme").addEventListener("click", () => setTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]));
  byId("keys").addEventListener("click", () => byId("keys-dialog").showModal());
  byId("keys-close").addEventListener("click", () => byId("keys-dialog").close());
  byId("search").addEventListener("focus", searchSpoken);
  byId("search").addEventListener("input", (event) => typed(event.target.value));
  byId("search").addEventListener("change", keepAddress);
  document.addEventListener("click", keepAddress, { capture: true }); // before a link leads away
  for (const button of document.querySelectorAll(".counter")) button.addEventListener("click", () => toggleChange(button.dataset.change));
  byId("detail").addEventListener("click", jump);
  byId("list").addEventListener("focusin", (event) => { if (event.target.dataset.row !== undefined) list.active = Number(event.target.dataset.row); });
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", (event) => { if (!event.target.closest("#filters-menu")) byId("filters-menu").open = false; });
  document.querySelector(".skip-link").addEventListener("click", (event) => { event.preventDefault(); byId("main").focus(); });
  addEventListener("scroll", () => requestAnimationFrame(drawRows), { passive: true });
  addEventListener("resize", () => requestAnimationFrame(drawRows));
  narrowScreen.addEventListener("change", () => { if (view.case === null) drawOverview(); });
  addEventListener("hashchange", route);
  addEventListener("pagehide", keepAddress);
  addEventListener("beforeprint", preparePrint);
  addEventListener("afterprint", drawRows);
  route();
  setTimeout(readNames, 200);
}

start();
