// One expectation, judged: a line where it held, a card with the reason and the script's line where it did not.

const OUTCOMES = { passed: "held", failed: "failed", skipped: "not judged", errored: "the check crashed" };
const GOLDEN = "response.golden"; // what differs is marked in the chat
const BAD = new Set(["failed", "errored"]);

function placeText(at) {
  return `${at[0]}:${at[1]}:${at[2]}`;
}

// `told`: why nothing was judged stands beside it already.
function expectation(result, id, told) {
  if (!BAD.has(result.outcome)) {
    return h("li", { class: `expectation ${result.outcome}` }, icon(result.outcome, OUTCOMES[result.outcome]),
      h("div", { class: "expectation-body" }, said("span", "expectation-text", result.text), softBadge(result), byWhat(result),
        result.reason && !told && said("div", "expectation-why", result.reason),
        result.findings && recordsCard(result)));
  }
  const findings = result.findings || [];
  const byJudge = result.by && result.by.kind === "judge";
  const message = findings.length ? !byJudge && findings[0].message : result.reason; // the rubric stands in the text already
  return h("li", { class: `expectation ${result.outcome}${result.soft ? " soft" : ""}`, id, tabindex: id ? "-1" : null },
    icon(result.outcome, OUTCOMES[result.outcome]),
    h("div", { class: "expectation-body" },
      said("span", "expectation-text", result.text), softBadge(result), byWhat(result),
      result.key === RECORDS ? recordsCard(result) : message && said("div", "expectation-message", message),
      result.key !== GOLDEN && result.key !== RECORDS && findings.map((finding, place) => (byJudge ? judgedView(finding) : findingView(finding, result.text, place > 0))),
      result.because && h("p", { class: "because" }, h("b", null, "Because"), " ", said("span", "", result.because)),
      frameView(result)));
}

const BY = { judge: "judged", model: "by meaning", lexical: "by likeness of words" };

// What judged a result that was not simply compared, and whether its failure fails the case.
function softBadge(result) {
  if (!result.by && !result.soft) return null;
  const judged = result.by && result.by.kind === "judge";
  const title = judged ? "The gate on judged expectations decides, not the case" : "A soft expectation reports without failing the case";
  return h("span", { class: "badges" },
    result.by && h("span", { class: `badge by-${BY[result.by.kind] ? result.by.kind : "judge"}` }, BY[result.by.kind] || "judged"),
    result.by && result.soft && " ",
    result.soft && h("span", { class: "badge soft", title }, judged ? "apart" : "soft"));
}

function byWhat(result) {
  return result.by && result.by.told ? said("div", "expectation-why", result.by.told) : null;
}

function findingView(finding, text, further) {
  const given = (name) => finding[name] !== undefined && finding[name] !== null && finding[name] !== text;
  const rows = ["expected", "observed", "near"].filter(given);
  const body = rows.map((name) => h("div", { class: `finding-${name}` }, h("dt", null, name === "near" ? "nearest" : name),
    h("dd", null, longText(finding[name]))));
  return [further && said("div", "expectation-message", finding.message), rows.length > 0 && h("dl", { class: "finding" }, body)];
}

// What a judge was shown, and why it says that it does not fit.
function judgedView(finding) {
  const rows = [["judged", finding.observed], ["because", finding.near]].filter(([, text]) => text !== undefined && text !== null);
  return h("dl", { class: "finding" }, rows.map(([name, text]) => h("div", { class: `finding-${name}` }, h("dt", null, name), h("dd", null, longText(text)))));
}

const LONG = 900; // characters shown of a text before it is unfolded

function longText(text, className) {
  const whole = String(text);
  const element = said("span", `text ${className || ""}`.trim(), whole.length > LONG ? `${whole.slice(0, LONG)}…` : whole);
  if (whole.length <= LONG) return element;
  const more = h("button", { type: "button", class: "button small" }, `Show all ${whole.length.toLocaleString("en")} characters`);
  more.addEventListener("click", () => {
    element.textContent = visible(whole);
    more.remove();
  });
  return h("span", { class: "long" }, element, more);
}

// The script's lines with the expectation marked, under its place.
function frameView(result) {
  const [, line, column, endLine, endColumn] = result.at;
  const place = h("div", { class: "frame-place" }, h("code", null, visible(placeText(result.at))), copyButton(placeText(result.at), "Copy the place"));
  if (!result.excerpt || !result.excerpt.length) return h("div", { class: "frame" }, place);
  const code = h("code", null);
  for (const [number, text] of result.excerpt) {
    const characters = Array.from(text);
    const from = number === line ? column - 1 : characters.length;
    const to = number === line ? (endLine === line ? endColumn - 1 : characters.length) : characters.length;
    const part = (begin, end) => visible(characters.slice(begin, end).join(""));
    code.append(h("span", { class: "frame-line" }, h("span", { class: "frame-number", "aria-hidden": "true" }, number),
      h("span", { class: "frame-text" }, part(0, from), number === line && from < to && h("mark", null, part(from, to)), part(to))));
  }
  return h("div", { class: "frame" }, place, h("pre", { tabindex: "0", "aria-label": `Lines of ${visible(result.at[0])}` }, code));
}
