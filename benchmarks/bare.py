"""The floor: read the conversations, ask the agent, three comparisons a turn, one JSON record a turn. No harness at all.

    python benchmarks/bare.py files|same-json|one-file FOLDER OUT

`files` reads the same scripts as focal-eval, one file a conversation, and writes with orjson; `same-json` does the
same and writes what focal-eval's journal holds of a turn, the three results spelled out (the places in the file are zero:
`yaml.load` knows none); `one-file` reads one large YAML file and writes with the standard library's json.
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


Record = Callable[[str, int, str, Any, tuple[str, str, str], list[bool], float], dict[str, Any]]


def short(
    name: str, index: int, message: str, reply: Any, asked: tuple[str, str, str], passed: list[bool], took: float
) -> dict[str, Any]:
    """One record a turn, as brief as it can be."""
    return {
        "conversation": name,
        "turn": index,
        "user": message,
        "reply": reply,
        "expect": asked,
        "passed": passed,
        "seconds": took,
    }


def spelled_out(
    name: str, index: int, message: str, reply: Any, asked: tuple[str, str, str], passed: list[bool], took: float
) -> dict[str, Any]:
    """One record a turn with the content of focal-eval's journal."""
    file = f"scripts/{name}.yaml"
    texts = (
        ("response.contains", f"response contains '{asked[0]}'"),
        ("rules", f"rules include {asked[1]}"),
        ("tools", f"tools called: {asked[2]}"),
    )
    return {
        "t": "turn",
        "conversation": name,
        "attempt": 1,
        "turn": index,
        "user": message,
        "reply": {
            "response": reply["response"],
            "rules": [{"name": rule} for rule in reply["rules"]],
            "tools": [{"name": tool} for tool in reply["tools"]],
        },
        "elapsed_ms": took * 1000,
        "results": [
            {"key": key, "text": text, "outcome": "passed" if good else "failed", "at": [file, 0, 0, 0, 0]}
            for (key, text), good in zip(texts, passed, strict=True)
        ],
        "passed": passed,
    }


def run(read: Callable[[Path], Turns], record: Record, dumps: Callable[[Any], bytes], folder: Path, out: Path) -> None:
    """The whole loop, one line a turn on disk."""
    desk = Desk()
    with out.open("wb") as journal:
        for name, turns in read(folder):
            for index, (message, *asked) in enumerate(turns):
                contains, rule, tool = asked
                started = time.perf_counter()
                reply: Any = desk.reply(name, message)
                took = time.perf_counter() - started
                passed = [contains in reply["response"], rule in reply["rules"], tool in reply["tools"]]
                journal.write(dumps(record(name, index, message, reply, (contains, rule, tool), passed, took)) + b"\n")


def main() -> None:
    kind, folder, out = sys.argv[1:]
    if kind == "one-file":
        plain = json.JSONEncoder(separators=(",", ":"))
        run(from_one_file, short, lambda record: plain.encode(record).encode(), Path(folder), Path(out))
    else:
        run(from_files, spelled_out if kind == "same-json" else short, orjson.dumps, Path(folder), Path(out))


if __name__ == "__main__":
    main()
