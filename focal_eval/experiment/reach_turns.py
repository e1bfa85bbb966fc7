"""Which recorded turns an edited part may have a hand in: never too few, seldom many more than need be.

The ground: play is deterministic. Take the first moment at which the new agent does anything else than the old one did. Up to
there all was the same, so the part that makes the difference was looked at by the old agent, too, in that very turn; or it
was passed over by a test that can be made again on the recorded turn. What cannot be decided counts as may.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from focal_eval.agent import Playable
from focal_eval.agent.compiled import PlayedRule, PlayedScenario
from focal_eval.agent.lexicon import Lexicon
from focal_eval.agent.model import Agent, Trigger
from focal_eval.agent.slots import SlotReader
from focal_eval.agent.tested import Found, Not, Several, Test, Told, Words
from focal_eval.agent.walk import deep
from focal_eval.experiment.edits import Edited
from focal_eval.experiment.watched import Exchange, Key
from focal_eval.pattern import Pattern, PatternTimeout

Places = set[int]


class Turns:
    """All recorded turns in one row, found by what they looked at."""

    def __init__(self, agent: Playable, exchanges: Sequence[Exchange]) -> None:
        self.agent, self.exchanges = agent, exchanges
        self.every = frozenset(range(len(exchanges)))
        self.broken = {place for place, one in enumerate(exchanges) if one.played is None}
        self.seen: dict[Key, Places] = defaultdict(set)
        self.rules: dict[str, Places] = defaultdict(set)
        self.hits = [agent.lexicon.find(one.words) for one in exchanges]
        self.with_word: dict[int, Places] = defaultdict(set)
        self.found: dict[str, list[bool]] = {}
        for place, one in enumerate(exchanges):
            for key in one.seen:
                self.seen[key].add(place)
            for name in one.rules:
                self.rules[name].add(place)
            for atom in self.hits[place]:
                self.with_word[atom].add(place)

    def of(self, new: Playable, changes: Iterable[Edited]) -> Places:
        """The turns that one of the edits may change."""
        changes = _spread(self.agent.file, new.file, tuple(changes))
        look = _Look(self, new)
        out = set(self.broken)
        for edited in changes:
            out |= look.places(edited)
            if len(out) == len(self.every):
                break
        return out

    def finds(self, pattern: Pattern) -> list[bool]:
        """In which turns a pattern is found in the message; one that takes too long may be."""
        known = self.found.get(pattern.text)
        if known is None:
            known = self.found[pattern.text] = [_finds(pattern, one.message or "") for one in self.exchanges]
        return known


def _finds(pattern: Pattern, text: str) -> bool:
    try:
        return pattern.search(text) is not None
    except PatternTimeout:
        return True


class _Look:
    """One new version of the agent, held against the recorded turns."""

    def __init__(self, turns: Turns, new: Playable) -> None:
        self.turns, self.old, self.new = turns, turns.agent, new
        self.added = self._added()

    def places(self, edited: Edited) -> Places:
        kinds: Mapping[str, Callable[[Edited], Places]] = {
            "rule": self._rule, "scenario": self._scenario, "step": self._step, "tool": self._looked_up,
            "template": self._template, "slot": self._slot, "variable": _nowhere, "setting": self._setting,
        }  # fmt: skip
        return kinds.get(edited.kind, self._everywhere)(edited)

    def _everywhere(self, _: Edited) -> Places:
        return set(self.turns.every)

    def _looked_up(self, edited: Edited) -> Places:
        return set(self.turns.seen[edited.kind, edited.name])

    def _template(self, edited: Edited) -> Places:
        places = self._looked_up(edited)
        return places if self.old.fallback == self.new.fallback else places | self._fallbacks()

    def _fallbacks(self) -> Places:
        name = self.old.fallback
        return set(self.turns.every) if name is None else set(self.turns.seen["template", name])

    def _slot(self, edited: Edited) -> Places:
        old, new = self.old.slots.get(edited.name), self.new.slots.get(edited.name)
        if new is None:
            return self._looked_up(edited)
        if old is None or _reading(old) != _reading(new):
            return set(self.turns.every)
        return self._looked_up(edited)

    def _setting(self, edited: Edited) -> Places:
        if edited.name == "greeting":
            return {place for place, one in enumerate(self.turns.exchanges) if one.message is None}
        return self._fallbacks() if edited.name == "fallback" else set(self.turns.every)

    def _step(self, edited: Edited) -> Places:
        places = self._looked_up(edited)
        if "collect" in edited.fields or edited.old is None or edited.new is None:
            return places | self.turns.seen["scenario", edited.name.partition("/")[0]]
        return places

    def _scenario(self, edited: Edited) -> Places:
        """Where it was looked up; and where it is asked for, by the old agent or the new one."""
        places = self._looked_up(edited)
        if edited.fields and not edited.fields & {"enter", "requires", "priority", "interrupts"}:
            return places
        for agent in (self.old, self.new):
            flow = agent.scenarios.get(edited.name)
            if flow is not None:
                places |= self._asked_for(flow)
        return places

    def _asked_for(self, flow: PlayedScenario) -> Places:
        places: Places = set().union(*(self.turns.rules[name] for name in flow.rules))
        return places if flow.enter is None else places | self._may_hold(flow.enter)

    def _rule(self, edited: Edited) -> Places:
        """Where the rule was a candidate, and where the new one may be."""
        sides = [agent.rules.get(edited.name) for agent in (self.old, self.new)]
        if any(rule is not None and _anywhere(rule) for rule in sides):
            return set(self.turns.every)
        places = set(self.turns.rules[edited.name])
        new = sides[1]
        if new is None or new.test is None or (edited.fields and "match" not in edited.fields):
            return places
        return places | self._may_hold(new.test) | self._near(new)

    def _near(self, rule: PlayedRule) -> Places:
        """Where a word speaks for the rule; late rules are never near misses without one."""
        return set().union(*(self._with_word(atom) for atom in rule.mentioned))

    def _may_hold(self, test: Test) -> Places:
        need = test.necessary()
        places = self.turns.every if need is None else set().union(*(self._with_word(atom) for atom in need))
        return {place for place in places if self._holds(test, place) is not False}

    def _with_word(self, atom: int) -> Places:
        known = len(self.old.lexicon.texts)
        return self.turns.with_word[atom] if atom < known else self.added[atom]

    def _added(self) -> dict[int, Places]:
        """Where words occur that the old agent does not know."""
        texts = self.new.lexicon.texts
        known = len(self.old.lexicon.texts)
        places: dict[int, Places] = {atom: set() for atom in range(known, len(texts))}
        if not places:
            return places
        lexicon = Lexicon()
        numbers = {lexicon.add(texts[atom]): atom for atom in places}
        for place, one in enumerate(self.turns.exchanges):
            for number in lexicon.find(one.words):
                places[numbers[number]].add(place)
        return places

    def _holds(self, test: Test, place: int) -> bool | None:
        """Whether the test holds of a recorded turn; None where the message and what was looked up do not tell."""
        if isinstance(test, Words):
            hits = [place in self._with_word(atom) for atom in test.atoms]
            return all(hits) if test.every else any(hits)
        if isinstance(test, Found):
            return any(self.turns.finds(pattern)[place] for pattern in test.patterns) or False
        if isinstance(test, Told):
            return self._told(test, place)
        if isinstance(test, Not):
            inner = self._holds(test.inner, place)
            return None if inner is None else not inner
        if isinstance(test, Several):
            return _together([self._holds(part, place) for part in test.parts], every=test.every)
        return None

    def _told(self, test: Told, place: int) -> bool | None:
        """A slot that was not read was not filled, and a tool that was not looked up not called."""
        kind = {"filled": "slot", "corrected": "slot", "called": "tool", "failed": "tool"}.get(test.what)
        if kind is None:
            return None
        seen = self.turns.exchanges[place].seen
        return None if any((kind, name) in seen for name in test.these) else False


def _reading(reader: SlotReader) -> tuple[object, ...]:
    """What decides whether a slot is read at all."""
    return reader.whole, reader.slot.listen, reader.slot.correctable


def _together(parts: list[bool | None], *, every: bool) -> bool | None:
    if every:
        return False if False in parts else None if None in parts else True
    return True if True in parts else None if None in parts else False


def _anywhere(rule: PlayedRule) -> bool:
    """A rule that may be at work without being a candidate: scored beside others, or a constraint that always applies."""
    alone = rule.test is None and not rule.lexical
    return rule.lexical or (rule.constrains and (rule.rule.hard or alone))


def _nowhere(_: Edited) -> Places:
    """Variables are read where a conversation begins, and nowhere else."""
    return set()


def _spread(old: Agent, new: Agent, changes: tuple[Edited, ...]) -> tuple[Edited, ...]:
    """The edits, with an edit of a named trigger told as one of every part that uses it."""
    names = {edited.name for edited in changes if edited.kind == "trigger"}
    if not names:
        return changes
    for agent in (old, new):
        while more := {str(name) for name, trigger in agent.triggers if str(name) not in names and _uses(trigger, names)}:
            names |= more
    rest = tuple(edited for edited in changes if edited.kind != "trigger")
    return (*rest, *_users(old, names), *(edited for edited in _users(new, names)))


def _users(agent: Agent, names: set[str]) -> list[Edited]:
    """The parts of an agent that use one of the named triggers."""
    out = [_part("rule", rule.id) for rule in agent.rules if _uses(rule.match, names)]
    if any(_uses(trigger, names) for _, trigger in agent.languages.detect):
        out.append(_part("order", "languages"))
    for flow in agent.scenarios:
        own = (flow.enter.match, flow.exit, *(back.when for back in flow.relocalise))
        if any(_uses(trigger, names) for trigger in own):
            out.append(_part("scenario", flow.id))
        steps = (step for step in flow.steps if any(_uses(go.when, names) for go in step.go))
        out.extend(_part("step", f"{flow.id}/{step.id}") for step in steps)
    return out


def _part(kind: str, name: str) -> Edited:
    return Edited(kind, str(name), None, None)


def _uses(trigger: Trigger | None, names: set[str]) -> bool:
    return trigger is not None and any(str(name) in names for part in deep(trigger) for name in part.trigger)
