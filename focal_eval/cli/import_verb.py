"""`focal-eval import`."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments; a format's own options follow as `--name value`."""
    from focal_eval.importers.base import options_of
    from focal_eval.registry import names

    known = names("importers")
    parser.add_argument("format", metavar="FORMAT", help=", ".join(known))
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files or folders")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where scripts, suites and cassettes are written"
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that are there already and differ")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing where all went well")
    seen: set[str] = set()
    for name in known:
        group = parser.add_argument_group(f"options of {name}")
        for option in options_of(name):
            if option.name not in seen:
                seen.add(option.name)
                group.add_argument(f"--{option.name}", dest=f"option_{option.name}", metavar="VALUE", help=option.doc)


def call(arguments: argparse.Namespace) -> int:
    """Imports and says what was dropped."""
    from focal_eval.cli.diagnostics import print_json
    from focal_eval.errors import ExitCode
    from focal_eval.importers.run import import_files

    given = {
        name.removeprefix("option_"): value
        for name, value in vars(arguments).items()
        if name.startswith("option_") and value is not None
    }
    report = import_files(arguments.format, arguments.paths, arguments.out, given, force=arguments.force)
    if arguments.json:
        print_json(report.to_json())
    elif not arguments.quiet:
        print(report.text())
    return ExitCode.OK
