"""`messages`, `follow_ups`, `citations`, `enforcement`: the lists a reply carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from focal_eval.checks.base import Moment, Ref, TurnCheck, derived, settle, written_short
from focal_eval.checks.passages import closest, quoted
from focal_eval.checks.ranges import Count
from focal_eval.checks.reported import known
from focal_eval.checks.text import response_of
from focal_eval.document.shape import ListOf, Text
from focal_eval.records import Citation, Enforcement, Finding
from focal_eval.registry import nearest
from focal_eval.script.matchers import Matcher
from focal_eval.script.wording import ABSENT
from focal_eval.text import counted, fold, listed

_TEXTS: Any = {"shape": ListOf(Text(may_be_empty=False))}


@dataclass(frozen=True, slots=True)
class Messages(TurnCheck):
    """The single messages of this turn's response; a list means exactly these, in order."""

    short: ClassVar[str] = "items"
    items: tuple[Matcher, ...] | None = field(default=None, metadata={"doc": "Exactly these messages, in order."})
    count: Count | None = field(default=None, metadata={"doc": "How many messages."})
    by_number: dict[str, Matcher] = field(
        default_factory=dict, metadata={"key": "at", "doc": "A message by its number from 0, -1 is the last."}
    )
    brief: bool = written_short()

    def __post_init__(self) -> None:
        for number in self.by_number:
            if not number.removeprefix("-").isdigit():
                raise ValueError(f"'{number}' is not the number of a message; the first is 0, the last -1")

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        messages = seen.reply.messages or (response_of(seen),)
        out: list[Finding] = []
        shown = " | ".join(quoted(message, 60) for message in messages)
        if self.count is not None and not self.count.holds(len(messages)):
            out.append(_amount("message", self.count, len(messages), shown))
        if self.items is not None:
            out += self._all(self.items, messages, shown)
        for number, matcher in self.by_number.items():
            index = int(number)
            there = -len(messages) <= index < len(messages)
            if found := matcher.mismatch(messages[index] if there else ABSENT):
                said = f"message {number} is not {'as expected' if there else 'there'}"
                out.append(Finding(said, found.expected, found.observed, path=("at", number, *found.where)))
        return tuple(out)

    def _all(self, items: tuple[Matcher, ...], messages: Sequence[str], shown: str) -> list[Finding]:
        if len(items) != len(messages):
            said = f"the response has {counted(len(messages), 'message')}, not {len(items)}"
            return [Finding(said, counted(len(items), "message"), shown, path=() if self.brief else ("items",))]
        out = []
        for index, (matcher, message) in enumerate(zip(items, messages, strict=True)):
            if found := matcher.mismatch(message):
                steps = (index, *found.where) if self.brief else ("items", index, *found.where)
                out.append(Finding(f"message {index} is not as expected", found.expected, found.observed, path=steps))
        return out

    def describe(self) -> str:
        parts = [f"messages are {listed([item.describe() for item in self.items])}"] if self.items is not None else []
        parts += [f"response has {self.count.describe()} messages"] if self.count is not None else []
        parts += [f"message {number} is {matcher.describe()}" for number, matcher in self.by_number.items()]
        return ", ".join(parts) or "messages: nothing named"

    def idle(self) -> str | None:
        counts = self.count is not None and (self.count.max is not None or (self.count.min or 0) > 1)
        if self.items is not None or self.by_number or counts:
            return None
        return "it demands nothing of the messages"


def _amount(noun: str, count: Count, number: int, shown: str) -> Finding:
    observed = f"{counted(number, noun)}{': ' + shown if shown else ''}"
    return Finding(
        f"there {'is' if number == 1 else 'are'} {counted(number, noun)}", count.describe(), observed, path=("count",)
    )


@dataclass(frozen=True, slots=True)
class FollowUps(TurnCheck):
    """The follow-ups the reply suggests; a list means that each text is found in one of them."""

    short: ClassVar[str] = "contains"
    needs: ClassVar[frozenset[str]] = frozenset({"follow_ups"})
    contains: tuple[str, ...] = field(default=(), metadata={**_TEXTS, "doc": "Each is found in some follow-up."})
    excludes: tuple[str, ...] = field(default=(), metadata={**_TEXTS, "doc": "None is found in any follow-up."})
    exactly: tuple[str, ...] | None = field(default=None, metadata={"doc": "These follow-ups and no others, in any order."})
    count: Count | None = field(default=None, metadata={"doc": "How many."})
    brief: bool = written_short()

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        items = known(seen.reply.follow_ups, "follow_ups")
        folded = [fold(item) for item in items]
        shown = ", ".join(quoted(item, 60) for item in items) or "no follow-ups"
        out: list[Finding] = []
        for index, text in enumerate(self.contains):
            if not any(fold(text) in item for item in folded):
                said = f"no follow-up contains {quoted(text, 80)}"
                near = closest(text, "\n".join(items))
                out.append(Finding(said, quoted(text), shown, near=near, path=self.at("contains", index)))
        for index, text in enumerate(self.excludes):
            hit = next((item for item, plain in zip(items, folded, strict=True) if fold(text) in plain), None)
            if hit is not None:
                said = f"a follow-up contains {quoted(text, 80)}"
                out.append(Finding(said, f"no {quoted(text)}", quoted(hit), path=("excludes", index)))
        if self.exactly is not None and sorted(folded) != sorted(fold(text) for text in self.exactly):
            wanted = ", ".join(quoted(text, 60) for text in self.exactly) or "no follow-ups"
            out.append(Finding("the follow-ups are others than expected", wanted, shown, path=("exactly",)))
        if self.count is not None and not self.count.holds(len(items)):
            out.append(_amount("follow-up", self.count, len(items), shown))
        return tuple(out)

    def describe(self) -> str:
        parts = [f"follow-ups contain {listed([quoted(text, 60) for text in self.contains])}"] if self.contains else []
        parts += (
            [f"follow-ups do not contain {listed([quoted(t, 60) for t in self.excludes], last='or')}"] if self.excludes else []
        )
        parts += [f"follow-ups are {listed([quoted(t, 60) for t in self.exactly])}"] if self.exactly is not None else []
        parts += [f"follow-ups: {self.count.describe()}"] if self.count is not None else []
        return ", ".join(parts) or "follow-ups: nothing named"

    def idle(self) -> str | None:
        demands = (
            self.contains or self.excludes or self.exactly is not None or (self.count is not None and not self.count.idle())
        )
        return None if demands else "it demands nothing of the follow-ups; to say that there are none, write {count: 0}"


@dataclass(frozen=True, slots=True)
class Cited(TurnCheck):
    """One citation as expected: a text that its text, source or address contains, or matchers for each."""

    short: ClassVar[str] = "any_part"
    any_part: str | None = field(default=None, metadata={"doc": "Found in the text, the source or the address."})
    text: Matcher | None = None
    source: Matcher | None = None
    url: Matcher | None = None
    index: Matcher | None = None

    def __post_init__(self) -> None:
        if self.any_part is None and not self._matchers():
            raise ValueError("say what the citation's text, source, url or index must be")

    def _matchers(self) -> dict[str, Matcher]:
        found = {name: getattr(self, name) for name in ("text", "source", "url", "index")}
        return {name: matcher for name, matcher in found.items() if matcher is not None}

    def holds(self, citation: Citation) -> bool:
        parts = [part for part in (citation.text, citation.source, citation.url) if part is not None]
        if self.any_part is not None and not any(fold(self.any_part) in fold(part) for part in parts):
            return False
        return all(matcher.mismatch(_part(citation, name)) is None for name, matcher in self._matchers().items())

    def describe(self) -> str:
        parts = [quoted(self.any_part, 60)] if self.any_part is not None else []
        return listed(parts + [f"{name} {matcher.describe()}" for name, matcher in self._matchers().items()])


def _part(citation: Citation, name: str) -> Any:
    value = getattr(citation, name)
    return ABSENT if value is None else value


@dataclass(frozen=True, slots=True)
class Citations(TurnCheck):
    """The sources the reply names; a list means that each of these is among them."""

    short: ClassVar[str] = "includes"
    needs: ClassVar[frozenset[str]] = frozenset({"citations"})
    includes: tuple[Cited, ...] = field(default=(), metadata={"doc": "Each is among the citations."})
    excludes: tuple[Cited, ...] = field(default=(), metadata={"doc": "None is among the citations."})
    count: Count | None = field(default=None, metadata={"doc": "How many."})
    brief: bool = written_short()

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        items = known(seen.reply.citations, "citations")
        shown = ", ".join(cited(item) for item in items) or "no citations"
        out: list[Finding] = []
        for index, wanted in enumerate(self.includes):
            if not any(wanted.holds(item) for item in items):
                near = nearest(wanted.any_part, [cited(item) for item in items]) if wanted.any_part else None
                said = f"no citation is {wanted.describe()}"
                hint = f"closest: {near}" if near else None
                out.append(Finding(said, wanted.describe(), shown, near=hint, path=self.at("includes", index)))
        for index, unwanted in enumerate(self.excludes):
            hit = next((item for item in items if unwanted.holds(item)), None)
            if hit is not None:
                said = f"a citation is {unwanted.describe()}"
                out.append(Finding(said, f"no {unwanted.describe()}", cited(hit), path=("excludes", index)))
        if self.count is not None and not self.count.holds(len(items)):
            out.append(_amount("citation", self.count, len(items), shown))
        return tuple(out)

    def describe(self) -> str:
        parts = [f"citations include {listed([item.describe() for item in self.includes])}"] if self.includes else []
        parts += (
            [f"citations exclude {listed([item.describe() for item in self.excludes], last='or')}"] if self.excludes else []
        )
        parts += [f"citations: {self.count.describe()}"] if self.count is not None else []
        return ", ".join(parts) or "citations: nothing named"

    def idle(self) -> str | None:
        if self.includes or self.excludes or (self.count is not None and not self.count.idle()):
            return None
        return "it demands nothing of the citations; to say that there are none, write {count: 0}"


def cited(citation: Citation) -> str:
    """A citation for a message."""
    parts = [getattr(citation, spec.name) for spec in fields(citation) if spec.name != "index"]
    return " · ".join(quoted(part, 60) for part in parts if part) or "a citation without text, source and address"


@dataclass(frozen=True, slots=True)
class Enforced(TurnCheck):
    """What hard constraints did in this turn; a list means that these rules were violated and enforced."""

    short: ClassVar[str] = "violated"
    needs: ClassVar[frozenset[str]] = frozenset({"enforcement"})
    violated: tuple[str, ...] = field(default=(), metadata={"doc": "These rules were violated."})
    passed: tuple[str, ...] = field(default=(), metadata={"doc": "These rules were looked at and not violated."})
    clean: bool = field(default=False, metadata={"doc": "true: no rule was violated."})
    action: dict[str, Matcher] = field(default_factory=dict, metadata={"doc": "What was done: passed, regenerated, fallback."})
    brief: bool = written_short()
    named: tuple[tuple[str, bool, tuple[str | int, ...]], ...] = derived()

    def __post_init__(self) -> None:
        if self.clean and self.violated:
            raise ValueError("'clean: true' leaves no room for violated rules")
        both = sorted(set(self.violated) & set(self.passed))
        if both:
            raise ValueError(f"'{both[0]}' cannot be violated and pass at once")
        named = [(rule, True, ("violated", index)) for index, rule in enumerate(self.violated)]
        named += [(rule, False, ("passed", index)) for index, rule in enumerate(self.passed)]
        settle(self, named=tuple(named))

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        items = known(seen.reply.enforcement, "enforcement")
        by_rule = {item.rule: item for item in items}
        shown = ", ".join(enforced(item) for item in items) or "no hard constraint was looked at"
        out: list[Finding] = []
        for rule, should, path in self.named:
            item = by_rule.get(rule)
            if item is None or _is_violated(item) != should:
                verb = "violated" if should else "passed"
                said = f"rule '{rule}' was not {verb}" if item is not None else f"rule '{rule}' was not enforced at all"
                where = path[1:] if should and self.brief else path
                out.append(Finding(said, f"{rule} {verb}", shown, path=where))
        if self.clean:
            broken = [item for item in items if _is_violated(item)]
            out += [
                Finding(f"rule '{item.rule}' was violated", "no violation", enforced(item), path=("clean",)) for item in broken
            ]
        for rule, matcher in self.action.items():
            item = by_rule.get(rule)
            if found := matcher.mismatch(ABSENT if item is None else item.action):
                said = f"rule '{rule}' was enforced otherwise"
                out.append(Finding(said, found.expected, shown, path=("action", rule, *found.where)))
        return tuple(out)

    def describe(self) -> str:
        parts = [f"violated: {listed(self.violated)}"] if self.violated else []
        parts += [f"enforced and passed: {listed(self.passed)}"] if self.passed else []
        parts += ["no hard constraint is violated"] if self.clean else []
        parts += [f"action of {rule} is {matcher.describe()}" for rule, matcher in self.action.items()]
        return ", ".join(parts) or "enforcement: nothing named"

    def refs(self) -> tuple[Ref, ...]:
        out = [Ref("rule", rule, path[1:] if should and self.brief else path) for rule, should, path in self.named]
        return tuple(out + [Ref("rule", rule, ("action", rule)) for rule in self.action])

    def idle(self) -> str | None:
        if self.named or self.clean or self.action:
            return None
        return "it names no rule; to say that none may be violated, write {clean: true}"


def _is_violated(item: Enforcement) -> bool:
    return item.action != "passed" or item.violation is not None


def enforced(item: Enforcement) -> str:
    """What a hard constraint did, for a message."""
    return f"{item.rule}: {item.action}" + (f" ({item.violation})" if item.violation else "")
