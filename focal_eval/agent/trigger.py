"""Triggers made ready to test, all of one agent over one lexicon."""

from __future__ import annotations

from focal_eval.agent.expression import compile_expression
from focal_eval.agent.lexicon import Lexicon
from focal_eval.agent.model import Trigger
from focal_eval.agent.tested import Found, If, Not, Test, Told, Words, several, together
from focal_eval.agent.walk import deep
from focal_eval.pattern import compile_pattern


class Triggers:
    """Compiles triggers into one lexicon; named ones are compiled once."""

    def __init__(self, named: tuple[tuple[str, Trigger], ...]) -> None:
        self.lexicon = Lexicon()
        self._named = dict(named)
        self._done: dict[str, Test] = {}
        self.renewed: frozenset[str] = frozenset()  # names that are other triggers than in the agent these were made from

    def again(self, named: tuple[tuple[str, Trigger], ...]) -> Triggers:
        """Those of another version of the agent; words keep their numbers, and named triggers that are the same stay."""
        made = Triggers(named)
        made.lexicon = self.lexicon.copy()
        names = {str(name) for name in (*made._named, *self._named)}
        other = {name for name in names if made._named.get(name) is not self._named.get(name)}
        while more := {name for name in made._named if name not in other and made._reads(name, other)}:
            other |= more
        made.renewed = frozenset(other)
        made._done = {name: test for name, test in self._done.items() if name not in other}
        return made

    def _reads(self, name: str, others: set[str]) -> bool:
        return bool(others) and any(str(used) in others for part in deep(self._named[name]) for used in part.trigger)

    def words(self, texts: tuple[str, ...], *, every: bool = False) -> Words:
        """A test for words; texts without any letter or digit are left out."""
        atoms = [self.lexicon.add(text) for text in texts]
        return Words(tuple(dict.fromkeys(atom for atom in atoms if atom is not None)), every)

    def test(self, trigger: Trigger) -> Test:
        """The trigger, ready to test."""
        parts: list[Test] = []
        if trigger.trigger:
            parts.append(several([self._by_name(name) for name in trigger.trigger], every=False))
        for texts, every in ((trigger.any_words, False), (trigger.all_words, True), (trigger.phrase, False)):
            if texts:
                parts.append(self.words(texts, every=every))
        if trigger.pattern:
            patterns = tuple(compile_pattern(str(text), ignore_case=True) for text in trigger.pattern)
            parts.append(Found(patterns, together(patterns)))
        told = {
            "filled": trigger.filled,
            "corrected": trigger.corrected,
            "called": trigger.called,
            "failed": trigger.on_tool_error,
            "language": trigger.language,
        }
        parts.extend(Told(what, frozenset(map(str, names))) for what, names in told.items() if names)
        if trigger.any_:
            parts.append(several([self.test(inner) for inner in trigger.any_], every=False))
        parts.extend(self.test(inner) for inner in trigger.all_)
        if trigger.if_ is not None:
            parts.append(If(compile_expression(str(trigger.if_))))
        if trigger.not_ is not None:
            parts.append(Not(self.test(trigger.not_)))
        return several(parts, every=True)

    def _by_name(self, name: str) -> Test:
        if name not in self._done:
            self._done[name] = self.test(self._named[name])
        return self._done[name]
