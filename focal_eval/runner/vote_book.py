"""`judge: {cassette: FILE}`: votes on questions, a line each, so that what was judged once costs nothing again.

A line is found by the question and by all that the answer hangs on: the prompt's version, the model and its settings. Lines
are appended as votes come in; of equal ones the last counts.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from focal_eval.errors import StorageError
from focal_eval.records import Answer, Rubric
from focal_eval.records.codec import asked_from_json, asked_to_json

FORMAT = 1
MAX_BYTES = 512_000_000

Cleaner = Callable[[Any], Any]


class VoteBook:
    """The votes in one file. A line that cannot be read is passed over: it is asked for again."""

    def __init__(self, path: Path, mode: str, clean: Cleaner) -> None:
        self._path, self._clean = path, clean
        self.asks = mode != "replay"  # whether what is not kept may be asked
        self._known: dict[str, Answer] = {} if mode == "record" else self._read()

    def find(self, key: str) -> Answer | None:
        """The answer that is kept, None where there is none."""
        return self._known.get(key)

    def keep(self, key: str, rubric: Rubric, answer: Answer) -> None:
        """Appends an answer. Raises StorageError."""
        self._known[key] = answer
        line = orjson.dumps({"t": "votes", "format": FORMAT, "key": key, **self._clean(asked_to_json(rubric, answer))})
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                os.write(file, line + b"\n")
            finally:
                os.close(file)
        except OSError as problem:
            raise StorageError(f"the judge's cassette {self._path} cannot be written: {problem.strerror or problem}") from None

    def _read(self) -> dict[str, Answer]:
        try:
            if self._path.stat().st_size > MAX_BYTES:
                raise StorageError(f"the judge's cassette {self._path} is larger than {MAX_BYTES:,} bytes")
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return {}
        except OSError as problem:
            raise StorageError(f"the judge's cassette {self._path} cannot be read: {problem.strerror or problem}") from None
        out: dict[str, Answer] = {}
        for line in lines:
            try:
                data = orjson.loads(line)
                if data["t"] == "votes" and data["format"] == FORMAT:
                    out[str(data["key"])] = asked_from_json(data)[1]
            except (ValueError, KeyError, TypeError):
                continue
        return out
