// The way of a simulated user through its states, how it ended, and who is to blame.

const SIM_ENDS = {
  done: "done", gives_up: "gives up", leaves: "leaves", "no-edge": "no edge fits", "unknown-fact": "cannot tell", "max-turns": "too many messages",
  "too-often": "said too often", stuck: "stuck", unsayable: "cannot say it", broke: "broke", "engine-broke": "the engine broke",
};
const SIM_BLAMED = { engine: "The engine is to blame.", simulator: "The simulated user is to blame: this says nothing of the engine.", undecided: "Nobody knows who is to blame." };

function stepTo(state, place) {
  return h("li", null, h("a", { class: "sim-step", href: `#turn-${place}`, "data-jump": `turn-${place}`, title: `Turn ${place + 1}` }, visible(state)));
}

function endingView(attempt) {
  const ending = attempt.end && attempt.end.ending;
  if (!ending) return null;
  const tone = ending.blame === "engine" ? "failed" : ending.blame ? "errored" : "passed";
  return h("section", { class: `simulated v-${tone}`, "aria-labelledby": "simulated-title" },
    h("h2", { id: "simulated-title" }, "Simulated user"),
    h("ol", { class: "sim-path", "aria-label": "States in the order they were visited" },
      (ending.path || []).map(stepTo), h("li", null, h("b", { class: "sim-end" }, visible(SIM_ENDS[ending.end] || ending.end)))),
    h("p", { class: "sim-why" }, ending.blame && h("b", null, SIM_BLAMED[ending.blame] || ""), ending.blame && " ", said("span", "muted", ending.why)),
    ending.audit && h("ul", { class: "sim-audit", "aria-label": "What speaks against the simulated user" }, ending.audit.map(one => h("li", null,
      one.turn === null ? null : h("a", { href: `#turn-${one.turn}`, "data-jump": `turn-${one.turn}` }, `Turn ${one.turn + 1}`), one.turn === null ? null : ": ",
      said("span", "", one.told), " ", said("code", "", one.kind)))));
}
