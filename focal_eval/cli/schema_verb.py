"""`focal-eval schema`."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="where to write (default: .focal-eval)")
    parser.add_argument("--kind", choices=("script", "suite", "agent"), help="print one schema instead")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout with all schemas")


def call(arguments: argparse.Namespace) -> int:
    """Writes or prints the schemas."""
    import orjson

    from focal_eval.cli.diagnostics import print_json
    from focal_eval.errors import ExitCode, StorageError
    from focal_eval.evaluate.schemas import schemas

    made = schemas()
    if arguments.kind:
        print_json(made[arguments.kind])
        return ExitCode.OK
    if arguments.json:
        print_json(made)
        return ExitCode.OK
    folder = arguments.folder or Path(".focal-eval")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, schema in made.items():
            path = folder / f"{kind}.schema.json"
            path.write_bytes(orjson.dumps(schema, option=orjson.OPT_INDENT_2) + b"\n")
            print(path)
    except OSError as problem:
        raise StorageError(f"the schemas cannot be written to {folder}: {problem.strerror or problem}") from None
    print("In VS Code (YAML extension), put this on the first line of a script, with the path from the script's folder:")
    print(f"# yaml-language-server: $schema={(folder / 'script.schema.json').as_posix()}")
    return ExitCode.OK
