"""`focal-eval store`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focal_eval.cli.arguments import whole

if TYPE_CHECKING:
    from focal_eval.store import Address

ACTIONS = {
    "ingest": "take recorded runs in; a run that is there already changes nothing",
    "list": "the runs it holds, the newest first",
    "migrate": "bring its tables to this version; opening it does so too",
    "prune": "let old runs go, and give their room back",
}
_WORDS = {
    "new": "taken in",
    "replaced": "taken in anew: it had grown or changed",
    "known": "was there already",
    "behind": "left out: the store has a copy that came further",
}


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=type(parser))
    for name, text in ACTIONS.items():
        action = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
        action.add_argument(
            "--store", metavar="URL", help="a file or a postgresql:// URL (default: see docs/reference/store.md)"
        )
        action.add_argument("--json", action="store_true", help="one JSON document on stdout")
        if name == "ingest":
            action.add_argument("run", nargs="+", metavar="RUN", help="run folders, unique prefixes of ids, latest or previous")
            action.add_argument(
                "--runs", type=Path, default=Path("reports"), metavar="DIR", help="where run folders lie (default reports)"
            )
            action.add_argument("-q", "--quiet", action="store_true", help="nothing where all goes well")
        elif name == "list":
            action.add_argument("--suite", default="", metavar="NAME", help="only runs of this suite")
            action.add_argument("--engine", default="", metavar="NAME", help="only runs on this engine")
            action.add_argument("--last", type=whole(), default=20, metavar="N", help="how many (default 20)")
        elif name == "prune":
            action.add_argument("--keep-runs", type=whole(), metavar="N", help="the newest N of each suite stay")
            action.add_argument("--keep-days", type=whole(36_500), metavar="N", help="those of the last N days stay")


def call(arguments: argparse.Namespace) -> int:
    """Does what the action says."""
    from focal_eval.errors import ExitCode
    from focal_eval.evaluate.stores import chosen

    address = chosen(arguments.store, os.environ)
    {"ingest": _ingest, "list": _list, "migrate": _migrate, "prune": _prune}[arguments.action](arguments, address)
    return ExitCode.OK


def _ingest(arguments: argparse.Namespace, address: Address) -> None:
    from focal_eval.clock import Clock
    from focal_eval.evaluate.stores import ingest_runs
    from focal_eval.report.characters import one_line
    from focal_eval.store.model import Ingested
    from focal_eval.text import counted

    def told(done: Ingested) -> None:
        if not arguments.quiet and not arguments.json:
            print(f"{one_line(done.id, 60)}: {_WORDS[done.outcome]}, {counted(done.cases, 'case')}")

    done = ingest_runs(address, arguments.run, arguments.runs, Clock(), told)
    if arguments.json:
        rows = [{"id": item.id, "outcome": item.outcome, "cases": item.cases, "tries": item.tries} for item in done]
        _json({"store": address.shown, "runs": rows})


def _list(arguments: argparse.Namespace, address: Address) -> None:
    from focal_eval.evaluate.stores import opened
    from focal_eval.report import history_json, history_text
    from focal_eval.report.ansi import Paint, emit, wants_colour
    from focal_eval.store.model import Scope

    with opened(address) as store:
        found = store.runs(Scope(arguments.suite, arguments.engine, arguments.last))
    if arguments.json:
        _json({"store": address.shown, "runs": [history_json.run_json(run) for run in found]})
        return
    for line in history_text.run_lines(found, Paint(wants_colour(sys.stdout, os.environ))):
        emit(sys.stdout, line)
    if not found:
        print(f"{address.shown} holds no runs")


def _migrate(arguments: argparse.Namespace, address: Address) -> None:
    from focal_eval.evaluate.stores import opened

    with opened(address, make=True) as store:
        before, after = store.upgraded
    if arguments.json:
        _json({"store": address.shown, "before": before, "after": after})
    elif before == after:
        print(f"{address.shown} is up to date: {after}")
    else:
        print(f"{address.shown}: " + (f"{before} → {after}" if before else f"made, {after}"))


def _prune(arguments: argparse.Namespace, address: Address) -> None:
    from focal_eval.clock import Clock
    from focal_eval.errors import UsageError
    from focal_eval.evaluate.stores import let_go
    from focal_eval.text import counted

    if arguments.keep_runs is None and arguments.keep_days is None:
        raise UsageError("say what stays: --keep-runs N, --keep-days N, or both")
    done = let_go(address, Clock(), arguments.keep_runs, arguments.keep_days)
    if arguments.json:
        sizes = {"bytes_before": done.bytes_before, "bytes_after": done.bytes_after}
        _json({"store": address.shown, "pruned": done.runs, "left": done.left, **sizes})
        return
    print(
        f"{address.shown}: {counted(done.runs, 'run')} let go, {done.left:,} left; "
        f"{done.bytes_before / 1e6:,.1f} MB before, {done.bytes_after / 1e6:,.1f} MB now"
    )


def _json(document: dict[str, Any]) -> None:
    from focal_eval.cli.diagnostics import print_json

    print_json(document)
