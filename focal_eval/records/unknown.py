"""`UNKNOWN`: what an engine does not report, as opposed to what it reports as empty."""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal


class Unknown(Enum):
    """Its only member is `UNKNOWN`; it has no truth value, so that nobody mistakes it for empty."""

    UNKNOWN = "unknown"

    def __bool__(self) -> bool:
        raise TypeError("UNKNOWN is neither empty nor given; compare with `is UNKNOWN`")

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown.UNKNOWN
UnknownType = Literal[Unknown.UNKNOWN]
