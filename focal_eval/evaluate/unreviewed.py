"""Scripts whose expectations are what was observed, not what somebody asked for; each is marked until a person looked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from focal_eval.document.writing import ENDLESS, Block, Dumper, dump
from focal_eval.errors import StorageError, UsageError
from focal_eval.importers.write import yaml_text
from focal_eval.records import Json

TAG = "unreviewed"
"""The tag of such a script, so that `--tag '!unreviewed'` leaves it out."""

MARK = "# observed, review"
AUTHORED = frozenset({"user", "name", "timeout_s"})
"""Keys of a turn that nobody observed."""


class _Plain(Dumper):
    """One line for each text of one line, so that a mark can stand beside it."""

    quoted = frozenset({"any", "absent"})


def unreviewed_text(head: Mapping[str, Any], turns: Sequence[Mapping[str, Json]], note: str) -> str:
    """The text of a script: `head` as it is, then the turns, with the mark beside everything that was observed.

    Reads back as the same data. Whatever stands in a turn counts as observed, but for the keys in `AUTHORED`.
    """
    parts = ["".join(f"# {line}\n" for line in note.splitlines()), yaml_text(head), "\nturns:\n"]
    parts += [_turn(turn) for turn in turns]
    return "".join(parts)


def _turn(turn: Mapping[str, Json]) -> str:
    lines: list[str] = []
    for key, part in turn.items():
        if key in AUTHORED:
            lines += _dumped({key: part})
        elif key == "expect" and isinstance(part, Mapping):
            lines.append("expect:")
            for name, expected in part.items():
                lines += [f"  {line}" for line in _marked(_dumped({name: expected}))]
        else:
            lines += _marked(_dumped({key: part}))
    return "\n".join(f"  {'- ' if at == 0 else '  '}{line}" if line else "" for at, line in enumerate(lines)) + "\n"


def _dumped(data: Mapping[str, Any]) -> list[str]:
    return dump(Block(data), _Plain, width=ENDLESS).removesuffix("\n").split("\n")


def _marked(lines: list[str]) -> list[str]:
    return [f"{lines[0]}  {MARK}", *lines[1:]]


def write_all(files: Mapping[Path, str]) -> None:
    """Writes new files, all or none where one is there already. Raises UsageError for that, StorageError for a disk's no."""
    there = next((path for path in sorted(files) if path.exists()), None)
    if there is not None:
        raise UsageError(f"{there} is there already; name another folder, or review and move what is there first")
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as stream:
                stream.write(text)
        except OSError as problem:
            raise StorageError(f"the script {path} cannot be written: {problem.strerror or problem}") from None
