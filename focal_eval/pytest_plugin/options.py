"""What a session was asked, by options and by the ini file."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.value import value


@value
class Options:
    """What a session was asked; paths are absolute."""

    here: Path  # where pytest was started
    suite: Path | None
    engine: str | None
    agent: Path | None
    runs: Path | None  # where run folders are written, None for nowhere
    update: bool
    reason: str | None
    named: tuple[Path, ...]  # files and folders that pytest was pointed at


def options_of(config: pytest.Config) -> Options:
    """The options of a session."""
    here = Path(config.invocation_params.dir)
    report = _text(config, "report") or "reports"
    return Options(
        here=here,
        suite=_path(config, "suite"),
        engine=_text(config, "engine") or None,
        agent=_path(config, "agent"),
        runs=None if report == "none" else _path(config, "report") or here / "reports",
        update=bool(config.getoption("focal_update_baseline")),
        reason=config.getoption("focal_reason"),
        named=tuple(_named(argument, here) for argument in config.args),
    )


def _text(config: pytest.Config, name: str) -> str:
    return str(config.getoption(f"focal_{name}") or config.getini(f"focal_{name}") or "")


def _path(config: pytest.Config, name: str) -> Path | None:
    """A path that was given: by an option beside the caller, in the ini file beside that file."""
    if option := config.getoption(f"focal_{name}"):
        return Path(config.invocation_params.dir, option)
    folder = config.inipath.parent if config.inipath is not None else config.rootpath
    return Path(folder, told) if (told := config.getini(f"focal_{name}")) else None


def _named(argument: str, here: Path) -> Path:
    """The path in an argument such as `scenarios/returns.yaml::returns[item=mug]`."""
    return Path(here, str(argument).partition("[")[0].partition("::")[0])
