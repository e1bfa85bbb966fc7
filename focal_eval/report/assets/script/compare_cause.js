// Causes, ranked: what happened, to how many conversations, which edit of the agent leads there, and what followed.

const MOST_NAMED = 4; // conversations named under a cause before "all"
const MOST_CAUSES = 60; // drawn at once

const EDITED = { added: "added", removed: "removed", edited: "edited", renamed: "renamed", moved: "moved" };

function changeCounts(counts, q) {
  return index.changes.filter((change) => counts[change]).map((change) => h("a", { class: `count-link v-${change}`, href: formatView({ tab: "conversations", case: null, query: `verdict:${change} ${q}`.trim() }) },
    icon(change), `${counts[change].toLocaleString("en")} ${index.change_words[change]}`));
}

function plainValue(value) {
  if (value === null || value === undefined) return h("i", { class: "muted" }, "none");
  return typeof value === "string" ? longText(value) : json(value);
}

// What a list lost and gained says more than both lists.
function listDifference(before, after) {
  if (!Array.isArray(before) || !Array.isArray(after)) return null;
  const key = (value) => JSON.stringify(value);
  const [here, there] = [new Set(before.map(key)), new Set(after.map(key))];
  const gone = before.filter((value) => !there.has(key(value)));
  const come = after.filter((value) => !here.has(key(value)));
  if (!gone.length && !come.length) return null;
  const chip = (sign, word) => (value) => h("li", { class: `chip ${word}` }, h("span", { "aria-hidden": "true" }, sign), h("span", { class: "sr-only" }, `${word}: `), said("span", "", typeof value === "string" ? value : JSON.stringify(value)));
  return h("ul", { class: "chips" }, gone.map(chip("−", "removed")), come.map(chip("+", "added")));
}

function editView(edit) {
  const fields = edit.fields.map(([name, before, after]) => h("div", { class: "edit-field" }, h("dt", null, visible(name)),
    h("dd", null, listDifference(before, after) || (typeof before === "string" && typeof after === "string" ? wordsView(before, after) : [before !== null && before !== undefined && h("del", null, plainValue(before)), " ", after !== null && after !== undefined && h("ins", null, plainValue(after))]))));
  return h("div", { class: `edit${fields.length === 1 ? " short" : ""}` },
    h("p", { class: "edit-head" }, h("span", { class: "muted" }, "Edit: "), `${edit.kind} `, said("code", "", edit.name), ` ${EDITED[edit.change] || edit.change}`, edit.line && h("span", { class: "muted" }, ` · line ${edit.line}`)),
    fields.length > 0 && h("dl", { class: "edit-fields" }, fields));
}

// Both texts in one line, shared words at both ends left as they are.
function wordsView(before, after) {
  const [one, other] = [before.match(/\s+|[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu) || [], after.match(/\s+|[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu) || []];
  let start = 0;
  while (start < one.length && start < other.length && one[start] === other[start]) start += 1;
  let end = 0;
  while (end < one.length - start && end < other.length - start && one[one.length - 1 - end] === other[other.length - 1 - end]) end += 1;
  const part = (words, from, to) => visible(words.slice(from, to).join(""));
  return h("span", { class: "edit-words", dir: "auto" }, part(one, 0, start), start < one.length - end && h("del", null, part(one, start, one.length - end)), start < other.length - end && h("ins", null, part(other, start, other.length - end)), part(one, one.length - end, one.length));
}

function edits(cause) {
  return index.edits ? cause.edits.map((place) => index.edits[place]) : [];
}

function causeCard(cause, place) {
  const items = casesOfCause[place];
  const q = `cause:${quotedValue(cause.key)}`;
  const all = formatView({ tab: "conversations", query: q, case: null });
  const names = items.slice(0, MOST_NAMED).map((item) => h("li", null, icon(item.change, index.change_words[item.change]), h("a", { href: formatView({ tab: "conversations", query: q, case: item.name }) }, said("span", "", item.name))));
  if (items.length > MOST_NAMED) names.push(h("li", { class: "more-names" }, h("a", { href: all }, `all ${items.length.toLocaleString("en")} conversations`)));
  const worst = items.length ? items[0].change : "same";
  return h("article", { class: `cause v-${worst}`, "aria-labelledby": `cause-${place}` },
    h("div", { class: "cause-head" },
      h("h3", { id: `cause-${place}` }, h("a", { href: all, dir: "auto" }, visible(cause.text[0].toUpperCase() + cause.text.slice(1)))),
      h("p", { class: "cause-counts" }, changeCounts(cause.counts, q)),
      decisionControl({ cause: cause.key }, "this cause")),
    h("div", { class: "cause-body" },
      edits(cause).map(editView),
      h("ul", { class: "cause-names" }, names),
      cause.knock_on.length > 0 && folded(`What followed: ${cause.knock_on.length.toLocaleString("en")} ${cause.knock_on.length === 1 ? "kind" : "kinds"} of difference`,
        () => h("ul", { class: "knock-on" }, cause.knock_on.map(([words, count]) => h("li", null, said("span", "", words), h("span", { class: "score" }, plural(count, "conversation"))))))));
}

function drawCauses(all) {
  const shown = all ? index.causes : index.causes.slice(0, MOST_CAUSES);
  const linked = new Set(index.causes.flatMap((cause) => cause.edits));
  const idle = (index.edits || []).filter((_, place) => !linked.has(place));
  const parts = shown.map(causeCard);
  if (shown.length < index.causes.length) parts.push(h("p", null, h("button", { type: "button", class: "button", onclick: () => drawCauses(true) }, `Show all ${index.causes.length.toLocaleString("en")} causes`)));
  if (!index.causes.length) parts.push(h("p", { class: "empty" }, cases.length ? "Nothing changed." : "No conversation was compared."));
  if (idle.length) {
    parts.push(h("section", { class: "idle-edits", "aria-labelledby": "idle-title" }, h("h3", { id: "idle-title" }, `${plural(idle.length, "edit")} of the agent without a difference in these conversations`), idle.map(editView)));
  }
  if (index.edits === null) parts.push(h("p", { class: "quiet-note" }, index.edits_unknown ? `Edits of the agent are not shown: ${visible(index.edits_unknown)}.` : "The agents of both sides are not both known, so edits are not shown."));
  byId("causes").replaceChildren(...parts);
}
