"""`focal-eval export`."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("format", metavar="FORMAT", help="promptfoo, rasa")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="scripts, suites, or folders of scripts")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the files are written")
    parser.add_argument("--lossy", action="store_true", help="leave behind what the format cannot express, and say so")
    parser.add_argument("--force", action="store_true", help="overwrite files that are there already and differ")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing where all went well")


def call(arguments: argparse.Namespace) -> int:
    """Exports and says what was not taken over as it is."""
    from focal_eval.cli.diagnostics import print_json
    from focal_eval.errors import ExitCode
    from focal_eval.importers.export_run import export_files

    report = export_files(arguments.format, arguments.paths, arguments.out, lossy=arguments.lossy, force=arguments.force)
    if arguments.json:
        print_json(report.to_json())
    elif not arguments.quiet:
        print(report.text())
    return ExitCode.OK
