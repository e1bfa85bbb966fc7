"""Libraries that an extra brings, imported where they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from focal_eval.errors import UsageError


def need(module: str, extra: str) -> Any:
    """A library of an extra. Raises UsageError with what to install."""
    try:
        return import_module(module)
    except ModuleNotFoundError as problem:
        if problem.name is None or not f"{module}.".startswith(f"{problem.name}."):
            raise
        raise UsageError(f"this store needs what the extra '{extra}' brings: pip install 'focal-eval[{extra}]'") from None
