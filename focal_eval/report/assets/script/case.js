// The page of one case: its conversation as a chat, what was observed and judged beside each turn.

function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`;
}

// The name as an expression of `-k`: one word, or quoted texts where it holds what the expression would read.
function keyword(name) {
  if (/^[^\s()"]+$/.test(name)) return name;
  return name.split('"').filter((part) => part.trim()).map((part) => `"${part}"`).join(" and ");
}

// Without paths the script is named, whose cases are then told apart by their parameters alone.
function rerunCommand(item, header) {
  const { paths, options } = index.again;
  const words = paths.length ? [...paths, ...options, "-k", keyword(item.name)] : [header.file, ...options];
  const rest = item.name.slice(item.script.length);
  if (!paths.length && rest) words.push("-k", keyword(rest));
  return ["focal-eval", "run", ...words].map(quoted).join(" ");
}

function bubble(who, text, extra) {
  return h("div", { class: `bubble ${who}` }, h("span", { class: "sr-only" }, who.startsWith("user") ? "User:" : "Agent:"), longText(text, "said"), extra);
}

function chat(turn) {
  const out = [];
  if (turn.user === null || turn.user === undefined) out.push(h("p", { class: "quiet-note" }, "The agent speaks first."));
  else out.push(bubble(turn.skipped === undefined ? "user" : "user unsent", turn.user));
  if (turn.fault) {
    out.push(faultView(turn.fault));
  } else if (turn.skipped !== undefined) {
    out.push(h("p", { class: "not-sent" }, icon("skipped"), h("span", null, "Not sent: ", said("span", "", turn.skipped.replace(/^not sent: /, "")))));
  } else {
    out.push(...answer(turn));
  }
  return h("div", { class: "chat" }, out);
}

function faultView(fault) {
  return h("div", { class: "fault", role: "note" }, icon("errored", "errored"), h("div", null, h("b", null, fault.kind === "simulator" ? "The simulated user could not go on: " : "The engine broke: "), visible(fault.message),
    h("code", { class: "fault-kind" }, visible(fault.kind)), fault.detail && said("pre", "fault-detail", fault.detail)));
}

function answer(turn) {
  const reply = turn.reply || {};
  const out = [];
  if (reply.response === undefined) out.push(h("p", { class: "quiet-note" }, "The engine does not report the response."));
  else if (reply.messages && reply.messages.length > 1) out.push(...reply.messages.map((text) => bubble("agent", text)));
  else out.push(bubble("agent", reply.response));
  if (reply.follow_ups && reply.follow_ups.length) out.push(h("ul", { class: "follow-ups", "aria-label": "Follow-ups" }, reply.follow_ups.map((text) => said("li", "", text))));
  if (reply.citations && reply.citations.length) {
    out.push(h("ol", { class: "citations", "aria-label": "Citations" }, reply.citations.map((item) =>
      h("li", null, visible([item.source, item.text, item.url, item.score !== undefined && `score ${figure(item.score)}`].filter(Boolean).join(" · "))))));
  }
  if (turn.agent !== undefined && reply.response !== undefined) {
    const same = turn.agent.split(/\s+/).join(" ") === reply.response.split(/\s+/).join(" ");
    out.push(same ? h("p", { class: "quiet-note golden-same" }, icon("passed"), "Same words as the golden reply.") : diffColumns(turn.agent, reply.response));
  }
  return out;
}

function turnState(turn) {
  if (turn.fault) return "errored";
  if (turn.skipped !== undefined) return "skipped";
  const bad = (turn.results || []).filter((result) => BAD.has(result.outcome) && !result.soft);
  if (bad.length) return bad.some((result) => result.outcome === "errored") ? "errored" : "failed";
  return (turn.results || []).some((result) => result.outcome === "passed") ? "passed" : null;
}

function turnView(turn, notes) {
  const state = turnState(turn);
  const lanes = lanesOf(turn, notes && notes.get(turn.i));
  const judged = (turn.results || []).length;
  const held = (turn.results || []).filter((result) => result.outcome === "passed").length;
  const title = h("h3", { id: `turn-${turn.i}`, tabindex: "-1" }, state ? icon(state, index.words[state]) : h("span", { class: "icon-space" }),
    `Turn ${turn.i + 1}`, turn.name && said("span", "turn-name", turn.name),
    h("span", { class: "turn-facts" }, !turn.reply ? "not judged" : judged ? `${held} of ${plural(judged, "expectation")} held` : "nothing expected", turn.reply && turn.elapsed_ms !== undefined && ` · ${duration(turn.elapsed_ms)}`));
  const saved = turn.saved && Object.keys(turn.saved).length ? folded("Saved here", () => argumentsView(turn.saved)) : null;
  return h("section", { class: `turn ${state ? `v-${state}` : ""}`, "aria-labelledby": `turn-${turn.i}` }, title,
    h("div", { class: `turn-grid${lanes.length ? "" : " alone"}` },
      h("div", { class: "turn-said" }, chat(turn), h("div", { class: "turn-extras" }, saved, rawView("Raw JSON of this turn", turn))),
      lanes.length > 0 && h("div", { class: "lanes" }, lanes)));
}

const MANY_UNSENT = 3; // turns in a row that were not sent for one reason are folded

function conversationView(turns, notes) {
  const out = [];
  for (let place = 0; place < turns.length; place += 1) {
    let end = place;
    while (end < turns.length && turns[end].skipped !== undefined && turns[end].skipped === turns[place].skipped) end += 1;
    if (end - place < MANY_UNSENT) {
      out.push(turnView(turns[place], notes));
      continue;
    }
    const unsent = turns.slice(place, end);
    out.push(folded(`Turns ${unsent[0].i + 1} to ${unsent[unsent.length - 1].i + 1} were not sent: ${visible(unsent[0].skipped.replace(/^not sent: /, ""))}`,
      () => h("div", null, unsent.map((turn) => turnView(turn, notes))), "unsent-turns"));
    place = end - 1;
  }
  return out;
}

function rawView(title, value) {
  return folded(title, () => {
    const text = JSON.stringify(value, null, 2);
    return h("div", { class: "raw" }, copyButton(text, "Copy the JSON"), h("pre", { tabindex: "0", "aria-label": title }, visible(text)));
  });
}

function closing(attempt) {
  const end = attempt.end;
  if (!end) return [h("p", { class: "partial-note", role: "note" }, h("strong", null, "Cut off."), " This attempt was not over when the run ended.")];
  const out = [];
  if (end.fault) out.push(h("div", { class: "turn", id: "closing-fault", tabindex: "-1" }, faultView(end.fault)));
  if (end.results && end.results.length) {
    const reasons = new Set(end.results.map((result) => (result.outcome === "skipped" ? result.reason : null)));
    const [reason] = reasons.size === 1 ? reasons : [null];
    out.push(h("section", { class: "closing", "aria-labelledby": "closing-title" }, h("h3", { id: "closing-title" }, "Over the whole conversation"),
      reason && h("p", { class: "closing-reason muted" }, "Not judged: ", said("span", "", reason)),
      h("ul", { class: "expectations" }, end.results.map((result, place) => expectation(result, BAD.has(result.outcome) ? anchor("end", place) : null, reason)))));
  }
  out.push(...storedLane(attempt));
  out.push(rawView("Raw JSON of the attempt's end", end));
  return out;
}

// What broke, then the expectations that did not hold, each a way to its place below.
function wrongList(attempt) {
  const broke = [];
  const failed = [];
  const add = (turn, result, id) => (result.outcome === "failed" ? failed : broke).push(h("li", { class: result.outcome || "errored" }, h("a", { href: `#${id}`, "data-jump": id },
    h("span", { class: "wrong-turn" }, turn), h("span", { class: "wrong-key" }, visible(result.key)),
    said("span", "wrong-message", (result.findings && result.findings[0] && result.findings[0].message) || result.reason || result.text), softBadge(result))));
  for (const turn of attempt.turns) {
    if (turn.fault) add(`Turn ${turn.i + 1}`, { key: turn.fault.kind, reason: turn.fault.message }, `turn-${turn.i}`);
    (turn.results || []).forEach((result, place) => BAD.has(result.outcome) && add(`Turn ${turn.i + 1}`, result, anchor(turn.i, place)));
  }
  if (attempt.end && attempt.end.fault) add("Outside a turn", { key: attempt.end.fault.kind, reason: attempt.end.fault.message }, "closing-fault");
  ((attempt.end && attempt.end.results) || []).forEach((result, place) => BAD.has(result.outcome) && add("At the end", result, anchor("end", place)));
  const links = [...broke, ...failed];
  return links.length ? h("nav", { class: `wrong v-${(attempt.end && attempt.end.verdict) || "not_run"}`, "aria-label": "What went wrong" }, h("h2", null, "What went wrong"), h("ul", null, links)) : null;
}

function attemptTabs(item, attempts, chosen) {
  if (attempts.length < 2) return null;
  return h("nav", { class: "attempts", "aria-label": "Attempts" }, attempts.map((attempt, place) => {
    const verdict = (attempt.end && attempt.end.verdict) || "not_run";
    return h("a", { class: "button", href: hrefOf({ case: item.id, attempt: place + 1 === attempts.length ? null : attempt.number }), "aria-current": attempt === chosen ? "true" : null },
      icon(verdict), `Attempt ${attempt.number}: ${index.words[verdict]}`);
  }));
}

function neighbours(item) {
  const bad = cases.filter((other) => other.attention);
  const place = bad.indexOf(item);
  const link = (other, words, name, key) => (other
    ? h("a", { class: "button", href: hrefOf({ case: other.id }), rel: key, title: `${words} (${key === "next" ? "n" : "p"})` }, name === "left" && icon("left"), h("span", null, words), name === "right" && icon("right"))
    : null);
  const before = place >= 0 ? bad[place - 1] : [...bad].reverse().find((other) => other.position < item.position);
  const after = place >= 0 ? bad[place + 1] : bad.find((other) => other.position > item.position);
  if (!before && !after) return null;
  return h("nav", { class: "neighbours", "aria-label": "Cases to look at" }, link(before, "Previous", "left", "prev"),
    place >= 0 && h("span", { class: "muted" }, `${place + 1} of ${bad.length} to look at`), link(after, "Next", "right", "next"));
}

const ATTENTION_SHOWN = new Set(["failed", "errored"]); // their reason stands in the list of what went wrong

function caseHead(item, found, attempt) {
  const header = found.header;
  const command = rerunCommand(item, header);
  const reason = attempt.end && attempt.end.reason;
  const params = Object.entries(header.params || {});
  return h("div", { class: "case-head" },
    h("div", { class: "case-nav" }, h("a", { class: "button quiet", href: hrefOf({ case: null }), id: "back" }, icon("left"), "All cases"), neighbours(item)),
    h("h1", { class: `verdict small tone-${item.verdict}`, id: "case-title", tabindex: "-1" }, icon(item.verdict), said("span", "", item.title)),
    h("p", { class: "case-name" }, h("span", { class: `badge v-${item.verdict}` }, index.words[item.verdict]), flakyMark(item), said("code", "", item.name), copyButton(item.name, "Copy the case's name")),
    stripView(item), heldView(item),
    reason && !ATTENTION_SHOWN.has(item.verdict) && said("p", "case-reason", reason),
    Object.keys(header.marks || {}).map((mark) => h("p", { class: "case-mark" }, h("b", null, mark), " ", said("span", "", header.marks[mark]))),
    h("dl", { class: "facts" },
      params.map(([name, value]) => h("div", null, h("dt", null, visible(name)), h("dd", null, visible(typeof value === "string" ? value : JSON.stringify(value))))),
      [["Script", header.file ? `${header.file}:${header.line}` : null], ["Channel", header.channel], ["Took", duration(item.ms)], ["Tags", item.tags.join(", ")]].filter((row) => row[1])
        .map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, visible(value))))),
    h("div", { class: "rerun" }, h("span", { class: "sr-only" }, "Run it again:"), h("code", { tabindex: "0", role: "group", "aria-label": "Command that runs this case again" }, visible(command)), copyButton(command, "Copy the command that runs this case again")));
}

// Lines that are wider than the page are scrolled to what is marked in them.
function showMarks(target) {
  for (const mark of target.querySelectorAll(".frame mark")) {
    const lines = mark.closest("pre");
    if (mark.offsetLeft > lines.clientWidth - 60) lines.scrollLeft = mark.offsetLeft - 60;
  }
}

let drawing = 0;

async function drawCase(item) {
  const ticket = ++drawing;
  const target = byId("detail");
  let content;
  try {
    const found = await details(item);
    const attempts = found.attempts.length ? found.attempts : [{ number: 1, turns: [], end: null }];
    const attempt = attempts.find((other) => other.number === view.attempt) || attempts[attempts.length - 1];
    content = [caseHead(item, found, attempt), attemptTabs(item, attempts, attempt), endingView(attempt), wrongList(attempt),
      h("h2", { class: "sr-only" }, "The conversation"),
      attempt.turns.length ? conversationView(attempt.turns, storedNotes(attempt)) : h("p", { class: "empty" }, "No turn of this case was sent."), closing(attempt)];
  } catch (problem) {
    const words = typeof DecompressionStream === "undefined" ? "This browser is too old to unpack the details of a case." : `The details of this case could not be unpacked: ${problem.message}`;
    content = [h("p", { class: "partial-note" }, words), h("a", { class: "button", href: hrefOf({ case: null }) }, "All cases")];
  }
  if (ticket !== drawing) return;
  target.replaceChildren(...content.flat(Infinity).filter(Boolean));
  document.title = `${index.words[item.verdict]}: ${visible(item.title)}`;
  showMarks(target);
  scrollTo(0, 0);
  const title = byId("case-title");
  if (title) title.focus({ preventScroll: true });
}
