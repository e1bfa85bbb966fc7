"""Runs with cassettes in tests: what is run, what the journal says of it, and what the cassette holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from focal_eval.clock import Clock
from focal_eval.evaluate import RunRequest, RunResult, run

AGENT = """\
agent: shop
rules:
  - {id: hello, match: {any_words: [hello, hi]}, template: hello}
  - {id: late, match: {any_words: [late, parcel]}, tools: [track], template: late}
templates:
  hello: {mode: EXCLUSIVE, text: Hello!}
  late: {mode: EXCLUSIVE, text: It comes today.}
  sorry: {mode: FALLBACK, text: Pardon?}
tools:
  track: {args: {order: {from: 'order (?P<order>[A-Z]-[0-9]+)'}}, returns: {days: 0}}
"""
SCRIPT = """\
title: Late
turns:
  - user: hello
    expect: {rules: [hello]}
  - user: my parcel is late, order A-7
    expect: {rules: [late], tools: [{track: {order: A-7}}]}
conversation: [records: consistent]
"""


class Silent:
    """Watches a run and says nothing."""

    def started(self, cases: int, turns: int) -> None: ...
    def case_done(self, name: str, verdict: str) -> None: ...
    def finished(self) -> None: ...


def write(folder: Path, **files: str) -> None:
    """Files of the folder by name; `__` is a slash and the last `_` the dot."""
    for name, text in files.items():
        path = folder / ".".join(name.replace("__", "/").rsplit("_", 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def shop(folder: Path, cassette: str = "cassette: tape.jsonl", more: str = "", **files: str) -> Path:
    """A suite of one script on the embedded shop agent, which has a cassette."""
    suite = f"scripts: [s/**/*.yaml]\nengine: {{kind: embedded, agent: agent.yaml, {cassette}}}\n{more}"
    write(folder, **{"agent_yaml": AGENT, "s__late_yaml": SCRIPT, "suite_yaml": suite, **files})
    return folder / "suite.yaml"


def play(suite: Path, mode: str | None = None, clock: Clock | None = None, **request: Any) -> RunResult:
    """Runs the suite; the run's folder stands beside it."""
    number = len(list(suite.parent.glob("run-*")))
    made = RunRequest(paths=(suite,), out=suite.parent / f"run-{number}", reports=(), cassette=mode, **request)
    return run(made, Silent(), clock)


def journal(result: RunResult) -> list[dict[str, Any]]:
    """Cases, turns and attempts of a run as the journal has them, sorted; only a case's own time and checksums are left out."""
    text = (Path(result.model.folder) / "journal.jsonl").read_text(encoding="utf-8")
    lines = [line for line in map(json.loads, text.splitlines()) if line["t"] in ("case", "turn", "attempt")]
    for line in lines:
        line.pop("crc")
        if line["t"] == "attempt":
            del line["elapsed_ms"]
    return sorted(lines, key=lambda line: (line.get("case") or line.get("id"), line["t"], line.get("i", 0)))


def faults(result: RunResult) -> list[dict[str, Any]]:
    """The faults of a run's turns and attempts."""
    return [line["fault"] for line in journal(result) if "fault" in line]


def verdicts(result: RunResult) -> dict[str, str]:
    """The verdict of each case by its name."""
    lines = journal(result)
    names = {line["case"]: line["name"] for line in lines if line["t"] == "case"}
    return {names[line["case"]]: line["verdict"] for line in lines if line["t"] == "attempt"}


def tape(path: Path) -> list[dict[str, Any]]:
    """The conversations of a cassette."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[1:]]
