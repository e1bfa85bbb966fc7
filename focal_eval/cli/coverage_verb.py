"""`focal-eval coverage`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focal_eval.cli.arguments import per_cent, whole

if TYPE_CHECKING:
    from focal_eval.evaluate.covering import Covered
    from focal_eval.report.ansi import Paint

SECTIONS = ("items", "scripts", "pairs", "arguments")


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument(
        "run", nargs="+", metavar="RUN", help="run folders, unique prefixes of ids, latest or previous; several are added up"
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("reports"), metavar="DIR", help="where run folders lie (default reports)"
    )
    parser.add_argument(
        "--kind", type=_kinds, metavar="KINDS", help="what is told, and what shares are of: rule,step,... or all"
    )
    parser.add_argument("--of", choices=("asserted", "hit"), default="asserted", help="what --fail-under is about")
    parser.add_argument("--fail-under", type=per_cent, metavar="P", help="exit code 1 below P per cent of rules, or of --kind")
    parser.add_argument("--against", metavar="OLD", help="only what was edited since this agent file, or this run's agent")
    parser.add_argument("--by-name", action="store_true", help="add up runs of different agents by the names of their items")
    parser.add_argument("--item", metavar="NAME", help="all about one item: refund-limit, step:returns/order")
    parser.add_argument("--show", type=_sections, default=SECTIONS[:2], metavar="WHAT", help="items,scripts,pairs,arguments")
    parser.add_argument("--lcov", type=Path, metavar="FILE", help="write an lcov tracefile of the agent file's lines")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write the last run's report with a Coverage view to this file"
    )
    parser.add_argument("--no-python", action="store_true", help="judge nothing again with local Python")
    parser.add_argument("--max-shown", type=whole(), default=20, metavar="N", help="lines of each list (default 20)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="only the last line")


def _kinds(text: str) -> tuple[str, ...]:
    from focal_eval.coverage.model import KINDS

    wanted = [word.strip().removesuffix("s") for word in text.split(",") if word.strip()]
    return KINDS if wanted == ["all"] else tuple(_known(word, KINDS, "kind of item") for word in wanted) or ("rule",)


def _sections(text: str) -> tuple[str, ...]:
    wanted = [word.strip() for word in text.split(",") if word.strip()]
    return SECTIONS if wanted == ["all"] else tuple(_known(word, SECTIONS, "list") for word in wanted)


def _known(word: str, known: tuple[str, ...], what: str) -> str:
    from focal_eval.registry import did_you_mean

    if word not in known:
        fix = did_you_mean(word, known)
        raise argparse.ArgumentTypeError(f"no {what} is named '{word}'" + (f"; {fix}" if fix else ""))
    return word


def call(arguments: argparse.Namespace) -> int:
    """Adds up, prints, writes what is asked for; 1 where the share is under the limit."""
    from focal_eval.cli.diagnostics import print_json
    from focal_eval.coverage.model import KINDS
    from focal_eval.document.cache_folder import cache_folder
    from focal_eval.evaluate.covering import CoverRequest, cover

    covered = cover(
        CoverRequest(
            runs=tuple(arguments.run),
            folder=arguments.runs,
            by_name=arguments.by_name,
            against=arguments.against,
            kinds=arguments.kind or ("rule",),
            of=arguments.of,
            fail_under=arguments.fail_under,
            allow_python=not arguments.no_python,
            cache=cache_folder(os.environ),
        )
    )
    written = _written(covered, arguments)
    if arguments.json:
        print_json(document(covered, arguments.kind or KINDS))
    elif arguments.item is not None:
        _print(_item(covered, arguments.item, _paint()))
    else:
        lines = list(_lines(covered, arguments, _paint()))
        _print(lines[-1:] if arguments.quiet else lines)
        if not arguments.quiet:
            _print(f"{what}: {path}" for what, path in written)
    return int(covered.exit_code)


def _print(lines: Any) -> None:
    from focal_eval.report.ansi import emit

    for line in lines:
        emit(sys.stdout, line)


def _paint() -> Paint:
    from focal_eval.report.ansi import Paint, wants_colour

    return Paint(wants_colour(sys.stdout, os.environ))


def _lines(covered: Covered, arguments: argparse.Namespace, paint: Paint) -> Iterator[str]:
    from focal_eval.coverage.model import KINDS
    from focal_eval.evaluate.coverage_files import share_words
    from focal_eval.report import coverage_text as text
    from focal_eval.report.terminal import gate_line

    matrix, most = covered.matrix, arguments.max_shown
    rows = covered.rows(arguments.kind or KINDS)
    yield paint(title(covered), "bold")
    yield from (paint(f"note: {note}", "yellow") for note in covered.notes)
    if rows:
        yield ""
        yield from text.totals_lines(rows)
    sections = {
        "items": lambda: text.item_lines(matrix, rows, paint, most=most, edited=covered.edited),
        "scripts": lambda: text.script_lines(matrix, paint, most=most),
        "pairs": lambda: text.pair_lines(matrix, paint, most=most),
        "arguments": lambda: text.argument_lines(matrix, paint, most=most),
    }
    for name in arguments.show:
        found = list(sections[name]())
        if found:
            yield ""
            yield from found
    yield ""
    if covered.gate is not None:
        yield gate_line(covered.gate.as_json(), paint)
    yield share_words(covered)


def title(covered: Covered) -> str:
    """What was added up."""
    from focal_eval.report.characters import one_line
    from focal_eval.text import counted, listed

    runs = listed([one_line(str(model.header.get("id") or model.folder.name), 60) for model in covered.models])
    agent = "" if covered.agent is None else f", agent {one_line(covered.agent.file, 80)}"
    return f"coverage of {runs}: {counted(covered.matrix.cases, 'case')}, {counted(covered.matrix.turns, 'turn')}{agent}"


def _item(covered: Covered, wanted: str, paint: Paint) -> list[str]:
    """All about the items of a name; `kind:name` says which kind."""
    from focal_eval.errors import UsageError
    from focal_eval.registry import did_you_mean
    from focal_eval.report.coverage_json import items_json
    from focal_eval.report.coverage_text import one_item

    rows = covered.matrix.rows()
    found = [row for row in rows if wanted in (row.item.name, f"{row.item.kind}:{row.item.name}")]
    if not found:
        fix = did_you_mean(
            wanted, [name for row in rows for name in (row.item.name, f"{row.item.kind}:{row.item.name}")], list_up_to=0
        )
        raise UsageError(f"no item is named '{wanted}'" + (f"; {fix}" if fix else ""))
    return [line for item in items_json(covered.matrix, found) for line in one_item(covered.matrix, item, paint)]


def document(covered: Covered, kinds: tuple[str, ...]) -> dict[str, Any]:
    """Coverage as one JSON document."""
    from focal_eval.report.coverage_json import matrix_json

    agent = covered.agent
    return {
        "runs": [{"id": model.header.get("id"), "folder": str(model.folder)} for model in covered.models],
        "agent": None if agent is None else {"file": agent.file, "digest": agent.digest, "known": agent.agent is not None},
        **matrix_json(covered.matrix, covered.rows(kinds), covered.edited),
        "notes": list(covered.notes),
        "of": covered.of,
        "kinds": list(covered.kinds),
        "gate": None if covered.gate is None else covered.gate.as_json(),
        "exit_code": int(covered.exit_code),
    }


def _written(covered: Covered, arguments: argparse.Namespace) -> list[tuple[str, Path]]:
    from focal_eval.evaluate import coverage_files

    out = []
    if arguments.lcov is not None:
        out.append(("lcov", coverage_files.write_lcov(covered, arguments.lcov)))
    if arguments.html is not None:
        out.append(("report", coverage_files.write_page(covered, arguments.html)))
    return out
