"""Plays one turn of an agent: (agent, state, message, answers) → (state, turn). No I/O, no clock, no randomness.

`turn_steps` is a generator that yields what it needs from outside (a tool's answer, a generator's wording) and is sent the
answer; `play` drives it with plain functions.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from focal_eval.agent.builtin import ToolOutcome
from focal_eval.agent.candidates import apply_sets, match_early, match_late
from focal_eval.agent.compiled import Playable
from focal_eval.agent.enforce import enforce
from focal_eval.agent.respond import compose, fallback, word
from focal_eval.agent.scenario import allowed, missing, next_up, say, steer, steer_late, take
from focal_eval.agent.score import Scorer
from focal_eval.agent.senses import language_at_start, notice_language, read_slots
from focal_eval.agent.state import MAX_HISTORY, State
from focal_eval.agent.toolruns import run_tools
from focal_eval.agent.turn import Draft, Enforced, Moved, Played, Request, Said, ToolRequest, Work

Steps = Generator[Request, Any, Played]
ToolAnswers = Callable[[ToolRequest], ToolOutcome | None]
Wording = Callable[[Draft], str | None]


class UnknownPlace(ValueError):
    """A session cannot start at a scenario or step that the agent does not have."""


def begin(
    agent: Playable,
    *,
    variables: Mapping[str, Any] | None = None,
    history: Sequence[tuple[str | None, str | None]] = (),
    scenario: str | None = None,
    channel: str = "api",
    metadata: Mapping[str, Any] | None = None,
) -> State:
    """The state a session starts in. A variable `result` seeds tools' results. Raises UnknownPlace."""
    state = State(channel=channel, metadata=dict(metadata or {}))
    state.variables = {str(name): _plain(value) for name, value in agent.file.variables}
    state.variables["language"] = language_at_start(agent, state.metadata)
    given = dict(variables or {})
    results = given.pop("result", None)
    if isinstance(results, Mapping):
        state.results.update(results)
    state.variables.update(given)
    state.history = [[user, said] for user, said in history][-MAX_HISTORY:]
    if scenario is not None:
        _place(agent, state, scenario)
    return state


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, dict) else value


def _place(agent: Playable, state: State, where: str) -> None:
    name, _, step = where.partition("/")
    flow = agent.scenarios.get(name)
    if flow is None:
        raise UnknownPlace(f"agent {agent.name} has no scenario '{name}'")
    if step and step not in flow.steps:
        raise UnknownPlace(f"scenario {name} has no step '{step}'")
    state.scenario, state.step = name, step or flow.start
    work = Work(agent, state, "")
    assert work.step is not None
    state.settled = missing(work, work.step) is None  # what the step runs has happened before the conversation begins


def play(
    agent: Playable,
    state: State,
    message: str | None,
    *,
    tools: ToolAnswers | None = None,
    wording: Wording | None = None,
    scorer: Scorer | None = None,
) -> Played:
    """One turn, with answers from plain functions; None as message asks for what the agent says unasked."""
    steps = turn_steps(agent, state, message, scorer, worded=wording is not None)
    answer: Any = None
    while True:
        try:
            request = steps.send(answer)
        except StopIteration as done:
            played: Played = done.value
            return played
        if isinstance(request, ToolRequest):
            answer = None if tools is None else tools(request)
        else:
            answer = None if wording is None else wording(request)


def turn_steps(
    agent: Playable, state: State, message: str | None, scorer: Scorer | None = None, *, worded: bool = False
) -> Steps:
    """The turn as a generator of requests; its return value is the turn. The state given is not changed.

    With `worded` a Draft is asked for wherever a template may be reworded.
    """
    work = _open(agent, state, message)
    if message is None:
        return _unasked(work)
    notice_language(work)
    read_slots(work)
    match_early(work, scorer)
    steer(work)
    yield from _settle(work)
    items = compose(work)
    if not work.moves and work.step is not None:
        work.moves.append(Moved("continue", str(work.state.scenario), work.state.step, work.state.step))
    items, generated = yield from word(work, items, worded)
    if not items:
        items = [fallback(work)]
    items, enforcement = yield from enforce(work, items, generated)
    return _close(work, message, items, enforcement)


def _open(agent: Playable, state: State, message: str | None) -> Work:
    state = state.copy()
    if state.scenario is not None and agent.scenarios[state.scenario].steps[str(state.step)].step.terminal:
        state.scenario = state.step = None
    if message is not None:
        state.turn += 1
    return Work(agent, state, message or "")


def _settle(work: Work) -> Generator[Request, Any, None]:
    """Runs tools, lets silent transitions and late rules follow, until nothing moves."""
    step = work.step
    if step is not None and not work.moved and step.slots & work.filled:
        work.state.settled = False
    served: set[str] = set()
    yield from _serve(work, served)
    while True:
        before = len(work.moves)
        if len(work.moves) < work.agent.settings.max_moves:
            yield from _settle_steps(work, served)
        if not (yield from _late(work, served)) and len(work.moves) == before:
            return


def _serve(work: Work, served: set[str]) -> Generator[Request, Any, None]:
    """Runs the tools of rules that matched since the last time."""
    new = [name for name in work.matched if name not in served]
    served.update(new)
    for name in new:
        rule = work.played(name)
        yield from run_tools(work, map(str, rule.rule.tools))
        apply_sets(work, rule.sets_later, f"rule {name}")


def _late(work: Work, served: set[str]) -> Generator[Request, Any, bool]:
    """Looks at the rules that wait for tools, and follows them; whether there were any."""
    late = match_late(work)
    yield from _serve(work, served)
    if late:
        steer_late(work, late)
    return bool(late)


def _settle_steps(work: Work, served: set[str]) -> Generator[Request, Any, None]:
    """Runs the step's tools and takes silent transitions; what tools answered is shown to late rules before each choice."""
    ended: int | None = None
    while True:
        step = work.step
        if step is None:
            if not next_up(work):
                return
            continue
        if not work.state.settled and (step.step.terminal or missing(work, step) is None):
            work.state.settled = True
            yield from run_tools(work, map(str, step.step.tools))
            apply_sets(work, step.step.sets, f"{work.state.scenario}/{step.name}")
            if step.step.terminal:
                _end(work)
            if (yield from _late(work, served)):
                continue  # a rule may have set what transitions read, or started another scenario
        if len(work.moves) >= work.agent.settings.max_moves:
            work.note(f"stopped after {len(work.moves)} moves in one turn")
            return
        choice = next((go for go in step.go if (go.silent or go.go.at_once) and allowed(work, step, go)), None)
        if choice is not None and not step.step.terminal:
            take(work, step, choice)
            continue
        if not step.step.terminal or ended == len(work.moves) or not next_up(work):
            return
        ended = len(work.moves)


def _end(work: Work) -> None:
    """A terminal step: its text is said at once, before what comes up next can change the values in it."""
    step = work.step
    assert step is not None
    say(work, None if step.step.template is None else str(step.step.template))
    work.outcome = str(step.step.outcome or "resolved")


def _unasked(work: Work) -> Played:
    """What the agent says without being asked: its question where it waits for one, else its greeting."""
    greeting = work.agent.file.greeting
    items = compose(work) if work.step is not None else []
    if not items and greeting is not None:
        say(work, str(greeting))
        items = work.said
    return _close(work, None, items or [fallback(work)], [])


def _close(work: Work, message: str | None, items: list[Said], enforcement: list[Enforced]) -> Played:
    state = work.state
    messages = tuple(item.text for item in items if item.text)
    for name in work.matched:
        state.fires[name] = state.fires.get(name, 0) + 1
        state.last_fired[name] = state.turn
    state.history = [*state.history, [message, "\n\n".join(messages)]][-MAX_HISTORY:]
    return Played(
        state=state,
        messages=messages,
        rules=tuple(work.matched.values()),
        dropped=tuple(work.dropped[name] for name in sorted(work.dropped, key=lambda name: work.played(name).order)),
        tools=tuple(work.calls),
        scenario=state.scenario,
        step=state.step,
        moves=tuple(work.moves),
        template=next((item.template for item in items if item.template is not None), None),
        enforcement=tuple(enforcement),
        outcome=_outcome(work, items, enforcement),
        metadata=_metadata(work, items),
    )


def _outcome(work: Work, items: list[Said], enforcement: list[Enforced]) -> str:
    if any(one.action == "fallback" for one in enforcement):
        return "blocked"
    for name in work.matched:
        outcome = work.played(name).rule.outcome
        if outcome is not None:
            return str(outcome)
    if work.step is not None and not work.step.step.terminal:
        return "awaiting-user"
    if work.outcome is not None:
        return work.outcome
    return "fallback" if any(item.mode == "FALLBACK" for item in items) else "resolved"


def _metadata(work: Work, items: list[Said]) -> dict[str, Any]:
    turn = work.state.turn
    made: dict[str, Any] = {"language": work.language}
    more = {
        "templates": [item.template for item in items if item.template is not None],
        "corrections": [{k: v for k, v in one.items() if k != "turn"} for one in work.state.corrections if one["turn"] == turn],
        "skipped_tools": work.skipped,
        "left_out": work.left_out,
        "notes": work.notes,
    }
    return made | {name: value for name, value in more.items() if value}
