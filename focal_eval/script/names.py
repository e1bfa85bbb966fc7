"""Names a script relies on: those of its own `{{ }}`, and those of the agent it talks to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from focal_eval.document import Reader
from focal_eval.errors import Diagnostic, Label, Problems
from focal_eval.registry import did_you_mean, misspelt
from focal_eval.script.model import Expectation, Script
from focal_eval.script.places import place
from focal_eval.script.previews import previews
from focal_eval.script.templates import Trail
from focal_eval.source import Span
from focal_eval.template import has_template
from focal_eval.value import value

SAVE_SOURCES = (
    "response", "tools", "scenario", "metadata", "variables", "rules", "citations", "follow_ups", "turn_id", "session_id",
)  # fmt: skip
"""What `save` reads from; `runner.scope` gives each its value."""

Use = tuple[str, Span]


def check_names(reader: Reader) -> None:
    """Reports names used in `{{ }}` before they have a value, sources nobody knows, and params nobody uses."""
    trail, problems = Trail.of(reader), reader.problems
    params: Mapping[str, Span] | None = reader.scratch.get("params", {})
    if not (params or trail.uses or trail.closing or trail.sources or trail.knows or trail.placed or _used(trail)):
        return
    closed = params is not None and "open" not in reader.scratch
    known: set[str] = set(params or ()) | set(reader.scratch.get("variables", ()))
    later = {name: span for _, saved in reversed(trail.turns) for name, span in saved.items()}
    used: set[str] = set()

    def look(uses: Iterable[Use], saved: Collection[str] = ()) -> None:
        for name, span in uses:
            used.add(name)
            if name not in known and name not in saved and closed:
                labels = (Label(later[name], "saved here, after this use"),) if name in later else ()
                if name in trail.saved:
                    labels = (Label(trail.saved[name], "saved here, but not on every way that leads to this use"),)
                fix = None if labels else did_you_mean(name, known)
                problems.error("undefined-name", f"'{name}' has no value here", span, help=fix, labels=labels)

    look(trail.uses)
    for name, span in trail.knows.items():
        if name in known:
            problems.error("duplicate-key", f"'{name}' has a value already, of a param or a variable", span)
    known.update(trail.knows)
    for uses, saved in trail.turns:
        look(uses)
        known.update(saved)
    for placed in trail.placed:
        look(placed.uses, placed.saved)
    look(trail.closing, trail.at_end)
    known.update(trail.saved)
    for name, span in trail.sources:
        used.add(name)
        if name not in SAVE_SOURCES and name not in known:
            fix = did_you_mean(name, SAVE_SOURCES)
            problems.error("undefined-name", f"'save' cannot read from '{name}'", span, help=fix)
    for name, span in (params or {}).items() if not problems.errors else ():  # where a use may be among the errors
        if name not in used:
            fix = f"write {{{{ {name} }}}} somewhere, or drop it"
            problems.warning("unused-param", f"the param '{name}' is never used", span, help=fix)


def _used(trail: Trail) -> bool:
    return any(uses for uses, _ in trail.turns)


@value
class KnownNames:
    """What the target agent has; scripts are checked against it before a run."""

    agent: str  # as messages call it: its file
    rules: frozenset[str]
    tools: Mapping[str, frozenset[str] | None] | None  # argument names, None where they are not declared; None: any may be
    scenarios: Mapping[str, frozenset[str]]  # step ids
    templates: frozenset[str] | None = frozenset()  # None where any may be
    variables: frozenset[str] | None = None  # None where any may be set
    replay: bool = False


def expectations_of(script: Script) -> Iterator[Expectation]:
    """Every expectation of a script, and every condition of a turn or an edge; groups flattened."""
    stack = [*reversed(script.closing)]
    if script.simulator is not None:
        for state in reversed(script.simulator.states):
            stack.extend(item for edge in reversed(state.then) for item in reversed(edge.when or ()))
            stack.extend(reversed(state.turn.expect))
    for turn in reversed(script.turns):
        stack.extend(reversed(turn.expect))
        stack.extend(reversed(turn.when or ()))
    yield from _flat(stack)


def edges_of(script: Script) -> Iterator[Expectation]:
    """The conditions of a simulated user's edges, which expect nothing; groups flattened."""
    states = () if script.simulator is None else script.simulator.states
    yield from _flat([item for state in states for edge in state.then for item in edge.when or ()])


def _flat(stack: list[Expectation]) -> Iterator[Expectation]:
    """The expectations on a stack, the last one first, each group in its place."""
    while stack:
        here = stack.pop()
        if here.children:
            stack.extend(item for group in reversed(here.children) for item in reversed(group))
        else:
            yield here


Sound = dict[int, Any]
"""Checks that were looked at and found right, by identity: scripts of one suite share most of theirs."""

_MOST_SOUND = 5_000  # checks that are kept from being thrown away, so that their identity stays theirs


def found_sound(sound: Sound, check: Any) -> None:
    """Remembers a check that was found right."""
    if len(sound) >= _MOST_SOUND:
        sound.clear()
    sound[id(check)] = check


def check_references(
    script: Script, known: KnownNames, *, replay: bool = False, sound: Sound | None = None
) -> list[Diagnostic]:
    """Unknown rules, tools, arguments, steps and templates, under the word itself.

    For a `replay` a rule, tool, step or template that the agent no longer has is a warning where the word is no slip of
    the fingers: the script says what the agent did once, and its expectations then fail and show what that changes.
    `sound` spares looking at a check twice, where the caller has many scripts.
    """
    problems = Problems()
    known = known if known.replay == replay else replace(known, replay=replay)
    sound = {} if sound is None else sound
    for item in expectations_of(script):
        if id(item.check) in sound:
            continue
        right = item.check is not None
        text = script.texts.get(item.value_span.file, "")
        for made in (item,) if item.check is not None else previews(item, script):
            for ref in made.check.refs():
                if has_template(ref.name) or (missing := _missing(ref.kind, ref.name, known)) is None:
                    continue
                span = place(made, ref.path, text, word=ref.name.rpartition(".")[2])  # reads the file again
                _report(missing, span, known, problems, absent=ref.absent)
                right = False
        if right:
            found_sound(sound, item.check)
    for stub in script.stubs:
        _check_ref("tool", stub.tool, stub.span, known, problems)
        for answer in stub.answers:
            for name, span in answer.argument_spans.items():
                _check_ref("argument", f"{stub.tool}.{name}", span, known, problems)
    if script.given.scenario and script.given.scenario_span:
        _check_ref("scenario", script.given.scenario, script.given.scenario_span, known, problems)
    return list(dict.fromkeys(problems))


@value
class _Missing:
    """What the agent does not have, in words, and what it has instead."""

    code: str
    what: str
    word: str
    candidates: Iterable[str]


_MAY_BE_GONE = frozenset({"unknown-rule", "unknown-tool", "unknown-scenario", "unknown-step", "unknown-template"})


def _check_ref(kind: str, name: str, span: Span, known: KnownNames, problems: Problems) -> None:
    missing = _missing(kind, name, known)
    if missing is not None:
        _report(missing, span, known, problems)


def _report(missing: _Missing, span: Span, known: KnownNames, problems: Problems, *, absent: bool = False) -> None:
    message = f"{known.agent} has no {missing.what}"
    fix = did_you_mean(missing.word, missing.candidates)
    if absent:
        message += ", so it can never be seen and this cannot fail"
        problems.warning(missing.code, message, span, help=fix)
    elif known.replay and missing.code in _MAY_BE_GONE and not misspelt(missing.word, missing.candidates):
        problems.warning(missing.code, f"{message}, so what is expected of it fails", span)
    else:
        problems.error(missing.code, message, span, help=fix)


def has_names(known: KnownNames, names: Iterable[tuple[str, str]]) -> bool:
    """Whether the agent has everything that references of these kinds (see `checks.base.Ref`) name."""
    return all(_missing(kind, name, known) is None for kind, name in names)


def _missing(kind: str, name: str, known: KnownNames) -> _Missing | None:
    if kind == "rule":
        return None if name in known.rules else _Missing("unknown-rule", f"rule '{name}'", name, known.rules)
    if kind in ("tool", "argument"):
        return None if known.tools is None else _missing_tool(name, known.tools, argument=kind == "argument")
    if kind == "template":
        if known.templates is None or name in known.templates:
            return None
        return _Missing("unknown-template", f"template '{name}'", name, known.templates)
    if kind == "variable":
        if known.variables is None or name in known.variables:
            return None
        return _Missing("unknown-variable", f"variable '{name}'", name, known.variables)
    scenario, _, step = name.partition("/")
    if scenario not in known.scenarios:
        return _Missing("unknown-scenario", f"scenario '{scenario}'", scenario, known.scenarios)
    steps = known.scenarios[scenario]
    if step in ("", "*") or step in steps:
        return None
    return _Missing("unknown-step", f"step '{step}' in the scenario '{scenario}'", step, steps)


def _missing_tool(name: str, tools: Mapping[str, frozenset[str] | None], *, argument: bool) -> _Missing | None:
    if not argument:
        return None if name in tools else _Missing("unknown-tool", f"tool '{name}'", name, tools)
    tool, _, word = name.partition(".")
    declared = tools.get(tool)
    if declared is None or word in declared:
        return None
    return _Missing("unknown-argument", f"argument '{word}' of the tool '{tool}'", word, declared)


def check_idle(script: Script, sound: Sound | None = None) -> list[Diagnostic]:
    """Warnings for expectations that cannot fail, and for a first turn that is never sent; `sound` as above."""
    problems = Problems()
    first = script.turns[0] if script.turns else None
    if first is not None and first.when:
        text = "this turn is never sent: 'when' looks at earlier turns, and there is none"
        problems.warning("never-sent", text, first.when[0].span, help="drop 'when'")
    sound = {} if sound is None else sound
    for item in expectations_of(script):
        if item.check is None or id(item.check) in sound:
            continue
        if why := item.check.idle():
            problems.warning("cannot-fail", f"this cannot fail: {why}", item.value_span)
        else:
            found_sound(sound, item.check)
    return problems.items
