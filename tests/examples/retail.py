"""The retail example as tests look at it: its scripts, its agent, its policy, and runs of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from focal_eval.agent import Agent, open_agent
from focal_eval.checks.base import as_check
from focal_eval.evaluate import RunRequest, RunResult, run
from focal_eval.script.load import Loader, files_below, is_fragment
from focal_eval.script.model import Script
from focal_eval.script.names import expectations_of

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scenarios" / "retail"
SUITE = ROOT / "evals" / "retail.yaml"
AGENT = ROOT / "evals" / "agents" / "retail.yaml"
POLICY = ROOT / "docs" / "retail-policy.md"


@lru_cache(maxsize=1)
def scripts() -> tuple[Script, ...]:
    """Every script of the example, fragments spliced in; a broken one fails the test that asks."""
    files = [path for path in files_below(SCRIPTS) if not is_fragment(path)]
    loaded = Loader(SCRIPTS).load((path, path.relative_to(SCRIPTS).with_suffix("").as_posix()) for path in files)
    assert not loaded.problems, "\n".join(map(str, loaded.problems))
    return tuple(loaded.scripts)


@lru_cache(maxsize=1)
def agent() -> Agent:
    """The agent as authored."""
    return open_agent(AGENT).file


@lru_cache(maxsize=1)
def asserting() -> dict[str, tuple[str, ...]]:
    """Rule → scripts that expect it to match; expectations that are filled from params are left out."""
    found: dict[str, set[str]] = {}
    for script in scripts():
        for item in expectations_of(script):
            if item.check is None:
                continue
            for ref in as_check(item.check).refs():
                if ref.kind == "rule" and not ref.absent:
                    found.setdefault(ref.name, set()).add(script.id)
    return {rule: tuple(sorted(names)) for rule, names in found.items()}


def said(script: Script) -> tuple[str, ...]:
    """What the user says in a script, first variants only."""
    return tuple(turn.user[0].text for turn in script.turns if turn.user)


class Silent:
    """Watches a run and says nothing."""

    def started(self, cases: int, turns: int) -> None: ...
    def case_done(self, name: str, verdict: str) -> None: ...
    def finished(self) -> None: ...


def play(out: Path, *, agent_file: Path | None = None, only: Iterable[str] | None = None) -> RunResult:
    """Runs the suite, or some of its scripts, on its own agent or on another one."""
    paths = (SUITE,) if only is None else tuple(SCRIPTS / f"{name}.yaml" for name in only)
    suite = None if only is None else SUITE
    return run(RunRequest(paths=paths, suite=suite, agent=agent_file, out=out, reports=()), Silent())


def without(rule: str) -> str:
    """The agent's text with one rule switched off, its name still known."""
    text = AGENT.read_text(encoding="utf-8")
    changed = re.sub(rf"^(  - id: {re.escape(rule)})$", r"\1\n    enabled: false", text, flags=re.M)
    assert changed != text, f"the agent has no rule {rule}"
    return changed


def deleting(rule: str) -> str:
    """The agent's text with one rule cut out."""
    text = AGENT.read_text(encoding="utf-8")
    changed = re.sub(rf"^  - id: {re.escape(rule)}\n(?:    .*\n|\n)*", "", text, flags=re.M)
    assert changed != text, f"the agent has no rule {rule}"
    return changed
