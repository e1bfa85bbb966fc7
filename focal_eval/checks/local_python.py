"""`python`: a function of the suite's own judges, `checks/refund.py:is_polite`.

The function gets the `Moment` (under `conversation`, the `Conversation`) and the arguments under `with`. It passes by returning
True or None and fails by returning False, a sentence, a list of sentences, or by a failed `assert`. Anything else that goes
wrong in it is an error of the check, not of the engine. Only files below the suite's root are run, links resolved.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, ClassVar

from focal_eval.checks.base import CheckFault, Conversation, ConversationCheck, Moment, TurnCheck, written_short
from focal_eval.clock import content_id
from focal_eval.records import Finding, Json
from focal_eval.registry import did_you_mean

_FORM = "write file.py:function, such as checks/refund.py:is_polite"


def parted(call: str) -> tuple[str, str]:
    """The file and the function. Raises ValueError with a sentence for the author."""
    file, colon, function = call.rpartition(":")
    if not colon or not file.endswith(".py") or not function.isidentifier():
        raise ValueError(f"'{call}' names no function; {_FORM}")
    return file, function


def find_function(call: str, root: Path | None) -> Callable[..., Any]:
    """The function below the root. Raises CheckFault with the reason where it cannot or may not be had."""
    if root is None:
        raise CheckFault(f"'{call}' is local Python, which is switched off for this run")
    file, name = parted(call)
    base = root.resolve()
    path = (base / file).resolve()
    if not path.is_relative_to(base):
        raise CheckFault(f"'{file}' lies outside the suite's root {base}")
    if not path.is_file():
        raise CheckFault(f"there is no file '{file}' below {base}")
    module = _module(path, path.stat().st_mtime_ns)
    function = getattr(module, name, None)
    if function is None:
        functions = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        fix = did_you_mean(name, functions)
        raise CheckFault(f"'{file}' has no function '{name}'{'; ' + fix if fix else ''}")
    if not callable(function) or inspect.iscoroutinefunction(function):
        raise CheckFault(f"'{name}' in '{file}' is not a plain function")
    found: Callable[..., Any] = function
    return found


@lru_cache(maxsize=256)
def _module(path: Path, changed: int) -> Any:
    """The module of a file, run once as long as it does not change."""
    name = f"focal_eval_local_{content_id(str(path), str(changed))}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise CheckFault(f"'{path}' cannot be loaded as Python")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as problem:
        del sys.modules[name]
        raise CheckFault(f"'{path.name}' cannot be loaded: {type(problem).__name__}: {problem}") from problem
    return module


def outcome_of(
    call: str, function: Callable[..., Any], seen: Any, arguments: dict[str, Json], path: tuple[str, ...]
) -> list[Finding]:
    """The findings of one call."""
    try:
        said = function(seen, **arguments)
    except AssertionError as problem:
        said = str(problem).split("\n")[0] or f"an assertion of {call} failed"
    if said is None or said is True:
        return []
    if said is False:
        return [Finding(f"{call} says no", path=path)]
    if isinstance(said, str):
        said = [said]
    if isinstance(said, (list, tuple)) and all(isinstance(item, str) for item in said):
        return [Finding(item or f"{call} says no", path=path) for item in said]
    raise CheckFault(f"{call} returned {type(said).__name__}; return True, False, None, a sentence or a list of sentences")


@dataclass(frozen=True, slots=True)
class Python(TurnCheck):
    """A function of the suite's own judges the turn."""

    short: ClassVar[str] = "call"
    needs: ClassVar[frozenset[str]] = frozenset()
    call: str = field(metadata={"doc": "file.py:function, below the suite's root."})
    with_: dict[str, Any] = field(default_factory=dict, metadata={"doc": "Arguments of the function beside the moment."})
    brief: bool = written_short()

    def __post_init__(self) -> None:
        parted(self.call)

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        function = find_function(self.call, seen.root)
        return tuple(outcome_of(self.call, function, seen, self.with_, () if self.brief else ("call",)))

    def describe(self) -> str:
        return f"{self.call} says yes"


@dataclass(frozen=True, slots=True)
class ConversationPython(ConversationCheck):
    """A function of the suite's own judges the conversation."""

    short: ClassVar[str] = "call"
    call: str = field(metadata={"doc": "file.py:function, below the suite's root."})
    with_: dict[str, Any] = field(default_factory=dict, metadata={"doc": "Arguments of the function beside the conversation."})
    brief: bool = written_short()

    def __post_init__(self) -> None:
        parted(self.call)

    def judge(self, seen: Conversation) -> tuple[Finding, ...]:
        function = find_function(self.call, seen.root)
        return tuple(outcome_of(self.call, function, seen, self.with_, () if self.brief else ("call",)))

    def describe(self) -> str:
        return f"{self.call} says yes"
