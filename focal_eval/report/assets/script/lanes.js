// Beside a turn: what was observed in each lane, and the expectations about it.

const LANES = [
  ["rules", "Rules"],
  ["tools", "Tools"],
  ["step", "Step"],
  ["response", "Response"],
  ["turn", "Turn"],
];
const LANE_OF = { rules: "rules", candidates: "rules", tools: "tools", tool: "tools", scenario: "step", variables: "step", transitions: "step",
  response: "response", template: "response", enforcement: "response", citations: "response", follow_ups: "response",
  agent: "response", reasoning: "response", outcome: "response", confidence: "response",
  progress: "response", model: "response", finish_reason: "response" };

// `any_of` and `not` stand in the lane their words begin with: "not: rules include ...".
function laneOf(result) {
  const [word] = result.text.match(/(?<=^(?:not: )?)(?:rules|tools?|scenario|response)\b/) || [];
  return LANE_OF[result.key.split(".")[0]] || LANE_OF[word] || "turn";
}

function none(words) {
  return h("p", { class: "quiet-note" }, words);
}

// JSON in one line that may be broken at its blanks; a line feed in indented JSON never stands in a text.
function oneLine(value) {
  const text = JSON.stringify(value, null, 1);
  return text && text.replace(/([{[])\n\s*/g, "$1").replace(/\n\s*([}\]])/g, "$1").replace(/\n\s*/g, " ");
}

function json(value) {
  const short = oneLine(value);
  if (short === undefined) return null;
  if (short.length <= 160) return said("code", "json", short);
  return folded(`${short.length.toLocaleString("en")} characters of JSON`, () => said("pre", "json", JSON.stringify(value, null, 2)));
}

function score(value) {
  return value === undefined || value === null ? null : h("span", { class: "score" }, value >= 0 && value <= 1 ? value.toFixed(2) : figure(value));
}

function rulesLane(reply) {
  const out = [];
  if (reply.rules && !reply.rules.length) out.push(none("no rule matched"));
  else if (reply.rules) {
    out.push(h("ul", { class: "chips" }, reply.rules.map((rule) => h("li", { class: "chip", title: rule.id ? visible(rule.id) : null },
      said("span", "", rule.name), score(rule.score)))));
  }
  const dropped = (reply.candidates || []).filter((candidate) => candidate.suppressed);
  if (dropped.length) out.push(folded(`${plural(dropped.length, "candidate")} dropped`, () => candidateTable(dropped)));
  return out;
}

function candidateTable(candidates) {
  const row = (item) => h("tr", null, h("th", { scope: "row" }, visible(item.name)), h("td", { class: "number" }, item.score === undefined ? "" : figure(item.score)),
    h("td", null, visible([item.suppressed, item.by].filter(Boolean).join(": "))), h("td", null, visible(item.reason || "")));
  return table(["Rule", "Score", "Dropped", "Was a candidate for"], candidates.map(row));
}

function table(titles, rows) {
  return h("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": titles.join(", ") },
    h("table", null, h("thead", null, h("tr", null, titles.map((title) => h("th", { scope: "col" }, title)))), h("tbody", null, rows)));
}

function toolsLane(reply) {
  if (reply.tools === undefined) return [];
  if (!reply.tools.length) return [none("no tool was called")];
  const together = (call) => call.group !== undefined && call.group !== null && reply.tools.filter((other) => other.group === call.group).length > 1;
  return [h("ol", { class: "calls" }, reply.tools.map((call) => callView(call, together(call))))];
}

function callView(call, parallel) {
  const answered = call.error !== undefined && call.error !== null
    ? h("div", { class: "call-error" }, icon("failed", "failed"), said("span", "", call.error))
    : call.result !== undefined && h("div", { class: "call-result" }, h("span", { "aria-hidden": "true" }, "→ "), h("span", { class: "sr-only" }, "result "), json(call.result));
  return h("li", { class: "call" },
    h("div", { class: "call-head" }, said("code", "call-name", call.name),
      parallel && h("span", { class: "badge" }, `in parallel, group ${call.group}`),
      [call.type, call.status, call.parent && `within ${call.parent}`].filter(Boolean).map((text) => said("span", "badge", text)),
      call.duration_ms > 0 && h("span", { class: "score" }, duration(call.duration_ms))),
    call.arguments === undefined ? none("arguments not reported") : argumentsView(call.arguments),
    answered);
}

function argumentsView(values) {
  if (values === null || typeof values !== "object") return json(values);
  const names = Object.keys(values);
  if (!names.length) return none("no arguments");
  const short = JSON.stringify(values).length < 72;
  return h("dl", { class: `arguments${short ? " short" : ""}` }, names.map((name) => h("div", null, h("dt", null, visible(name)), h("dd", null, json(values[name])))));
}

function stepLane(reply) {
  const out = [];
  if (reply.scenario === null) out.push(none("in no scenario"));
  else if (reply.scenario) out.push(h("p", { class: "state" }, said("span", "chip", reply.scenario.id), reply.scenario.step && [h("span", { class: "slash", "aria-hidden": "true" }, "/"), said("span", "chip strong", reply.scenario.step)]));
  for (const edge of reply.transitions || []) {
    out.push(h("p", { class: "edge" }, h("span", { class: "badge" }, visible(edge.kind)), " ",
      h("span", null, visible(edge.source || "outside")), h("span", { class: "arrow" }, " → "), h("span", null, visible(edge.target || "outside")),
      edge.reason && said("span", "edge-why", edge.reason)));
  }
  return out;
}

function responseLane(turn) {
  const reply = turn.reply;
  const facts = [];
  const fact = (name, value) => { if (value !== undefined && value !== null && value !== "") facts.push([name, value]); };
  fact("template", reply.template === null ? "none" : reply.template);
  fact("outcome", reply.outcome);
  fact("confidence", reply.confidence);
  if (reply.latency_ms !== undefined) fact("time", turn.elapsed_ms === undefined ? `${duration(reply.latency_ms)} by the engine` : `${duration(turn.elapsed_ms)} measured, ${duration(reply.latency_ms)} by the engine`);
  fact("first token", turn.first_token_ms === undefined || turn.first_token_ms === null ? undefined : `after ${duration(turn.first_token_ms)}`);
  const tokens = reply.tokens;
  fact("model", reply.model);
  fact("finish", reply.finish_reason);
  fact("cost", reply.cost === undefined ? undefined : `$${figure(reply.cost)}`);
  fact("tokens", tokens && [tokens.total, tokens.prompt !== undefined && `${tokens.prompt} in`, tokens.completion !== undefined && `${tokens.completion} out`, tokens.cached !== undefined && `${tokens.cached} cached`, tokens.cache_written !== undefined && `${tokens.cache_written} written to the cache`, tokens.reasoning !== undefined && `${tokens.reasoning} reasoning`].filter(Boolean).join(", "));
  const out = [];
  if (facts.length) out.push(factList(facts));
  for (const item of reply.enforcement || []) {
    const bad = item.action !== "passed";
    out.push(h("p", { class: `enforcement${bad ? " acted" : ""}` }, icon(bad ? "errored" : "passed"), "constraint ", said("b", "", item.rule), ": ", visible(item.action),
      item.violation && [", ", said("span", "", item.violation)]));
  }
  if (reply.variables && Object.keys(reply.variables).length) out.push(folded("Variables after the turn", () => argumentsView(reply.variables)));
  const more = moreFromEngine(reply);
  if (more) out.push(more);
  return out;
}

function lanesOf(turn, notes) {
  const reply = turn.reply || {};
  const observed = turn.reply
    ? { rules: rulesLane(reply), tools: toolsLane(reply), step: stepLane(reply), response: responseLane(turn), turn: [] }
    : { rules: [], tools: [], step: [], response: [], turn: [] };
  const judged = {};
  (turn.results || []).forEach((result, place) => {
    (judged[laneOf(result)] ||= []).push(expectation(result, BAD.has(result.outcome) ? anchor(turn.i, place) : null, !turn.reply));
  });
  const out = [];
  for (const [lane, title] of LANES) {
    if (!observed[lane].length && !judged[lane]) continue;
    const quiet = !judged[lane] && observed[lane].length === 1 && observed[lane][0].classList.contains("quiet-note");
    out.push(h("section", { class: `lane lane-${lane}${quiet ? " quiet" : ""}`, "aria-label": `${title} of turn ${turn.i + 1}` },
      h("h4", null, title),
      h("div", { class: "lane-body" }, h("div", { class: "observed" }, observed[lane]), judged[lane] && h("ul", { class: "expectations" }, judged[lane]))));
  }
  if (notes) out.push(storedNote(turn.i, notes));
  const unreported = [["rules", "rules"], ["tools", "tools"], ["scenario", "step"]].filter(([field]) => turn.reply && reply[field] === undefined);
  if (unreported.length) out.push(h("p", { class: "lane unreported quiet-note" }, `Not reported by the engine: ${unreported.map(([, name]) => name).join(", ")}.`));
  return out;
}

function anchor(turn, place) {
  return `e-${turn}-${place}`;
}
