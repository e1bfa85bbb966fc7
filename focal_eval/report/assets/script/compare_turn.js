// A turn of both sides as a section: its lanes, its expectations, and the raw JSON; runs of equal turns are folded.

function resultKey(results) {
  const seen = new Map();
  return results.map((result) => {
    const words = `${result.key}\n${result.text}`;
    const count = seen.get(words) || 0;
    seen.set(words, count + 1);
    return [`${words}\n${count}`, result];
  });
}

// Expectations: those that turned side by side, those that failed on both once, those that held on both counted.
function expectationRows(was, now) {
  const [before, after] = [new Map(resultKey(was || [])), new Map(resultKey(now || []))];
  const judged = Boolean(was && was.length && now && now.length);
  const turned = [[], []];
  const [bad, held] = [[], []];
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const [one, other] = [before.get(key), after.get(key)];
    if ((one && other && one.outcome === other.outcome) || (!judged && !(one && other))) (BAD.has((other || one).outcome) ? bad : held).push(other || one);
    else {
      turned[0].push(one ? expectation(one, null) : h("li", { class: "expectation muted" }, icon("skipped"), "not asked for"));
      turned[1].push(other ? expectation(other, null) : h("li", { class: "expectation muted" }, icon("skipped"), "not asked for"));
    }
  }
  const items = (results) => h("ul", { class: "expectations" }, results);
  const rows = [];
  const row = (...cells) => rows.push(laneRow(rows.length ? "" : "Expected", ...cells, `lane-expected${rows.length ? " further" : ""}`));
  if (turned[0].length) row(items(turned[0]), items(turned[1]));
  if (bad.length) row(items(bad.map((result) => expectation(result, null))), undefined);
  if (held.length) row(folded(`${plural(held.length, "expectation")} ${held.length === 1 ? "holds" : "hold"}${judged ? " on both sides" : ""}`, () => items(held.map((result) => expectation(result, null))), "held-fold"), undefined);
  return rows;
}

function rawRow(b, a) {
  const body = () => h("div", { class: "raw-sides" }, [["Baseline", b], ["Candidate", a]].filter(([, turn]) => turn).map(([title, turn]) => {
    const text = JSON.stringify(turn, null, 2);
    return h("div", { class: "raw" }, h("p", { class: "raw-title" }, title, copyButton(text, `Copy the ${title.toLowerCase()}'s JSON`)), h("pre", { tabindex: "0", "aria-label": `Raw JSON, ${title}` }, visible(text)));
  }));
  return h("div", { class: "pair-raw" }, folded("Raw request and response", body));
}

// What a turn's heading says differs, lane by lane.
function differingLanes(differences) {
  return [...new Set(differences.map((one) => LANE_TITLES[one.lane] || one.lane))];
}

const LANE_TITLES = { input: "user", candidates: "rules looked at", rules: "rules", step: "step", tool: "tools", argument: "arguments", result: "results", variables: "variables", template: "template",
  enforcement: "hard rules", response: "reply", "follow-ups": "follow-ups", citations: "citations", outcome: "outcome", records: "stored messages", fault: "fault", verdict: "verdict" };

function pairNumber(pair, sides) {
  const [before, after] = pair;
  const number = (which, place) => sides[which].turns[place].i + 1;
  if (before === null) return `Turn ${number("after", after)}, new`;
  if (after === null) return `Turn ${number("before", before)}, gone`;
  const [one, other] = [number("before", before), number("after", after)];
  return one === other ? `Turn ${other}` : `Turn ${other}, before ${one}`;
}

function pairView(item, conversation, place) {
  const [before, after, differences] = conversation.pairs[place];
  const b = before === null ? null : conversation.before.turns[before];
  const a = after === null ? null : conversation.after.turns[after];
  const [one, other] = [(b || a).reply || NO_REPLY, (a || b).reply || NO_REPLY];
  const rows = saidRows(b, a, differences);
  const both = b && a ? [b, a] : [b || a, b || a];
  const observed = (!b || b.reply) && (!a || a.reply);
  if (b && a && !observed) rows.push(...(b.reply || a.reply ? oneSided(b, a) : []));
  else if (observed) rows.push(...ruleRows(one, other), ...toolRows(one, other), ...stepRows(one, other), ...responseRows(...both));
  rows.push(...expectationRows(b && b.results, a && a.results));
  const first = conversation.turn === place;
  const title = h("h3", { id: `pair-${place}`, tabindex: "-1" }, pairNumber(conversation.pairs[place], conversation), (a || b).name && said("span", "turn-name", (a || b).name),
    first && h("span", { class: "badge first" }, "first difference"),
    h("span", { class: "turn-facts" }, differences.length ? `differs in ${differingLanes(differences).join(", ")}` : "the same"));
  return h("section", { class: `pair${differences.length ? " differs" : ""}`, "aria-labelledby": `pair-${place}` },
    h("div", { class: "pair-title" }, title, turnControl(item, conversation, conversation.pairs[place])),
    h("div", { class: "pair-grid" }, h("div", { class: "pair-row pair-heads", "aria-hidden": "true" }, h("span"), h("span", null, "Baseline"), h("span", null, "Candidate")), rows, rawRow(b, a)));
}

// One side answered, the other did not: its lanes stand in its own column.
function oneSided(b, a) {
  const which = b.reply ? "before" : "after";
  const turn = b.reply ? b : a;
  const rows = [...ruleRows(turn.reply, turn.reply), ...toolRows(turn.reply, turn.reply), ...stepRows(turn.reply, turn.reply)];
  for (const row of rows) {
    const cell = row.querySelector(".side.both");
    cell.className = `side ${which}`;
    const empty = h("div", { class: `side ${which === "before" ? "after" : "before"}` }, none("no answer"));
    if (which === "before") cell.after(empty);
    else cell.before(empty);
  }
  return rows;
}

function excerptOf(turn) {
  const text = turn.user || (turn.reply && turn.reply.response) || "";
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

// The turns in order; those that are the same on both sides are folded, one line for each run of them.
function pairViews(item, conversation) {
  const out = [];
  const { pairs } = conversation;
  const equal = (pair) => pair[0] !== null && pair[1] !== null && !pair[2].length && !pair[3];
  for (let place = 0; place < pairs.length; place += 1) {
    let end = place;
    while (end < pairs.length && equal(pairs[end])) end += 1;
    if (end === place) {
      out.push(pairView(item, conversation, place));
      continue;
    }
    const [from, to] = [place, end];
    const [first, last] = [conversation.after.turns[pairs[from][1]], conversation.after.turns[pairs[to - 1][1]]];
    const title = from + 1 === to ? `Turn ${first.i + 1}` : `Turns ${first.i + 1} to ${last.i + 1}`;
    out.push(folded([h("b", null, title), h("span", { class: "muted" }, " the same on both sides"), said("span", "fold-words", excerptOf(first))],
      () => h("div", null, Array.from({ length: to - from }, (_, step) => pairView(item, conversation, from + step))), "equal-turns"));
    place = end - 1;
  }
  return out;
}
