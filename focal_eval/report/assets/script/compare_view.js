// What is shown, kept in the address after `#`: tab, q (the filter), case (its name).

const TABS = [...byId("tabs").children].map((link) => link.dataset.tab);

function parseView(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const query = fields.get("q") || "";
  const first = query || !index.causes.length ? "conversations" : "causes";
  return { query, tab: TABS.includes(fields.get("tab")) ? fields.get("tab") : first, case: caseByName.has(fields.get("case")) ? fields.get("case") : null };
}

// As a reader would write it: only what an address cannot hold is escaped.
function escaped(text) {
  return encodeURIComponent(text).replace(/%(3A|2F|2C|22|5B|5D|3D)/g, (code) => (code === "%22" ? "%22" : decodeURIComponent(code))).replace(/%20/g, "+");
}

function formatView(shown) {
  const fields = [];
  const first = shown.query || !index.causes.length ? "conversations" : "causes";
  if (shown.tab !== first) fields.push(`tab=${shown.tab}`);
  if (shown.query) fields.push(`q=${escaped(shown.query)}`);
  if (shown.case) fields.push(`case=${escaped(shown.case)}`);
  return `#${fields.join("&")}`;
}

let view = parseView(location.hash);
let query = parseQuery(view.query);

function hrefOf(changes) {
  return formatView({ ...view, ...changes });
}

const ADDRESS_RESTS_MS = 250; // a browser does much for each new address, and some refuse too many
let addressTimer = 0;

function forgetAddress() {
  clearTimeout(addressTimer);
  addressTimer = 0;
}

// Writes the filter that was typed into the address, where that was still waiting for the next letter.
function keepAddress() {
  if (!addressTimer) return;
  forgetAddress();
  history.replaceState(history.state, "", formatView(view));
}

// Narrower filters replace the address, so that Back leaves the list and not a letter of the filter.
function narrow(text) {
  typed(text);
  keepAddress();
}

// While letters come, the list follows each of them and the address the last.
function typed(text) {
  view = { ...view, query: text, tab: "conversations", case: null };
  query = parseQuery(text);
  clearTimeout(addressTimer);
  addressTimer = setTimeout(keepAddress, ADDRESS_RESTS_MS);
  drawOverview();
}
