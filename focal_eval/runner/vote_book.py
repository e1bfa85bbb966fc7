"""`judge: {cassette: FILE}`: votes on questions, a line each, so that what was judged once costs nothing again.

A line is found by the question and by all that the answer hangs on: the prompt's version, the model and its settings. Lines
are appended as votes come in; of equal ones the last counts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from focal_eval.records import Answer, Rubric
from focal_eval.records.codec import asked_from_json, asked_to_json
from focal_eval.runner.answer_lines import append_line, lines_of

FORMAT = 1

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
        told = {"t": "votes", "format": FORMAT, "key": key, **self._clean(asked_to_json(rubric, answer))}
        append_line(self._path, "the judge's", told)

    def _read(self) -> dict[str, Answer]:
        out: dict[str, Answer] = {}
        for data in lines_of(self._path, "the judge's"):
            try:
                if data["t"] == "votes" and data["format"] == FORMAT:
                    out[str(data["key"])] = asked_from_json(data)[1]
            except (ValueError, KeyError, TypeError):
                continue
        return out
