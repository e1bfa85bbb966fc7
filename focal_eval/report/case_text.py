"""One conversation on the terminal: what was said, what was observed beside it, and what did not hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from focal_eval.report.ansi import Paint
from focal_eval.report.characters import one_line
from focal_eval.report.frames import describe
from focal_eval.report.model import Attempt, Case, Failure, ReportModel
from focal_eval.report.simulated_words import ending_of, ending_words
from focal_eval.report.terminal import painted
from focal_eval.report.wording import MARKS, WORDS
from focal_eval.text import counted

SAID = 2_000  # characters of a message
SHOWN = 300  # of arguments, results and the like


def conversation_lines(run: ReportModel, case: Case, paint: Paint) -> Iterator[str]:
    """The case's last attempt, turn by turn; attempts before it are named."""
    head = f"{MARKS[case.verdict]} {WORDS[case.verdict].upper()}"
    yield f"{paint.verdict(head, case.verdict)}  {paint(one_line(case.name, 200), 'bold')}  {one_line(case.title, 100)}"
    yield paint(f"{case.file}:{case.line} · {counted(_turns(case), 'turn')} · {case.elapsed_ms:.0f} ms · case {case.id}", "dim")
    if case.message and case.verdict != "passed":
        yield f"{one_line(case.message, 400)}"
    if (ending := ending_of(run, case)) is not None:
        yield paint(f"simulated user: {one_line(ending_words(ending), SHOWN)}", "dim")
    yield from _given(run.document(case.place).get("given") or {}, paint)
    failures: dict[int | None, list[Failure]] = {}
    for failure in run.failures(case):
        failures.setdefault(failure.turn, []).append(failure)
    for place in case.last.turns:
        turn = run.document(place)
        yield ""
        yield from _turn(turn, paint)
        yield from _unjudged(turn, paint)
        yield from _wrong(failures.get(turn["i"], ()), paint)
    yield from _end(run, case.last, failures.get(None, ()), paint)


def _turns(case: Case) -> int:
    """How many turns the case has; of a simulated user, those that it came to."""
    return case.last.count if "simulated" in case.marks else case.planned


def _given(given: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    for name in ("variables", "scenario", "metadata"):
        if name in given:
            yield paint(f"given {name}  ", "dim") + _short(given[name])
    for user, agent in given.get("history") or ():
        yield from _said("before  user   ", user, paint)
        yield from _said("before  agent  ", agent, paint)


def _turn(turn: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    begin = f"turn {turn['i'] + 1}"
    took = turn.get("elapsed_ms")
    yield from _said(f"{begin}  user   ", turn.get("user") or "(the agent speaks first)", paint)
    if (why := turn.get("skipped")) is not None:
        yield paint(f"  {one_line(why, SHOWN)}", "yellow")
        return
    reply = turn.get("reply") or {}
    after = "" if took is None else paint(f"  {took:.0f} ms", "dim")
    said = list(_said(f"{' ' * len(begin)}  agent  ", reply.get("response"), paint))
    yield from (*said[:-1], *(f"{line}{after}" for line in said[-1:]))
    yield from _observed(reply, paint)


def _observed(reply: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    if rules := reply.get("rules"):
        yield paint("  rules     ", "dim") + one_line(", ".join(str(rule.get("name")) for rule in rules), SHOWN)
    for call in reply.get("tools") or ():
        result = f" ✗ {_short(call['error'])}" if call.get("error") is not None else f" → {_short(call.get('result'))}"
        yield (
            paint("  tool      ", "dim")
            + f"{one_line(str(call.get('name')), 80)}({_short(call.get('arguments') or {})}){result}"
        )
    if scenario := reply.get("scenario"):
        step = "" if scenario.get("step") is None else f"/{scenario['step']}"
        yield paint("  scenario  ", "dim") + one_line(f"{scenario.get('id')}{step}", SHOWN)
    for name in ("template", "outcome", "finish_reason"):
        if reply.get(name) is not None:
            yield paint(f"  {name:<10}", "dim") + _short(reply[name])


def _unjudged(line: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    for result in line.get("results") or ():
        if result["outcome"] == "skipped":
            yield paint("  not judged  ", "dim") + one_line(f"{result['text']}: {result.get('reason')}", SHOWN)


def _wrong(failures: Sequence[Failure], paint: Paint) -> Iterator[str]:
    for failure in failures:
        yield from ("  " + text for text in painted(describe(failure), paint))


def _end(run: ReportModel, attempt: Attempt, failures: Sequence[Failure], paint: Paint) -> Iterator[str]:
    if attempt.end is None:
        yield ""
        yield paint("the run ended here", "yellow")
        return
    closing = run.document(attempt.end)
    messages = closing.get("messages")
    unjudged = list(_unjudged(closing, paint))
    if failures or messages or unjudged:
        yield ""
    yield from unjudged
    yield from _wrong(failures, paint)
    if messages:
        yield paint(f"{counted(len(messages), 'message')} stored", "dim")


def _said(begin: str, text: Any, paint: Paint) -> Iterator[str]:
    """The lines of a message, those after the first one beneath its beginning."""
    if text is None:
        yield paint(begin, "dim") + paint("(no text)", "dim")
        return
    lines = str(text)[:SAID].split("\n")
    for number, line in enumerate(lines):
        yield (paint(begin, "dim") if not number else " " * len(begin)) + one_line(line, SAID)


def _short(value: Any) -> str:
    return one_line(value if isinstance(value, str) else orjson.dumps(value).decode(), SHOWN)


def case_document(run: ReportModel, case: Case) -> dict[str, Any]:
    """The case with all its attempts, each line as the journal holds it."""
    attempts = []
    for attempt in case.attempts:
        end = {} if attempt.end is None else run.document(attempt.end)
        attempts.append(
            {
                "attempt": attempt.number,
                "verdict": attempt.verdict or "not_run",
                "turns": [_without(run.document(place)) for place in attempt.turns],
                **_without(end),
            }
        )
    return {**_without(run.document(case.place)), "case": case.id, "verdict": case.verdict, "attempts": attempts}


def _without(line: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in line.items() if key not in ("t", "case", "attempt")}
