"""The regression report: what changed between a baseline and a candidate, in one offline file.

It stands on the parts of `report.html`: a shell readable without JavaScript, a light index, packed chunks inflated when a
conversation is opened, and a policy in the page's head that runs one script and one style sheet by their digests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from focal_eval.compare.model import CauseGroup, Change, Comparison, Edit
from focal_eval.errors import StorageError
from focal_eval.records import Json
from focal_eval.report.base import target
from focal_eval.report.characters import one_line, visible
from focal_eval.report.comparison_charts import drawing
from focal_eval.report.comparison_data import Gathered, Recordings, gather, rule_table
from focal_eval.report.comparison_graph import figure_of, graphs, state_of, step_rows
from focal_eval.report.comparison_judge import lane
from focal_eval.report.comparison_words import CHANGES, HINTS, headline, masked_words, notes, side_words, tiles, tone_of
from focal_eval.report.html import ascii_markup, asset, digest_of, json_for_script
from focal_eval.report.wording import WORDS, gate_limit, gate_name, number
from focal_eval.value import value

NAME = "comparison.html"
SCRIPTS = (
    *("dom", "stored", "expectations", "more", "lanes"),
    *("compare_store", "compare_words", "compare_query", "compare_view", "compare_decide", "compare_list"),
    *("compare_cause", "compare_lanes", "compare_turn", "compare_copy", "compare_case", "compare_app"),
)
STYLES = ("base", "list", "case", "stored", "compare", "compare_judge", "compare_case", "print", "compare_print")
NAMED = 3  # conversations of a cause that are named at once
PLAIN_CAUSES = 100  # readable without JavaScript


@value
class ComparisonView:
    """Everything the report shows: the comparison, and where to read both sides' conversations."""

    comparison: Comparison
    before: Recordings
    after: Recordings
    gates: Sequence[Mapping[str, Json]] = ()  # as in run.json; `passed` is null where a gate was not judged
    statistics: Mapping[str, Json] | None = None  # `Statistics.as_json()`
    before_header: Mapping[str, Json] | None = None  # run.json of each side; None of a baseline
    after_header: Mapping[str, Json] | None = None
    title: str = ""
    told: Sequence[str] = ()  # what else a reader must know first, in sentences
    agents: str | None = None  # why the edits of the agent are not known, in words
    more: Mapping[str, str] = field(default_factory=dict)  # facts to tell beside the others: label and text
    own_gates: Sequence[Mapping[str, Json]] = ()  # of the candidate's run itself; they decide nothing here
    preference: Mapping[str, Json] | None = None  # `Preference.as_json()`, where a judge was asked


def write(view: ComparisonView, out: Path) -> Path:
    """Writes `comparison.html`, or the file `out` names."""
    path = target(out, NAME)
    context = _context(view)
    try:
        with path.open("wb") as file:
            for part in _template().generate(context):
                file.write(ascii_markup(part))
    except OSError as problem:
        raise StorageError(f"cannot write {path}: {problem.strerror or problem}") from problem
    return path


def _context(view: ComparisonView) -> dict[str, Any]:
    from markupsafe import Markup

    comparison = view.comparison
    found, chunks = gather(comparison, view.before, view.after)
    script, style = asset("script", "js", SCRIPTS), asset("style", "css", STYLES)
    words, beside = headline(comparison, view.gates)
    counts = comparison.counts
    drawn = graphs(found.before, found.after)
    return {
        "title": view.title or _suite(view) or "comparison",
        "headline": words,
        "beside": beside,
        "tone": tone_of(comparison, view.gates),
        "notes": [*notes(comparison), *map(visible, view.told)],
        "gates": [_gate(gate) for gate in view.gates],
        "own_gates": [_gate(gate) for gate in view.own_gates],
        "counts": [
            (change.value, CHANGES[change], HINTS[change], counts[change])
            for change in Change
            if counts[change] or change in SHOWN
        ],
        "total": len(comparison.cases),
        "sides": [side_words(comparison.before, view.before_header), side_words(comparison.after, view.after_header)],
        "more": list(view.more.items()),
        "tiles": list(tiles(view.statistics)),
        "statistics": view.statistics,
        "masked": masked_words(comparison),
        "preference": lane(view.preference, {case.name for case in comparison.cases}),
        "causes": [_plain_cause(comparison, group) for group in comparison.groups[:PLAIN_CAUSES]],
        "cause_count": len(comparison.groups),
        "rules": list(rule_table(found)),
        "changes": [(change.value, CHANGES[change]) for change in Change],
        "graphs": [(graph, list(step_rows(found.before, found.after, graph.name))) for graph in drawn],
        "figure_of": figure_of,
        "state_of": state_of,
        "filter_link": filter_link,
        "words": WORDS,
        "visible": visible,
        "index": json_for_script(_index(view, found)),
        "chunks": [Markup(chunk) for chunk in chunks],  # noqa: S704  # base64 holds no markup
        "said": [Markup(chunk) for chunk in found.said],  # noqa: S704  # base64 holds no markup
        "script": script,
        "style": style,
        "policy": f"default-src 'none'; script-src '{digest_of(script)}'; style-src '{digest_of(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
    } | drawing(found, times="latency_ms" not in ((view.statistics or {}).get("uncompared") or {}))


SHOWN = frozenset({Change.REGRESSED, Change.CHANGED, Change.FIXED, Change.SAME})  # counters that are there even at zero


def _suite(view: ComparisonView) -> str:
    suite = (view.after_header or {}).get("suite") or {}
    return str(suite.get("title") or suite.get("file") or "")


def _gate(gate: Mapping[str, Json]) -> dict[str, Any]:
    passed = gate.get("passed")
    return {
        "name": gate_name(gate),
        "limit": gate_limit(gate),
        "observed": number(gate.get("observed")),
        "state": "unjudged" if passed is None else "held" if passed else "missed",
        "message": gate.get("message"),
    }


def _index(view: ComparisonView, found: Gathered) -> dict[str, Any]:
    """What the page's lists need; of conversations each column is an array, so that no object stands for a row."""
    comparison = view.comparison
    header = view.after_header or {}
    return {
        "run": comparison.after.name,
        "baseline": comparison.before.name,
        "count": len(comparison.cases),
        "columns": found.columns,
        "sets": {column: list(sets) for column, sets in found.sets.items()},
        "changes": [change.value for change in Change],
        "change_words": {change.value: CHANGES[change] for change in Change},
        "words": WORDS,
        "causes": [_cause(group) for group in comparison.groups],
        "edits": None if comparison.edits is None else [_edit(edit) for edit in comparison.edits],
        "edits_unknown": view.agents,
        "titles": list(found.names["title"]),
        "scripts": list(found.names["script"]),
        "tags": list(found.names["tag"]),
        "rules": list(found.names["rule"]),
        "tools": list(found.names["tool"]),
        "steps": list(found.names["step"]),
        "verdicts": list(found.names["verdict"]),
        "engine": (header.get("engine") or {}).get("kind"),
        "decidable": "runs" not in header,  # several runs read as one cannot be approved
    }


def _cause(group: CauseGroup) -> dict[str, Any]:
    return {
        "key": group.cause.key,
        "lane": group.cause.lane.value,
        "what": group.cause.what,
        "text": group.text,
        "counts": dict(group.counts),
        "knock_on": [list(item) for item in group.knock_on],
        "edits": list(group.edits),
    }


def _edit(edit: Edit) -> dict[str, Any]:
    return {
        "kind": edit.kind,
        "name": edit.name,
        "change": edit.change,
        "fields": [list(part) for part in edit.fields],
        "line": edit.line,
    }


def filter_link(**terms: str) -> str:
    """The address of the conversations that fit: `#q=verdict:regressed+rule:refund-limit`."""
    said = " ".join(f"{key}:{quoted(text)}" for key, text in terms.items())
    return "#q=" + quote_plus(said, safe=":/,")


def quoted(text: str) -> str:
    """A value as the page's filters read it."""
    plain = text.replace('"', "")
    return plain if plain and not re.search(r'[\s",]', plain) else f'"{plain}"'


def _plain_cause(comparison: Comparison, group: CauseGroup) -> dict[str, Any]:
    """A cause as text, for readers without JavaScript."""
    edits = comparison.edits or ()
    return {
        "text": visible(group.text),
        "counts": ", ".join(f"{count:,} {CHANGES[Change(change)]}" for change, count in group.counts.items()),
        "cases": [one_line(name, 120) for name in group.cases[:NAMED]],
        "more": max(0, len(group.cases) - NAMED),
        "edits": [visible(f"{edits[place].kind} {edits[place].name} {edits[place].change}") for place in group.edits],
    }


@lru_cache(maxsize=1)
def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("focal_eval.report", "assets")
    env = Environment(loader=loader, undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return env.get_template("compare.html.j2")
