"""`focal-eval record`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shlex
import sys
from collections.abc import Callable, Coroutine, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focal_eval.cli.arguments import only_suite, seconds, whole

if TYPE_CHECKING:
    from focal_eval.errors import EngineError
    from focal_eval.evaluate.recorded_scripts import CaseScript
    from focal_eval.evaluate.recording import Take, Written
    from focal_eval.records import Reply

_PROMPT = "you> "
_WIDTH = 100  # of the line that tells what was observed


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument(
        "named", nargs="*", metavar="SUITE|CASE", help="the suite (default: the one in evals/); with --from names of cases"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="the script to be written; never overwritten")
    parser.add_argument("--title", metavar="TEXT", help="the script's title (default: of its name, or the case's)")
    parser.add_argument("--no-python", action="store_true", help="refuse an engine or a suite that runs local Python")
    live = parser.add_argument_group("a live conversation")
    live.add_argument("--engine", metavar="NAME", help="one of the suite's `engines:`")
    live.add_argument("--agent", type=Path, metavar="FILE", help="an agent file for the embedded engine, without a suite")
    live.add_argument("--cassette", type=Path, metavar="FILE", help="default: the engine's own, else one beside the script")
    live.add_argument("--timeout", type=seconds, metavar="S", help="time limit of a turn, in seconds")
    run = parser.add_argument_group("cases of a run")
    run.add_argument("--from", dest="run", metavar="RUN", help="a run folder, a unique prefix of its id, latest or previous")
    run.add_argument("--attempt", type=whole(), metavar="N", help="the attempt with this number (default: the last one)")
    run.add_argument("--suite", type=Path, metavar="FILE", help="the suite of the run's scripts, where the run does not say it")
    run.add_argument("--runs", type=Path, metavar="DIR", help="where run folders lie (default reports)")
    run.add_argument("--json", action="store_true", help="one JSON document on stdout")
    run.add_argument("-q", "--quiet", action="store_true", help="only where the scripts were written")


_LIVE = ("engine", "agent", "cassette", "timeout")
_OF_A_RUN = ("attempt", "suite", "runs", "json", "quiet")


def call(arguments: argparse.Namespace) -> int:
    """Makes scripts of a run's cases; without a run it talks to an engine, and makes one of what was said."""
    from focal_eval.errors import UsageError

    foreign = _LIVE if arguments.run is not None else _OF_A_RUN
    for name in foreign:
        if getattr(arguments, name):
            said = "--from asks no engine" if arguments.run is not None else "it goes with --from RUN"
            raise UsageError(f"--{name} is not taken here: {said}")
    return _record_live(arguments) if arguments.run is None else _record_from(arguments)


def _record_from(arguments: argparse.Namespace) -> int:
    """Writes the cases that are named, and tells where."""
    from focal_eval.cli.diagnostics import print_json
    from focal_eval.document.cache_folder import cache_folder
    from focal_eval.errors import ExitCode, UsageError
    from focal_eval.evaluate.recorded_scripts import FromRunRequest, record_from

    if not arguments.named:
        raise UsageError("name a case of the run, or several; '*' is all of them")
    request = FromRunRequest(
        arguments.run,
        tuple(arguments.named),
        runs=arguments.runs or Path("reports"),
        out=arguments.out,
        attempt=arguments.attempt,
        title=arguments.title,
        suite=arguments.suite,
        allow_python=not arguments.no_python,
        cache=cache_folder(os.environ),
    )
    made = record_from(request)
    if arguments.json:
        print_json(made.as_json())
        return ExitCode.OK
    for one in made.scripts:
        _tell_case(one, quiet=arguments.quiet)
    if not arguments.quiet:
        _say(f"replay: {shlex.join(made.replay)}", sys.stdout)
    return ExitCode.OK


def _tell_case(one: CaseScript, *, quiet: bool) -> None:
    from focal_eval.report.characters import one_line
    from focal_eval.script.load import shown
    from focal_eval.text import counted

    if quiet:
        _say(shown(one.file), sys.stdout)
        return
    _say(f"wrote {shown(one.file)} ({counted(one.turns, 'turn')} of {one_line(one.case, _WIDTH)})", sys.stdout)
    for note in one.notes:
        _say(f"  {one_line(note, 400)}", sys.stdout)


def _record_live(arguments: argparse.Namespace) -> int:
    """Talks until an empty line, the end of the input or Ctrl-C, and writes what was said."""
    from focal_eval.errors import ExitCode, UsageError
    from focal_eval.evaluate.recording import RecordRequest, prepare

    if arguments.out is None:
        raise UsageError("name the script to be written with --out FILE")
    if len(arguments.named) > 1:
        raise UsageError("one suite is talked to; cases of a run are named with --from RUN")
    named = Path(arguments.named[0]) if arguments.named else None
    if arguments.agent is not None and named is not None:
        raise UsageError("--agent is talked to without a suite; name one of the two")
    suite = None if arguments.agent is not None else named or only_suite()
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
