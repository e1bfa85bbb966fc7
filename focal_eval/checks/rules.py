"""`rules`: which rules matched, which did not, which were near."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from itertools import pairwise
from typing import Any, ClassVar, Literal

from focal_eval.checks.base import Moment, Ref, TurnCheck, derived, settle, written_short
from focal_eval.checks.reported import known
from focal_eval.document import INVALID, Reader, SchemaBuilder, Shape
from focal_eval.document.reader import MappingNode, Node
from focal_eval.document.shape import ListOf, MapOf, Text
from focal_eval.records import UNKNOWN, Candidate, Finding, Reply, RuleMatch
from focal_eval.registry import nearest
from focal_eval.script.matchers import Matcher
from focal_eval.text import listed
from focal_eval.value import value

NEAR_MISS = "near-miss"


class SuppressedShape(Shape):
    """Names of rules, or a mapping from a name to the reason it was dropped for."""

    expected = "a rule, a list of rules, or a mapping from rule to reason"
    names = ListOf(Text(may_be_empty=False))
    reasons = MapOf(Text(may_be_empty=False))

    def read(self, node: Node, reader: Reader) -> Any:
        if isinstance(node, MappingNode):
            return self.reasons.read(node, reader)
        found = self.names.read(node, reader)
        return INVALID if found is INVALID else dict.fromkeys(found)

    def schema(self, into: SchemaBuilder) -> dict[str, Any]:
        return {"anyOf": [self.names.schema(into), self.reasons.schema(into)]}


@value
class Rules(TurnCheck):
    """The rules that matched in this turn; a list means that these are among them."""

    short: ClassVar[str] = "includes"
    includes: tuple[str, ...] = field(default=(), metadata={"doc": "These matched; others may have."})
    excludes: tuple[str, ...] = field(default=(), metadata={"doc": "These did not match."})
    exactly: tuple[str, ...] | None = field(default=None, metadata={"doc": "These matched and no others."})
    order: Literal["any", "strict"] = field(default="any", metadata={"doc": "strict: matched in the order given."})
    suppressed: dict[str, str | None] = field(
        default_factory=dict, metadata={"shape": SuppressedShape(), "doc": "These were candidates and were dropped."}
    )
    near: tuple[str, ...] = field(default=(), metadata={"doc": "These were candidates and scored below the threshold."})
    scores: dict[str, Matcher] = field(default_factory=dict, metadata={"doc": "What a matched rule's score must be."})
    brief: bool = written_short()
    reads: frozenset[str] = derived()
    special: bool = derived()

    def __post_init__(self) -> None:
        wanted = {*self.includes, *(self.exactly or ()), *self.scores}
        both = sorted(wanted & {*self.excludes, *self.suppressed, *self.near})
        if both:
            raise ValueError(f"'{both[0]}' cannot match and not match at once")
        beyond = sorted({*self.includes, *self.scores} - set(self.exactly)) if self.exactly is not None else []
        if beyond:
            raise ValueError(f"'{beyond[0]}' is expected, but 'exactly' leaves it out")

        judged = self.includes or self.excludes or self.exactly is not None or self.scores
        looked_at = self.suppressed or self.near
        reads = frozenset({*(["rules"] if judged else []), *(["candidates"] if looked_at else [])})
        settle(self, reads=reads, special=bool(self.order == "strict" or looked_at or self.scores))

    def needed(self) -> frozenset[str]:
        return self.reads

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        reply = seen.reply
        matched = reply.rules
        if not self.special and matched is not UNKNOWN and self._plainly(matched):
            return ()
        return tuple(self._findings(reply))

    def _plainly(self, matched: Sequence[RuleMatch]) -> bool:
        """Whether names alone say that all is well: the quick way for a turn that is as expected."""
        names = set()
        for match in matched:
            names.add(match.name)
            if match.id is not None:
                names.add(match.id)
        if not names.issuperset(self.includes) or not names.isdisjoint(self.excludes):
            return False
        wanted = self.exactly
        if wanted is None:
            return True
        return names.issuperset(wanted) and all(match.name in wanted or match.id in wanted for match in matched)

    def _findings(self, reply: Reply) -> list[Finding]:
        out: list[Finding] = []
        if "rules" in self.reads:
            matched = known(reply.rules, "rules")
            out += [
                _missing(name, self.at("includes", i), reply) for i, name in enumerate(self.includes) if not has(matched, name)
            ]
            out += [_unwanted(name, ("excludes", i), matched) for i, name in enumerate(self.excludes) if has(matched, name)]
            if self.exactly is not None:
                out += self._inexact(self.exactly, reply, matched)
            out += self._wrong_scores(matched)
            if self.order == "strict" and not out:
                out += self._disordered(matched)
        for i, (name, reason) in enumerate(self.suppressed.items()):
            out += _not_suppressed(name, reason, _suppressed_at(i, name, reason), reply)
        for i, name in enumerate(self.near):
            out += _not_suppressed(name, NEAR_MISS, ("near", i), reply)
        return out

    def _inexact(self, exactly: tuple[str, ...], reply: Reply, matched: Sequence[RuleMatch]) -> list[Finding]:
        out = [_missing(name, ("exactly", i), reply) for i, name in enumerate(exactly) if not has(matched, name)]
        wanted = ", ".join(exactly) or "no rule"
        for match in matched:
            if match.name not in exactly and match.id not in exactly:
                said = f"rule '{match.name}' matched, but is not among those expected"
                out.append(
                    Finding(said, f"exactly {wanted}", in_words(matched), near=_hit(match.name, reply), path=("exactly",))
                )
        return out

    def _wrong_scores(self, matched: Sequence[RuleMatch]) -> list[Finding]:
        out = []
        for name, matcher in self.scores.items():
            match = next((m for m in matched if name in (m.name, m.id)), None)
            if match is None:
                out.append(Finding(f"rule '{name}' did not match, so it has no score", matcher.describe(), in_words(matched),
                                   path=("scores", name)))  # fmt: skip
            elif match.score is None:
                known(UNKNOWN, "scores of rules")
            elif found := matcher.mismatch(match.score):
                said = f"rule '{name}' matched with another score"
                out.append(Finding(said, found.expected, found.observed, path=("scores", name)))
        return out

    def _disordered(self, matched: Sequence[RuleMatch]) -> list[Finding]:
        wanted = self.exactly if self.exactly is not None else self.includes
        rank = {name: i for i, match in reversed(list(enumerate(matched))) for name in (match.name, match.id) if name}
        for i, (first, second) in enumerate(pairwise(wanted)):
            if rank[first] > rank[second]:
                path = ("exactly", i + 1) if self.exactly is not None else self.at("includes", i + 1)
                said = f"rule '{second}' matched before '{first}'"
                return [Finding(said, f"in this order: {', '.join(wanted)}", in_words(matched), path=path)]
        return []

    def describe(self) -> str:
        parts = [f"rules include {listed(self.includes)}"] if self.includes else []
        parts += [f"rules exclude {listed(self.excludes, last='or')}"] if self.excludes else []
        if self.exactly is not None:
            parts.append(f"rules are exactly {listed(self.exactly)}")
        if self.order == "strict":
            parts.append("in this order")
        named = [name if reason is None else f"{name} ({reason})" for name, reason in self.suppressed.items()]
        parts += [f"suppressed: {listed(named)}"] if named else []
        parts += [f"near: {listed(self.near)}"] if self.near else []
        parts += [f"score of {name} is {matcher.describe()}" for name, matcher in self.scores.items()]
        return ", ".join(parts) or "rules: nothing named"

    def refs(self) -> tuple[Ref, ...]:
        out = [Ref("rule", name, self.at("includes", i)) for i, name in enumerate(self.includes)]
        out += [Ref("rule", name, ("excludes", i), absent=True) for i, name in enumerate(self.excludes)]
        out += [Ref("rule", name, ("exactly", i)) for i, name in enumerate(self.exactly or ())]
        out += [Ref("rule", name, _suppressed_at(i, name, why)) for i, (name, why) in enumerate(self.suppressed.items())]
        out += [Ref("rule", name, ("near", i)) for i, name in enumerate(self.near)]
        out += [Ref("rule", name, ("scores", name)) for name in self.scores]
        return tuple(out)

    def idle(self) -> str | None:
        if self.reads:
            return None
        return "it names no rule; to say that no rule may match, write {exactly: []}"


def has(matched: Sequence[RuleMatch], name: str) -> bool:
    """Whether a rule of that name, or with that id, is among those matched."""
    return any(name in (match.name, match.id) for match in matched)


def in_words(matched: Sequence[RuleMatch]) -> str:
    """Matched rules for a message: `apologise (0.82), greet`."""
    parts = [match.name if match.score is None else f"{match.name} ({match.score:.2f})" for match in matched]
    return ", ".join(parts) or "no rule matched"


def _missing(name: str, path: tuple[str | int, ...], reply: Reply) -> Finding:
    matched = known(reply.rules, "rules")
    return Finding(f"rule '{name}' did not match", name, in_words(matched), near=_miss(name, reply, matched), path=path)


def _unwanted(name: str, path: tuple[str | int, ...], matched: Sequence[RuleMatch]) -> Finding:
    return Finding(f"rule '{name}' matched", f"not {name}", in_words(matched), path=path)


def _miss(name: str, reply: Reply, matched: Sequence[RuleMatch]) -> str | None:
    """Why a rule did not match, as far as the engine says: dropped and by what, or no candidate at all."""
    if reply.candidates is not UNKNOWN:
        found = next((candidate for candidate in reply.candidates if candidate.name == name), None)
        if found is not None:
            return dropped(found)
    if close := nearest(name, [match.name for match in matched]):
        return f"'{close}' matched; is that the name that was meant?"
    if reply.candidates is UNKNOWN:
        return None
    others = listed([candidate.name for candidate in reply.candidates])
    return f"'{name}' was no candidate; candidates: {others}"


def dropped(candidate: Candidate) -> str:
    """What became of a candidate: `'upsell' scored 0.48, just below the threshold 0.50`."""
    score = "" if candidate.score is None else f" scored {candidate.score:.2f}"
    by = f": {candidate.by}" if candidate.by else ""
    hit = f" ({candidate.reason})" if candidate.reason else ""
    if candidate.suppressed is None:
        return f"'{candidate.name}'{score or ' was a candidate'} and was not dropped{hit}"
    if candidate.suppressed == NEAR_MISS:
        return f"'{candidate.name}'{score or ' was a candidate'}, just below the threshold{by}{hit}"
    return f"'{candidate.name}'{score + ', but' if score else ''} was suppressed by {candidate.suppressed}{by}{hit}"


def _hit(name: str, reply: Reply) -> str | None:
    """Why a rule did match: what the engine says of it as a candidate."""
    if reply.candidates is UNKNOWN:
        return None
    found = next((candidate for candidate in reply.candidates if candidate.name == name and candidate.reason), None)
    return None if found is None else f"'{name}' was a candidate because of {found.reason}"


def _suppressed_at(index: int, name: str, reason: str | None) -> tuple[str | int, ...]:
    """The path of a suppressed rule: by name where reasons are given, else it was written as a list."""
    return ("suppressed", index if reason is None else name)


def _not_suppressed(name: str, reason: str | None, path: tuple[str | int, ...], reply: Reply) -> list[Finding]:
    candidates = known(reply.candidates, "candidates")
    found = next((candidate for candidate in candidates if candidate.name == name), None)
    wanted = f"{name} suppressed" + (f" by {reason}" if reason else "")
    if found is None:
        others = ", ".join(candidate.name for candidate in candidates) or "no candidates"
        near = nearest(name, [candidate.name for candidate in candidates])
        return [Finding(f"rule '{name}' was not a candidate", wanted, others, near=near and f"'{near}' was", path=path)]
    if found.suppressed is None:
        return [Finding(f"rule '{name}' matched instead of being suppressed", wanted, dropped(found), path=path)]
    if reason is not None and found.suppressed != reason:
        return [Finding(f"rule '{name}' was suppressed for another reason", wanted, dropped(found), path=path)]
    return []
