"""The floor: read the conversations, ask the agent, three comparisons a turn, one JSON record a turn. No harness at all.

    python benchmarks/bare.py files|one-file FOLDER OUT

`files` reads the same scripts as focal-eval, one file a conversation, and writes with orjson; `one-file` reads one large
YAML file and writes with the standard library's json.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import yaml
from engine import Desk

Turns = Iterator[tuple[str, list[tuple[str, str, str, str]]]]


def from_files(folder: Path) -> Turns:
    """(conversation, its turns as message, text, rule and tool) of each script."""
    for file in sorted((folder / "scripts").iterdir()):
        told = yaml.load(file.read_bytes(), yaml.CSafeLoader)  # the C loader builds plain data only
        yield (
            file.stem,
            [
                (turn["user"], expect["response"]["contains"], expect["rules"][0], expect["tools"][0])
                for turn in told["turns"]
                for expect in (turn["expect"],)
            ],
        )


def from_one_file(folder: Path) -> Turns:
    """The same, from one large file."""
    told = yaml.load((folder / "one-file.yaml").read_bytes(), yaml.CSafeLoader)
    for conversation in told["conversations"]:
        yield (
            conversation["id"],
            [
                (turn["user"], expect["contains"], expect["rule"], expect["tool"])
                for turn in conversation["turns"]
                for expect in (turn["expect"],)
            ],
        )


def run(read: Callable[[Path], Turns], dumps: Callable[[Any], bytes], folder: Path, out: Path) -> None:
    """The whole loop, one line a turn on disk."""
    desk = Desk()
    with out.open("wb") as journal:
        for name, turns in read(folder):
            for index, (message, contains, rule, tool) in enumerate(turns):
                started = time.perf_counter()
                reply: Any = desk.reply(name, message)
                took = time.perf_counter() - started
                passed = [contains in reply["response"], rule in reply["rules"], tool in reply["tools"]]
                record = {
                    "conversation": name,
                    "turn": index,
                    "user": message,
                    "reply": reply,
                    "expect": [contains, rule, tool],
                    "passed": passed,
                    "seconds": took,
                }
                journal.write(dumps(record) + b"\n")


def main() -> None:
    kind, folder, out = sys.argv[1:]
    if kind == "files":
        run(from_files, orjson.dumps, Path(folder), Path(out))
    else:
        run(from_one_file, lambda record: json.dumps(record, separators=(",", ":")).encode(), Path(folder), Path(out))


if __name__ == "__main__":
    main()
