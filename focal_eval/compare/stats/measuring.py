"""One recorded case reduced to the figures that statistics need."""

from __future__ import annotations

from collections.abc import Mapping

from focal_eval.compare.keys import case_key
from focal_eval.compare.model import RecordedCase, RecordedTurn
from focal_eval.records import Json
from focal_eval.value import value


@value
class Measured:
    """One repeat of one case: its verdict, and what its turns took."""

    key: str  # the case's name without the number of the repeat
    verdict: str
    repeat: int = 1
    latencies: tuple[float, ...] = ()  # ms of each turn that was measured
    tokens: tuple[float, ...] = ()  # of each turn whose tokens are known


def measured(case: RecordedCase) -> Measured:
    """A recorded case's figures; what is not known is left out, never zero."""
    latencies = tuple(turn.elapsed_ms for turn in case.turns if turn.elapsed_ms is not None and turn.reply is not None)
    tokens = tuple(total for turn in case.turns if (total := _tokens(turn)) is not None)
    return Measured(case_key(case.name, case.script, case.repeat), case.verdict, case.repeat, latencies, tokens)


def _tokens(turn: RecordedTurn) -> float | None:
    """The tokens of a turn as the journal holds them."""
    held: Json = (turn.reply or {}).get("tokens")
    if not isinstance(held, Mapping):
        return None
    total = _number(held.get("total"))
    if total is not None:
        return total
    given = [number for name in ("prompt", "completion") if (number := _number(held.get(name))) is not None]
    return sum(given) if given else None


def _number(part: Json) -> float | None:
    return float(part) if isinstance(part, (int, float)) and not isinstance(part, bool) else None
