"""`focal-eval check`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="scripts, suites, agents, or folders of them")
    parser.add_argument("--agent", type=Path, metavar="FILE", help="the agent whose names scripts without a suite may use")
    parser.add_argument("--engine", metavar="NAME", help="look at this one of a suite's `engines:` instead of its `engine:`")
    parser.add_argument("--format", choices=("pretty", "concise", "github", "sarif", "json"), default="pretty")
    parser.add_argument("--json", action="store_true", help="the same as --format json")
    parser.add_argument("--strict", action="store_true", help="warnings refuse too")
    parser.add_argument("-q", "--quiet", action="store_true", help="no count at the end")


def call(arguments: argparse.Namespace) -> int:
    """Checks, prints, and returns 0 or 2."""
    from focal_eval.cli.output import printing
    from focal_eval.errors import ExitCode
    from focal_eval.evaluate import check_paths

    checked = check_paths(arguments.paths, arguments.agent, arguments.engine)
    bad = checked.errors or (arguments.strict and checked.warnings)
    code = ExitCode.REFUSED if bad else ExitCode.OK
    with printing(sys.stdout):
        _print(arguments, checked, code)
    return code


def _print(arguments: argparse.Namespace, checked: Any, code: int) -> None:
    from focal_eval.cli.diagnostics import as_json, print_json, write
    from focal_eval.cli.output import printing

    if arguments.json or arguments.format == "json":
        print_json(
            {
                "files": _files(checked),
                "errors": len(checked.errors),
                "warnings": len(checked.warnings),
                "exit_code": int(code),
                "diagnostics": [as_json(item) for item in checked.problems],
                "unreviewed": checked.unreviewed,
                "passed_over": checked.passed_over,
            }
        )
        return
    write(checked.problems, arguments.format)
    if not arguments.quiet:
        stream = sys.stdout if arguments.format == "pretty" else sys.stderr
        with printing(stream):
            print(_summary(checked), file=stream)


def _files(checked: Any) -> dict[str, int]:
    return {kind: getattr(checked, kind) for kind in ("scripts", "fragments", "suites", "agents", "baselines", "quarantines")}


def _summary(checked: Any) -> str:
    from focal_eval.text import counted, of_them

    read = ", ".join(of_them(count, kind) for kind, count in _files(checked).items() if count)
    errors, warnings = len(checked.errors), len(checked.warnings)
    found = [counted(count, word) for count, word in ((errors, "error"), (warnings, "warning")) if count]
    touched = len({problem.span.file for problem in checked.problems})
    tail = f" in {touched} of {counted(checked.files, 'file')}" if found else ""
    waiting = f"; {counted(checked.unreviewed, 'script')} unreviewed" if checked.unreviewed else ""
    return f"{' and '.join(found) or 'no problems'}{tail}; read {read}{waiting}"
