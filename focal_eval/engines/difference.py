"""How what is asked now differs from what was recorded: word by word in a text, path by path in data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from focal_eval.records import Json
from focal_eval.text import fold, shorten

_COMPARED = 4_000  # characters of a text that are looked at to say how much of it is equal
_COMPARED_WORDS = 1_000  # from the first difference on
_AROUND = 8  # equal words shown beside a difference
_SHOWN = 8  # paths that are told of data
_WIDTH = 200  # characters of a value that are shown
_DEEPEST = 60  # nesting below which data is compared as a whole


def same(one: str | None, other: str | None) -> bool:
    """Whether two messages are the same words; None is what nobody said."""
    if one is None or other is None:
        return one is other
    return one == other or fold(one) == fold(other)


def alike(one: str, other: str) -> float:
    """How much of two texts is equal, 0 to 1, judged by their beginnings."""
    from rapidfuzz.fuzz import ratio

    return ratio(fold(one[:_COMPARED]), fold(other[:_COMPARED])) / 100


def word_difference(recorded: str, said: str) -> str:
    """One text with what was recorded as `[-gone-]` and what is said now as `{+new+}`, word by word; `…` for what is equal."""
    from rapidfuzz.distance import Indel

    before, after = recorded.split(), said.split()
    start = _equal_words(before, after)
    skipped = max(start - _AROUND, 0)
    before, after = before[skipped:][:_COMPARED_WORDS], after[skipped:][:_COMPARED_WORDS]
    out: list[str] = ["…"] if skipped else []
    gone: list[str] = []
    new: list[str] = []
    steps = Indel.opcodes(before, after)
    for number, step in enumerate(steps):
        if step.tag != "equal":
            gone += before[step.src_start : step.src_end]
            new += after[step.dest_start : step.dest_end]
            continue
        words = before[step.src_start : step.src_end]
        out += [*_marked(gone, new), *_around(words, first=number == 0, last=number == len(steps) - 1)]
        gone, new = [], []
    return shorten(" ".join([*out, *_marked(gone, new)]), 600)


def _equal_words(before: list[str], after: list[str]) -> int:
    """How many words both begin with."""
    pairs = enumerate(zip(before, after, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(before), len(after)))


def _around(words: list[str], *, first: bool, last: bool) -> list[str]:
    """Equal words, those alone that stand beside a difference where there are many."""
    if len(words) <= 2 * _AROUND + 4:
        return words
    return [*([] if first else words[:_AROUND]), "…", *([] if last else words[-_AROUND:])]


def _marked(gone: list[str], new: list[str]) -> list[str]:
    out = []
    if gone:
        out.append("[-" + " ".join(gone) + "-]")
    if new:
        out.append("{+" + " ".join(new) + "+}")
    return out


def data_difference(recorded: Json, now: Json) -> str:
    """The paths at which two values differ, a line each, long texts word by word; empty where they are equal."""
    found = list(_differences(recorded, now, ()))
    lines = [f"{path}: {words}" for path, words in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(f"and {len(found) - _SHOWN} more")
    return "\n".join(lines)


def nearest_data(now: Json, recorded: Iterable[Json]) -> int:
    """Which of the recorded values is most like this one: the first of those with the fewest and shortest differences."""
    weights = [sum(1 + min(len(words), 200) / 200 for _, words in _differences(one, now, ())) for one in recorded]
    return min(range(len(weights)), key=weights.__getitem__)


def _differences(recorded: Json, now: Json, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if len(path) < _DEEPEST:
        if isinstance(recorded, Mapping) and isinstance(now, Mapping):
            for key in [*recorded, *(key for key in now if key not in recorded)]:
                yield from _differences(recorded.get(key, _GONE), now.get(key, _GONE), (*path, str(key)))
            return
        if isinstance(recorded, list) and isinstance(now, list):
            for index in range(max(len(recorded), len(now))):
                before = recorded[index] if index < len(recorded) else _GONE
                yield from _differences(before, now[index] if index < len(now) else _GONE, (*path, str(index)))
            return
    if recorded != now or isinstance(recorded, bool) != isinstance(now, bool):
        yield ".".join(path) or "all of it", _words(recorded, now)


class _Gone:
    """Stands for what one side does not have."""


_GONE = _Gone()


def _words(recorded: Any, now: Any) -> str:
    if recorded is _GONE:
        return "{+" + _shown(now) + "+}"
    if now is _GONE:
        return "[-" + _shown(recorded) + "-]"
    if isinstance(recorded, str) and isinstance(now, str) and recorded.split() != now.split():
        return word_difference(recorded, now)
    return f"[-{_shown(recorded)}-] {{+{_shown(now)}+}}"


def _shown(value: Any) -> str:
    import orjson

    text = orjson.dumps(value, default=str).decode()
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
