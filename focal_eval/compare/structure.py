"""What differs between two structures: arguments, results, variables, metadata, each place once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from focal_eval.compare.model import Difference, Lane
from focal_eval.records import Json

MAX_BYTES = 200_000  # of one side; beyond, two structures are one difference
MAX_DIFFERENCES = 50  # of one structure

Path = tuple[str | int, ...]


def canonical(data: Json) -> bytes:
    """The same bytes for the same JSON, whatever the order of its keys; 1 and 1.0 are two things, true and 1 too."""
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS)


def equal_json(before: Json, after: Json) -> bool:
    """Whether two values are the same JSON, keys in the same order; quick to say no, and quick to say yes."""
    return before == after and orjson.dumps(before) == orjson.dumps(after)


def structural(before: Json, after: Json, lane: Lane, what: str, path: Path = ()) -> list[Difference]:
    """The differences of two JSON values, in the order of their keys; `what` goes before the keys, numbers in it are `*`."""
    found = list(_differences(before, after, lane, what, path))
    if len(found) <= MAX_DIFFERENCES:
        return found
    return [Difference(lane, "changed", what or _named(what, path[-1:]), before, after, path)]


def _differences(before: Json, after: Json, lane: Lane, what: str, path: Path) -> Iterator[Difference]:
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        yield from _value(before, after, lane, what, path)
        return
    for key in sorted(before.keys() | after.keys()):
        named, place = _named(what, (key,)), (*path, key)
        if key not in after:
            yield Difference(lane, "removed", named, before[key], None, place)
        elif key not in before:
            yield Difference(lane, "added", named, None, after[key], place)
        else:
            yield from _value(before[key], after[key], lane, named, place)


def _value(before: Json, after: Json, lane: Lane, what: str, path: Path) -> Iterator[Difference]:
    """What differs at one place: a library looks into containers, since most differ in little."""
    kinds = (dict, list)
    if not isinstance(before, kinds) or not isinstance(after, kinds) or type(before) is not type(after):
        if not _equal(before, after):
            yield Difference(lane, "changed", what, before, after, path)
        return
    one, other = canonical(before), canonical(after)
    if one == other:
        return
    if max(len(one), len(other)) > MAX_BYTES:
        yield Difference(lane, "changed", what, before, after, path)
        return
    whole = [Difference(lane, "changed", what, before, after, path)]
    try:
        found = sorted(_deep(before, after, lane, what, path), key=lambda found: [str(step) for step in found.path])
        if not found and not _equal(before, after):  # in a list the library takes false for 0, and true for 1
            found = whole
    except RecursionError:
        found = whole
    yield from found


def _equal(before: Json, after: Json) -> bool:
    """Equal as JSON: 1 and 1.0 are one number, true and 1 are not the same."""
    if isinstance(before, bool) is not isinstance(after, bool):
        return False
    if isinstance(before, dict) and isinstance(after, dict):
        return before.keys() == after.keys() and all(_equal(item, after[key]) for key, item in before.items())
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(_equal, before, after))
    return bool(before == after)


def _deep(before: Json, after: Json, lane: Lane, what: str, path: Path) -> list[Difference]:
    from deepdiff import DeepDiff

    tree = DeepDiff(
        before,
        after,
        view="tree",
        threshold_to_diff_deeper=0,
        ignore_numeric_type_changes=True,
        ignore_nan_inequality=True,
        verbose_level=2,
    )
    return [_found(kind, level, lane, what, path) for kind, levels in tree.items() for level in levels]


def _found(kind: str, level: Any, lane: Lane, what: str, path: Path) -> Difference:
    steps = tuple(level.path(output_format="list"))
    word = "added" if kind.endswith("_added") else "removed" if kind.endswith("_removed") else "changed"
    before = None if word == "added" else level.t1
    after = None if word == "removed" else level.t2
    return Difference(lane, word, _named(what, steps), before, after, (*path, *steps))


def _named(what: str, steps: Path) -> str:
    """`refund.items.*.price`: the same words for the same field of every item."""
    return ".".join(filter(None, (what, *("*" if isinstance(step, int) else str(step) for step in steps))))
