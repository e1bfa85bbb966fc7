"""A page of an agent's mutants: the mutants by line, the scripts that let them through; one file, no script, no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from focal_eval.errors import StorageError
from focal_eval.report.characters import visible
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

_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1b1f24, #e6e8eb); --soft: light-dark(#57606a, #9aa4af);
  --ground: light-dark(#fff, #14171a); --line: light-dark(#d0d7de, #343b42); --bad: light-dark(#b3261e, #ff8a80);
  --good: light-dark(#1a7f37, #5fd07f); --box: light-dark(#f6f8fa, #1d2125); }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); margin: 0 auto; max-width: 76rem;
  padding: 1.2rem; }
h1 { font-size: 1.3rem; margin: 0; } p { margin: .3rem 0; } .soft { color: var(--soft); }
.score { font-size: 2rem; font-weight: 600; } .gauge { height: .5rem; background: var(--bad); border-radius: .3rem; }
.gauge progress { width: 100%; height: .5rem; appearance: none; border: 0; display: block; }
progress::-webkit-progress-bar { background: var(--line); border-radius: .3rem; }
progress::-webkit-progress-value { background: var(--good); border-radius: .3rem; }
progress::-moz-progress-bar { background: var(--good); }
.gauge { background: none; margin: .4rem 0 1rem; }
nav { display: flex; flex-wrap: wrap; gap: .4rem; margin: 1rem 0; align-items: center; }
.pick { position: absolute; opacity: 0; }
nav label { padding: .3rem .8rem; border: 1px solid var(--line); border-radius: 1rem; cursor: pointer; }
.pick:focus-visible + label, #all:focus-visible + label { outline: 2px solid; }
#mutants:checked ~ nav label[for=mutants], #scripts:checked ~ nav label[for=scripts], #all:checked ~ nav label[for=all]
  { background: var(--ink); color: var(--ground); }
section { display: none; } #mutants:checked ~ .mutants, #scripts:checked ~ .scripts { display: block; }
body:not(:has(#all:checked)) .fine { display: none; }
article { border: 1px solid var(--line); border-left: .3rem solid var(--good); border-radius: .4rem; padding: .6rem .8rem;
  margin: .6rem 0; overflow-wrap: anywhere; }
article.bad { border-left-color: var(--bad); } article h3 { font-size: 1rem; margin: 0; }
pre { background: var(--box); border-radius: .3rem; padding: .5rem; margin: .4rem 0; overflow-x: auto; white-space: pre-wrap;
  font: 13px/1.4 ui-monospace, monospace; }
del { color: var(--bad); } ins { color: var(--good); text-decoration: none; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; } summary { cursor: pointer; }
"""


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
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = f"mutants of {document['agent']}"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>",
        *_head(document, title),
        *_controls(document),
        '<section class="mutants">',
        *_mutants(document["mutants"]),
        '</section><section class="scripts">',
        *_scripts(document),
        "</section></body></html>\n",
    ]
    return "\n".join(parts)


def _text(text: object) -> str:
    return escape(visible(str(text)))


def _head(document: Document, title: str) -> Iterator[str]:
    found = document["score"]
    value = found["value"]
    shown = "no score" if value is None else f"{value:.1%}"
    noticed = found["killed"] + found["timeouts"]
    yield f"<header><h1>{_text(title)}</h1>"
    yield f'<p class="score">{shown}</p>'
    yield f'<div class="gauge"><progress max="1" value="{value or 0:.4f}">{shown}</progress></div>'
    interval = f"95 % interval {found['low']:.1%} to {found['high']:.1%}"
    yield f"<p>{noticed:,} of {counted(found['tried'], 'mutant')} noticed; {interval}. "
    yield f"{found['survived']:,} survived, {found['not_covered']:,} touched by no script, {found['equivalent']:,} equivalent, "
    yield f"{found['timeouts']:,} cut off, {found['broken']:,} that cannot be loaded; {counted(document['cases'], 'case')}.</p>"
    yield from (f'<p class="soft">{_text(note)}</p>' for note in document["notes"])
    yield "</header>"


def _controls(document: Document) -> Iterator[str]:
    """Tabs and the filter are inputs and style; the page runs no script."""
    bad = sum(map(_is_problem, document["mutants"]))
    weak = len(_let_through(document["mutants"]))
    yield '<input class="pick" type="radio" name="tab" id="mutants" checked>'
    yield '<input class="pick" type="radio" name="tab" id="scripts">'
    yield '<input class="pick" type="checkbox" id="all">'
    yield f'<nav><label for="mutants">Mutants ({bad:,})</label><label for="scripts">Scripts ({weak:,})</label>'
    yield f'<label for="all">Also the {len(document["mutants"]) - bad:,} without a problem</label></nav>'


def _mutants(mutants: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Mutants in the order of the agent's lines."""
    if not any(map(_is_problem, mutants)):
        yield "<p>No mutant survived that nobody explained.</p>"
    for one in sorted(mutants, key=lambda item: (item["line"], item["operator"], item["id"])):
        bad = _is_problem(one)
        yield f'<article id="m-{_text(one["id"])}" class="{"bad" if bad else "fine"}">'
        yield f"<h3>{_text(one['what'])}: {_text(one['text'])}</h3>"
        place = f"{one['file']}:{one['line']}"
        yield f'<p class="soft">{_text(place)} · {_text(one["operator"])} · {SAID[one["fate"]]} · {_text(one["id"])}</p>'
        yield "<pre>" + "\n".join(_change(one)) + "</pre>"
        yield from _why(one)
        yield "</article>"


def _change(one: Mapping[str, Any]) -> Iterator[str]:
    if one["before"]:
        yield f"<del>- {_text(one['before'])}</del>"
    if one["after"]:
        yield f"<ins>+ {_text(one['after'])}</ins>"


def _why(one: Mapping[str, Any]) -> Iterator[str]:
    killer = one.get("killer")
    if killer is not None:
        turn = "" if killer["turn"] is None else f", turn {killer['turn'] + 1}"
        yield f"<p>Noticed by {_text(killer['case'])}{turn}: {_text(killer['expectation'])}</p>"
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
        survivors = f"{counted(len(items), 'mutant')} survived; {_noticed(rows[file])}"
        yield f'<article class="bad"><h3>{_text(file)}</h3><p>{survivors}</p>'
        yield f"<details><summary>{_text(items[0]['what'])}: {_text(items[0]['weak'])}</summary><ul>"
        yield from (f"<li>{_text(one['what'])}: {_text(one['text'])} ({_text(one['id'])})</li>" for one in items)
        yield "</ul></details></article>"
    for file, row in rows.items():
        if file not in groups and file != document["agent"]:
            yield f'<article class="fine"><h3>{_text(file)}</h3><p>{_noticed(row)}</p></article>'


def _noticed(row: Mapping[str, Any]) -> str:
    return f"{row['killed'] + row['timeouts']:,} of {counted(row['tried'], 'mutant')} noticed"
