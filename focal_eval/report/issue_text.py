"""A failure as the text of an issue, in Markdown: what is said, what is expected, what happens, and a script that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from focal_eval.records import UNKNOWN, TurnRecord
from focal_eval.report.characters import one_line
from focal_eval.report.markdown import escape, fence
from focal_eval.text import listed, shorten
from focal_eval.value import value

_MOST = 400  # characters of what was said


@value
class Issue:
    """What an issue tells."""

    title: str
    case: str
    agent: str
    expectation: str
    because: str
    turns: Sequence[TurnRecord]
    rules: Sequence[tuple[str, int]]  # with their lines, that the failure takes
    text: str  # of the script
    command: str  # that shows it
    passes_on: str | None = None  # an agent on which the same script passes


def issue_text(issue: Issue) -> str:
    """The text; nothing of a script's or an agent's words acts in it."""
    return "\n".join(_lines(issue)) + "\n"


def _lines(issue: Issue) -> Iterator[str]:
    yield f"## {escape(shorten(issue.title, 120))}: {escape(shorten(issue.expectation, 120))} does not hold"
    yield ""
    yield f"Expected: {escape(issue.expectation)}. Observed: {escape(issue.because or 'it does not hold')}."
    yield ""
    for turn in issue.turns:
        yield f"> **user** {escape(shorten(turn.user or '(the agent speaks first)', _MOST))}  "
        yield f"> **agent** {escape(shorten(_answer(turn), _MOST))}  "
        yield f"> {escape(_decided(turn))}"
        yield ">"
    yield ""
    if issue.rules:
        told = listed([f"{_code(name)} ({escape(issue.agent)}:{line})" for name, line in issue.rules], most=12)
        yield f"It takes no more than these rules of the agent: {told}."
        yield ""
    if issue.passes_on is not None:
        yield f"The same conversation passes on {_code(issue.passes_on)}."
        yield ""
    yield f"Cut down from the case {_code(issue.case)}. To see it:"
    yield ""
    yield fence(issue.command)
    yield ""
    yield fence(issue.text.rstrip("\n"))


def _code(text: str) -> str:
    """A name as code; nothing in it ends the code early or the line."""
    held = one_line(text, _MOST)
    ticks = "`" * (max((len(run) for run in re.findall(r"`+", held)), default=0) + 1)
    edge = " " if held[:1] == "`" or held[-1:] == "`" else ""
    return f"{ticks}{edge}{held}{edge}{ticks}"


def _answer(turn: TurnRecord) -> str:
    if turn.fault is not None:
        return f"(the engine broke: {turn.fault.message})"
    if turn.reply is None or turn.reply.response is UNKNOWN:
        return "(no text)"
    return turn.reply.response


def _decided(turn: TurnRecord) -> str:
    """What the engine decided in a turn, in one line."""
    reply = turn.reply
    if reply is None:
        return "-"
    out = []
    if reply.rules is not UNKNOWN:
        out.append("rules " + (listed([rule.name for rule in reply.rules]) or "none"))
    if reply.scenario is not UNKNOWN:
        out.append(f"step {reply.scenario or 'none'}")
    if reply.tools is not UNKNOWN:
        out.append("tools " + (listed([call.name for call in reply.tools]) or "none"))
    return "; ".join(out) or "-"
