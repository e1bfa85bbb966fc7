"""Rasa: stories of `rasa test` and end-to-end test cases of Rasa Pro become scripts.

What the bot says by name (`utter_greet`) is the `template` of a reply, a custom action is a tool, a form or a flow is a
scenario, a slot is a variable. An intent is the turn's name, or with `--intents rules` a rule that must match.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from focal_eval.errors import Problems
from focal_eval.importers import rasa_e2e, tree
from focal_eval.importers.base import Imported, option
from focal_eval.importers.drafts import Draft, Scripts, origin, script, turn
from focal_eval.importers.foreign import Source
from focal_eval.importers.losses import Losses
from focal_eval.importers.rasa_words import action, template, variables
from focal_eval.importers.tree import Place, Tree, mapping, mappings, pass_over, read_tree, scalar_text
from focal_eval.importers.write import data_said, said

MAX_JOINED = 200  # stories that one checkpoint makes of others
MAX_CHECKPOINTS = 8  # in one story

SENTENCES = {
    **tree.SENTENCES,
    **rasa_e2e.SENTENCES,
    "intent": "expected intents: the turn is named so; `--intents rules` expects a rule of that name",
    "intent-alone": "steps with an intent and no words: said as `/intent`, which Rasa takes for that intent",
    "entity": "entities that are expected in a message",
    "or-slots": "alternatives (`or`) of slots: one of them is expected",
    "checkpoint": "checkpoints: the stories are joined",
    "loose-checkpoint": "checkpoints that no other story has, or that lead back to themselves",
    "training-rule": "rules that train the assistant: they are no conversations",
    "asked-slot": "the slot that a form asks for next (`requested_slot`)",
    "story-step": "steps that are neither user, intent, action, bot, slot_was_set, active_loop, or nor checkpoint",
    "empty-story": "stories in which the user does nothing",
}
APPROXIMATED = rasa_e2e.APPROXIMATED | {"intent", "intent-alone", "or-slots", "checkpoint"}
_ENTITY = re.compile(r"\[([^\[\]]*)\](\([^()]*\)|\{[^{}]*\}|\[(?:\{[^{}]*\}[,\s]*)+\])")


def intents(text: str) -> str:
    """What becomes of intents: `names` of turns, or `rules` that must match."""
    if text not in ("names", "rules"):
        raise ValueError(f"'{text}' is neither names nor rules")
    return text


@dataclass(frozen=True, slots=True)
class Rasa:
    """Stories and end-to-end tests of Rasa."""

    suffixes: ClassVar[tuple[str, ...]] = (".yml", ".yaml")
    intents: str = option(intents, doc="what becomes of intents: names (of turns) or rules (that match)", default="names")

    def read(self, sources: Sequence[Source], problems: Problems) -> Imported:
        losses = Losses(SENTENCES, APPROXIMATED)
        scripts = Scripts(sources, problems, losses, self.suffixes)
        trees = [(source, read) for source in sources if (read := read_tree(source, problems, losses)) is not None]
        shared = rasa_e2e.Shared()
        for _, read in trees:  # fixtures of a file are known in all
            shared.take(read)
        for source, read in trees:
            data = mapping(read.data)
            if isinstance(data.get("test_cases"), list):
                scripts.add(source, rasa_e2e.drafts(read, source, shared, losses))
            elif isinstance(data.get("stories"), list):
                scripts.add(source, _Stories(read, source, losses, self.intents).drafts())
            elif not (shared.took(read) and not source.named):
                pass_over(source, problems, losses, "a file of Rasa's tests: it has neither `stories` nor `test_cases`")
            for index, _ in mappings(data.get("rules")):
                losses.add("training-rule", read.at("rules", index))
        return scripts.imported()


_Step = tuple[tuple[str | int, ...], Mapping[str, Any]]  # where it stands, and what it says


@dataclass(slots=True)
class _Open:
    """A turn while its steps come in."""

    said: list[str] | None
    intents: list[str] = field(default_factory=list)
    templates: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    slots: dict[str, Any] = field(default_factory=dict)
    loop: Any = ...  # the form at the end of the turn; `...` where none is named
    either: list[dict[str, Any]] = field(default_factory=list)
    acted: bool = False


class _Stories:
    """Reads the stories of one file."""

    def __init__(self, read: Tree, source: Source, losses: Losses, intents: str) -> None:
        self.tree, self.source, self.losses, self.intents = read, source, losses, intents
        self.stories = mappings(mapping(read.data).get("stories"))
        self.forms = self._forms()
        self.turns: list[dict[str, Any]] = []
        self.start: dict[str, Any] = {}
        self.open: _Open | None = None
        self.place: Place = read.at()  # of the last step

    def drafts(self) -> list[Draft]:
        ends = {name for _, story in self.stories for name in _checkpoints(story, last=True)}
        begins = {name for _, story in self.stories for name in _checkpoints(story, last=False)}
        out: list[Draft] = []
        for index, story in self.stories:
            last = _checkpoints(story, last=True)
            if last and set(last) & begins:
                continue  # it goes on in those that begin with its checkpoint
            for number, steps in enumerate(self._joined(index, story, ends, ())):
                draft = self._draft(index, story, steps, number)
                out += [draft] if draft is not None else []
        return out

    def _forms(self) -> frozenset[str]:
        """Names that stand as `active_loop` or `form` somewhere: as actions, they are no tools."""
        found = set()
        for _, story in self.stories:
            for _, step in mappings(story.get("steps")):
                loop = step.get("active_loop", step.get("form"))
                if isinstance(loop, str):
                    found.add(loop)
        return frozenset(found)

    def _joined(self, index: int, story: Mapping[str, Any], ends: set[str], seen: tuple[int, ...]) -> list[list[_Step]]:
        """The steps of a story behind those of every story that ends with its checkpoint."""
        own: list[_Step] = [(("stories", index, "steps", at), step) for at, step in mappings(story.get("steps"))]
        first = _checkpoints(story, last=False)
        if not first:
            return [own]
        out: list[list[_Step]] = []
        for at, before in self.stories:
            if not set(first) & set(_checkpoints(before, last=True)) or at in seen or len(seen) >= MAX_CHECKPOINTS:
                continue
            for steps in self._joined(at, before, ends, (*seen, index)):
                if len(out) < MAX_JOINED:
                    out.append([*steps, *own])
        if out:
            self.losses.add("checkpoint", self.tree.at("stories", index))
            return out
        self.losses.add("loose-checkpoint", self.tree.at("stories", index))
        return [own]

    def _draft(self, index: int, story: Mapping[str, Any], steps: list[_Step], number: int) -> Draft | None:
        self.turns, self.start, self.open = [], {}, None
        for path, step in steps:
            self._step(step, path)
        self._close()
        place = self.tree.at("stories", index)
        if not self.turns or not any("user" in item for item in self.turns):
            self.losses.add("empty-story", place)
            return None
        name = scalar_text(story.get("story") or f"story {index + 1}") + (f" ({number + 1})" if number else "")
        found = origin("rasa", self.source, place, story=scalar_text(story.get("story") or ""))
        metadata = mapping(story.get("metadata"))
        parts = {"metadata": data_said(metadata), "given": {"variables": self.start} if self.start else {}, "turns": self.turns}
        return Draft(name, script(name, ["rasa"], found, **parts), place)

    def _step(self, step: Mapping[str, Any], path: tuple[str | int, ...]) -> None:
        self.place = place = self.tree.at(*path)
        if "user" in step or "intent" in step:
            self._user([step], place)
        elif "or" in step:
            self._or(step["or"], place)
        elif "action" in step:
            self._action(step["action"], place)
        elif "bot" in step:
            self._now().spoken.append(scalar_text(step["bot"]))
            self._now().acted = True
            self.losses.keep("bot texts")
        elif "slot_was_set" in step:
            self._slots(step["slot_was_set"], place)
        elif "active_loop" in step or "form" in step:
            self._now().loop = step.get("active_loop", step.get("form"))
        elif "checkpoint" not in step:
            self.losses.add("story-step", place)

    def _now(self) -> _Open:
        """The turn that is open; one in which the bot speaks first where nobody has said anything."""
        if self.open is None:
            self.open = _Open(None)
        return self.open

    def _user(self, steps: Sequence[Mapping[str, Any]], place: Place) -> None:
        self._close()
        words, named = [], []
        for step in steps:
            if isinstance(step.get("intent"), str):
                named.append(step["intent"])
            if isinstance(step.get("user"), str) and step["user"].strip():
                words.append(self._words(step["user"], place))
            elif isinstance(step.get("intent"), str):
                self.losses.add("intent-alone", place)
                words.append(f"/{step['intent']}")
            for _ in step.get("entities") or () if isinstance(step.get("entities"), list) else ():
                self.losses.add("entity", place)
        words = [text for text in dict.fromkeys(words) if text.strip()]
        if not words:
            self.losses.add("story-step", place)
            return
        self.losses.keep("user turns")
        self.open = _Open(words, list(dict.fromkeys(named)))
        if named and self.intents == "names":
            self.losses.add("intent", place)

    def _words(self, text: str, place: Place) -> str:
        """A message without its marks of entities."""

        def plain(found: re.Match[str]) -> str:
            self.losses.add("entity", place)
            return found[1]

        return _ENTITY.sub(plain, text)

    def _or(self, given: Any, place: Place) -> None:
        steps = [step for _, step in mappings(given)]
        if any("user" in step or "intent" in step for step in steps):
            self._user(steps, place)
        elif steps and all("slot_was_set" in step for step in steps):
            self.losses.add("or-slots", place)
            wanted = [{"variables": found} for step in steps if (found := variables(step["slot_was_set"]))]
            self._now().either += [{"any_of": wanted}] if len(wanted) > 1 else wanted
        else:
            self.losses.add("story-step", place)

    def _action(self, name: Any, place: Place) -> None:
        if not isinstance(name, str) or not name.strip():
            self.losses.add("story-step", place)
            return
        now, kind = self._now(), action(name)
        now.acted = True
        if name in self.forms:
            return
        if kind == "template":
            now.templates.append(name)
        elif kind == "tool":
            now.actions.append(name)
        else:
            self.losses.add("built-in-action", place)
            return
        self.losses.keep("actions")

    def _slots(self, given: Any, place: Place) -> None:
        found = variables(given)
        if "requested_slot" in found:
            self.losses.add("asked-slot", place)
            del found["requested_slot"]
        self.losses.keep("slots", len(found))
        if self.open is None and not self.turns:
            plain = given if isinstance(given, list) else [given]
            known = {
                key: value for item in plain if isinstance(item, Mapping) for key, value in item.items() if value is not None
            }
            self.start |= data_said(known)
            if len(known) < len(found):
                self.losses.add("story-step", place)
        else:
            self._now().slots |= found

    def _close(self) -> None:
        """Ends the turn that is open."""
        now, self.open = self.open, None
        if now is None:
            return
        expect: list[dict[str, Any]] = []
        if self.intents == "rules" and now.intents:
            expect.append(
                {"rules": now.intents} if len(now.intents) == 1 else {"any_of": [{"rules": [x]} for x in now.intents]}
            )
        if now.actions:
            expect.append({"tools": {"exactly": [said(name) for name in now.actions]}})
        elif now.acted and now.said is not None:
            expect.append({"tools": {"none": True}})
        if now.templates:
            expect.append(template(now.templates, self.losses, self.place))
        if now.slots:
            expect.append({"variables": now.slots})
        if now.loop is not ...:
            expect.append({"scenario": now.loop if isinstance(now.loop, str) else "none"})
        expect += now.either
        name = " or ".join(now.intents) if now.intents and self.intents == "names" else None
        spoken = said("\n\n".join(now.spoken)) if any(text.strip() for text in now.spoken) else None
        made = turn(now.said[0] if now.said and len(now.said) == 1 else now.said, name=name, agent=spoken, expect=expect)
        if made:
            self.turns.append(made)


def _checkpoints(story: Mapping[str, Any], *, last: bool) -> list[str]:
    """The checkpoints that a story ends or begins with."""
    steps = [step for _, step in mappings(story.get("steps"))]
    out = []
    for step in reversed(steps) if last else steps:
        if not isinstance(step.get("checkpoint"), str):
            break
        out.append(step["checkpoint"])
    return out if len(out) < len(steps) else []
