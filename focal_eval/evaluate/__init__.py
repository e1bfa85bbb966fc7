"""The one place where everything is wired together: which files, which engine, one run, one verdict."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from focal_eval.evaluate.checking import Checked, check_paths
    from focal_eval.evaluate.comparing import CompareRequest, compare
    from focal_eval.evaluate.folders import find_run, read_folder, render
    from focal_eval.evaluate.request import RunRequest, RunResult
    from focal_eval.evaluate.running import run

_WHERE = {
    "Checked": "checking",
    "CompareRequest": "comparing",
    "RunRequest": "request",
    "RunResult": "request",
    "check_paths": "checking",
    "compare": "comparing",
    "find_run": "folders",
    "read_folder": "folders",
    "render": "folders",
    "run": "running",
}

__all__ = [
    "Checked",
    "CompareRequest",
    "RunRequest",
    "RunResult",
    "check_paths",
    "compare",
    "find_run",
    "read_folder",
    "render",
    "run",
]


def __getattr__(name: str) -> Any:
    """Imports what is asked for and no more: a run does not need what `check` needs, and must start fast."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
