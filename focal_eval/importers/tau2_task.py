"""A task of τ²-bench as a script: what its user wants is kept for a simulated user, what solves it is expected.

The task holds no words of the user, only how to play them. The script's one turn is the reason for the call as the task
states it, and is skipped until somebody plays the user. Calls are one way to the wanted end of the database: they fail the
script only where the task's reward is on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from focal_eval.importers.criteria import KEPT, judged
from focal_eval.importers.losses import Losses
from focal_eval.importers.tau_bench import told
from focal_eval.importers.write import Word, call, data_said, literal, said
from focal_eval.source import Span
from focal_eval.text import shorten

SKIPPED = "its user is to be played: metadata.user says how"
SENTENCES = {
    "action-of-user": "calls that the user makes with tools of their own: kept in the script's origin",
    "compare-all": "calls that may leave arguments out: all arguments of the answer key are expected",
    "database": "rewards on the end state of the database: the calls that lead there are expected softly",
    "environment": "assertions on the environment's state: kept in the script's origin",
    "history-tool": "tool calls and results before the conversation",
    "initial-state": "the state of the environment before the conversation: kept in the script's origin",
    "no-user": "tasks that do not say what their user wants",
    "opening": "first words of the user: the reason for the call as the task tells it to a simulated user",
    "repeated-task": "tasks of an id that came before: the first one is kept",
    "task-field": "other fields of tasks, such as issues",
}
"""What the losses counted here mean."""

APPROXIMATED = frozenset({"compare-all", "database", "opening"})
KNOWN = frozenset({"id", "description", "user_scenario", "initial_state", "evaluation_criteria", "ticket"})
Place = Callable[..., Callable[[], Span]]


@dataclass(frozen=True, slots=True)
class Action:
    """A call of the answer key; `compare_args` are the arguments that count, all where it is None."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    compare_args: list[str] | None = None
    requestor: str = "assistant"
    action_id: str | None = None


@dataclass(frozen=True, slots=True)
class Criteria:
    """What solves a task; `reward_basis` says which of it the reward is on."""

    actions: list[Action] | None = None
    communicate_info: list[Any] | None = None
    nl_assertions: list[str] | None = None
    env_assertions: list[dict[str, Any]] | None = None
    reward_basis: list[str] | None = None


@dataclass(frozen=True, slots=True)
class UserScenario:
    """Who calls, and what a simulated user is told."""

    instructions: Any = None  # text, or text by field
    persona: Any = None


@dataclass(frozen=True, slots=True)
class Task:
    """One task, as far as a script can hold it."""

    id: str | int
    user_scenario: UserScenario | None = None
    evaluation_criteria: Criteria | None = None
    description: Any = None
    initial_state: dict[str, Any] | None = None
    ticket: str | None = None


def script_of(task: Task, file: str, line: int, place: Place, losses: Losses, *, play: bool) -> dict[str, Any] | None:
    """The script; None where the task says nothing of its user. `place` gives the place of a value in the task."""
    user = _user(task)
    opening = _opening(user, task)
    if not opening:
        losses.add("no-user", place())
        return None
    losses.add("opening", place("user_scenario"))
    losses.keep("user instructions")
    domain = user.get("domain")
    script: dict[str, Any] = {
        "title": said(f"Task {task.id}: {shorten(' '.join((_purpose(task) or opening).split()), 90)}"),
        "tags": ["tau2", *([said(domain)] if isinstance(domain, str) and domain.isidentifier() else []), "simulated-user"],
        "metadata": {"user": data_said(user)},
        "origin": _origin(task, file, line, place, losses),
    }
    if text := _description(task):
        script["description"] = said(text)
    if history := _history(task, place, losses):
        script["given"] = {"history": history}
    if not play:
        script["skip"] = SKIPPED
    script["turns"] = [{"user": said(opening)}]
    if key := answer_key(task.evaluation_criteria, place, losses):
        script["conversation"] = key
    return script


def _user(task: Task) -> dict[str, Any]:
    scenario = task.user_scenario or UserScenario()
    given = scenario.instructions
    told_to = dict(given) if isinstance(given, Mapping) else {"task_instructions": given}
    told_to["persona"] = scenario.persona
    return {name: value for name, value in told_to.items() if value not in (None, "")}


def _opening(user: Mapping[str, Any], task: Task) -> str:
    """The reason for the call, else whatever else is told of it."""
    found = (user.get("reason_for_call"), user.get("task_instructions"), task.ticket)
    return next((text.strip() for text in found if isinstance(text, str) and text.strip()), "")


def _purpose(task: Task) -> str | None:
    purpose = task.description.get("purpose") if isinstance(task.description, Mapping) else task.description
    return purpose if isinstance(purpose, str) and purpose.strip() else None


def _description(task: Task) -> str:
    if not isinstance(task.description, Mapping):
        return _purpose(task) or ""
    return "\n".join(
        f"{name.replace('_', ' ').capitalize()}: {value}"
        for name, value in task.description.items()
        if isinstance(value, str) and value.strip()
    )


def _origin(task: Task, file: str, line: int, place: Place, losses: Losses) -> dict[str, Any]:
    """Where the task came from, and what of it no expectation holds."""
    criteria = task.evaluation_criteria or Criteria()
    out: dict[str, Any] = {
        "format": "tau2",
        "file": said(PurePath(file).name),
        "line": line,
        "task": said(str(task.id)),
    }
    if criteria.reward_basis is not None:
        out["reward_basis"] = data_said(criteria.reward_basis)
    if task.ticket is not None:
        out["ticket"] = said(task.ticket)
    state = {name: value for name, value in (task.initial_state or {}).items() if value and name != "message_history"}
    users = [
        {"name": action.name, "arguments": action.arguments} for action in criteria.actions or () if action.requestor == "user"
    ]
    kept = (
        ("initial_state", state, "initial-state", ("initial_state",)),
        ("env_assertions", criteria.env_assertions, "environment", ("evaluation_criteria", "env_assertions")),
        ("user_actions", users, "action-of-user", ("evaluation_criteria", "actions")),
    )
    for name, value, kind, path in kept:
        if value:
            out[name] = data_said(value)
            for _ in value if isinstance(value, list) else (value,):
                losses.add(kind, place(*path))
    return out


def _history(task: Task, place: Place, losses: Losses) -> list[dict[str, str]]:
    """What was said before, as turns of the history."""
    out: list[dict[str, str]] = []
    messages = (task.initial_state or {}).get("message_history")
    for message in messages if isinstance(messages, list) else ():
        role, text = (message.get("role"), message.get("content")) if isinstance(message, Mapping) else (None, None)
        if role not in ("user", "assistant") or not isinstance(text, str) or not text.strip():
            losses.add("history-tool", place("initial_state", "message_history"))
        elif role == "user":
            out.append({"user": said(text)})
        elif out and "agent" not in out[-1]:
            out[-1]["agent"] = said(text)
        else:
            out.append({"agent": said(text)})
    return out


def answer_key(criteria: Criteria | None, place: Place, losses: Losses) -> list[dict[str, Any]]:
    """The expectations of the whole conversation: calls that are made, facts that are told, and what a judge is to find."""
    if criteria is None:
        return []
    basis = criteria.reward_basis if criteria.reward_basis is not None else ["DB", "COMMUNICATE"]
    path = ("evaluation_criteria", "actions")
    calls = [_call(action, place(*path), losses) for action in criteria.actions or () if action.requestor != "user"]
    losses.keep("expected calls", len(calls))
    if "DB" in basis:
        losses.add("database", place("evaluation_criteria"))
    hard = "ACTION" in basis
    wanted = [
        {"count": {"tool": made, "times": {"min": calls.count(made)}}, **_weight(hard, "the answer key has this call")}
        for index, made in enumerate(calls)
        if made not in calls[:index]
    ]
    facts = [str(fact) for fact in criteria.communicate_info or () if str(fact).strip()]
    losses.keep("facts", len(facts))
    weight = _weight("COMMUNICATE" in basis, "the user must be told")
    rubrics = [text for text in criteria.nl_assertions or () if text.strip()]
    losses.keep(KEPT, len(rubrics))
    asked = _weight("NL_ASSERTION" in basis, "the task asserts it in words")
    return wanted + [told(fact) | weight for fact in facts] + [{"judge": judged(text)} | asked for text in rubrics]


def _weight(hard: bool, why: str) -> dict[str, Any]:
    return {"because": why} if hard else {"soft": True, "because": why}


def _call(action: Action, place: Callable[[], Span], losses: Losses) -> Any:
    """The call with the arguments that count; one that the answer key does not give must not be there."""
    if action.compare_args is None:
        if action.arguments:
            losses.add("compare-all", place)
        return call(action.name, action.arguments)
    if not action.compare_args:
        return action.name
    given = {
        name: literal(action.arguments[name]) if name in action.arguments else Word("absent") for name in action.compare_args
    }
    return {action.name: {"args": given}}
