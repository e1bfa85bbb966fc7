"""How two structures differ, in a few words each; asked only when they do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from focal_eval.script.wording import show, typed

MOST = 4  # differences named
MAX_VALUES = 5_000  # of both structures together; beyond that comparing costs more than it explains


def differences(expected: Any, observed: Any) -> list[str]:
    """The first differences by path: `total: 18.5, not 20`; empty where there are none or too much to compare."""
    from deepdiff import DeepDiff

    if _size(expected) + _size(observed) > MAX_VALUES:
        return []
    found = DeepDiff(
        expected, observed, threshold_to_diff_deeper=0, verbose_level=2, ignore_numeric_type_changes=True, view="tree"
    )
    out = []
    for kind in sorted(found):
        for item in found[kind]:
            out.append((item.path(output_format="list"), _in_words(kind, item)))
    out.sort(key=lambda entry: [str(step) for step in entry[0]])
    more = [f"and {len(out) - MOST} more"] if len(out) > MOST else []
    return [f"{'.'.join(map(str, path)) or 'it'}: {words}" for path, words in out[:MOST]] + more


def _in_words(kind: str, item: Any) -> str:
    if kind.endswith("_added"):
        return f"{show(item.t2, 60)} was not expected"
    if kind.endswith("_removed"):
        return f"{show(item.t1, 60)} is missing"
    if kind == "type_changes":
        return f"{typed(item.t1)} expected, {typed(item.t2)} observed"
    return f"{show(item.t1, 60)} expected, {show(item.t2, 60)} observed"


def _size(value: Any) -> int:
    total, stack = 0, [value]
    while stack and total <= MAX_VALUES:
        here = stack.pop()
        total += 1
        if isinstance(here, Mapping):
            stack.extend(here.values())
        elif isinstance(here, (list, tuple)):
            stack.extend(here)
    return total
