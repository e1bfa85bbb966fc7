"""The data of the report's Coverage view: the agent file with its items on their lines, packed for the page."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from focal_eval.coverage.lines import items_by_line
from focal_eval.coverage.matrix import Matrix, Row, worst_first
from focal_eval.coverage.model import Key, State
from focal_eval.coverage.scripts import Bits
from focal_eval.report.coverage_json import both, present, reasons
from focal_eval.value import value

MOST_SCRIPTS = 30  # linked behind one item
MOST_TEXT = 4_000_000  # characters of an agent file; of a longer one only the items are shown
MOST_REASONS = 5


@value
class CoverageView:
    """What the report shows of coverage. `text` is the agent file's, None where it is not known."""

    matrix: Matrix
    rows: Sequence[Row]
    words: str  # the share in one sentence
    file: str
    text: str | None
    edited: Mapping[Key, str] | None = None
    notes: tuple[str, ...] = ()

    def packed(self) -> str:
        """The data as the page inflates it: JSON, gzip, base64; the same bytes for the same coverage."""
        packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        return base64.b64encode(packer.compress(orjson.dumps(self.data())) + packer.flush()).decode("ascii")

    def data(self) -> dict[str, Any]:
        """What the view is drawn from: items the worst first, and for each line of the file the items on it."""
        ordered = list(worst_first(self.rows))
        places = {row.item.key: place for place, row in enumerate(ordered)}
        text = self.text if self.text is not None and len(self.text) <= MOST_TEXT else None
        lines = {} if text is None else items_by_line([row.item for row in ordered], text)
        return {
            "words": self.words,
            "file": self.file,
            "notes": list(self.notes),
            "text": text,
            "judged": self.matrix.judged > 0,
            "scripts": list(self.matrix.scripts),
            "kinds": list(present(ordered)),
            "items": [self._item(row) for row in ordered],
            "lines": [[number, [places[item.key] for item in items]] for number, items in lines.items()],
        }

    def _item(self, row: Row) -> dict[str, Any]:
        tally = row.tally
        return {
            "kind": row.item.kind,
            "name": row.item.name,
            "line": row.item.line,
            "state": "asserted" if row.asserted else _state(row),
            "turns": tally.turns,
            "either": tally.either,
            "asserted": tally.asserted,
            "refuted": tally.refuted,
            "both": both(row),
            "near": tally.near,
            "dropped": [[why, by, turns] for (why, by), turns in reasons(tally.suppressed)[:MOST_REASONS]],
            "outcomes": dict(sorted(tally.outcomes.items())),
            "hitBy": _sample(tally.scripts),
            "assertedBy": _sample(tally.asserting),
            "refutedBy": _sample(tally.refuting),
            "edited": None if self.edited is None else self.edited.get(row.item.key),
        }


def _state(row: Row) -> str:
    if row.state is not State.HIT:
        return "off" if row.item.off else str(row.state)
    return "hit" if row.asserted is False else "seen"  # `seen`: hit, and nobody could judge whether it is asserted


def _sample(bits: Bits) -> dict[str, Any]:
    return {"count": len(bits), "some": [number for _, number in zip(range(MOST_SCRIPTS), bits, strict=False)]}
