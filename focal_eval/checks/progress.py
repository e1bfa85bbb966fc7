"""`progress`: what the engine showed while it worked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from focal_eval.checks.base import Moment, TurnCheck, written_short
from focal_eval.checks.passages import closest, quoted
from focal_eval.checks.ranges import Count
from focal_eval.checks.reported import known
from focal_eval.document.shape import ListOf, Text
from focal_eval.records import Finding
from focal_eval.text import fold, listed

_TEXTS: Any = {"shape": ListOf(Text(may_be_empty=False))}


@dataclass(frozen=True, slots=True)
class Progress(TurnCheck):
    """What was shown while the engine worked; a list means that each text is found, in this order."""

    short: ClassVar[str] = "contains"
    needs: ClassVar[frozenset[str]] = frozenset({"progress"})
    contains: tuple[str, ...] = field(default=(), metadata={**_TEXTS, "doc": "Each is found in some message, in this order."})
    excludes: tuple[str, ...] = field(default=(), metadata={**_TEXTS, "doc": "None is found in any message."})
    count: Count | None = field(default=None, metadata={"doc": "How many messages."})
    brief: bool = written_short()

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        items = known(seen.reply.progress, "progress")
        shown = " → ".join(quoted(item, 60) for item in items[:12]) or "no progress"
        folded = [fold(item) for item in items]
        out = self._missing(items, folded, shown)
        for index, text in enumerate(self.excludes):
            hit = next((item for item, plain in zip(items, folded, strict=True) if fold(text) in plain), None)
            if hit is not None:
                said = f"{quoted(text, 80)} was shown while the engine worked"
                out.append(Finding(said, f"no {quoted(text)}", quoted(hit), path=("excludes", index)))
        if self.count is not None and not self.count.holds(len(items)):
            said = f"progress was shown {len(items)} times"
            out.append(Finding(said, self.count.describe(), shown, path=("count",)))
        return tuple(out)

    def _missing(self, items: Sequence[str], folded: Sequence[str], shown: str) -> list[Finding]:
        """Of the texts in order, the first that is not found, or not where it should be."""
        begin = 0
        for index, text in enumerate(self.contains):
            wanted = fold(text)
            place = next((at for at in range(begin, len(folded)) if wanted in folded[at]), None)
            if place is None:
                early = any(wanted in item for item in folded[:begin])
                said = f"{quoted(text, 80)} was shown {'too early' if early else 'nowhere'}"
                near = None if early else closest(text, "\n".join(items))
                return [Finding(said, " → ".join(map(quoted, self.contains)), shown, near, self.at("contains", index))]
            begin = place + 1
        return []

    def describe(self) -> str:
        parts = [f"progress shows {listed([quoted(text, 60) for text in self.contains])}"] if self.contains else []
        parts += (
            [f"progress does not show {listed([quoted(t, 60) for t in self.excludes], last='or')}"] if self.excludes else []
        )
        parts += [f"progress: {self.count.describe()}"] if self.count is not None else []
        return ", ".join(parts) or "progress: nothing named"

    def idle(self) -> str | None:
        counts = self.count is not None and not self.count.idle()
        if self.contains or self.excludes or counts:
            return None
        return "it demands nothing of the progress; to say that there was none, write {count: 0}"
