"""What is worth saying where: each text of an agent's words, with what it may reach and where that can be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product

from focal_eval.agent import Playable
from focal_eval.agent.expression import compile_expression
from focal_eval.agent.model import Rule, Scenario, Step, Trigger
from focal_eval.agent.parts import transitions
from focal_eval.agent.walk import deep
from focal_eval.coverage.model import Key
from focal_eval.experiment.explore_play import Start
from focal_eval.experiment.explore_values import Values
from focal_eval.experiment.explore_words import Words, beside
from focal_eval.value import value

ANYWHERE = ""
SMALL_TALK = "well"
"""Said where no words are needed: to see what an agent does with a message that asks for nothing."""


@value
class Move:
    """One text, and what it may lead to."""

    text: str
    rank: int  # 0 for the best text of its kind
    serves: frozenset[Key]  # items it is said for
    where: str  # "scenario/step", "scenario/", or anywhere
    sets: frozenset[str] = frozenset()  # variables that what it triggers gives a value


class Moves:
    """Every move of an agent by the place it belongs to."""

    def __init__(self, agent: Playable, words: Words) -> None:
        self.agent, self.words = agent, words
        self._implying = _implying(agent)
        found: dict[tuple[str, str], Move] = {}
        for move in self._all():
            key = move.where, move.text
            held = found.get(key)
            if held is not None:
                serves, sets = held.serves | move.serves, held.sets | move.sets
                found[key] = Move(move.text, min(held.rank, move.rank), serves, move.where, sets)
            else:
                found[key] = move
        self.by_place: dict[str, list[Move]] = {}
        for move in found.values():
            self.by_place.setdefault(move.where, []).append(move)

    def at(self, scenario: str | None, step: str | None) -> list[Move]:
        """The moves of a place: its own, those of its scenario, those that may be made anywhere."""
        places = [ANYWHERE] if scenario is None else [f"{scenario}/{step}", f"{scenario}/", ANYWHERE]
        return [move for place in places for move in self.by_place.get(place, ())]

    def _all(self) -> Iterator[Move]:
        file = self.agent.file
        yield Move(SMALL_TALK, 0, frozenset(), ANYWHERE)
        for rule in file.rules:
            if rule.enabled:
                yield from self._of_rule(rule)
        for flow in file.scenarios:
            yield from self._of_scenario(flow)
        for code, trigger in file.languages.detect:
            serves = frozenset(("rule", str(rule.id)) for rule in file.rules if str(code) in map(str, rule.language))
            yield from self._moves(self.words.for_trigger(trigger), serves, ANYWHERE, frozenset({"language"}))
        for slot in file.slots:
            if slot.listen == "always":
                yield from self._moves(self.words.for_slot(str(slot.id)), frozenset(), ANYWHERE, frozenset({str(slot.id)}))

    def _moves(
        self, texts: Iterable[str], serves: frozenset[Key], where: str, sets: frozenset[str] = frozenset()
    ) -> Iterator[Move]:
        for rank, text in enumerate(texts):
            if text.strip():
                yield Move(text, rank, serves, where, sets)

    def _of_rule(self, rule: Rule) -> Iterator[Move]:
        name = str(rule.id)
        serves = self._served_by(name)
        for implied in self._implying.get(name, ()):
            serves |= self._served_by(implied)
        texts = self._rule_texts(rule)
        sets = frozenset(str(key) for key, _ in rule.sets)
        whole: list[str] = []  # with what its tools read in the same message
        for tool in (self.agent.tools[str(name)] for name in rule.tools):
            sets |= {str(key) for key, _ in tool.sets}
            asked = [text for _, arg in tool.args for pattern in arg.from_ for text in self.words.for_pattern(str(pattern))[:1]]
            read = [str(arg.variable) for _, arg in tool.args if str(arg.variable) in self.agent.slots]
            asked += [text for slot in read for text in self.words.for_slot(slot)[:1]]
            if asked and texts:
                whole += beside([texts[:3], *([text] for text in asked)])
        places = [f"{one}/" for one in rule.scope.scenario] + [str(one) for one in rule.scope.step]
        for place in places or [ANYWHERE]:
            yield from self._moves(texts, serves, place, sets)
            yield from self._moves(whole, serves, place, sets)

    def _rule_texts(self, rule: Rule) -> list[str]:
        if rule.match is None:
            return [] if rule.when is None else [str(rule.when)]
        return self.words.for_trigger(rule.match)

    def _served_by(self, rule: str) -> frozenset[Key]:
        """What comes with a rule: the rule, its constraint, its tools, scenarios it enters."""
        authored = self.agent.rules[rule].rule
        keys = {("rule", rule), ("constraint", rule)} | {("tool", str(tool)) for tool in authored.tools}
        for flow in self.agent.file.scenarios:
            if rule in map(str, flow.enter.rules):
                keys |= {("start", str(flow.id)), ("scenario", str(flow.id))}
        return frozenset(keys)

    def _of_scenario(self, flow: Scenario) -> Iterator[Move]:
        name = str(flow.id)
        whole = f"{name}/"
        if flow.enter.match is not None:
            serves = frozenset({("start", name), ("scenario", name)})
            yield from self._moves(self.words.for_trigger(flow.enter.match), serves, ANYWHERE)
        if flow.exit is not None:
            yield from self._moves(self.words.for_trigger(flow.exit), frozenset({("exit", name)}), whole)
        for back in flow.relocalise:
            edge = frozenset({("relocalise", f"{name} → {back.to}")})
            yield from self._moves(self.words.for_trigger(back.when), edge, whole)
        slots = {str(slot) for step in flow.steps for slot in step.collect.slots}
        for slot in sorted(slots):
            if self.agent.slots[slot].slot.listen != "step":
                yield from self._moves(self.words.for_slot(slot)[:4], frozenset(), whole, frozenset({slot}))
        for step in flow.steps:
            yield from self._of_step(flow, step)

    def _of_step(self, flow: Scenario, step: Step) -> Iterator[Move]:
        where = f"{flow.id}/{step.id}"
        silent = {("transition", edge) for edge, go in transitions(flow, step) if go.when is None}
        given: list[str] = []
        for need in step.collect.needs:
            for group in need.any_of:
                names = [str(slot) for slot in group]
                texts = self.words.together(names) if len(names) > 1 else list(self.words.for_slot(names[0]))
                given += texts[:1]
                yield from self._moves(texts, frozenset(silent), where, frozenset(names))
        asked = self._asked_of(step)
        yield from self._moves(beside([given[:1], asked]) if asked else (), frozenset(silent), where)
        for edge, go in transitions(flow, step):
            if go.when is None:
                continue
            key = frozenset({("transition", edge)})
            texts = self.words.for_trigger(go.when)
            yield from self._moves(texts, key, where)
            for every in dict.fromkeys(" ".join(row) for row in product(given[:2], texts[:2])) if given else ():
                yield Move(every, 1, key, where)
            if go.at_once:
                yield from self._leading_to(flow, step, texts, key)

    def _asked_of(self, step: Step) -> list[str]:
        """What the patterns of a step's tools look for in the message."""
        args = (arg for tool in step.tools for _, arg in self.agent.tools[str(tool)].args)
        return [text for arg in args for pattern in arg.from_ for text in self.words.for_pattern(str(pattern))[:1]]

    def _leading_to(self, flow: Scenario, step: Step, texts: Sequence[str], key: frozenset[Key]) -> Iterator[Move]:
        """A transition that may read the message that led to its step: what leads there is said in the same breath."""
        entering: list[Trigger] = [] if flow.enter.match is None else [flow.enter.match]
        rules = [self.agent.rules[str(name)].rule for name in flow.enter.rules]
        entering += [rule.match for rule in rules if rule.match is not None]
        slots = [
            text for need in step.collect.needs for group in need.any_of for text in self.words.for_slot(str(group[0]))[:1]
        ]
        for trigger in entering:
            lead = self.words.for_trigger(trigger)[:2]
            yield from self._moves(beside([lead, slots, texts[:2]]), key, ANYWHERE)
            yield from self._moves(beside([lead, texts[:2]]), key, ANYWHERE)


def _implying(agent: Playable) -> Mapping[str, list[str]]:
    """For each rule those that it brings along."""
    return {name: [str(other) for other in rule.rule.implies] for name, rule in agent.rules.items() if rule.rule.implies}


def starts(agent: Playable, values: Values) -> list[Start]:
    """The usual beginning, then others that conditions tell from it: one variable, a locale, a channel."""
    out = [Start()]
    out += [Start(variables=((name, value),)) for name, value in values.starts()]
    languages = agent.file.languages
    codes = {str(code) for rule in agent.file.rules for code in rule.language} | set(values.provided("language"))
    if languages.metadata is not None:
        key = str(languages.metadata)
        out += [Start(metadata=((key, code),)) for code in sorted(codes - {str(languages.default)})]
    metadata = {name[1] for text in values.texts for name in _read(text) if name[0] == "metadata" and len(name) == 2}
    out += [Start(metadata=((name, one),)) for name in sorted(metadata) for one in values.of(("metadata", name))]
    out += [Start(channel=channel) for channel in values.provided("channel")]
    for chosen in values.together():
        variables = tuple((name[0], one) for name, one in chosen.items() if len(name) == 1 and name != ("channel",))
        given = tuple((name[1], one) for name, one in chosen.items() if len(name) == 2)
        channel = chosen.get(("channel",))
        out.append(Start(variables, given, channel if isinstance(channel, str) else None))
    return list({repr(start): start for start in out}.values())


def _read(text: str) -> tuple[tuple[str, ...], ...]:
    return compile_expression(text).names


def read_by(agent: Playable) -> tuple[Mapping[Key, frozenset[str]], Mapping[Key, frozenset[str]]]:
    """The variables that the conditions of each item read, directly, and the rules whose matches they count."""
    named = {str(name): trigger for name, trigger in agent.file.triggers}
    names: dict[Key, set[str]] = {}
    counts: dict[Key, set[str]] = {}

    def note(key: Key, given: Iterable[object], texts: Iterable[object], trigger: Trigger | None = None) -> None:
        held = names.setdefault(key, set())
        held.update(map(str, given))
        expressions = [str(text) for text in texts if text is not None]
        for part in _parts(trigger, named):
            expressions += [] if part.if_ is None else [str(part.if_)]
            held.update(map(str, (*part.filled, *part.corrected)), {"language"} if part.language else ())
        for name in (name for text in expressions for name in _read(text)):
            held.add(name[0])
            if name[0] == "fires" and len(name) > 1:
                counts.setdefault(key, set()).add(name[1])

    for rule in agent.file.rules:
        given = [*rule.requires.names, *(name for name, _ in rule.requires.values), *(["language"] if rule.language else [])]
        note(("rule", str(rule.id)), given, [rule.requires.expression], rule.match)
    for tool in agent.file.tools:
        read = [arg.variable for _, arg in tool.args if arg.variable is not None and not arg.optional]
        note(("tool", str(tool.id)), read, [tool.if_, *(arg.expression for _, arg in tool.args)])
    for flow in agent.file.scenarios:
        given = [*flow.requires.names, *(name for name, _ in flow.requires.values)]
        note(("start", str(flow.id)), given, [flow.requires.expression], flow.enter.match)
        for step in flow.steps:
            for edge, go in transitions(flow, step):
                note(("transition", edge), (), [go.if_], go.when)
    return (
        {key: frozenset(held) for key, held in names.items()},
        {key: frozenset(held) for key, held in counts.items()},
    )


def _parts(trigger: Trigger | None, named: Mapping[str, Trigger]) -> Iterator[Trigger]:
    todo, seen = [] if trigger is None else [trigger], set[str]()
    while todo:
        for part in deep(todo.pop()):
            yield part
            more = [str(name) for name in part.trigger if str(name) in named and str(name) not in seen]
            seen.update(more)
            todo += [named[name] for name in more]
