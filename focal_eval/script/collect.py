"""Which files a suite's patterns mean, and what their scripts are called."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from focal_eval.errors import Problems
from focal_eval.registry import nearest
from focal_eval.script.load import MAX_FILES, is_fragment
from focal_eval.script.suite import Pattern, Suite

_MAGIC = frozenset("*?[")


def split_pattern(text: str) -> tuple[str, str]:
    """A pattern's fixed folder and what is searched below it. Raises ValueError where it names no path."""
    parts = Path(text).parts
    if not parts:
        raise ValueError("it names no path")
    fixed = 0
    while fixed < len(parts) - 1 and not _MAGIC & set(parts[fixed]):
        fixed += 1
    return str(Path(*parts[:fixed])) if fixed else ".", str(Path(*parts[fixed:]))


def collect(suite: Suite, problems: Problems) -> tuple[list[tuple[Path, str]], Path]:
    """The scripts of a suite as (path, id), sorted by id, and the root their includes must stay below.

    Ids are paths below the folder all patterns share. A pattern that matches nothing is an error at its place.
    """
    found: dict[Path, None] = {}
    bases: list[Path] = []
    for pattern in suite.fields.scripts:
        negated = pattern.text.startswith("!")
        try:
            fixed, below = split_pattern(pattern.text.removeprefix("!"))
            base = (suite.folder / fixed).resolve()
            matches = _matches(base, below)
        except (OSError, ValueError) as problem:  # a NUL, a name too long, `**` beside other characters
            reason = getattr(problem, "strerror", None) or str(problem)
            problems.error("bad-glob", f"'{pattern.text}' cannot be searched: {reason}", pattern.span)
            continue
        if negated:
            dropped = found.keys() & set(matches)
            if not dropped:
                fix = "drop it, or write it after the patterns it narrows"
                problems.warning("excludes-nothing", f"'{pattern.text}' leaves no file out", pattern.span, help=fix)
            found = {path: None for path in found if path not in dropped}
        elif matches:
            bases.append(base)
            found.update(dict.fromkeys(matches))
        else:
            _nothing(pattern, base, below, problems)
    if not bases:
        return [], suite.folder
    top = Path(os.path.commonpath(bases))
    entries = sorted(((path, script_id(path, top)) for path in found), key=lambda entry: entry[1])
    return entries, Path(os.path.commonpath([top, suite.folder]))


def script_id(path: Path, top: Path) -> str:
    """`returns/damaged-mug` for `<top>/returns/damaged-mug.yaml`."""
    text, folder = str(path), str(top).rstrip(os.sep) + os.sep
    relative = text.removeprefix(folder) if text.startswith(folder) else path.name
    return relative.removesuffix(path.suffix).replace(os.sep, "/")


def _matches(base: Path, below: str) -> list[Path]:
    if not _MAGIC & set(below):
        path = base / below
        if path.is_dir():
            return _matches(path, "**/*.yaml") + _matches(path, "**/*.yml")
        return [path] if path.is_file() else []
    out = []
    for path in base.glob(f"{below}/*" if below.endswith("**") else below):
        if path.suffix in (".yaml", ".yml") and path.is_file() and not is_fragment(path):
            out.append(path)
            if len(out) >= MAX_FILES:
                break
    return sorted(out, key=str)


def _nothing(pattern: Pattern, base: Path, below: str, problems: Problems) -> None:
    if not base.is_dir():
        message = f"there is no folder {os.path.relpath(base)}"
        fix = _near(base.name, base.parent.iterdir() if base.parent.is_dir() else ())
    else:
        message = f"'{pattern.text}' matches no script"
        fix = _near(Path(below).name, base.iterdir()) if not _MAGIC & set(below) else None
    problems.error("no-scripts", message, pattern.span, help=fix)


def _near(name: str, paths: Iterable[Path]) -> str | None:
    near = nearest(name, [path.name for path in paths])
    return f"did you mean '{near}'?" if near else None
