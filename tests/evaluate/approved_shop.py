"""A shop with an agent of two rules and two scripts, to be run, edited and approved."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from focal_eval.clock import fixed_clock
from focal_eval.evaluate import RunRequest, run
from focal_eval.evaluate.approval_units import Category
from focal_eval.evaluate.approving import Approved, ApproveRequest, approve
from focal_eval.report.journal import read_run

AGENT = """
agent: shop
rules:
  - {id: greet, when: they greet, match: {any_words: [hello]}, then: greet, template: hello}
  - {id: bye, when: they leave, match: {any_words: [bye]}, then: say goodbye, template: bye}
templates: {hello: Hello!, bye: Goodbye.}
"""
SUITE = "title: Shop\nscripts: [scripts/*.yaml]\nengine: {kind: embedded, agent: agent.yaml}\n"
GREET = "turns:\n  - user: hello\n    expect: {rules: [greet]}\n  - user: bye\n    expect: {rules: [bye]}\n"
LEAVE = "turns:\n  - user: bye\n    expect: {rules: [bye]}\n"
CLOCK = fixed_clock(datetime(2026, 11, 21, tzinfo=UTC))


class Silent:
    """Nobody watches."""

    def started(self, cases: int, turns: int) -> None: ...
    def case_done(self, name: str, verdict: str) -> None: ...
    def finished(self) -> None: ...


class Shop:
    """A suite of two scripts in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = 0
        (folder / "scripts").mkdir()
        self.write("agent.yaml", AGENT)
        self.write("evals.yaml", SUITE)
        self.write("scripts/greet.yaml", GREET)
        self.write("scripts/leave.yaml", LEAVE)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def run(self, *scripts: str, **more: Any) -> str:
        """Plays the suite, or scripts of it; the run's folder."""
        self.runs += 1
        out = Path(f"runs/{self.runs}")
        paths = tuple(map(Path, scripts)) or (Path("evals.yaml"),)
        suite = Path("evals.yaml") if scripts else None
        run(RunRequest(paths, suite=suite, out=out, reports=(), **more), Silent(), CLOCK)
        return str(out)

    def approve(self, run: str, *only: Category, **more: Any) -> Approved:
        more = {"author": "Ada", "reason": "so it is meant"} | more
        return approve(ApproveRequest(run, only=only or None, **more), CLOCK)

    def files(self) -> dict[str, str]:
        below = self.folder / "baselines" / "evals"
        return {str(path.relative_to(below)): path.read_text(encoding="utf-8") for path in sorted(below.rglob("*.y*ml"))}


def told(done: Approved) -> list[tuple[str, str, bool]]:
    return [(item.category.value, item.case, item.approved) for item in done.items]


def decisions(shop: Shop, about: str, *entries: dict[str, Any], **more: Any) -> Path:
    head = {"kind": "focal-eval decisions", "format": 1, "run": read_run(Path(about)).header["id"], "author": "Eve"}
    path = shop.folder / "decisions.json"
    path.write_text(json.dumps(head | {"decisions": list(entries)} | more), encoding="utf-8")
    return path
