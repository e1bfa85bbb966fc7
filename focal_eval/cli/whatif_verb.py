"""`focal-eval whatif`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from focal_eval.cli.arguments import whole

if TYPE_CHECKING:
    from focal_eval.evaluate.whatif import Limit

_MOST_WORKERS = 64


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument(
        "transcripts", nargs="*", type=Path, metavar="TRANSCRIPT", help="recordings: files, folders, run folders"
    )
    parser.add_argument("--agent", type=Path, metavar="FILE", help="the agent that held them; default: what the record tells")
    parser.add_argument("--candidate", type=Path, metavar="FILE", help="the agent with changed rules")
    parser.add_argument(
        "--format", metavar="NAME", help="the format of the recordings, instead of what their records look like"
    )
    parser.add_argument(
        "--aliases", type=Path, metavar="FILE", help="what the agents call the recordings' rules, steps and tools"
    )
    parser.add_argument("--free-run", action="store_true", help="each agent goes its own way until they part")
    parser.add_argument("--scripts", type=Path, metavar="DIR", help="write one script a cause, proved on both agents")
    parser.add_argument(
        "--expect", choices=("agent", "candidate"), default="agent", help="whose behaviour the scripts expect (default agent)"
    )
    parser.add_argument("--max-changed", type=limit, metavar="N|P%", help="fail where more turns change")
    parser.add_argument("--keep-personal", action="store_true", help="do not replace personal data")
    parser.add_argument("--redactions", action="store_true", help="list the rules by which personal data is replaced, and end")
    parser.add_argument(
        "--workers", type=whole(_MOST_WORKERS), metavar="N", help="processes for long recordings (default: one a processor)"
    )
    parser.add_argument("--max-shown", type=whole(), default=20, metavar="N", help="causes shown (default 20)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="only the count")


def limit(text: str) -> Limit:
    """Reads `40` or `2.5%`."""
    from focal_eval.evaluate.whatif import Limit

    percent = text.endswith("%")
    try:
        number = float(text.removesuffix("%")) if percent else int(text)
    except ValueError:
        number = -1
    if not 0 <= number <= (100 if percent else 10**12):
        raise argparse.ArgumentTypeError(f"{text} is neither a number of turns nor a percentage such as 2%")
    return Limit(number, percent)


def call(arguments: argparse.Namespace) -> int:
    """Goes through the recordings, writes scripts where asked, prints, and returns the gate's exit code."""
    from focal_eval.errors import UsageError

    if arguments.redactions:
        return _redactions(as_json=arguments.json)
    if not arguments.transcripts:
        raise UsageError("name recordings: files, folders of them, or run folders")
    if arguments.candidate is None:
        raise UsageError("name the agent with changed rules: --candidate FILE")
    if arguments.scripts is not None and arguments.keep_personal:
        raise UsageError("--scripts writes files for others to read; it does not go with --keep-personal")
    from focal_eval.cli.diagnostics import print_json
    from focal_eval.evaluate.whatif import WhatIfRequest, whatif
    from focal_eval.evaluate.whatif_document import document
    from focal_eval.report.counting import counting

    request = WhatIfRequest(
        paths=tuple(arguments.transcripts),
        candidate=arguments.candidate,
        agent=arguments.agent,
        format=arguments.format,
        aliases=arguments.aliases,
        free=arguments.free_run,
        keep_personal=arguments.keep_personal,
        workers=arguments.workers or min(os.cpu_count() or 1, _MOST_WORKERS),
        max_changed=arguments.max_changed,
    )
    with counting("turn", sys.stderr, quiet=arguments.quiet) as told:
        result = whatif(request, lambda tally: told(tally.turns))
    scripts = None
    if arguments.scripts is not None:
        from focal_eval.evaluate.whatif_scripts import write_scripts

        scripts = write_scripts(result, arguments.scripts, expected=arguments.expect)
    found = document(result, scripts)
    if arguments.json:
        print_json(found)
    else:
        from focal_eval.report.whatif_text import print_whatif

        print_whatif(found, sys.stdout, most=arguments.max_shown, quiet=arguments.quiet)
    return int(result.exit_code)


def _redactions(*, as_json: bool) -> int:
    from dataclasses import asdict

    from focal_eval.cli.diagnostics import print_json
    from focal_eval.errors import ExitCode
    from focal_eval.importers.redaction import REDACTIONS

    if as_json:
        print_json({"redactions": [asdict(rule) for rule in REDACTIONS]})
    else:
        from tabulate import tabulate

        rows = [(rule.kind, rule.found, rule.becomes) for rule in REDACTIONS]
        print(
            tabulate(
                rows,
                headers=("kind", "found", "becomes"),
                tablefmt="simple",
                disable_numparse=True,
                maxcolwidths=[None, 70, 32],
            )
        )
    return ExitCode.OK
