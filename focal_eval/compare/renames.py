"""Which cases were renamed: one that went and one that came, of the same script or of the same words of the user's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from focal_eval.compare.keys import case_key
from focal_eval.compare.model import RecordedCase
from focal_eval.value import value


@value
class Trace:
    """What a case can be known by under another name."""

    script: str
    rest: str  # its name without the script: parameters and variant
    digest: str  # of the script's content; empty where it is not known
    said: tuple[str | None, ...]  # the user's words, turn by turn


Sign = Callable[[Trace], tuple[object, ...] | None]


def trace_of(case: RecordedCase, digest: str) -> Trace:
    """What `case` can be known by; `digest` is of its script, as baselines keep it."""
    name = case_key(case.name, case.script, case.repeat)
    return Trace(case.script, name.removeprefix(case.script), digest, tuple(turn.user for turn in case.turns))


def renames(gone: Mapping[str, Trace], came: Mapping[str, Trace]) -> dict[str, str]:
    """Old names with new ones: first scripts of equal content, then equal words of the user's, near names before far ones.

    Only what fits exactly one on the other side is taken: of two cases that say the same, neither is a rename.
    """
    out: dict[str, str] = {}
    for sign in _SIGNS:
        taken = set(out.values())
        here = _by(sign, ((name, trace) for name, trace in gone.items() if name not in out))
        there = _by(sign, ((name, trace) for name, trace in came.items() if name not in taken))
        out |= {here[key][0]: there[key][0] for key in here if len(here[key]) == 1 and len(there.get(key, ())) == 1}
    return out


def _by(sign: Sign, traces: Iterable[tuple[str, Trace]]) -> dict[tuple[object, ...], list[str]]:
    out: dict[tuple[object, ...], list[str]] = {}
    for name, trace in traces:
        if (key := sign(trace)) is not None:
            out.setdefault(key, []).append(name)
    return out


def _content(trace: Trace) -> tuple[object, ...] | None:
    return (trace.digest, trace.rest) if trace.digest else None


def _words(*beside: Callable[[Trace], object]) -> Sign:
    def sign(trace: Trace) -> tuple[object, ...] | None:
        return (trace.said, *(part(trace) for part in beside)) if any(trace.said) else None

    return sign


def _leaf(trace: Trace) -> str:
    return trace.script.rpartition("/")[2]


_SIGNS: tuple[Sign, ...] = (
    _content,
    _words(lambda trace: trace.script),
    _words(lambda trace: trace.rest, _leaf),
    _words(lambda trace: trace.rest),
    _words(_leaf),
    _words(),
)
