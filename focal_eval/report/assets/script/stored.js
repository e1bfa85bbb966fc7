// The lane of stored messages: what the engine keeps of the conversation beside what was said.

const RECORDS = "conversation.records";
const MOST_ROWS = 200; // shown of messages that differ
const MOST_RECORDS = 500; // rows of the table of all messages

// What the check found, each finding with the result it belongs to.
function recordFindings(attempt) {
  const results = (attempt.end && attempt.end.results) || [];
  return results.flatMap((result) => (result.findings || []).filter((finding) => finding.stored || (finding.name && finding.turn !== undefined))
    .map((finding) => ({ ...finding, soft: result.soft })));
}

function isJudged(attempt) {
  const results = (attempt.end && attempt.end.results) || [];
  return results.some((result) => /\bstored messages agree\b/.test(result.text) && (result.outcome === "passed" || result.outcome === "failed"));
}

function rowAnchor(turn, role) {
  return `stored-${turn}-${role || "assistant"}`;
}

// A finding's name stands beside it, so the sentence need not end with it.
function withoutName(finding) {
  return finding.name ? finding.message.replace(` (${finding.name})`, "") : finding.message;
}

function findingMark(finding) {
  const kind = finding.tolerated ? "tolerated" : finding.soft ? "soft" : "counts";
  return h("span", { class: `badge finding-name ${kind}` }, finding.tolerated && "tolerated: ", visible(finding.name || "more"));
}

function storedRows(attempt) {
  const rows = pairedRows(attempt.turns, attempt.end.messages);
  const judged = isJudged(attempt);
  const rest = [];
  for (const row of rows) row.findings = [];
  for (const finding of recordFindings(attempt)) {
    const row = rows.find((one) => (finding.turn === undefined ? one.said === null && finding.stored && one.kept.some((kept) => finding.stored.includes(kept.place))
      : one.said && one.said.turn === finding.turn && (!finding.role || one.said.role === finding.role)));
    if (!row) rest.push(finding);
    else if (finding.role || finding.turn === undefined) row.findings.push(finding);
    else { // of the whole turn: told once, under the last of its messages
      const own = rows.filter((one) => one.said && one.said.turn === finding.turn);
      own[own.length - 1].findings.push(finding);
      for (const one of own) one.tone = toneOf([finding]);
    }
  }
  for (const row of rows) {
    const other = !row.said || !row.kept.length || bare(row.said.text) !== textOf(row.kept);
    row.differs = row.findings.length > 0 || (!judged && other) || (row.said !== null && !row.kept.length);
    row.strange = row.said === null && judged && !row.findings.length; // replayed before the first turn, which nothing judges
  }
  return { rows, rest, judged };
}

function toneOf(findings) {
  if (!findings.length) return "unjudged";
  return findings.every((finding) => finding.tolerated || finding.soft) ? "tolerated" : "counts";
}

function storedLane(attempt) {
  if (!attempt.end || attempt.end.fault || attempt.turns.some((turn) => turn.fault)) return storedUnjudged(attempt);
  if (!attempt.end.messages) return [h("p", { class: "quiet-note stored-none" }, "Stored messages: not reported by the engine.")];
  const { messages } = attempt.end;
  const { rows, rest, judged } = storedRows(attempt);
  const differing = rows.filter((row) => row.differs);
  const all = folded(differing.length || rest.length ? `All ${plural(messages.length, "stored message")} in a table` : `${plural(messages.length, "stored message")}, as said`, () => recordTable(messages), "records");
  if (!differing.length && !rest.length) return [all];
  const failing = rows.flatMap((row) => row.findings).concat(rest).some((finding) => !finding.tolerated && !finding.soft);
  const state = !judged ? "skipped" : failing ? "failed" : "passed"; // where every finding is tolerated it holds, in another colour
  const same = rows.length - differing.length;
  return [h("section", { class: `stored${state === "passed" ? " lives" : ""}`, "aria-labelledby": "stored-title" },
    h("h3", { id: "stored-title", tabindex: "-1" }, icon(state, { skipped: "not judged", failed: "failed", passed: "tolerated" }[state]), "Stored messages",
      h("span", { class: "turn-facts" }, `${plural(differing.length, "message")} ${differing.length === 1 ? "differs" : "differ"}${same ? `, ${same.toLocaleString("en")} as said` : ""}`)),
    !judged && h("p", { class: "quiet-note" }, "No expectation of this script judges them: ", h("code", null, "records: consistent"), " would."),
    h("div", { class: "stored-grid" },
      h("div", { class: "stored-head", "aria-hidden": "true" }, h("span"), h("span", null, "Said"), h("span", null, "Stored")),
      storedParts(rows)),
    rest.length > 0 && h("ul", { class: "stored-rest" }, rest.map((finding) => h("li", null, findingMark(finding), " ", said("span", "", withoutName(finding))))),
    all)];
}

// Runs of messages that are as said are one line each.
function storedParts(rows) {
  const out = [];
  let shown = 0;
  for (let place = 0; place < rows.length; place += 1) {
    if (rows[place].differs) {
      shown += 1;
      if (shown <= MOST_ROWS) out.push(storedRow(rows[place]));
      continue;
    }
    let end = place;
    while (end < rows.length && !rows[end].differs) end += 1;
    const run = rows.slice(place, end);
    const before = run.every((row) => row.strange);
    if (shown <= MOST_ROWS) out.push(folded(`${plural(run.length, "message")} ${before ? "from before the first turn" : "as said"}`, () => h("div", { class: "stored-same" }, run.slice(0, MOST_RECORDS).map(sameRow)), "stored-run"));
    place = end - 1;
  }
  if (shown > MOST_ROWS) out.push(h("p", { class: "quiet-note" }, `and ${plural(shown - MOST_ROWS, "more message")} that differ; the raw JSON holds them all`));
  return out;
}

function whose(row) {
  const role = (row.said || row.kept[0].message).role === "user" ? "user" : "agent";
  if (!row.said) return h("div", { class: "stored-who" }, h("span", null, "No turn"), h("small", null, role));
  return h("div", { class: "stored-who" }, h("a", { href: `#turn-${row.said.turn}`, "data-jump": `turn-${row.said.turn}` }, `Turn ${row.said.turn + 1}`), h("small", null, role));
}

function sameRow(row) {
  return h("div", { class: "stored-row" }, whose(row), h("div", { class: "stored-both" }, longText(row.said ? row.said.text : row.kept.map((one) => one.message.text || "").join("\n"), "said")));
}

function storedRow(row) {
  const tone = row.findings.length || !row.tone ? toneOf(row.findings) : row.tone;
  const id = row.said ? rowAnchor(row.said.turn, row.said.role) : null;
  const [left, right] = bothTexts(row);
  return h("div", { class: `stored-row differs ${tone}`, id, tabindex: id ? "-1" : null, role: "group", "aria-label": row.said ? `Stored message of turn ${row.said.turn + 1}, ${row.said.role === "user" ? "user" : "agent"}` : "Stored message that was never said" },
    whose(row),
    h("div", { class: "stored-side" }, h("span", { class: "stored-label" }, "Said"), left),
    h("div", { class: "stored-side" }, h("span", { class: "stored-label" }, "Stored"), right),
    row.findings.length > 0 && h("ul", { class: "stored-findings" }, row.findings.map(storedFinding)));
}

const NOTHING = { said: "never said", stored: "nothing stored" };

function bothTexts(row) {
  const none = (side) => h("p", { class: "stored-nothing" }, NOTHING[side]);
  const stored = row.kept.map((one) => one.message.text || "").join("\n\n");
  if (!row.said) return [none("said"), longText(stored, "said")];
  if (!row.kept.length) return [longText(row.said.text, "said"), none("stored")];
  if (bare(row.said.text) === bare(stored)) return [longText(row.said.text, "said"), h("p", { class: "stored-nothing" }, "the same words")];
  const runs = wordDiff(row.said.text, stored);
  if (!runs || !runs.some((run) => run.same)) return [longText(row.said.text, "said"), longText(stored, "said")];
  return [markedSide(runs, "gone", "del"), markedSide(runs, "come", "ins")];
}

const KEPT = 120; // characters of shared words left at each end of a long stretch of them

function markedSide(runs, side, tag) {
  const parts = runs.filter((run) => run[side]).map((run, place, shown) => {
    if (!run.same) return h(tag, null, visible(run[side]));
    const text = run[side];
    if (text.length < 3 * KEPT) return visible(text);
    return `${place ? visible(text.slice(0, KEPT)) : ""} … ${place + 1 < shown.length ? visible(text.slice(-KEPT)) : ""}`;
  });
  return h("p", { class: "said", dir: "auto" }, parts);
}

// The texts stand above; of any other part both sides are told.
function storedFinding(finding) {
  const told = finding.name === "text-changed" || finding.expected === undefined || !finding.stored || finding.turn === undefined || finding.name === "order-changed" ? null
    : h("dl", { class: "stored-part" },
      h("div", null, h("dt", null, "said"), h("dd", null, longText(finding.expected))),
      h("div", null, h("dt", null, "stored"), h("dd", null, longText(finding.observed))),
      finding.near && h("div", null, h("dt", null, "differs"), h("dd", null, longText(finding.near))));
  return h("li", null, h("div", { class: "stored-finding" }, findingMark(finding), said("span", "", withoutName(finding))), told);
}

// Where the engine broke nothing is compared; what could be read back is there all the same.
function storedUnjudged(attempt) {
  const messages = attempt.end && attempt.end.messages;
  return messages ? [folded(plural(messages.length, "stored message"), () => recordTable(messages), "records")] : [];
}

// Beside a turn: what of it is stored otherwise, with the way to the lane.
function storedNotes(attempt) {
  const notes = new Map();
  for (const finding of recordFindings(attempt)) {
    if (finding.turn === undefined) continue;
    if (!notes.has(finding.turn)) notes.set(finding.turn, []);
    notes.get(finding.turn).push(finding);
  }
  return notes;
}

function storedNote(turn, findings) {
  return h("section", { class: "lane lane-stored", "aria-label": `Stored messages of turn ${turn + 1}` }, h("h4", null, "Stored"),
    h("div", { class: "lane-body" }, h("ul", { class: "stored-notes" }, findings.map((finding) => h("li", null,
      findingMark(finding), " ", h("a", { href: `#${rowAnchor(turn, finding.role)}`, "data-jump": rowAnchor(turn, finding.role) }, visible(withoutName(finding).replace(/ of turn \d+/, ""))))))));
}

// The expectation's own card: the findings by name, each a way to its row.
function recordsCard(result) {
  const findings = result.findings || [];
  return h("ul", { class: "stored-notes" }, findings.map((finding) => {
    const words = visible(withoutName(finding));
    const id = finding.turn === undefined ? "stored-title" : rowAnchor(finding.turn, finding.role);
    return h("li", null, findingMark({ ...finding, soft: result.soft }), " ", h("a", { href: `#${id}`, "data-jump": id }, words));
  }));
}

const KNOWN = new Set(["role", "text", "rules", "tools", "scenario", "feedback", "created_at", "raw"]);

function recordTable(messages) {
  const names = (list) => (list || []).map((item) => item.name).join(", ");
  const place = (state) => (state ? [state.id, state.step].filter(Boolean).join("/") : "");
  const more = (message) => Object.fromEntries(Object.entries(message).filter(([name, value]) => !KNOWN.has(name) && value !== null));
  const columns = [
    ["No.", (message, number) => h("td", { class: "number" }, number + 1), () => true],
    ["Role", (message) => h("td", null, visible(message.role)), () => true],
    ["Text", (message) => h("td", { class: "record-text" }, message.text === null || message.text === undefined ? h("i", null, "no text") : longText(message.text)), () => true],
    ["Rules", (message) => h("td", null, visible(names(message.rules))), (message) => message.rules && message.rules.length],
    ["Tools", (message) => h("td", null, visible(names(message.tools))), (message) => message.tools && message.tools.length],
    ["Step", (message) => h("td", null, visible(place(message.scenario))), (message) => message.scenario],
    ["Feedback", (message) => h("td", null, message.feedback === undefined || message.feedback === null ? "" : json(message.feedback)), (message) => message.feedback !== undefined && message.feedback !== null],
    ["Stored at", (message) => h("td", { class: "number" }, visible(message.created_at || "")), (message) => message.created_at],
    ["More", (message) => h("td", null, Object.keys(more(message)).length ? folded("More", () => argumentsView(more(message))) : ""), (message) => Object.keys(more(message)).length],
  ].filter(([, , used]) => messages.some(used));
  const shown = messages.slice(0, MOST_RECORDS);
  return h("div", null, table(columns.map(([title]) => title), shown.map((message, number) => h("tr", null, columns.map(([, cellOf]) => cellOf(message, number))))),
    shown.length < messages.length && h("p", { class: "quiet-note" }, `${shown.length.toLocaleString("en")} of ${messages.length.toLocaleString("en")} shown; the raw JSON below holds them all`));
}
