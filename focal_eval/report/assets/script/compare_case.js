// The page of one conversation: what became of it and why, then both sides turn by turn.

function neighbours(item) {
  const hits = filtered(query.terms);
  const place = hits.indexOf(item);
  if (place < 0) return null;
  const link = (other, words, rel) => (other ? h("a", { class: "button", href: hrefOf({ case: other.name }), rel, title: `${words} (${rel === "next" ? "j" : "k"})` }, rel === "prev" && icon("left"), h("span", null, words), rel === "next" && icon("right")) : null);
  return h("nav", { class: "neighbours", "aria-label": "Conversations of the filter" }, link(hits[place - 1], "Previous", "prev"),
    h("span", { class: "muted place" }, `${(place + 1).toLocaleString("en")} of ${hits.length.toLocaleString("en")}${query.terms.length ? " in this filter" : ""}`), link(hits[place + 1], "Next", "next"));
}

function verdictBadges(item) {
  const badge = (verdict, which) => h("span", { class: `badge v-${verdict || "gone"}` }, verdict && icon(verdict), h("span", { class: "sr-only" }, `${which}: `), verdict === null ? "not there" : index.words[verdict] || verdict);
  return [badge(item.before, "baseline"), h("span", { class: "arrow", "aria-hidden": "true" }, "→"), badge(item.after, "candidate")];
}

// Which repeats passed on each side, and where they first part ways.
function attemptsStrip(conversation) {
  const tried = conversation.tried;
  if (!tried) return null;
  const row = (title, side) => side.verdicts.length > 0 && h("div", { class: "strip-row" }, h("span", { class: "strip-title" }, title),
    h("span", { class: "strip-marks" }, side.verdicts.map((verdict, place) => icon(verdict, `repeat ${place + 1} ${index.words[verdict] || verdict}`))),
    h("span", { class: "muted" }, `${side.verdicts.filter((verdict) => verdict === "passed" || verdict === "xfailed").length} of ${side.verdicts.length} good`),
    side.first && h("span", { class: "strip-first" }, `repeats first part in turn ${side.first.turn + 1}, ${LANE_TITLES[side.first.lane] || side.first.lane}: `,
      side.first.answers.map((answer, place) => [place > 0 && "; ", said("code", "", answer.text), ` ${answer.good + answer.bad}×`, answer.bad > 0 && answer.good > 0 ? ` (${answer.good} good)` : answer.bad > 0 ? " (bad)" : " (good)"])));
  return h("section", { class: "strip", "aria-label": "Attempts" }, row("Baseline", tried.before), row("Candidate", tried.after));
}

function whyBox(item, conversation) {
  const cause = causeOf(item);
  if (!cause) return null;
  const group = casesOfCause[item.cause];
  const score = conversation.cause && conversation.cause.score;
  const own = group.length > 1 && score && score.every((value) => typeof value === "number") && score[0] !== score[1] ? ` Here: score ${score.map(scoreOf).join(" → ")}.` : "";
  return h("section", { class: `why v-${item.change}`, "aria-labelledby": "why-title" },
    h("h2", { id: "why-title" }, "Why it ", item.change === "fixed" ? "is fixed" : index.change_words[item.change]),
    h("p", { class: "why-text" }, said("b", "", cause.text[0].toUpperCase() + cause.text.slice(1)), ".", visible(own), " ",
      conversation.turn >= 0 && h("a", { href: `#pair-${conversation.turn}`, "data-jump": `pair-${conversation.turn}` }, "See the first difference"),
      group.length > 1 && [conversation.turn >= 0 && " · ", h("a", { href: formatView({ tab: "conversations", query: `cause:${quotedValue(cause.key)}`, case: null }) }, `all ${group.length.toLocaleString("en")} conversations of this cause`)]),
    edits(cause).map(editView),
    index.decidable && h("div", { class: "why-decide" }, h("div", null, h("span", { class: "muted" }, `This conversation`), decisionControl({ case: item.name }, "this conversation")),
      h("div", null, h("span", { class: "muted" }, group.length > 1 ? `The cause, all ${group.length.toLocaleString("en")}` : "The cause"), decisionControl({ cause: cause.key }, "this cause"))));
}

function caseHead(item, conversation) {
  return h("div", { class: "case-head" },
    h("div", { class: "case-nav" }, h("a", { class: "button quiet", href: hrefOf({ case: null }), id: "back" }, icon("left"), query.terms.length ? "The filter" : { causes: "Causes" }[view.tab] || "All conversations"), neighbours(item)),
    h("h1", { class: "verdict small", id: "case-title", tabindex: "-1" }, icon(item.change), said("span", "", item.title)),
    h("div", { class: "case-line" },
      h("p", { class: "case-name" }, h("span", { class: `badge change v-${item.change}` }, index.change_words[item.change]), verdictBadges(item), said("code", "", item.name), copyButton(item.name, "Copy the conversation's name")),
      copyMenu(item, conversation)),
    (item.tags.length > 0 || item.script) && h("p", { class: "case-facts muted" }, said("span", "", item.script), item.tags.map((tag) => h("a", { class: "tag", href: formatView({ tab: "conversations", query: `tag:${quotedValue(tag)}`, case: null }) }, visible(tag)))));
}

// Expectations of the whole conversation, and stored messages that differ.
function closingViews(conversation) {
  const out = [];
  const rows = expectationRows(conversation.before && conversation.before.results, conversation.after && conversation.after.results);
  if (rows.length) out.push(h("section", { class: "pair closing-pair", "aria-labelledby": "closing-title" }, h("div", { class: "pair-title" }, h("h3", { id: "closing-title" }, "Over the whole conversation")), h("div", { class: "pair-grid" }, rows)));
  if (conversation.records.length) out.push(folded([h("b", null, plural(conversation.records.length, "difference")), h("span", { class: "muted" }, " in the stored messages")], () => h("div", { class: "pair-grid stored-differences" }, conversation.records.map(recordRow)), "equal-turns"));
  const reasons = [["Baseline", conversation.before], ["Candidate", conversation.after]].filter(([, side]) => side && side.reason && !["passed", "failed"].includes(side.verdict));
  for (const [title, side] of reasons) out.push(h("p", { class: "quiet-note closing-reason" }, `${title}: `, said("span", "", side.reason)));
  const lanes = Object.entries(conversation.uncompared);
  if (lanes.length) out.push(h("p", { class: "quiet-note" }, `Unknown on one side, so not compared: ${lanes.map(([lane, count]) => `${LANE_TITLES[lane] || lane} (${plural(count, "turn")})`).join(", ")}.`));
  return out;
}

function recordRow(one) {
  const show = (value, which) => {
    if (value === undefined || value === null) return none("none");
    if (one.words) return h("p", { class: "stored-words", dir: "auto" }, markedWords(one.words, one.before, one.after, which));
    return typeof value === "object" ? structure(value, which === "before" ? one.after : one.before, which) : plainValue(value);
  };
  return laneRow(one.what.replace(/ message: /, ": "), show(one.before, "before"), show(one.after, "after"), "lane-records");
}

// A conversation without pairs (new, gone, or never judged) is shown turn by turn all the same.
function withPairs(item, conversation) {
  const { before, after } = conversation;
  const pairs = conversation.pairs.length ? conversation.pairs
    : Array.from({ length: Math.max(before ? before.turns.length : 0, after ? after.turns.length : 0) }, (_, place) => [before && before.turns[place] ? place : null, after && after.turns[place] ? place : null, [], 0]);
  return { ...conversation, pairs, turn: item.turn };
}

let drawing = 0;

async function drawCase(item) {
  const ticket = ++drawing;
  const target = byId("detail");
  let content;
  try {
    const conversation = withPairs(item, await details(item));
    content = [caseHead(item, conversation), whyBox(item, conversation), attemptsStrip(conversation), h("h2", { class: "sr-only" }, "Both conversations"),
      conversation.pairs.length ? pairViews(item, conversation) : h("p", { class: "empty" }, "No turn of this conversation was recorded."), closingViews(conversation)];
  } catch (problem) {
    const words = typeof DecompressionStream === "undefined" ? "This browser is too old to unpack conversations." : `This conversation could not be unpacked: ${problem.message}`;
    content = [h("p", { class: "partial-note" }, words), h("a", { class: "button", href: hrefOf({ case: null }) }, "All conversations")];
  }
  if (ticket !== drawing) return;
  target.replaceChildren(...content.flat(Infinity).filter(Boolean));
  document.title = `${index.change_words[item.change]}: ${visible(item.title)}`;
  scrollTo(0, 0);
  const title = byId("case-title");
  if (title) title.focus({ preventScroll: true });
}
