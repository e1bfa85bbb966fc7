"""A page of an agent's mutants: part by part, and the scripts that let them through; one file, no script, no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from focal_eval.compare.wording import word_diff
from focal_eval.errors import StorageError
from focal_eval.report.characters import visible
from focal_eval.report.mutation_style import STYLE
from focal_eval.text import counted

Document = Mapping[str, Any]
PROBLEMS = frozenset({"survived", "not-covered", "broken"})
SAID = {
    "killed": "noticed",
    "survived": "survived",
    "not-covered": "no script touches it",
    "timeout": "cut off",
    "equivalent": "equivalent",
    "broken": "cannot be loaded",
}
"""Fates in words."""

OPEN = 40  # problems that are in sight when the page is opened; the parts of the others are a click away
FEW = 150  # mutants of which every part is open
BAR = 1_000  # the width of a bar, in its own units


def write_page(document: Document, path: Path) -> Path:
    """Writes the page. Raises StorageError where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(document), encoding="utf-8", newline="\n")
    except OSError as problem:
        raise StorageError(f"{path} cannot be written: {problem.strerror or problem}") from None
    return path


def page(document: Document) -> str:
    """The page of one document of an agent's mutants, with every mutant in it."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = f"mutants of {document['agent']}"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title><style>{STYLE}</style></head><body>",
        *_head(document, title),
        *_controls(document),
        '<section class="mutants">',
        *_parts(document["mutants"]),
        '</section><section class="scripts">',
        *_scripts(document),
        "</section></body></html>\n",
    ]
    return "\n".join(parts)


def _text(text: object) -> str:
    return escape(visible(str(text)))


def _head(document: Document, title: str) -> Iterator[str]:
    found = document["score"]
    value, noticed = found["value"], found["killed"] + found["timeouts"]
    shown = "No score" if value is None else f"{value:.1%} noticed"
    yield f"<header><h1>{_text(title)}</h1>"
    interval = f"{noticed:,} of {counted(found['tried'], 'mutant')}, 95 % interval {found['low']:.1%} to {found['high']:.1%}"
    yield f'<p class="score">{shown} <span class="soft">{interval}</span></p>'
    yield _bar(noticed, found["survived"], found["not_covered"])
    rows = (
        ("noticed", noticed, "noticed"),
        ("survived", found["survived"], "survived"),
        ("untouched", found["not_covered"], "touched by no script"),
        ("", found["equivalent"], "equivalent, not counted"),
        ("", found["broken"], "that cannot be loaded, not counted"),
    )
    items = (f'<li><i class="{kind}"></i><strong>{count:,}</strong> {words}</li>' for kind, count, words in rows if count)
    yield f'<ul class="legend">{"".join(items)}</ul>'
    cut_off = [f"{found['timeouts']:,} of the noticed ones were cut off"] if found["timeouts"] else []
    notes = [f"played by {counted(document['cases'], 'case')}", *cut_off, *document["notes"]]
    yield f'<p class="soft">{_text("; ".join(notes))}</p></header>'


def _bar(noticed: int, survived: int, untouched: int) -> str:
    """The three counts as one bar; how wide each is says an attribute, since the page's policy lets no inline style in."""
    whole = max(1, noticed + survived + untouched)
    at, parts = 0.0, []
    for kind, count in (("noticed", noticed), ("survived", survived), ("untouched", untouched)):
        width = BAR * count / whole
        if count:
            parts.append(f'<rect class="s-{kind}" x="{at:.1f}" y="0" width="{width:.1f}" height="8"/>')
        at += width
    words = f"{noticed:,} noticed, {survived:,} survived, {untouched:,} touched by no script"
    view = f'viewBox="0 0 {BAR} 8" preserveAspectRatio="none"'
    return f'<svg role="img" aria-label="{words}" {view}>{"".join(parts)}</svg>'


def _controls(document: Document) -> Iterator[str]:
    """Tabs and the filter are inputs and style; the page runs no script."""
    bad = sum(map(_is_problem, document["mutants"]))
    weak = len(_let_through(document["mutants"]))
    yield '<input class="pick" type="radio" name="tab" id="mutants" checked>'
    yield '<input class="pick" type="radio" name="tab" id="scripts">'
    yield '<input class="pick" type="checkbox" id="all">'
    yield f'<nav><label for="mutants">Mutants ({bad:,})</label><label for="scripts">Scripts ({weak:,})</label>'
    yield f'<label for="all">also the {len(document["mutants"]) - bad:,} without a problem</label></nav>'


def _parts(mutants: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The parts of the agent, those first of which most survived, each with its mutants."""
    if not any(map(_is_problem, mutants)):
        yield "<p>No mutant survived that nobody explained.</p>"
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for one in sorted(mutants, key=lambda item: (item["line"], item["operator"], item["id"])):
        groups.setdefault(one["what"], []).append(one)
    shown = 0
    for what, items in sorted(groups.items(), key=lambda entry: (_survived(entry[1]), _untouched(entry[1])), reverse=True):
        yield from _part(what, items, is_open=shown < OPEN or len(mutants) <= FEW)
        shown += sum(map(_is_problem, items))


def _part(what: str, items: Sequence[Mapping[str, Any]], *, is_open: bool) -> Iterator[str]:
    survived, untouched = _survived(items), _untouched(items)
    noticed = sum(one["fate"] in ("killed", "timeout") for one in items)
    counts = (("survived", survived, "survived"), ("untouched", untouched, "untouched"), ("noticed", noticed, "noticed"))
    words = [f'<span class="{kind}-word">{count:,} {word}</span>' for kind, count, word in counts if count]
    kind, _, name = what.partition(":")
    place = f"{items[0]['file']}:{min(one['line'] for one in items)}"
    yield f'<details class="part {"bad" if survived or untouched else "fine"}"{" open" if is_open else ""}>'
    yield f'<summary><span><span class="soft">{_text(kind)}</span> <span class="name">{_text(name)}</span></span>'
    yield f'<span class="soft small">{_text(place)}</span><span class="counts small">{" · ".join(words)}</span></summary>'
    for one in sorted(items, key=lambda item: (not _is_problem(item), item["fate"] != "survived")):
        yield from _article(one)
    yield "</details>"


def _survived(items: Sequence[Mapping[str, Any]]) -> int:
    return sum(_is_problem(one) and one["fate"] != "not-covered" for one in items)


def _untouched(items: Sequence[Mapping[str, Any]]) -> int:
    return sum(_is_problem(one) and one["fate"] == "not-covered" for one in items)


_TONES = {"survived": "survived", "broken": "survived", "not-covered": "untouched", "killed": "noticed", "timeout": "noticed"}


def _article(one: Mapping[str, Any]) -> Iterator[str]:
    bad = _is_problem(one)
    tone = f"{_TONES[one['fate']]}-word" if one["fate"] in _TONES and not one.get("explained") else "soft"
    said = "survived, explained" if one.get("explained") else SAID[one["fate"]]
    yield f'<article id="m-{_text(one["id"])}" class="{"bad" if bad else "fine"}">'
    yield f'<h3>{_text(one["text"])}<span class="{tone}">{said}</span></h3>'
    yield f'<pre class="diff">{"".join(_change(one))}</pre>'
    yield from _why(one)
    yield f'<p class="soft small">{_text(one["operator"])} · {_text(one["id"])}</p>'
    yield "</article>"


def _change(one: Mapping[str, Any]) -> Iterator[str]:
    """The changed line as a difference, the words marked that differ."""
    before, after = str(one["before"] or ""), str(one["after"] or "")
    marks: dict[str, list[str]] = {"removed": [], "added": []}
    for piece in word_diff(before, after) if before and after else ():
        for side, text in marks.items():
            if piece.kind == "equal":
                text.append(_text(piece.text))
            elif piece.kind == side:
                text.append(f"<mark>{_text(piece.text)}</mark>")
    if before:
        yield f'<del><span class="at">{one["line"]}</span>− {"".join(marks["removed"]) or _text(before)}</del>'
    if after:
        yield f'<ins><span class="at">{one["line"]}</span>+ {"".join(marks["added"]) or _text(after)}</ins>'


def _why(one: Mapping[str, Any]) -> Iterator[str]:
    killer = one.get("killer")
    if killer is not None:
        turn = "" if killer["turn"] is None else f", turn {killer['turn'] + 1}"
        yield f"<p>Noticed by <code>{_text(killer['case'])}</code>{turn}: {_text(killer['expectation'])}</p>"
    if one.get("explained"):
        yield f"<p>Explained: {_text(one['explained'])}</p>"
    if one.get("weak"):
        yield f"<p>{_text(one['weak'][0].upper() + one['weak'][1:])}.</p>"
    if one.get("covered"):
        names = "".join(f"<li>{_text(name)}</li>" for name in one["covered"])
        count = counted(len(one["covered"]), "case")
        yield f"<details><summary>{count} played it and passed</summary><ul>{names}</ul></details>"
    if one.get("proposal"):
        yield f"<p>This would notice it:</p><pre>{_text(one['proposal'])}</pre>"


def _is_problem(one: Mapping[str, Any]) -> bool:
    """Whether somebody has to look at the mutant: an explained survivor was looked at."""
    return one["fate"] in PROBLEMS and not one.get("explained")


def _let_through(mutants: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The problems by the file of the script in which a difference first showed and nobody looked at it."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for one in mutants:
        if one.get("at") is not None and _is_problem(one):
            groups.setdefault(one["at"]["file"], []).append(one)
    return groups


def _scripts(document: Document) -> Iterator[str]:
    """Scripts that let mutants through, most first, each with what it missed; then those that missed nothing."""
    groups = _let_through(document["mutants"])
    rows = {row["file"]: row for row in document["scripts"]}
    if not groups:
        yield "<p>No script let a mutant through that nobody explained.</p>"
    for file, items in sorted(groups.items(), key=lambda entry: (-len(entry[1]), entry[0])):
        yield from _script(file, rows[file], items)
    for file, row in rows.items():
        if file not in groups and file != document["agent"]:
            yield from _script(file, row, ())


def _script(file: str, row: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    noticed = row["killed"] + row["timeouts"]
    yield f'<article class="{"bad" if items else "fine"}"><h3 class="name">{_text(file)}</h3>'
    yield _bar(noticed, len(items), 0)
    missed = f'<span class="survived-word">{len(items):,} survived</span> · ' if items else ""
    yield f'<p class="small">{missed}{noticed:,} of {counted(row["tried"], "mutant")} noticed</p>'
    if items:
        yield "<details><summary>What it let through</summary><ul>"
        for one in items:
            why = f'<br><span class="soft small">{_text(one["weak"])}</span>' if one.get("weak") else ""
            yield f"<li><code>{_text(one['what'])}</code> {_text(one['text'])}{why}</li>"
        yield "</ul></details>"
    yield "</article>"
