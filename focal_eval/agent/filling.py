"""`{{ }}` inside values of an agent file: filled anywhere in plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from focal_eval.agent.tested import LATE
from focal_eval.template import compile_template, has_template


def filled(value: Any, names: Mapping[str, Any]) -> Any:
    """The value with every template in it filled. Raises TemplateProblem."""
    if isinstance(value, str):
        return compile_template(str(value)).fill(names) if has_template(value) else str(value)
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    if isinstance(value, Mapping):
        return {key: filled(item, names) for key, item in value.items()}
    return value


def texts_of(value: Any) -> Iterator[str]:
    """Every text in plain data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts_of(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts_of(item)


def reads_results(value: Any) -> bool:
    """Whether a template in the value reads tools' answers."""
    return any(has_template(text) and compile_template(str(text)).names & LATE for text in texts_of(value))
