"""`focal-eval doctor`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from focal_eval.cli.arguments import only_suite, seconds

if TYPE_CHECKING:
    from focal_eval.evaluate.doctor import Findings

_NO_TURN = "not known without a turn (--message TEXT)"


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("suite", nargs="?", type=Path, metavar="SUITE", help="default: the one suite in evals/")
    parser.add_argument("--engine", metavar="NAME", help="one of the suite's `engines:`")
    parser.add_argument("--message", metavar="TEXT", help="say this to it, in a conversation of its own: one real turn")
    parser.add_argument("--timeout", type=seconds, default=10.0, metavar="S", help="time limit of each step (default 10)")
    parser.add_argument("--no-python", action="store_true", help="refuse an engine that runs local Python")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout instead")


def call(arguments: argparse.Namespace) -> int:
    """Looks, prints, and returns 0 or 3."""
    from focal_eval.cli.diagnostics import print_json
    from focal_eval.cli.output import printing
    from focal_eval.evaluate.doctor import Examined, examine
    from focal_eval.report.characters import visible

    suite = arguments.suite or only_suite()
    allowed = not arguments.no_python
    found = examine(Examined(suite, arguments.engine, arguments.message, arguments.timeout, allowed))
    with printing(sys.stdout):
        if arguments.json:
            print_json(found.as_json())
        else:
            for line in lines(found):
                print(visible(found.clean(line)))
    return found.exit_code


def lines(found: Findings) -> list[str]:
    """Five lines: which engine, is it there, does it let us in, what does it tell, what does it list."""
    where = "" if found.where is None else f" at {found.where}"
    agent = f", agent {found.probe.agent}" if found.probe is not None and found.probe.agent else ""
    return [
        f"engine      {found.engine} ({found.kind}){where}{agent}",
        f"reachable   {_reachable(found)}",
        f"authorised  {_authorised(found)}",
        f"reports     {_reports(found)}",
        f"names       {_names(found)}",
    ]


def _reachable(found: Findings) -> str:
    if found.local:
        return f"it runs in this process{_but(found)}"
    if found.reachable is False:
        return f"no: {found.problem}"
    if found.reachable is None:
        return _NO_TURN if found.problem is None else f"not as {found.kind}: {found.problem}"
    took = found.round_trip_ms
    if took is None or found.probe is None:
        return f"yes{_but(found) if found.authorised is not False else ''}"
    asked = found.probe.asked[0]
    return f"yes, {took:.1f} ms a round trip ({asked}){_but(found)}"


def _but(found: Findings) -> str:
    return "" if found.problem is None else f"; {found.problem}"


def _authorised(found: Findings) -> str:
    if found.local:
        return "nothing to ask for"
    if found.authorised is None:
        return _NO_TURN if found.problem is None else "not known"
    if not found.authorised:
        return f"no: {found.problem}"
    by = found.probe.asked[-1] if found.probe is not None and found.probe.authorised else "the turn"
    return f"yes, by {by}"


def _reports(found: Findings) -> str:
    silent = f"; not {', '.join(found.silent)}" if found.silent else ""
    if found.turn is None:
        return f"{', '.join(sorted(found.reports))}{silent}"
    counts = {name: "" if count is None else f" ({count or 'none'})" for name, count in found.turn.told.items()}
    told = ", ".join(f"{name}{counts[name]}" for name in sorted(counts))
    return f"in a turn of {found.turn.elapsed_ms:.0f} ms: {told}{silent}"


def _names(found: Findings) -> str:
    from focal_eval.text import counted

    lists = found.lists
    if lists is None:
        return "it lists none" if found.reachable and found.problem is None else "not known"
    said = f"{counted(lists.rules, 'rule')}, {counted(lists.scenarios, 'scenario')}"
    if lists.file is None:
        return said
    if not lists.listed:
        return f"{said} in {lists.file}" + ("" if found.local else "; the engine lists none")
    if not lists.not_listed and not lists.not_in_file:
        return f"{said}, those of {lists.file}"
    more = [(f"of {lists.file} it lacks", lists.not_listed), ("and has besides", lists.not_in_file)]
    return "; ".join([said, *(f"{what} {_few(names)}" for what, names in more if names)])


def _few(names: tuple[str, ...]) -> str:
    from focal_eval.text import listed

    return listed(list(names), most=5)
