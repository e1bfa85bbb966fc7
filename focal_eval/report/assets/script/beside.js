// What is known of a case beside this run: its last runs in the store, and whether it is in quarantine.

const STRIP = { e: "errored", f: "failed", u: "xpassed", n: "not_run", x: "xfailed", s: "skipped", p: "passed", "~": "flaky" };

function stripWords(strip) {
  const counts = new Map();
  for (const letter of strip) if (STRIP[letter]) counts.set(STRIP[letter], (counts.get(STRIP[letter]) || 0) + 1);
  const told = [...counts].map(([name, count]) => `${count} ${index.words[name] || name}`).join(", ");
  return `The last ${plural(strip.length, "run")}, this one at the end: ${told || "in none of them"}`;
}

// A bar a run, the oldest first; bars of runs that went wrong are taller, so that they tell without colour.
function stripMark(item) {
  if (!item.strip) return null;
  const words = stripWords(item.strip);
  return h("span", { class: "strip", role: "img", "aria-label": words, title: words },
    [...item.strip].map((letter) => h("span", { class: `of-run s-${STRIP[letter] || "absent"}` })));
}

function stripView(item) {
  if (!item.strip) return null;
  return h("p", { class: "case-history" }, stripMark(item), h("span", { class: "muted" }, `${stripWords(item.strip)}; since ${index.history[0]}`));
}

function heldMark(item) {
  return item.held ? h("span", { class: "badge held", title: visible(item.held) }, "quarantine") : null;
}

function heldView(item) {
  return item.held ? h("p", { class: "case-mark" }, h("b", null, "quarantine"), " ", said("span", "", item.held.replace(/^in quarantine /, ""))) : null;
}
