// One turn of both sides, lane by lane: what is the same stands once, what differs side by side.

const NO_REPLY = {};

function alike(one, other) {
  return JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object" || (JSON.isRawJSON && JSON.isRawJSON(value))) return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}

function side(which, ...parts) {
  const title = { before: "Baseline", after: "Candidate" }[which];
  return h("div", { class: `side ${which}` }, title && h("span", { class: "side-label" }, title), ...parts);
}

// A row of the grid: one cell over both columns, or two.
function laneRow(title, before, after, className) {
  const cells = after === undefined ? [side("both", before)] : [side("before", before), side("after", after)];
  return h("div", { class: `pair-row ${className || ""}`.trim() }, title ? h("h4", null, title) : h("span"), cells);
}

function sign(kind) {
  const [mark, word] = kind === "removed" ? ["−", "only in the baseline: "] : ["+", "only in the candidate: "];
  return [h("span", { class: "sign", "aria-hidden": "true" }, mark), h("span", { class: "sr-only" }, word)];
}

// --- what was said -----------------------------------------------------------------------------------------------------

// The words of one side, those that the other has not marked; `pieces` are kinds and lengths in turn.
function markedWords(pieces, before, after, which) {
  const out = [];
  let here = 0;
  let there = 0;
  for (let place = 0; place < pieces.length; place += 2) {
    const [kind, length] = [pieces[place], pieces[place + 1]];
    if (kind === 0) {
      out.push(visible(which === "before" ? before.slice(here, here + length) : after.slice(there, there + length)));
      here += length;
      there += length;
    } else if (kind === 1) {
      if (which === "before") out.push(h("del", null, visible(before.slice(here, here + length))));
      here += length;
    } else {
      if (which === "after") out.push(h("ins", null, visible(after.slice(there, there + length))));
      there += length;
    }
  }
  return out;
}

function bubbleOf(who, text, parts) {
  return h("div", { class: `bubble ${who}` }, h("span", { class: "sr-only" }, who.startsWith("user") ? "User: " : "Agent: "), parts ? h("span", { class: "text said", dir: "auto" }, parts) : longText(text, "said"));
}

function userParts(turn, parts) {
  if (turn.user === null || turn.user === undefined) return h("p", { class: "quiet-note" }, "The agent speaks first.");
  return bubbleOf(turn.skipped === undefined ? "user" : "user unsent", turn.user, parts);
}

function answerParts(turn, parts) {
  if (turn.fault) return faultCard(turn.fault);
  if (turn.skipped !== undefined) return h("p", { class: "not-sent" }, icon("skipped"), h("span", null, "Not sent: ", said("span", "", turn.skipped.replace(/^not sent: /, ""))));
  const reply = turn.reply || NO_REPLY;
  if (reply.response === undefined) return h("p", { class: "quiet-note" }, "The engine does not report the response.");
  if (!parts && reply.messages && reply.messages.length > 1) return reply.messages.map((text) => bubbleOf("agent", text));
  return reply.response === "" || reply.response === null ? h("p", { class: "quiet-note" }, "No words.") : bubbleOf("agent", reply.response, parts);
}

function faultCard(fault) {
  return h("div", { class: "fault", role: "note" }, icon("errored", "errored"), h("div", null, h("b", null, "The engine broke: "), visible(fault.message),
    h("code", { class: "fault-kind" }, visible(fault.kind)), fault.detail && said("pre", "fault-detail", fault.detail)));
}

const NO_TURN = "No such turn on this side.";

function saidRows(b, a, differences) {
  if (!b || !a) {
    const only = [userParts(b || a), answerParts(b || a)];
    const none = h("p", { class: "quiet-note" }, NO_TURN);
    return [laneRow("Said", b ? only : none, b ? none : only, "chat-row")];
  }
  const wordsOf = (lane) => {
    const found = differences.find((one) => one.lane === lane && one.words && typeof one.before === "string" && typeof one.after === "string");
    return found ? [markedWords(found.words, found.before, found.after, "before"), markedWords(found.words, found.before, found.after, "after")] : [null, null];
  };
  const rows = [];
  if (b.user === a.user && (b.skipped === undefined) === (a.skipped === undefined)) rows.push(laneRow("User", userParts(a), undefined, "chat-row"));
  else {
    const [was, now] = wordsOf("input");
    rows.push(laneRow("User", userParts(b, was), userParts(a, now), "chat-row"));
  }
  const told = (turn) => [turn.fault, turn.skipped, turn.reply && turn.reply.response, turn.reply && turn.reply.messages];
  const [was, now] = wordsOf("response");
  if (alike(told(b), told(a))) rows.push(laneRow("Agent", answerParts(a), undefined, "chat-row"));
  else rows.push(laneRow("Agent", answerParts(b, was), answerParts(a, now), "chat-row"));
  return rows;
}

// --- rules ---------------------------------------------------------------------------------------------------------------

function ruleChip(rule, kind, score) {
  return h("li", { class: `chip ${kind}` }, kind !== "kept" && sign(kind), said("span", "", rule.name), score);
}

function scoreOf(value) {
  return typeof value === "number" ? (value >= 0 && value <= 1 ? value.toFixed(2) : figure(value)) : null;
}

function scoreWay(one, other) {
  const [was, now] = [scoreOf(one), scoreOf(other)];
  if (was === null || now === null || was === now) return now !== null && h("span", { class: "score" }, now);
  return h("span", { class: "score moved" }, `${was} → ${now}`);
}

// Why a rule that matches on the other side does not match here: the nearest miss.
function missed(name, reply) {
  const near = (reply.candidates || []).find((one) => one.name === name);
  const words = near
    ? [near.score !== undefined && near.score !== null && `score ${scoreOf(near.score)}`, near.suppressed && `${near.suppressed}${near.by ? `: ${near.by}` : ""}`, near.reason && `because of ${near.reason}`].filter(Boolean).join(", ")
    : reply.candidates ? "not a candidate" : "why is not reported";
  return h("p", { class: "near-miss" }, h("span", { class: "sr-only" }, "Nearest miss: "), said("code", "", name), " ", visible(words));
}

function ruleRows(b, a) {
  const [was, now] = [b.rules, a.rules];
  if (was === undefined && now === undefined) return [];
  const plain = (rules) => (rules === undefined ? none("not reported") : rules.length ? h("ul", { class: "chips" }, rules.map((rule) => ruleChip(rule, "kept", scoreWay(undefined, rule.score)))) : none("no rule matched"));
  if (alike((was || []).map((rule) => [rule.name, scoreOf(rule.score)]), (now || []).map((rule) => [rule.name, scoreOf(rule.score)])) && (was === undefined) === (now === undefined)) return [laneRow("Rules", plain(now), undefined, "lane-rules"), ...candidateRow(b, a)];
  if (was === undefined || now === undefined) return [laneRow("Rules", plain(was), plain(now), "lane-rules")];
  const of = (rules, name) => rules.find((rule) => rule.name === name);
  const left = was.map((rule) => ruleChip(rule, of(now, rule.name) ? "kept" : "removed", scoreWay(undefined, rule.score)));
  const right = now.map((rule) => ruleChip(rule, of(was, rule.name) ? "kept" : "added", scoreWay((of(was, rule.name) || {}).score, rule.score)));
  const chips = (items) => (items.length ? h("ul", { class: "chips" }, items) : none("no rule matched"));
  return [laneRow("Rules", [chips(left), now.filter((rule) => !of(was, rule.name)).map((rule) => missed(rule.name, b))], [chips(right), was.filter((rule) => !of(now, rule.name)).map((rule) => missed(rule.name, a))], "lane-rules"), ...candidateRow(b, a)];
}

function candidateWords(one, matched) {
  if (!one) return "–";
  const parts = [scoreOf(one.score), one.suppressed ? `${one.suppressed}${one.by ? `: ${one.by}` : ""}` : matched ? "matched" : "kept", one.reason];
  return parts.filter(Boolean).join(" · ");
}

// Every rule that was looked at, with its score, what dropped it and why it was looked at.
function candidateRow(b, a) {
  const names = [...new Set([...(b.candidates || []), ...(a.candidates || [])].map((one) => one.name))];
  if (!names.length) return [];
  const find = (reply, name) => (reply.candidates || []).find((one) => one.name === name);
  const matched = (reply, name) => (reply.rules || []).some((rule) => rule.name === name);
  const rows = names.map((name) => {
    const [was, now] = [candidateWords(find(b, name), matched(b, name)), candidateWords(find(a, name), matched(a, name))];
    return { name, was, now, differs: was !== now };
  });
  const differing = rows.filter((row) => row.differs).length;
  const title = `${plural(names.length, "rule")} looked at${differing ? `, ${differing} otherwise` : ""}`;
  const body = () => table(["Rule", "Baseline", "Candidate"], rows.sort((one, other) => other.differs - one.differs).map((row) => h("tr", { class: row.differs ? "differs" : null }, h("th", { scope: "row" }, visible(row.name)),
    row.differs ? [h("td", null, visible(row.was)), h("td", null, visible(row.now))] : h("td", { colspan: "2" }, visible(row.now)))));
  return [laneRow("", folded(title, body, "why-fold"), undefined, "why-row")];
}

// --- tools ---------------------------------------------------------------------------------------------------------------

// Calls that belong together: the longest common run of names, in order.
function pairedCalls(was, now) {
  const width = now.length + 1;
  const lengths = new Uint16Array((was.length + 1) * width);
  for (let i = was.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = was[i].name === now[j].name ? lengths[(i + 1) * width + j + 1] + 1 : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    }
  }
  const pairs = [];
  for (let i = 0, j = 0; i < was.length || j < now.length;) {
    if (i < was.length && j < now.length && was[i].name === now[j].name) pairs.push([was[i++], now[j++]]);
    else if (j >= now.length || (i < was.length && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])) pairs.push([was[i++], null]);
    else pairs.push([null, now[j++]]);
  }
  return pairs;
}

// Values by their place: {address: {zip: 1}} is `address.zip` 1.
function flattened(value, prefix, out) {
  if (value !== null && typeof value === "object" && Object.keys(value).length && !(JSON.isRawJSON && JSON.isRawJSON(value))) {
    for (const [key, inner] of Object.entries(value)) flattened(inner, prefix === "" ? key : Array.isArray(value) ? `${prefix}[${key}]` : `${prefix}.${key}`, out);
  } else out.set(prefix, value);
  return out;
}

function structure(value, other, which) {
  if (value === undefined) return none("not reported");
  const [here, there] = [flattened(value, "", new Map()), other === undefined ? null : flattened(other, "", new Map())];
  const names = [...new Set([...here.keys(), ...(there ? there.keys() : [])])].filter((name) => name !== "" || here.size === 1);
  if (!names.length || (here.size === 1 && here.has("") && alike(here.get(""), {}))) return none("none");
  const mark = which === "before" ? "del" : "ins";
  const rows = names.map((name) => {
    const [has, had] = [here.has(name), there ? there.has(name) : true];
    const same = there === null || (has && had && alike(here.get(name), there.get(name)));
    const shown = has ? (same ? json(here.get(name)) : h(mark, null, json(here.get(name)))) : h("span", { class: "muted" }, "–");
    return h("div", { class: same ? null : "differs" }, name !== "" && h("dt", null, visible(name)), h("dd", null, shown));
  });
  return h("dl", { class: "arguments" }, rows);
}

function callCard(call, other, which, kind) {
  if (!call) return none("not called");
  const broke = call.error !== undefined && call.error !== null;
  return h("div", { class: `call ${kind || ""}`.trim() },
    h("div", { class: "call-head" }, kind && sign(kind), said("code", "call-name", call.name),
      [call.type, call.status, call.parent && `within ${call.parent}`, call.group !== undefined && call.group !== null && `group ${call.group}`].filter(Boolean).map((text) => said("span", "badge", text)),
      call.duration_ms > 0 && h("span", { class: "score" }, duration(call.duration_ms))),
    structure(call.arguments, other ? other.arguments : undefined, which),
    broke ? h("div", { class: "call-error" }, icon("failed", "failed"), said("span", "", call.error))
      : call.result !== undefined && h("div", { class: "call-result" }, h("span", { class: "call-label" }, "returns"), structure(call.result, other ? other.result : undefined, which)));
}

function telling(call) {
  return [call.arguments, call.result, call.error, call.type, call.status];
}

function toolRows(b, a) {
  if (b.tools === undefined && a.tools === undefined) return [];
  if (b.tools === undefined || a.tools === undefined) {
    const all = (calls) => (calls === undefined ? none("not reported") : calls.length ? calls.map((call) => callCard(call, null, "both")) : none("no tool was called"));
    return [laneRow("Tools", all(b.tools), all(a.tools), "lane-tools")];
  }
  const pairs = pairedCalls(b.tools, a.tools);
  if (!pairs.length) return [laneRow("Tools", none("no tool was called"), undefined, "lane-tools quiet")];
  return pairs.map(([was, now], place) => {
    const title = place === 0 ? "Tools" : "";
    const className = `lane-tools${place ? " further" : ""}`;
    if (was && now && alike(telling(was), telling(now))) return laneRow(title, folded([said("code", "call-name", now.name), h("span", { class: "score" }, callLine(now))], () => callCard(now, null, "both"), "call-fold"), undefined, className);
    return laneRow(title, callCard(was, now, "before", now ? null : "removed"), callCard(now, was, "after", was ? null : "added"), className);
  });
}

function callLine(call) {
  const text = call.arguments === undefined ? "" : oneLine(call.arguments) || "";
  return visible(text.length > 90 ? `${text.slice(0, 90)}…` : text);
}

// --- step and response -----------------------------------------------------------------------------------------------------

function stepParts(reply, other, kind) {
  if (reply.scenario === undefined && reply.transitions === undefined) return none("not reported");
  const out = [];
  const marked = other && !alike(reply.scenario, other.scenario) ? ` ${kind}` : "";
  if (reply.scenario === null) out.push(h("p", { class: marked ? "quiet-note differs" : "quiet-note" }, "in no scenario"));
  else if (reply.scenario) out.push(h("p", { class: "state" }, said("span", "chip", reply.scenario.id), reply.scenario.step && [h("span", { class: "slash", "aria-hidden": "true" }, "/"), h("span", { class: `chip strong${marked}` }, marked && sign(kind), said("span", "", reply.scenario.step))]));
  const known = new Set(((other && other.transitions) || []).map((edge) => JSON.stringify(sorted(edge))));
  for (const edge of reply.transitions || []) {
    const differs = other && !known.has(JSON.stringify(sorted(edge)));
    out.push(h("p", { class: `edge${differs ? ` ${kind}` : ""}` }, differs && sign(kind), edge.scenario && edge.scenario !== (reply.scenario || {}).id && said("span", "muted", `${edge.scenario}: `),
      h("span", null, visible(edge.source || edge.kind)), h("span", { class: "arrow" }, " → "), h("span", null, visible(edge.target || "out")), edge.reason && said("span", "edge-why", edge.reason)));
  }
  return out;
}

function stepRows(b, a) {
  if (b.scenario === undefined && a.scenario === undefined && b.transitions === undefined && a.transitions === undefined) return [];
  if (alike([b.scenario, b.transitions], [a.scenario, a.transitions])) return [laneRow("Step", stepParts(a), undefined, "lane-step")];
  return [laneRow("Step", stepParts(b, a, "removed"), stepParts(a, b, "added"), "lane-step")];
}

const FACTS = ["template", "outcome", "type", "format", "model", "finish_reason"];

function responseFacts(turn, other, tag) {
  const reply = turn.reply || NO_REPLY;
  const rows = FACTS.filter((name) => reply[name] !== undefined && (reply[name] !== null || name === "template")).map((name) => {
    const differs = other && other.reply && !alike(reply[name], other.reply[name]);
    const words = reply[name] === null ? "none" : visible(String(reply[name]));
    return h("div", { class: differs ? "differs" : null }, h("dt", null, name.replace("_", " ")), h("dd", null, differs ? h(tag, null, words) : words));
  });
  const tokens = reply.tokens && (reply.tokens.total ?? (reply.tokens.prompt || 0) + (reply.tokens.completion || 0));
  const measured = [["time", turn.elapsed_ms !== undefined && turn.elapsed_ms !== null && duration(turn.elapsed_ms)], ["tokens", tokens || null], ["cost", reply.cost ? `$${figure(reply.cost)}` : null]].filter(([, value]) => value);
  return [rows, measured.map(([name, value]) => h("div", { class: "measured" }, h("dt", null, name), h("dd", null, value)))];
}

function listParts(reply, other, tag) {
  const out = [];
  for (const item of reply.enforcement || []) {
    const differs = other && !(other.enforcement || []).some((one) => alike(one, item));
    out.push(h("p", { class: `enforcement${item.action !== "passed" ? " acted" : ""}${differs ? ` ${tag === "del" ? "removed" : "added"}` : ""}` }, differs && sign(tag === "del" ? "removed" : "added"), icon(item.action !== "passed" ? "errored" : "passed"), "hard rule ", said("b", "", item.rule), ": ", visible(item.action), item.violation && [", ", said("span", "", item.violation)]));
  }
  const lists = [["follow-ups", reply.follow_ups, other && other.follow_ups, (text) => text], ["citations", reply.citations, other && other.citations, (item) => [item.source, item.text, item.url].filter(Boolean).join(" · ")]];
  for (const [name, items, others, say] of lists) {
    if (!items || !items.length) continue;
    const known = others && new Set(others.map(say));
    out.push(h("ul", { class: "follow-ups", "aria-label": name }, items.map((item) => h("li", { class: known && !known.has(say(item)) ? (tag === "del" ? "removed" : "added") : null }, known && !known.has(say(item)) && sign(tag === "del" ? "removed" : "added"), said("span", "", say(item))))));
  }
  return out;
}

function responseRows(b, a) {
  const [one, other] = [b.reply || NO_REPLY, a.reply || NO_REPLY];
  const facts = (reply) => [FACTS.map((name) => reply[name]), reply.enforcement, reply.follow_ups, reply.citations];
  const list = (parts) => h("dl", { class: "small-facts" }, parts);
  if (alike(facts(one), facts(other))) {
    const [rows] = responseFacts(a);
    const times = [b.elapsed_ms, a.elapsed_ms].every((ms) => ms !== undefined && ms !== null) ? [h("div", { class: "measured" }, h("dt", null, "time"), h("dd", null, `${duration(b.elapsed_ms)} → ${duration(a.elapsed_ms)}`))] : [];
    return rows.length || times.length ? [laneRow("Response", [list([rows, times]), listParts(other)], undefined, "lane-response")] : [];
  }
  return [laneRow("Response", [list(responseFacts(b, a, "del")), listParts(one, other, "del")], [list(responseFacts(a, b, "ins")), listParts(other, one, "ins")], "lane-response"), ...otherDifferences(one, other)];
}

// Variables and metadata: only what differs.
function otherDifferences(one, other) {
  const out = [];
  for (const [name, title] of [["variables", "Variables"], ["metadata", "Metadata"]]) {
    if (one[name] === undefined || other[name] === undefined || alike(one[name], other[name])) continue;
    const [was, now] = [flattened(one[name], "", new Map()), flattened(other[name], "", new Map())];
    const keep = (from, against) => Object.fromEntries([...from].filter(([key, value]) => !against.has(key) || !alike(value, against.get(key))));
    const [left, right] = [keep(was, now), keep(now, was)];
    if (!Object.keys(left).length && !Object.keys(right).length) continue;
    out.push(laneRow(title, structure(left, right, "before"), structure(right, left, "after"), "lane-more"));
  }
  return out;
}
