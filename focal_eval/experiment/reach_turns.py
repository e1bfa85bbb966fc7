"""Which recorded turns an edited part may have a hand in: never too few, seldom many more than need be.

The ground: play is deterministic. Take the first moment at which the new agent does anything else than the old one did. Up to
there all was the same, so the part that makes the difference was looked at by the old agent, too, in that very turn; or it
was passed over by a test that can be made again on the recorded turn. What cannot be decided counts as may.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

from focal_eval.agent import Playable
from focal_eval.agent.compiled import PlayedRule, PlayedScenario
from focal_eval.agent.lexicon import Lexicon
from focal_eval.agent.model import Agent, Trigger
from focal_eval.agent.slots import MAX_FOUND, SlotReader
from focal_eval.agent.tested import Found, Not, Several, Test, Told, Words
from focal_eval.agent.walk import deep
from focal_eval.experiment.edits import Edited
from focal_eval.experiment.watched import Exchange, Key
from focal_eval.pattern import Pattern, PatternTimeout

Places = set[int]

_ASKING = frozenset({"enter", "requires", "priority", "interrupts"})
"""Fields of a scenario that count where it is asked for, and nowhere else."""

_ASKED = frozenset({"ask", "reask", "invalid"})
"""Fields of a slot that count where it is asked for."""

_FINDING = frozenset({"pattern", "values", "formats"})
"""Fields of a slot that decide which values a message has, and nothing else."""


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
        """Where it was read or asked for. Where it is read otherwise than before, every message that may hold a value."""
        old, new = self.old.slots.get(edited.name), self.new.slots.get(edited.name)
        asked = self.turns.seen["question", edited.name] if not edited.fields or edited.fields & _ASKED else set()
        if edited.fields and edited.fields <= _ASKED:
            return set(asked)
        read = self._looked_up(edited)
        if old is None or new is None or old.whole or new.whole:
            return set(self.turns.every)
        where: Iterable[int] = read if _reading(old) == _reading(new) else self.turns.every
        if edited.fields <= _FINDING:
            return asked | {place for place in where if self._finds(old, place) != self._finds(new, place)}
        return asked | {place for place in where if self._finds(old, place) or self._finds(new, place)}

    def _finds(self, reader: SlotReader, place: int) -> list[object]:
        """What in the message the slot might take; a search that took too long is no like to any other."""
        one = self.turns.exchanges[place]
        hits = self.turns.hits[place]
        if self.added:
            hits = {**hits, **{atom: places[place] for atom, places in self.added.items() if place in places}}
        said = _Message(one.message or "", one.words, hits)
        found: list[object] = list(islice(reader.found(said), MAX_FOUND + 1))
        return [*found, object()] if said.noted else found

    def _setting(self, edited: Edited) -> Places:
        if edited.name == "greeting":
            return {place for place, one in enumerate(self.turns.exchanges) if one.message is None}
        if edited.name == "fallback":
            return self._fallbacks()
        return self._languages() if edited.name == "languages" else set(self.turns.every)

    def _languages(self) -> Places:
        """Where one of the languages is noticed otherwise."""
        old, new = self.old, self.new
        same = old.file.languages.default == new.file.languages.default
        if not same or [code for code, _ in old.detect] != [code for code, _ in new.detect]:
            return set(self.turns.every)
        pairs = zip(old.detect, new.detect, strict=True)
        return set().union(*(self.reads_otherwise(one, other) for (_, one), (_, other) in pairs))

    def _step(self, edited: Edited) -> Places:
        places = self._looked_up(edited)
        if edited.old is None and edited.new is None:
            return places & self._edges(edited.name)
        if "collect" in edited.fields or edited.old is None or edited.new is None:
            return places | self.turns.seen["scenario", edited.name.partition("/")[0]]
        return places

    def _edges(self, name: str) -> Places:
        """Where the triggers of a step's edges come to something else, by an edit of a trigger they name."""
        flow, _, step = name.partition("/")
        sides = [agent.scenarios[flow].steps.get(step) if flow in agent.scenarios else None for agent in (self.old, self.new)]
        if sides[0] is None or sides[1] is None or len(sides[0].go) != len(sides[1].go):
            return set(self.turns.every)
        pairs = zip(sides[0].go, sides[1].go, strict=True)
        return set().union(*(self._either(one.test, other.test) for one, other in pairs))

    def _scenario(self, edited: Edited) -> Places:
        """Where it was looked up, as far as what was edited counts there; and where it may be asked for, before or now."""
        sides = [agent.scenarios.get(edited.name) for agent in (self.old, self.new)]
        flows = [flow for flow in sides if flow is not None]
        if edited.old is None and edited.new is None and len(flows) == 2:
            return self._triggers_of(flows[0], flows[1])
        places = self._looked_up(edited)
        if edited.fields == {"exit"}:
            return places & set().union(*(self._may_hold(flow.exit) for flow in flows))
        if edited.fields == {"relocalise"}:
            return places & set().union(*(self._may_hold(test) for flow in flows for _, test in flow.relocalise))
        if edited.fields and not edited.fields & _ASKING:
            return places
        asked = set().union(*(self._asked_for(flow) for flow in flows))
        return asked if edited.fields and edited.fields <= _ASKING else places | asked

    def _triggers_of(self, old: PlayedScenario, new: PlayedScenario) -> Places:
        """Where a scenario's own triggers come to something else, by an edit of a trigger they name."""
        pairs = [(old.enter, new.enter), (old.exit, new.exit)]
        pairs += [(one[1], other[1]) for one, other in zip(old.relocalise, new.relocalise, strict=False)]
        if len(old.relocalise) != len(new.relocalise):
            return set(self.turns.every)
        return set().union(*(self._either(one, other) for one, other in pairs))

    def _either(self, old: Test | None, new: Test | None) -> Places:
        """Where one of two triggers may hold and they do not come to the same."""
        if old is None or new is None:
            return self._may_hold(old) | self._may_hold(new)
        other = self.reads_otherwise(old, new)
        return self._may_hold(old, other) | self._may_hold(new, other)

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
        old = sides[0]
        if edited.fields - {"match"} or old is None or old.test is None:
            return places | self._may_hold(new.test) | self._near(new)
        other = self.reads_otherwise(old.test, new.test)
        return (places & other) | (self._near(new) & other) | self._may_hold(new.test, other)

    def _near(self, rule: PlayedRule) -> Places:
        """Where a word speaks for the rule; late rules are never near misses without one."""
        return set().union(*(self._with_word(atom) for atom in rule.mentioned))

    def _may_hold(self, test: Test | None, among: Iterable[int] | None = None) -> Places:
        """Where a trigger may hold; `among` are the only turns asked about."""
        if test is None:
            return set()
        need = test.necessary()
        places = self.turns.every if need is None else set().union(*(self._with_word(atom) for atom in need))
        if among is not None:
            places = places & set(among)
        return {place for place in places if self._holds(test, place) is not False}

    def _with_word(self, atom: int) -> Places:
        known = len(self.old.lexicon.texts)
        return self.turns.with_word[atom] if atom < known else set(self.added[atom])

    def _added(self) -> dict[int, dict[int, int]]:
        """Where words occur that the old agent does not know: the turn, and the place in its message."""
        texts = self.new.lexicon.texts
        known = len(self.old.lexicon.texts)
        places: dict[int, dict[int, int]] = {atom: {} for atom in range(known, len(texts))}
        if not places:
            return places
        lexicon = Lexicon()
        numbers = {lexicon.add(texts[atom]): atom for atom in places}
        for place, one in enumerate(self.turns.exchanges):
            for number, spot in lexicon.find(one.words).items():
                places[numbers[number]][place] = spot
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

    def reads_otherwise(self, old: Test, new: Test) -> Places:
        """Where two triggers may not come to the same: in what holds, in how much of it does, or in what made it hold."""
        if old == new:
            return set()
        if isinstance(old, Words) and isinstance(new, Words) and old.every == new.every:
            return self._words_otherwise(old, new)
        if isinstance(old, Found) and isinstance(new, Found):
            other = [
                pattern for pattern in (*old.patterns, *new.patterns) if (pattern in old.patterns) != (pattern in new.patterns)
            ]
            rest = [pattern for pattern in old.patterns if pattern in new.patterns]
            if rest == [pattern for pattern in new.patterns if pattern in old.patterns]:
                return set().union(*(self._found(pattern) for pattern in other))
        if isinstance(old, Not) and isinstance(new, Not):
            return self.reads_otherwise(old.inner, new.inner)
        if isinstance(old, Several) and isinstance(new, Several) and (old.every, old.late) == (new.every, new.late):
            return self._parts_otherwise(old, new)
        return set(self.turns.every)

    def _words_otherwise(self, old: Words, new: Words) -> Places:
        """Where a word is said that one of them does not know; of words that are all needed, where any is said."""
        if [atom for atom in old.atoms if atom in new.atoms] != [atom for atom in new.atoms if atom in old.atoms]:
            return set(self.turns.every)
        other = set(old.atoms) ^ set(new.atoms)
        if old.every:
            return set().union(*(self._with_word(atom) for atom in (*old.atoms, *new.atoms)))
        return set().union(*(self._with_word(atom) for atom in other))

    def _parts_otherwise(self, old: Several, new: Several) -> Places:
        """Where one part of several differs; parts are held against each other in their order."""
        if len(old.parts) != len(new.parts):
            return set(self.turns.every)
        pairs = zip(old.parts, new.parts, strict=True)
        return set().union(*(self.reads_otherwise(one, other) for one, other in pairs))

    def _found(self, pattern: Pattern) -> Places:
        return {place for place, found in enumerate(self.turns.finds(pattern)) if found}

    def _told(self, test: Told, place: int) -> bool | None:
        """A slot that was not read was not filled, and a tool that was not looked up not called."""
        kind = {"filled": "slot", "corrected": "slot", "called": "tool", "failed": "tool"}.get(test.what)
        if kind is None:
            return None
        one = self.turns.exchanges[place]
        if test.what == "corrected" and one.played is not None:
            state = one.played.state
            named = {entry["slot"] for entry in state.corrections if entry["turn"] == state.turn}
            return None if named & test.these else False
        seen = one.seen
        return None if any((kind, name) in seen for name in test.these) else False


def _reading(reader: SlotReader) -> tuple[object, ...]:
    """What decides whether a slot is read at all."""
    return reader.whole, reader.slot.listen, reader.slot.correctable


class _Message:
    """As much of a moment as a slot needs to look for values."""

    def __init__(self, text: str, said: list[str], hits: dict[int, int]) -> None:
        self.text, self.words, self.hits = text, said, hits
        self.noted = False

    def note(self, _: str) -> None:
        self.noted = True  # a search took too long: what it would have found is not known


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
