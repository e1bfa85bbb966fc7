"""`focal-eval approve`."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from focal_eval.text import counted, listed

if TYPE_CHECKING:
    from focal_eval.evaluate.approving import Approved, Item

CATEGORIES = ("new", "wrong", "unused", "reformatted")
_MOST = 12  # lines of one category


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("run", metavar="RUN", help="a run folder, a unique prefix of its id, latest or previous")
    parser.add_argument(
        "--runs", type=Path, default=Path("reports"), metavar="DIR", help="where run folders lie (default reports)"
    )
    where = parser.add_argument_group("which baseline")
    where.add_argument("--suite", type=Path, metavar="FILE", help="the suite it belongs to (default: the run's)")
    where.add_argument("--baseline", type=Path, metavar="DIR", help="its folder (default: baselines/<suite> beside the suite)")
    what = parser.add_argument_group("what is approved")
    what.add_argument(
        "--only", metavar="NAMES", help="of new,wrong,unused,reformatted (default new; wrong with --cause or --turn)"
    )
    what.add_argument("--cause", action="append", default=[], metavar="KEY", help="what changed for this reason (repeatable)")
    what.add_argument(
        "--script", action="append", default=[], metavar="ID", help="of these scripts; * fits any text (repeatable)"
    )
    what.add_argument(
        "--turn",
        action="append",
        default=[],
        metavar="N",
        help="these turns alone, from 1, or before:N of those taken out; needs --script",
    )
    what.add_argument("--decisions", type=Path, metavar="FILE", help="what was accepted and rejected in a report's page")
    what.add_argument("--failing", action="store_true", help="also cases that failed or errored")
    who = parser.add_argument_group("in whose name")
    who.add_argument("--author", metavar="NAME", help="who approves (default: FOCAL_EVAL_AUTHOR, then git's user.name)")
    who.add_argument("--reason", metavar="TEXT", help="why; only what is new needs none")
    who.add_argument("--expires", metavar="DATE", help="the last day the approval holds")
    parser.add_argument("--dry-run", action="store_true", help="write nothing; exit code 1 where something would change")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="only the files that were written")


def call(arguments: argparse.Namespace) -> int:
    """Approves, prints what was done and what was left, and returns 0, or 1 for a dry run that found something to do."""
    from focal_eval.cli.diagnostics import print_json
    from focal_eval.errors import ExitCode
    from focal_eval.evaluate.approval_units import Category
    from focal_eval.evaluate.approving import ApproveRequest, approve
    from focal_eval.evaluate.authors import author_here
    from focal_eval.report.characters import visible

    words = _categories(arguments.only)
    request = ApproveRequest(
        run=arguments.run,
        runs=arguments.runs,
        suite=arguments.suite,
        baseline=arguments.baseline,
        only=None if words is None else tuple(Category(word) for word in words),
        causes=tuple(arguments.cause),
        scripts=tuple(arguments.script),
        turns=tuple(_turn(text) for text in arguments.turn),
        decisions=arguments.decisions,
        author=arguments.author or author_here(),
        reason=arguments.reason,
        expires=arguments.expires,
        failing=arguments.failing,
        dry_run=arguments.dry_run,
    )
    done = approve(request)
    if arguments.json:
        print_json(done.as_json())
    elif arguments.quiet:
        for path in (*done.written, *done.removed):
            print(visible(str(path)))
    else:
        for line in lines(done):
            print(visible(line))
    sys.stdout.flush()
    return ExitCode.FAILED if done.dry_run and done.changes else ExitCode.OK


def _categories(text: str | None) -> tuple[str, ...] | None:
    from focal_eval.errors import UsageError
    from focal_eval.registry import did_you_mean

    if text is None:
        return None
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    for word in words:
        if word not in CATEGORIES:
            raise UsageError(f"--only has no category '{word}'; {did_you_mean(word, CATEGORIES, list_up_to=4)}")
    if not words:
        raise UsageError(f"--only names none of {', '.join(CATEGORIES)}")
    return words


def _turn(text: str) -> int:
    from focal_eval.errors import UsageError

    number = text.removeprefix("before:")
    if number.isascii() and number.isdigit() and int(number[:9]) > 0 and len(number) < 9:
        return int(number) if number == text else -int(number)
    raise UsageError(f"--turn {text} is not the number of a turn; the first one is 1, one that was taken out before:1")


def lines(done: Approved) -> list[str]:
    """What was approved and what was left, by category, then the files."""
    out: list[str] = []
    for word, wanted in (("would approve" if done.dry_run else "approved", True), ("left", False)):
        for category in CATEGORIES:
            found = [item for item in done.items if item.approved is wanted and item.category == category]
            if found:
                out.append(f"{word} {len(found)} {category}")
                out += _told(found)
    if done.layouts:
        out.append(f"left {counted(len(done.layouts), 'file')} in an older layout (--only reformatted)")
    if done.already:
        out.append(f"already approved: {listed(done.already, most=_MOST)}")
    same = counted(done.up_to_date, "case is", "cases are") + " as approved"
    out.append(same + (f", {done.unseen} of the baseline not judged in this run and kept" if done.unseen else ""))
    out.append(_changed(done))
    return out


def _changed(done: Approved) -> str:
    """How many files were written and removed."""
    written, removed = len(done.written), len(done.removed)
    would = "would be" if done.dry_run else "was" if (written or removed) <= 1 else "were"
    if not done.changes:
        return f"nothing {would} written to {done.folder}"
    if not written:
        return f"{counted(removed, 'file')} {would} removed in {done.folder}"
    also = f", {removed} removed" if removed else ""
    return f"{counted(written, 'file')} {would} written{also} in {done.folder}"


def _told(found: list[Item]) -> list[str]:
    """The cases of one category, those of one cause or of one reason to be left together."""
    groups: dict[tuple[str | None, str | None], list[Item]] = {}
    for item in found:
        groups.setdefault((item.cause, item.left), []).append(item)
    out = []
    for (cause, left), items in sorted(groups.items(), key=lambda entry: -len(entry[1])):
        names = _names(items)
        said = f"{items[0].text} [{cause}]: " if cause is not None else ""
        out.append(f"  {said}{names}" + (f"; {left}" if left is not None else ""))
    more = len(out) - _MOST
    return out if more <= 0 else [*out[:_MOST], f"  and {counted(more, 'more cause')}"]


def _names(items: list[Item]) -> str:
    from focal_eval.evaluate.approval_choice import turn_words

    scripts = Counter(item.script for item in items)
    named = [_renamed(item) + (f" turn {', '.join(map(turn_words, item.turns))}" if item.turns else "") for item in items]
    return listed(named, most=3) if len(items) <= 3 else f"{len(items)} cases of {listed(list(scripts), most=3)}"


def _renamed(item: Item) -> str:
    return item.case if item.renamed is None else f"{item.renamed} → {item.case}"
