"""`focal-eval watch`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from focal_eval.evaluate.watching import Update


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="SUITE|SCRIPT", help="a suite, or scripts and folders of them")
    parser.add_argument("--suite", type=Path, metavar="FILE", help="the suite of scripts that are given by path")
    parser.add_argument("--agent", type=Path, metavar="FILE", help="an agent file, instead of the suite's engine")
    parser.add_argument("--engine", metavar="NAME", help="one of the suite's `engines:`; asked after each edit of a script")
    parser.add_argument("--tag", action="append", default=[], metavar="TAG", help="only cases with this tag; !TAG leaves out")
    parser.add_argument("-k", dest="keyword", metavar="EXPR", help="only cases whose name fits")
    parser.add_argument("--no-python", action="store_true", help="refuse scripts and engines that run local Python")
    parser.add_argument("--no-clear", action="store_true", help="leave what was printed before on the screen")
    parser.add_argument("--json", action="store_true", help="one line of JSON after each edit")


def call(arguments: argparse.Namespace) -> int:
    """Plays everything once, then what each edit touches, until Ctrl-C: exit code 130."""
    from focal_eval.clock import Clock, pause
    from focal_eval.document.cache_folder import cache_folder
    from focal_eval.evaluate.edits_on_disk import next_edit, saved_since, state_of
    from focal_eval.evaluate.request import RunRequest
    from focal_eval.evaluate.watching import Watching

    clock = Clock()
    request = RunRequest(
        paths=tuple(arguments.paths),
        suite=arguments.suite,
        agent=arguments.agent,
        engine=arguments.engine,
        tags=tuple(arguments.tag),
        keyword=arguments.keyword,
        allow_python=not arguments.no_python,
        cache=cache_folder(os.environ),
    )
    watching = Watching(request, clock)
    began = clock.now()
    first = watching.look()
    known = saved_since(state_of(watching.files()), began)
    _show(first, [], arguments)
    while True:
        watching.warm()
        known, changed = next_edit(watching.files, known, pause, clock.elapsed)
        update = watching.look()
        known = state_of(watching.files()) | known
        _show(update, changed, arguments)


def _show(update: Update, changed: list[Path], arguments: argparse.Namespace) -> None:
    from focal_eval.cli.output import printing
    from focal_eval.script.load import shown

    names = [shown(path) for path in changed]
    with printing(sys.stdout):
        if arguments.json:
            import orjson

            print(orjson.dumps({"edited": names, **update.as_json()}).decode(), flush=True)
            return
        if sys.stdout.isatty() and not arguments.no_clear:
            print("\x1b[2J\x1b[3J\x1b[H", end="")
        _print(update, names)


def _print(update: Update, names: list[str]) -> None:
    """What was edited, what is wrong with files, what broke and what healed, and where everything stands."""
    from focal_eval.cli.diagnostics import print_diagnostics
    from focal_eval.report.ansi import Paint, wants_colour
    from focal_eval.report.characters import visible
    from focal_eval.text import counted

    paint = Paint(wants_colour(sys.stdout))
    if names:
        print(visible("edited: " + ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")))
    print_diagnostics(update.problems, sys.stdout, most=5)
    for word, found, colour in (
        ("broke ", update.broke, "red"),
        ("failing", update.still, "red"),
        ("healed", update.healed, "green"),
    ):
        for one in found[:20]:
            said = f"{word} {one.case}" + (f"  {one.why}" if one.why and word != "healed" else "")
            print(paint(visible(said), colour))
        if len(found) > 20:
            print(f"       and {len(found) - 20} more")
    for name in update.gone:
        print(visible(f"gone   {name}"))
    good = update.cases - update.bad
    state = f"{update.bad} of {counted(update.cases, 'case')} bad" if update.bad else f"{counted(good, 'case')} good"
    if update.refused is not None:
        print(visible(f"{update.refused} · before: {state}"), flush=True)
    else:
        print(f"{update.played} played · {state} · {update.seconds:.2f} s", flush=True)
