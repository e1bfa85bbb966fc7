// Accepting and rejecting: kept in this browser, downloaded as a file that `focal-eval approve --decisions` applies.

const STORE = `focal-eval decisions ${index.run} ${index.baseline}`;
const decisions = { author: "", made: new Map() };

function readDecisions() {
  if (!index.decidable) return;
  try {
    const held = JSON.parse(localStorage.getItem(STORE) || "null");
    if (!held || !Array.isArray(held.decisions)) return;
    decisions.author = String(held.author || "");
    for (const one of held.decisions) if (knownTarget(one)) decisions.made.set(targetKey(one), one);
  } catch { /* no storage, or not ours: the page begins without decisions */ }
}

function knownTarget(one) {
  return one && typeof one.accept === "boolean" && (one.cause !== undefined ? index.causes.some((cause) => cause.key === one.cause) : caseByName.has(one.case));
}

function targetKey(one) {
  if (one.cause !== undefined) return JSON.stringify(["cause", one.cause]);
  const place = ["turn", "before_turn"].find((name) => one[name] !== undefined);
  return JSON.stringify(place ? [place, one.case, one[place]] : ["case", one.case]);
}

function saveDecisions() {
  try {
    localStorage.setItem(STORE, JSON.stringify({ author: decisions.author, decisions: [...decisions.made.values()] }));
  } catch { /* a page opened from a file may have no storage; the decisions then last as long as the page */ }
  drawTray();
}

function decisionsFile() {
  const document = { kind: "focal-eval decisions", format: 1, run: index.run, author: decisions.author.trim(), decisions: [...decisions.made.values()] };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

const ACTS = { true: ["accept", "Accept", "Accepted"], false: ["reject", "Reject", "Rejected"] };

// What a turn of both sides is called in a decision: by the candidate's number, or by the baseline's where it was taken out.
// Repeats of a conversation are approved together, so their turns are not offered.
function turnControl(item, conversation, [before, after, differences, reworded]) {
  if (!causeOf(item) || conversation.tried) return null;
  if (after === null) return decisionControl({ case: item.name, before_turn: before + 1 }, `turn ${before + 1} of the baseline, which is gone`);
  return differences.length || before === null || reworded ? decisionControl({ case: item.name, turn: after + 1 }, `turn ${after + 1}`) : null;
}

// Buttons for one target ({cause} | {case} | {case, turn} | {case, before_turn}), or what was decided of it; null where
// the candidate is several runs, which nobody can approve.
function decisionControl(target, about) {
  if (!index.decidable) return null;
  const box = h("div", { class: "decide", role: "group", "aria-label": `Decide ${about}` });
  const show = (...parts) => box.replaceChildren(...parts.flat(Infinity).filter(Boolean));
  const idle = (focus) => {
    const made = decisions.made.get(targetKey(target));
    show(made ? decided(made) : [act(true), act(false)]);
    if (focus) box.querySelector("button").focus();
  };
  const act = (accept) => h("button", { type: "button", class: `button small decide-${ACTS[accept][0]}`, onclick: () => ask(accept) }, icon(ACTS[accept][0]), ACTS[accept][1], h("span", { class: "sr-only" }, ` ${about}`));
  const decided = (made) => {
    const undo = h("button", { type: "button", class: "button small quiet", onclick: () => { decisions.made.delete(targetKey(target)); saveDecisions(); idle(true); } }, "Undo", h("span", { class: "sr-only" }, ` the decision on ${about}`));
    return [h("p", { class: `decided ${ACTS[made.accept][0]}` }, icon(ACTS[made.accept][0]), h("span", null, h("b", null, ACTS[made.accept][2]), made.reason && [": ", said("span", "", made.reason)], made.expires && ` (until ${visible(made.expires)})`)), undo];
  };
  const ask = (accept) => {
    const reason = h("input", { type: "text", class: "field", maxlength: "500", required: accept, "aria-label": accept ? "Why it is right now" : "What is wrong (optional)", placeholder: accept ? "Why it is right now" : "What is wrong (optional)" });
    const until = accept && h("label", { class: "until" }, "until ", h("input", { type: "date", class: "field" }));
    const cancel = h("button", { type: "button", class: "button small quiet", onclick: () => idle(true) }, "Cancel");
    const form = h("form", { class: "decide-form" }, reason, until, h("button", { type: "submit", class: `button small decide-${ACTS[accept][0]}` }, icon(ACTS[accept][0]), ACTS[accept][1]), cancel);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const made = { accept, ...target };
      if (reason.value.trim()) made.reason = reason.value.trim();
      else if (accept) { reason.focus(); return; }
      const date = until && until.querySelector("input").value;
      if (date) made.expires = date;
      decisions.made.set(targetKey(target), made);
      saveDecisions();
      announce(`${ACTS[accept][2]}: ${about}`);
      idle(true);
    });
    form.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); idle(true); } });
    show(form);
    reason.focus();
  };
  idle(false);
  return box;
}

function drawTray() {
  const tray = byId("tray");
  const made = [...decisions.made.values()];
  document.body.classList.toggle("with-tray", made.length > 0);
  tray.hidden = !made.length;
  if (!made.length) return;
  const accepted = made.filter((one) => one.accept).length;
  const words = [accepted && `${accepted} accepted`, made.length - accepted && `${made.length - accepted} rejected`].filter(Boolean).join(", ");
  if (!tray.firstChild) buildTray(tray);
  tray.querySelector(".tray-count").textContent = `${plural(made.length, "decision")}: ${words}`;
}

function buildTray(tray) {
  const author = h("input", { type: "text", class: "field", maxlength: "200", value: decisions.author, autocomplete: "name", placeholder: "Your name", "aria-label": "Your name, kept with the decisions" });
  author.addEventListener("input", () => { decisions.author = author.value; saveDecisions(); });
  const take = h("button", { type: "button", class: "button primary" }, icon("save"), "Download decisions");
  take.addEventListener("click", () => {
    if (!decisions.author.trim()) {
      author.focus();
      author.setCustomValidity("The file names who decided.");
      author.reportValidity();
      author.setCustomValidity("");
      return;
    }
    download(`decisions-${index.run.replace(/[^\w.-]+/g, "-")}.json`, decisionsFile());
    announce("Decisions downloaded");
  });
  const command = `focal-eval approve ${index.run} --decisions decisions.json`;
  tray.append(h("div", { class: "tray-inner" }, h("p", { class: "tray-count", role: "status" }), h("code", { class: "tray-command", title: "Applies the downloaded file" }, visible(command)), author, take));
}
