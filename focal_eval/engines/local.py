"""Python of the user's own, named in a suite or an agent file: found, imported and refused with a reason."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from focal_eval.clock import content_id
from focal_eval.engines.base import Setting
from focal_eval.errors import UsageError
from focal_eval.registry import did_you_mean


def find_callable(target: str, setting: Setting, what: str) -> Callable[..., Any]:
    """As `find_object`, where something to call is expected."""
    found = find_object(target, setting, what)
    if not callable(found):
        raise UsageError(f"{what} '{target}' is {type(found).__name__}, not something to call")
    return found  # type: ignore[no-any-return]  # callable() has just said so


def find_object(target: str, setting: Setting, what: str) -> Any:
    """What `module:name` or `path/to/file.py:name` names. Raises UsageError with the reason where it cannot be had.

    A file must lie below the suite's folder. `what` says in messages whose Python it is.
    """
    if not setting.allow_python:
        raise UsageError(f"{what} '{target}' is local Python, which is switched off by --no-python")
    place, colon, name = target.rpartition(":")
    if not colon or not place or not name:
        raise UsageError(f"{what} '{target}' is not of the form module:name or path/to/file.py:name")
    module = _file(place, setting.root, what) if place.endswith(".py") else _module(place, setting.root, what)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            public = [known for known in vars(found) if not known.startswith("_")] if hasattr(found, "__dict__") else []
            fix = did_you_mean(part, public)
            raise UsageError(f"{what}: {place} has no '{part}'" + (f"; {fix}" if fix else ""))
        found = getattr(found, part)
    return found


def _file(place: str, root: Path, what: str) -> Any:
    path = (root / place).resolve()
    if not path.is_relative_to(root.resolve()):
        raise UsageError(f"{what}: {place} lies outside the suite's folder")
    if not path.is_file():
        raise UsageError(f"{what}: there is no file {place} in the suite's folder")
    name = f"focal_eval_local_{content_id(str(path), path.read_bytes())}"  # a changed file is imported anew
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as problem:
        del sys.modules[name]
        raise _failed(place, problem, what) from problem
    return module


def _module(place: str, root: Path, what: str) -> Any:
    folder = str(root.resolve())
    sys.path.insert(0, folder)  # modules beside the suite are found, as `python -m` finds those of its folder
    try:
        return importlib.import_module(place)
    except BaseException as problem:
        raise _failed(place, problem, what) from problem
    finally:
        sys.path.remove(folder)


def _failed(place: str, problem: BaseException, what: str) -> BaseException:
    if isinstance(problem, (KeyboardInterrupt, GeneratorExit)):
        return problem
    return UsageError(f"{what}: {place} cannot be imported: {type(problem).__name__}: {problem}")
