"""What is installed here, told to whoever wants to run a suite with it; on both sides, so that they can be compared."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import focal_eval
from focal_eval.text import listed
from focal_eval.value import value

SOURCE = """
def probe(wanted):
    import sys
    said = {"python": "%d.%d" % sys.version_info[:2]}
    try:
        import focal_eval
        said["version"] = focal_eval.__version__
    except Exception as problem:
        said["broken"] = "%s: %s" % (type(problem).__name__, problem)
        return said
    try:
        from focal_eval.evaluate.cluster.probe import Wanted, here
    except Exception:
        return said  # a version that knows nothing of this
    said.update(here(Wanted(*wanted)))
    return said
"""
"""What every worker is asked first, as text: it holds wherever there is a Python, whatever is installed there."""

_PACKAGE = Path(focal_eval.__file__).parent
_KINDS = ("checks", "engines")


@value
class Wanted:
    """What a run needs of a worker."""

    plugins: tuple[tuple[str, str], ...] = ()  # kind and name
    variables: tuple[str, ...] = ()  # of the environment
    files: tuple[str, ...] = ()  # with secrets: they are not sent

    def plain(self) -> list[list[Any]]:
        """As lists and texts."""
        return [[list(plugin) for plugin in self.plugins], list(self.variables), list(self.files)]


def here(wanted: Wanted) -> dict[str, Any]:
    """What is here of what is wanted; of variables and files only whether they are there."""
    return {
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "version": focal_eval.__version__,
        "code": code_digest(),
        "plugins": {f"{kind}:{name}": plugin_version(kind, name) for kind, name in wanted.plugins},
        "variables": {name: bool(os.environ.get(name)) for name in wanted.variables},
        "files": {name: os.path.isfile(name) for name in wanted.files},  # noqa: PTH113  # a path as it was sent
    }


@lru_cache(maxsize=1)
def code_digest() -> str:
    """A digest of every file of this package, so that two versions of the same number are told apart."""
    digest = hashlib.sha256()
    for path in sorted(path for path in _PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(_PACKAGE).as_posix()} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:16]


@lru_cache(maxsize=256)
def plugin_version(kind: str, name: str) -> str | None:
    """The package that adds a plug-in, with its version; None where nothing adds it."""
    for point in entry_points(group=f"focal_eval.{kind}"):
        if point.name == name:
            return "unknown" if point.dist is None else f"{point.dist.name} {point.dist.version}"
    return None


def plugins(kind: str) -> list[str]:
    """The names that other packages add."""
    return sorted({point.name for point in entry_points(group=f"focal_eval.{kind}")})


def plugins_of(engine: str, checks: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Which of these names are other packages' plug-ins, by kind."""
    used = {("engines", engine), *(("checks", name) for name in checks)}
    return tuple(sorted((kind, name) for kind, name in used if plugin_version(kind, name) is not None))


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """What is wrong with a worker, each in a few words."""
    if "broken" in theirs:
        return [f"focal-eval cannot be imported ({theirs['broken']})"]
    if ours["version"] != theirs["version"]:
        return [f"it has focal-eval {theirs['version']}, here is {ours['version']}"]
    if ours["python"] != theirs["python"]:
        return [f"it runs Python {theirs['python']}, here is {ours['python']}"]
    if ours["code"] != theirs.get("code"):
        return [f"its focal-eval {theirs['version']} is other code ({theirs.get('code')}, here {ours['code']})"]
    return [*_plugins(ours, theirs), *_environment(ours, theirs)]


def _plugins(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterable[str]:
    for key, version in ours["plugins"].items():
        kind, _, name = key.partition(":")
        what = f"the {kind.removesuffix('s')} '{name}'"
        found = theirs["plugins"].get(key)
        if found is None:
            yield f"{what} is missing: install {version} there"
        elif found != version:
            yield f"{what} is of {found}, here of {version}"


def _environment(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterable[str]:
    unset = [name for name, here in ours["variables"].items() if here and not theirs["variables"].get(name)]
    if unset:
        yield f"{listed(unset)} {'is' if len(unset) == 1 else 'are'} not set in its environment"
    added = [name for name, here in ours["variables"].items() if not here and theirs["variables"].get(name)]
    if added:
        yield f"{listed(added)} {'is' if len(added) == 1 else 'are'} set in its environment, and not here"
    for name in ours["files"]:
        if not theirs["files"].get(name):
            yield f"it has no file {name}; files with secrets are not sent"
