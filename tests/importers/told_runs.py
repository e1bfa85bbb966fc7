"""Small invented runs in tau-bench's shape: a bicycle shop's agent, told twice by a simulated user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Run = dict[str, Any]


def text_of(given: Any) -> str:
    """Arguments as APIs give them: JSON text."""
    return given if isinstance(given, str) else json.dumps(given)


def user(text: str | None) -> dict[str, Any]:
    """A user's message."""
    return {"role": "user", "content": text}


def agent(text: str | None, *calls: tuple[str, str, Any]) -> dict[str, Any]:
    """An agent's message; a call is its id, its tool and its arguments (text as it stands, else written as JSON)."""
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {"id": number, "type": "function", "function": {"name": name, "arguments": text_of(given)}}
            for number, name, given in calls
        ]
    return message


def result(id: str | None, text: str) -> dict[str, Any]:
    """A tool's answer."""
    return {"role": "tool", "tool_call_id": id, "name": "?", "content": text}


def run(task: int, trial: int, *messages: dict[str, Any], reward: float = 1.0, **more: Any) -> Run:
    """A run, beginning with a system prompt."""
    traj = [{"role": "system", "content": "You sell bicycles."}, *messages]
    return {"task_id": task, "trial": trial, "reward": reward, "traj": traj, "info": {"task": more} if more else {}}


BELL = {"bicycle": "B-7", "part": "bell", "options": {"colour": "red"}}

RUNS: list[Run] = [
    run(
        0,
        0,
        user("My bell is gone, bicycle B-7"),
        agent(None, ("a", "find_bicycle", {"id": "B-7"})),
        result("a", '{"id": "B-7", "model": "Roadster"}'),
        agent("Shall I order a red bell?"),
        user("yes"),
        agent("One moment.", ("b", "order_part", BELL)),
        result("b", "Error: out of stock"),
        agent("It is out of stock:\n\n- red\n- blue"),
        user("Thanks! ###STOP###"),
        instruction="You are Ada Byke. Your bell was stolen. You want a red one.",
        actions=[{"name": "order_part", "kwargs": BELL}],
        outputs=[],
    ),
    run(
        1,
        0,
        user("12:30"),
        agent("no"),
        user("What does {{ name }} cost? {% if %}"),
        agent("It costs {{ price }}, {# sic #}"),
        instruction="Ask for the price.",
    ),
    run(
        0,
        1,
        user("Hello, somebody stole the bell of B-7"),
        agent("Which colour?"),
        user("red, as before"),
        agent(None, ("a", "order_part", BELL)),
        result("a", "ordered"),
        agent("Ordered."),
        user("Bye ###STOP###"),
        reward=0.0,
        instruction="You are Ada Byke. Your bell was stolen. You want a red one.",
        actions=[{"name": "order_part", "kwargs": BELL}],
        outputs=["12.50"],
    ),
    run(1, 1, user("12:30"), agent("no"), reward=0.0),
]


def written(folder: Path, runs: Any = RUNS, name: str = "shop.json") -> Path:
    """The runs as a file."""
    path = folder / name
    path.write_text(json.dumps(runs, indent=1), encoding="utf-8")
    return path
