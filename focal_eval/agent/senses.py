"""What the agent notices in a message before it decides anything: the user's language and values of slots."""

from __future__ import annotations

from collections.abc import Iterable

from focal_eval.agent.compiled import Playable
from focal_eval.agent.slots import SlotReader
from focal_eval.agent.turn import Work


def notice_language(work: Work) -> None:
    """Keeps the language spoken now where its trigger holds, else takes the first whose trigger does."""
    detect = work.agent.detect
    if not detect:
        return
    held = [code for code, test in detect if test.holds(work)]
    if held and work.language not in held:
        work.set("language", held[0])


def language_at_start(agent: Playable, metadata: dict[str, object]) -> str:
    """The language a session begins in: the locale its metadata names where the agent speaks it, else the authored one."""
    languages = agent.file.languages
    locale = metadata.get(str(languages.metadata)) if languages.metadata is not None else None
    code = str(locale).replace("_", "-").split("-")[0].casefold() if isinstance(locale, str) else ""
    authored = next((value for name, value in agent.file.variables if str(name) == "language"), None)
    return code if code in agent.spoken else str(authored or languages.default)


def read_slots(work: Work) -> None:
    """Reads every slot that listens where the conversation stands."""
    agent, state = work.agent, work.state
    flow = agent.scenarios[state.scenario].slots if state.scenario is not None else frozenset()
    here = work.step.slots if work.step is not None else frozenset()
    read_some(work, (slot for name, slot in agent.slots.items() if _listens(slot, name in flow, name in here)))


def read_scenario_slots(work: Work, scenario: str) -> None:
    """Reads what the message that asks for a scenario says of its slots; those that listen at their step only are not."""
    agent = work.agent
    wanted = agent.scenarios[scenario].slots
    read_some(work, (slot for name, slot in agent.slots.items() if name in wanted and _listens(slot, True, False)))


def _listens(slot: SlotReader, in_scenario: bool, at_step: bool) -> bool:
    if slot.whole or slot.slot.listen == "step":
        return at_step
    return slot.slot.listen == "always" or in_scenario


def read_some(work: Work, slots: Iterable[SlotReader]) -> None:
    """Reads slots from the message; a value that changes an earlier one is a correction."""
    variables = work.state.variables
    for reader in slots:
        name = str(reader.slot.id)
        present = variables.get(name)
        if present is not None and (not reader.slot.correctable or name in work.filled):
            continue
        reading = reader.read(work, present)
        if reading.outcome == "invalid":
            work.invalid.add(name)
        elif reading.outcome == "value" and reading.value != present:
            _fill(work, name, present, reading.value)


def _fill(work: Work, name: str, present: object, value: object) -> None:
    work.filled.add(name)
    work.invalid.discard(name)
    work.state.asked.pop(name, None)
    if present is not None:
        work.corrected.add(name)
        work.state.corrections.append({"turn": work.state.turn, "slot": name, "old": present, "new": value})
    work.set(name, value)


def forget(work: Work, slots: Iterable[str]) -> None:
    """Takes slots' values away."""
    for slot in slots:
        name = str(slot)
        work.set(name, None)
        work.state.asked.pop(name, None)
        work.filled.discard(name)
        work.corrected.discard(name)
