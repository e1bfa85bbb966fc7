// What else an engine tells of a turn, folded: few readers want it, and those want all of it.

function ids(reply) {
  const named = [["session", reply.session_id], ["turn", reply.turn_id], ["tracking token", reply.tracking_token], ["answered at", reply.created_at]];
  return named.filter(([, value]) => value !== undefined && value !== null);
}

function factList(facts) {
  return h("dl", { class: "small-facts" }, facts.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, figure(value)))));
}

function citedMore(reply) {
  const cited = (reply.citations || []).filter((item) => item.context || item.id);
  return cited.length ? h("ul", { class: "more-list" }, cited.map((item) => h("li", null, said("code", "", item.id || item.source || ""), item.context && [" ", said("span", "", item.context)]))) : null;
}

// [name for the fold's line, heading, body] of each thing that is there.
function moreParts(reply) {
  const parts = [];
  if (reply.reasoning) parts.push([`reasoning${reply.reasoning_ms > 0 ? `, ${duration(reply.reasoning_ms)}` : ""}`, "Reasoning", longText(reply.reasoning, "said")]);
  else if (reply.reasoning_ms > 0) parts.push([`reasoned for ${duration(reply.reasoning_ms)}`, "Reasoning", none(`for ${duration(reply.reasoning_ms)}, its words not reported`)]);
  if (reply.progress && reply.progress.length) parts.push(["progress", "Progress", h("ol", { class: "more-list" }, reply.progress.map((text) => said("li", "", text)))]);
  const kinds = [["type", reply.type], ["format", reply.format]].filter(([, value]) => value !== undefined && value !== null);
  if (kinds.length) parts.push([kinds.map(([name]) => name).join(", "), "Kind", factList(kinds)]);
  if (reply.metadata && Object.keys(reply.metadata).length) parts.push(["metadata", "Metadata", argumentsView(reply.metadata)]);
  const cited = citedMore(reply);
  if (cited) parts.push(["citations in their place", "Citations", cited]);
  if (parts.length && ids(reply).length) parts.push(["ids", "Ids", factList(ids(reply))]); // alone they tell a reader nothing
  return parts;
}

function moreFromEngine(reply) {
  const parts = moreParts(reply);
  if (!parts.length) return null;
  return folded(["More from the engine", h("span", { class: "fold-names" }, parts.map(([name]) => name).join(" · "))],
    () => h("div", { class: "more" }, parts.map(([, title, body]) => h("section", null, h("h5", null, title), body))), "more-fold");
}
