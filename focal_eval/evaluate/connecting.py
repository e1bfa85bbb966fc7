"""The engine that an entry of a suite means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from focal_eval.errors import Diagnostic, Refused, UsageError

if TYPE_CHECKING:
    from focal_eval.engines import EngineConfig, Setting
    from focal_eval.engines.base import Engine
    from focal_eval.script.suite_engines import Engine as EngineEntry
    from focal_eval.source import Span


def engine_of(entry: EngineEntry, setting: Setting) -> Engine:
    """The engine, connected. Raises Refused, which points to the setting that is in its way, where a file has it."""
    config: EngineConfig = entry.config
    try:
        return config.connect(setting)
    except UsageError as problem:
        if problem.diagnostics or not entry.span.file:
            raise
        raise Refused("nothing was run", [Diagnostic("bad-engine", str(problem), _place(entry, str(problem)))]) from None


def _place(entry: EngineEntry, said: str) -> Span:
    """Where the first setting stands that the message names, the entry itself where it names none."""
    named = [(said.find(f"'{key}'"), key) for key in entry.spans] + [(said.find(f"engine's {key}"), key) for key in entry.spans]
    _, key = min(((at, key) for at, key in named if at >= 0), default=(0, "kind"))
    return entry.span if key == "kind" else entry.spans[key]
