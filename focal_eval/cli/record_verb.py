"""`focal-eval record`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shlex
import sys
from collections.abc import Callable, Coroutine, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focal_eval.cli.arguments import only_suite, seconds

if TYPE_CHECKING:
    from focal_eval.errors import EngineError
    from focal_eval.evaluate.recording import Take, Written
    from focal_eval.records import Reply

_PROMPT = "you> "
_WIDTH = 100  # of the line that tells what was observed


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("suite", nargs="?", type=Path, metavar="SUITE", help="default: the one suite in evals/")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the script to be written; never overwritten")
    parser.add_argument("--engine", metavar="NAME", help="one of the suite's `engines:`")
    parser.add_argument("--agent", type=Path, metavar="FILE", help="an agent file for the embedded engine, without a suite")
    parser.add_argument("--cassette", type=Path, metavar="FILE", help="default: the engine's own, else one beside the script")
    parser.add_argument("--title", metavar="TEXT", help="the script's title (default: of its name)")
    parser.add_argument("--timeout", type=seconds, metavar="S", help="time limit of a turn, in seconds")
    parser.add_argument("--no-python", action="store_true", help="refuse an engine that runs local Python")


def call(arguments: argparse.Namespace) -> int:
    """Talks until an empty line, the end of the input or Ctrl-C, and writes what was said."""
    from focal_eval.errors import ExitCode, UsageError
    from focal_eval.evaluate.recording import RecordRequest, prepare

    if arguments.agent is not None and arguments.suite is not None:
        raise UsageError("--agent is talked to without a suite; name one of the two")
    suite = None if arguments.agent is not None else arguments.suite or only_suite()
    request = RecordRequest(
        out=arguments.out,
        suite=suite,
        agent=arguments.agent,
        engine=arguments.engine,
        cassette=arguments.cassette,
        title=arguments.title,
        timeout_s=arguments.timeout,
        allow_python=not arguments.no_python,
    )
    take = prepare(request)
    with asyncio.Runner() as runner:
        interrupted, problem = _talk(take, runner.run)
        written = runner.run(take.end())
    if written is None:
        if problem is not None:
            raise problem
        _say("nothing was said, so nothing was written", sys.stderr)
        return ExitCode.INTERRUPTED if interrupted else ExitCode.REFUSED
    _tell(written)
    return ExitCode.INTERRUPTED if interrupted else ExitCode.OK


def _talk(take: Take, wait: Callable[[Coroutine[Any, Any, Any]], Any]) -> tuple[bool, EngineError | None]:
    """Holds the conversation; whether Ctrl-C ended it, and the last thing that went wrong."""
    from focal_eval.errors import EngineError, EngineGivenUp

    problem: EngineError | None = None
    try:
        _say(f"talking to {take.who}; an empty line ends the conversation", sys.stderr)
        try:
            greeting = wait(take.open())
        except EngineError as raised:
            return False, raised
        if greeting is not None:
            _show(greeting)
        for message in _typed():
            try:
                _show(wait(take.say(message)))
            except EngineGivenUp as raised:
                _broke(raised, "")
                return False, raised
            except EngineError as raised:
                _broke(raised, "; the turn is left out")
                problem = raised
    except KeyboardInterrupt:
        _say("", sys.stderr)
        return True, problem
    return False, problem


def _typed() -> Iterator[str]:
    """What the user says, line by line, until an empty one."""
    from focal_eval.report.characters import visible

    if sys.stdin is None:  # closed before the start
        return
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    live = sys.stdin.isatty()
    if live:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  # gives `input` a line to edit and a history
    while True:
        try:
            line = input(_PROMPT if live else "")
        except EOFError:
            if live:
                _say("", sys.stdout)
            return
        if not line.strip():
            return
        if not live:
            _say(_PROMPT + visible(line), sys.stdout)
        yield line.strip()


def _show(reply: Reply) -> None:
    """The reply, and in one line what was observed."""
    from focal_eval.records import UNKNOWN
    from focal_eval.report.characters import visible

    said = "(says nothing)" if reply.response is UNKNOWN or not reply.response.strip() else visible(reply.response)
    _say("agent> " + said.replace("\n", "\n       "), sys.stdout)
    if seen := observed(reply):
        _say("       " + seen, sys.stdout)


def observed(reply: Reply) -> str:
    """Rules, tools and scenario in one line; what the engine does not report is left out."""
    from focal_eval.records import UNKNOWN
    from focal_eval.report.characters import one_line

    parts = []
    if reply.rules is not UNKNOWN:
        parts.append("rules " + (", ".join(match.name for match in reply.rules) or "none"))
    if reply.tools is not UNKNOWN:
        parts.append("tools " + (", ".join(call.name + (" failed" if call.error else "") for call in reply.tools) or "none"))
    if reply.scenario is not UNKNOWN:
        parts.append(f"step {reply.scenario or 'none'}")
    return one_line(" · ".join(parts), _WIDTH)


def _broke(problem: EngineError, more: str) -> None:
    from focal_eval.report.characters import one_line

    _say(f"error[{problem.kind}]: {one_line(str(problem), 400)}{more}", sys.stderr)


def _tell(written: Written) -> None:
    from focal_eval.text import counted

    turns = counted(written.turns, "turn")
    if written.problem is not None:
        _broke(written.problem, "; the cassette holds no stored messages")
    _say(f"wrote {written.script} ({turns}) and {written.cassette}", sys.stdout)
    _say(f"replay it: {shlex.join(written.replay)}", sys.stdout)


def _say(text: str, stream: Any) -> None:
    from focal_eval.cli.output import printing

    with printing(stream):
        print(text, file=stream)
