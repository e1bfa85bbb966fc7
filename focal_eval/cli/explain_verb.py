"""`focal-eval explain`."""

from __future__ import annotations

import argparse


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("code", nargs="?", metavar="CODE", help="the word in brackets of an error; without it all are listed")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def call(arguments: argparse.Namespace) -> int:
    """Prints the page of a code, or the list of codes."""
    from importlib.resources import files

    from focal_eval.cli.diagnostics import print_json
    from focal_eval.errors import ExitCode, UsageError
    from focal_eval.registry import did_you_mean

    pages = {page.name.removesuffix(".md"): page for page in files("focal_eval.codes").iterdir() if page.name.endswith(".md")}
    if arguments.code is None:
        heads = {code: _first(pages[code].read_text(encoding="utf-8")) for code in sorted(pages)}
        if arguments.json:
            print_json(heads)
        else:
            width = max(map(len, heads))
            print("\n".join(f"{code:<{width}}  {text}" for code, text in heads.items()))
        return ExitCode.OK
    code = arguments.code.strip("[]")
    if code not in pages:
        fix = did_you_mean(code, pages, list_up_to=0) or "`focal-eval explain` lists all"
        raise UsageError(f"no error has the code '{code}'; {fix}")
    text = pages[code].read_text(encoding="utf-8").rstrip()
    if arguments.json:
        print_json({"code": code, "text": text})
    else:
        print(text)
    return ExitCode.OK


def _first(text: str) -> str:
    body = text.split("\n\n")[1] if "\n\n" in text else text
    return " ".join(body.split()).split(". ")[0].rstrip(".")
