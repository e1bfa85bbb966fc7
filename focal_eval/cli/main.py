"""The command: finds the verb, runs it, and lets no user's mistake end in a traceback."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import gc
import os
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from focal_eval import __version__
from focal_eval.cli.output import open_streams, printing
from focal_eval.errors import EngineError, ExitCode, FocalEvalError, Refused, StorageError, UsageError

VERBS = {
    "run": "replay scripts on an engine, judge them, write the reports",
    "merge": "put the shards of a run together",
    "rejudge": "judge a recorded run again with today's scripts; no engine",
    "check": "read scripts, suites and agents; every error of every file",
    "compare": "what changed between two runs, why, and whether it matters",
    "report": "render a recorded run again",
    "runs": "the runs there are, or the cases of one, without reading what was said",
    "show": "one conversation of a run, turn by turn",
    "coverage": "which rules recorded runs exercised, and which of them an expectation would miss",
    "whatif": "what recorded conversations would have done under changed rules",
    "impact": "which scripts an edit of the agent can touch",
    "bisect": "which edits of an agent break a script: the smallest set, or the first bad commit",
    "minimise": "the smallest conversation that still fails as a case of a run did",
    "explore": "find conversations for what no script of an agent exercises, with no model",
    "mutate": "break what was recorded on purpose, and name what nobody would notice",
    "record": "make scripts of conversations: of a live one with its cassette, or of cases of a run",
    "approve": "accept what a run observed into the baseline",
    "history": "what a case, a rule or a suite did over the runs in the store",
    "store": "take runs into the store, list them, let old ones go",
    "import": "turn somebody else's suite or transcripts into scripts",
    "export": "turn scripts into another tool's suite",
    "schema": "write JSON Schemas for editors",
    "serve": "play an agent behind Focal's HTTP contract",
    "watch": "check and play again what an edit touches, as files are saved",
    "lsp": "scripts and agents in an editor: a language server on standard input and output",
    "doctor": "whether a suite's engine can be asked, and what it tells",
    "explain": "what an error code means, with a wrong and a right example",
}
"""Each is a module `focal_eval.cli.<verb>_verb` with `add(parser)` and `call(arguments)`."""
COLLECT_AFTER = 200_000
"""New objects until the collector looks for garbage cycles. Little of what a run makes is garbage of that kind, and two hundred
conversations hold that many objects alive: with Python's 700 they are looked through every few turns, for nothing."""


class Parser(argparse.ArgumentParser):
    """Reports usage errors as this package does, with the nearest known word and exit code 2."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}{self._nearest(message)}\n{self.format_usage().strip()}")

    def _nearest(self, message: str) -> str:
        from focal_eval.registry import did_you_mean

        if "unrecognized arguments:" in message:
            word = message.split("unrecognized arguments:")[1].split(maxsplit=1)[0].split("=", maxsplit=1)[0]
            known = [option for option in self._options() if option.startswith("--")]
        elif "invalid choice: '" in message:
            word = message.split("invalid choice: '")[1].split("'", maxsplit=1)[0]
            known = [str(choice) for action in self._actions for choice in action.choices or ()]
        else:
            return ""
        fix = did_you_mean(word, known, list_up_to=0)
        return f"; {fix}" if fix else ""

    def _options(self) -> list[str]:
        """Every option of this parser and of its verbs, as far as they are filled in."""
        out: list[str] = []
        for action in self._actions:
            out += action.option_strings
            if isinstance(action, argparse._SubParsersAction):
                out += [option for verb in action.choices.values() for option in verb._options()]
        return out


def build(verb: str | None) -> Parser:
    """The parser; only the verb that is asked for has its arguments filled in."""
    parser = Parser(
        prog="focal-eval",
        description="Replay conversations with an agent that follows rules, and judge what it did.",
        epilog="Exit codes: 0 every gate passed, 1 a gate failed, 2 refused before running, 3 no verdict, 130 interrupted.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"focal-eval {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=Parser)
    for name, text in VERBS.items():
        sub = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
        if name == verb:
            import_module(f"focal_eval.cli.{name}_verb").add(sub)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    gc.set_threshold(COLLECT_AFTER)
    open_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    verb = next((word for word in words if word in VERBS), None)
    try:
        try:
            arguments = build(verb).parse_args(words)
        except SystemExit as stop:  # --help and --version
            return int(stop.code or 0)
        if arguments.verb is None:
            build(None).print_help(sys.stderr)
            return ExitCode.REFUSED
        code = ExitCode.OK
        with printing(sys.stdout):
            code = import_module(f"focal_eval.cli.{arguments.verb}_verb").call(arguments)
        return int(code)
    except FocalEvalError as problem:
        return _report(problem, words)
    except KeyboardInterrupt:
        with printing(sys.stderr):
            print("interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except (Exception, SystemExit) as problem:
        if os.environ.get("FOCAL_EVAL_TRACEBACK"):
            raise
        with printing(sys.stderr):
            print(f"focal-eval: a bug in focal-eval: {type(problem).__name__}: {problem}", file=sys.stderr)
            print("set FOCAL_EVAL_TRACEBACK=1 to see where, and please report it", file=sys.stderr)
        return ExitCode.NO_VERDICT


def command() -> NoReturn:
    """The process `focal-eval`: as `main`, and it ends at once. Taking every object apart first would cost as much as a verb.

    Where somebody is still at work, be it a thread or another process of ours, it ends in Python's own, patient way.
    """
    code = main()
    if threading.active_count() == 1 and "multiprocessing.process" not in sys.modules:
        atexit._run_exitfuncs()
        with contextlib.suppress(OSError, ValueError):  # as Python itself: what cannot be written any more is told by its code
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    sys.exit(code)


def _report(problem: FocalEvalError, words: Sequence[str]) -> int:
    from focal_eval.cli.diagnostics import as_json, print_diagnostics, print_json
    from focal_eval.report.characters import visible

    found = problem.diagnostics if isinstance(problem, Refused) else ()
    with printing(sys.stderr):
        print_diagnostics(found, sys.stderr)
        print(f"focal-eval: {visible(str(problem))}", file=sys.stderr)
        if isinstance(problem, EngineError) and problem.detail:
            print(visible(problem.detail), file=sys.stderr)
    if "--json" in words:
        code = int(problem.exit_code)
        with contextlib.suppress(StorageError), printing(sys.stdout):
            print_json({"error": str(problem), "exit_code": code, "diagnostics": [as_json(item) for item in found]})
    return problem.exit_code
