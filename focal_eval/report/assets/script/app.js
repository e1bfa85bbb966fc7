// Puts it together: which page is shown, the keyboard, the theme, printing.

const listTitle = document.title;
let listScroll = 0;
let cameFrom = null;

function route() {
  const before = view;
  if (byId("overview").hidden === false) listScroll = scrollY;
  if (typeof routeCoverage === "function" && routeCoverage()) return;
  view = parseView(location.hash);
  const item = view.case ? caseById.get(view.case) : null;
  byId("overview").hidden = Boolean(item);
  byId("detail").hidden = !item;
  if (item) {
    cameFrom = item;
    drawCase(item);
    return;
  }
  drawing += 1;
  byId("detail").replaceChildren();
  document.title = listTitle;
  drawList();
  if (before.case) returnTo();
}

// Back in the list: where one was, with the focus on the case one looked at.
function returnTo() {
  scrollTo(0, listScroll);
  const position = list.rows.findIndex((row) => isCase(row) && row.item === cameFrom);
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

function go(href) {
  if (href !== null && href !== undefined) location.hash = href;
}

function openNeighbour(direction) {
  const link = byId("detail").querySelector(`.neighbours a[rel=${direction > 0 ? "next" : "prev"}]`);
  if (view.case) return go(link && link.getAttribute("href"));
  const rows = list.rows.map((row, position) => [row, position]).filter(([row]) => isCase(row) && row.item.attention);
  const wanted = direction > 0 ? rows.find(([, position]) => position > list.active) : rows.reverse().find(([, position]) => position < list.active);
  if (wanted) focusRow(wanted[1]);
  return undefined;
}

function openBeside(direction) {
  const hits = list.hits.length ? list.hits : cases;
  const place = hits.findIndex((item) => item.id === view.case);
  const other = hits[place + direction];
  if (place >= 0 && other) go(hrefOf({ case: other.id }));
}

function escape() {
  const menu = byId("tags-menu");
  if (menu.open) {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (view.case) go(hrefOf({ case: null }));
  else if (document.activeElement === byId("search") && !view.query) byId("search").blur();
  else narrow({ query: "", verdicts: new Set(), tags: new Set() });
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("keys-dialog").open) return;
  const typing = event.target.closest("input, textarea, select");
  if (typeof coverageKey === "function" && (!typing || event.key === "Escape") && coverageKey(event)) return event.preventDefault();
  if (event.key === "Escape") return handled(event, escape);
  if (typing) {
    if (event.key === "ArrowDown" || event.key === "Enter") handled(event, () => { list.active = -1; step(1); });
    return;
  }
  if (event.key === "?") handled(event, showKeys);
  else if (event.key === "/") handled(event, () => { if (view.case) go(hrefOf({ case: null })); setTimeout(() => byId("search").focus()); });
  else if (event.key === "n") handled(event, () => openNeighbour(1));
  else if (event.key === "p") handled(event, () => openNeighbour(-1));
  else if (event.key === "j" || event.key === "k") handled(event, () => move(event.key === "j" ? 1 : -1));
  else if (!view.case && event.target.closest(".row") && (event.key === "ArrowDown" || event.key === "ArrowUp")) handled(event, () => step(event.key === "ArrowDown" ? 1 : -1));
}

function move(direction) {
  if (view.case) openBeside(direction);
  else step(direction);
}

function handled(event, action) {
  event.preventDefault();
  action();
}

function showKeys() {
  byId("keys-dialog").showModal();
}

function jump(event) {
  const link = event.target.closest("a[data-jump]");
  if (!link) return;
  event.preventDefault();
  const target = byId(link.dataset.jump) || byId("stored-title");
  target.scrollIntoView({ block: "center" });
  target.focus({ preventScroll: true });
}

function toggleVerdict(verdict) {
  const verdicts = new Set(view.verdicts);
  if (!verdict) verdicts.clear();
  else if (!verdicts.delete(verdict)) verdicts.add(verdict);
  narrow({ verdicts });
}

function buildTags() {
  const counts = new Map();
  for (const item of cases) for (const tag of item.tags) counts.set(tag, (counts.get(tag) || 0) + 1);
  const order = [...index.tags.keys()].sort((one, other) => index.tags[one].localeCompare(index.tags[other]));
  byId("tags-body").append(...order.map((number) => {
    const tag = index.tags[number];
    const button = h("button", { type: "button", class: "tag-choice", "data-tag": number, "aria-pressed": "false" }, said("span", "", tag), h("b", null, counts.get(tag).toLocaleString("en")));
    button.addEventListener("click", () => {
      const tags = new Set(view.tags);
      if (!tags.delete(tag)) tags.add(tag);
      narrow({ tags });
    });
    return button;
  }));
}

function preparePrint() {
  if (view.case) {
    for (const details of byId("detail").querySelectorAll("details.fold.records")) details.open = true;
  } else {
    showRows(0, Math.min(list.rows.length, 1000));
  }
}

function start() {
  history.scrollRestoration = "manual";
  for (const element of document.querySelectorAll(".needs-script")) element.hidden = false;
  setTheme(storedTheme());
  buildTags();
  byId("theme").addEventListener("click", () => setTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]));
  byId("keys").addEventListener("click", showKeys);
  byId("keys-close").addEventListener("click", () => byId("keys-dialog").close());
  byId("search").addEventListener("input", (event) => narrow({ query: event.target.value }));
  for (const button of document.querySelectorAll(".counter")) button.addEventListener("click", () => toggleVerdict(button.dataset.verdict));
  byId("detail").addEventListener("click", jump);
  byId("list").addEventListener("focusin", (event) => { if (event.target.dataset.row !== undefined) list.active = Number(event.target.dataset.row); });
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", (event) => { if (!event.target.closest("#tags-menu")) byId("tags-menu").open = false; });
  document.querySelector(".skip-link").addEventListener("click", (event) => { event.preventDefault(); byId("main").focus(); });
  addEventListener("scroll", () => requestAnimationFrame(drawRows), { passive: true });
  addEventListener("resize", () => requestAnimationFrame(drawRows));
  narrowScreen.addEventListener("change", () => { if (!view.case) drawList(); });
  addEventListener("hashchange", route);
  addEventListener("beforeprint", preparePrint);
  addEventListener("afterprint", drawRows);
  route();
  if (typeof startLive === "function") startLive();
}

start();
