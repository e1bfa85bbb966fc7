"""`summary.md`: a run on one page, for a job summary or a pull request's comment. At most one mebibyte, as GitHub asks.

Nothing of a script's or an engine's text acts: no markup, no mention of a user, no image.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focal_eval.report.base import ReportOptions, save, target
from focal_eval.report.characters import one_line, visible
from focal_eval.report.frames import plain
from focal_eval.report.judge_words import SHOWN, audit_words, failed_words, judge_warning, judge_words, missed_words
from focal_eval.report.model import Case, Failure, ReportModel
from focal_eval.report.simulated_words import blamed_words, simulated_warning, simulated_words
from focal_eval.report.told_causes import told_causes
from focal_eval.report.wording import (
    MARKS,
    WORDS,
    beside_words,
    cases_named,
    facts,
    gate_count,
    gate_limit,
    gate_name,
    lived_with_words,
    number,
    partial_note,
    quarantine_words,
    tone,
    verdict_words,
)

if TYPE_CHECKING:
    from focal_eval.compare.model import Comparison

NAME = "summary.md"
MAX_BYTES = 1_000_000  # GitHub refuses a summary over 1,048,576
_SPECIAL = re.compile(r"([\\`*_\[\]#!|~])")
_TICKS = re.compile("`+")


def write(run: ReportModel, out: Path, options: ReportOptions | None = None) -> Path:
    """Writes `summary.md`."""
    return save(target(out, NAME), render(run, options or ReportOptions()).encode())


def render(run: ReportModel, options: ReportOptions) -> str:
    """The summary's text."""
    shown, room, more = [], MAX_BYTES - 20_000, len(run.attention)
    for case, alike in run.told[: options.max_failures]:
        block = _block(run, case, alike)
        room -= len(block.encode())
        if room < 0:
            break
        shown.append(block)
        more -= 1 + len(alike)
    kind = tone(run)
    text: str = _template().render(
        mark={"passed": "✓", "failed": "✗", "errored": "!", "partial": "…"}[kind],
        verdict=verdict_words(run),
        beside=beside_words(run),
        note=partial_note(run),
        tolerated=lived_with_words(run),
        judge=[words for words in (judge_words(run), audit_words(run), simulated_words(run)) if words is not None],
        warning=judge_warning(run),
        simulated=simulated_warning(run),
        blamed=list(blamed_words(run))[:SHOWN],
        missed=list(missed_words(run))[:SHOWN] if judge_warning(run) is not None else [],
        judged=list(failed_words(run))[:SHOWN],
        facts=[value for label, value in facts(run) if label in ("Suite", "Engine", "Agent", "Shard", "Took")],
        counts=[(f"{MARKS[name]} {WORDS[name]}", f"{count:,}") for name, count in run.counts.items() if count],
        total=f"{run.planned:,}",
        gates=[
            {
                "name": gate_name(gate),
                "limit": gate_limit(gate),
                "observed": number(gate.get("observed")) + gate_count(gate),
                "passed": gate.get("passed", False),
            }
            for gate in run.gates[:100]
        ],
        causes=[] if options.comparison is None else _causes(options.comparison, options.max_failures),
        further=0 if options.comparison is None else max(0, len(options.comparison.groups) - options.max_failures),
        cases=shown,
        more=more,
    )
    return text


@lru_cache(maxsize=1)
def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("focal_eval.report", "assets")
    # Markdown, not HTML: every value goes through the `md` filter
    env = Environment(loader=loader, undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    env.filters["md"] = escape
    return env.get_template("summary.md.j2")


def escape(text: object) -> str:
    """The text as Markdown shows it literally, on one line; `@` no longer calls a user."""
    plain_text = html.escape(one_line(str(text), 2_000), quote=False)
    return _SPECIAL.sub(r"\\\1", plain_text).replace("@", "&#64;")


def fence(text: str) -> str:
    """The text as a code block that its own backticks cannot close."""
    longest = max((len(run) for run in _TICKS.findall(text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}text\n{visible(text)}\n{ticks}"


def _block(run: ReportModel, case: Case, alike: Sequence[Case]) -> str:
    """A case that went wrong, folded up: its first failure in one line, the frames inside."""
    said = []
    failures = list(run.failures(case))
    for turn, group in groupby(failures, key=lambda failure: failure.turn):
        several = list(group)
        said.append(_words(several[0], turn) + "\n\n" + fence("\n\n".join(plain(failure, limit=400) for failure in several)))
    name = _shown(one_line(case.name, 160))
    message = _shown(one_line(case.message or "", 200))
    head = f"<details><summary>{MARKS[case.verdict]} <b>{name}</b> {WORDS[case.verdict]}: {message}</summary>"
    if (entry := run.quarantine_of(case)) is not None:
        said.insert(0, escape(quarantine_words(entry)))
    if alike:
        said.append(f"And {escape(cases_named(alike))} errored in the same words.")
    return "\n\n".join([head, *said, "</details>\n"])


def _causes(comparison: Comparison, most: int) -> list[str]:
    """Each reason for which conversations changed, folded up: what became of them, and the edits of the agent inside."""
    out = []
    for cause in told_causes(comparison, most):
        head = (
            f"<details><summary>{'✗' if cause.regressed else '~'} <b>{_shown(cause.text)}</b> {_shown(cause.became)}</summary>"
        )
        edits = [f"{edit.file}{'' if edit.line is None else f':{edit.line}'}: {edit.text}" for edit in cause.edits]
        inside = [escape(cause.names), *([fence("\n\n".join(edits))] if edits else [])]
        out.append("\n\n".join([head, *inside, "</details>\n"]))
    return out


def _shown(text: str) -> str:
    return html.escape(text).replace("@", "&#64;")


def _words(failure: Failure, turn: int | None) -> str:
    if turn is None:
        return "The whole conversation" if failure.fault is None else "Outside a turn"
    said = (
        f"Turn {turn + 1}, user: {escape(one_line(failure.user, 300)) if failure.user is not None else '*(the agent begins)*'}"
    )
    if failure.response is not None:
        said += f"<br>agent: {escape(one_line(failure.response, 300))}"
    return said
