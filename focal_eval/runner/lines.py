"""Journal lines of cases; those of turns and attempts are put together where they are played."""

from __future__ import annotations

from typing import Any

from focal_eval.errors import EngineProtocol
from focal_eval.records import UNKNOWN, MessageRecord
from focal_eval.records.codec import message_to_json
from focal_eval.runner.journal import dumps
from focal_eval.runner.plan import Case
from focal_eval.runner.shared import NAMES, set_apart
from focal_eval.script.templates import Filler
from focal_eval.template import TemplateProblem
from focal_eval.text import counted

MAX_MESSAGES = 10_000  # stored messages of one conversation
MAX_MESSAGES_BYTES = 16_000_000  # of their JSON; more breaks the engine's contract


def case_lines(case: Case, channel: str) -> tuple[bytes, ...]:
    """The journal line that introduces a case, after those with what it shares with other cases."""
    script = case.script
    data: dict[str, Any] = {
        "t": "case",
        "case": case.id,
        "name": case.name,
        "script": script.id,
        "title": script.title,
        "file": script.file,
        "digest": script.digest,
        "line": script.span.line,
        "tags": list(script.tags),
        "params": dict(case.row),
        "repeat": case.repeat,
        "channel": script.channel or channel,
        "turns": case.turns,
    }
    marks = {name: mark.reason for name, mark in (("xfail", script.xfail), ("skip", script.skip)) if mark is not None}
    if script.simulator is not None:
        played = script.simulator.persona is not None
        marks["simulated"] = "a persona" if played else f"a user of {counted(len(script.simulator.states), 'state')}"
    if marks:
        data["marks"] = marks
    if given := _given(case):
        data["given"] = given
        names, lines = set_apart(data, [("given", name) for name in given])
        if names:
            data[NAMES] = names
        return (*lines, dumps(data))
    return (dumps(data),)


def _given(case: Case) -> dict[str, Any]:
    """Where the conversation starts, as far as the script says it; nothing where its templates cannot be filled."""
    script = case.script
    given = script.given
    filler = Filler({**given.variables, **case.row})
    try:
        found = {
            "variables": filler.data(dict(given.variables)) if given.variables else None,
            "history": [[None if said is None else filler.said(said) for said in pair] for pair in given.history],
            "scenario": given.scenario,
            "metadata": filler.data(dict(script.metadata)) if script.metadata else None,
        }
    except TemplateProblem:  # the attempt breaks on it, and says so
        return {}
    return {name: item for name, item in found.items() if item}


def skipped_lines(case: Case, channel: str, why: str | None = None) -> tuple[bytes, ...]:
    """The journal lines of a case that is skipped, for the reason given or the one its script has."""
    if why is None:
        assert case.script.skip is not None
        why = case.script.skip.reason
    head = b'{"t":"attempt","case":"' + case.id.encode() + b'","attempt":1,"verdict":"skipped","elapsed_ms":0,"reason":'
    return *case_lines(case, channel), head + dumps(why) + b',"results":[]}'


def kept_messages(stored: Any) -> tuple[Any, bytes]:
    """What an adapter read back and its JSON, empty where the engine keeps nothing. Raises EngineProtocol on anything else."""
    if stored is UNKNOWN:
        return UNKNOWN, b""
    if not isinstance(stored, (tuple, list)) or not all(isinstance(message, MessageRecord) for message in stored):
        raise EngineProtocol(f"the stored messages are no list of MessageRecord but {type(stored).__name__}")
    if len(stored) > MAX_MESSAGES:
        raise EngineProtocol(f"more than {MAX_MESSAGES:,} messages are stored of one conversation: {len(stored):,}")
    lines = dumps([message_to_json(message) for message in stored])
    if len(lines) > MAX_MESSAGES_BYTES:
        raise EngineProtocol(f"the stored messages of one conversation take {len(lines):,} bytes")
    return tuple(stored), lines
