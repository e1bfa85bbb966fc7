"""One suite on one agent, reached in four ways: what was observed and judged, without what differs by nature."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from focal_eval.engines.base import Setting
from focal_eval.engines.embedded import Embedded
from focal_eval.evaluate import RunRequest, RunResult, run
from focal_eval.server.app import Options, make_app
from focal_eval.server.listen import in_background

ROOT = Path(__file__).resolve().parents[2]
SUITE = ROOT / "evals" / "retail.yaml"
AGENT = ROOT / "evals" / "agents" / "retail.yaml"
BOT = """\
from pathlib import Path
from focal_eval.engines.base import SessionStart, Setting
from focal_eval.engines.embedded import Embedded

agent = Embedded({agent!r}).connect(Setting(Path()))

async def answer(message, talk):
    if "session" not in talk.data:
        start = SessionStart(talk.id, talk.channel, talk.metadata, talk.variables, talk.history, talk.scenario, talk.stubs)
        talk.data["session"] = await agent.open(start)
    return await talk.data["session"].send(message)
"""
CALLED = """\
  called:
    kind: callable
    target: bot.py:answer
    reports: [response, rules, candidates, tools, scenario, transitions, template, enforcement, outcome, variables, metadata, latency_ms]
    speaks_first: true
    seeds: [variables, history, scenario]
    stubs: true
"""  # noqa: E501  # one line of YAML
VOLATILE = frozenset({"latency_ms", "elapsed_ms", "duration_ms", "session_id", "turn_id", "created_at", "id", "first_token_ms"})


class Silent:
    """Watches a run and says nothing."""

    def started(self, cases: int, turns: int) -> None: ...
    def case_done(self, name: str, verdict: str) -> None: ...
    def finished(self) -> None: ...


@contextmanager
def served(agent: Path = AGENT, options: Options | None = None) -> Iterator[str]:
    """The agent on a socket of its own; gives the URL."""
    with in_background(make_app(Embedded(str(agent)).connect(Setting(Path())), options)) as url:
        yield url


def suite_with_a_callable(folder: Path) -> Path:
    """The suite with one more engine: the same agent behind a function."""
    (folder / "bot.py").write_text(BOT.format(agent=str(AGENT)), encoding="utf-8")
    text = SUITE.read_text(encoding="utf-8").replace("../scenarios/", f"{ROOT}/scenarios/")
    text = text.replace("agents/retail.yaml", str(AGENT)).replace("  streamed:", CALLED + "  streamed:")
    text += "unreported: skip  # the function keeps no messages\n"
    (folder / "suite.yaml").write_text(text, encoding="utf-8")
    return folder / "suite.yaml"


def play(suite: Path, out: Path, engine: str | None, only: tuple[Path, ...] = ()) -> RunResult:
    """Runs the suite, or some of its scripts, on one of its engines."""
    paths = only or (suite,)
    return run(RunRequest(paths=paths, suite=suite if only else None, engine=engine, out=out, reports=()), Silent())


def observed(folder: Path) -> dict[str, Any]:
    """Verdict, turns and stored messages of every case, by the case's name."""
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()]
    names = {line["case"]: line["name"] for line in lines if line["t"] == "case"}
    out: dict[str, Any] = {name: {"turns": []} for name in names.values()}
    for line in lines:
        if line["t"] == "turn":
            out[names[line["case"]]]["turns"].append(
                settled({key: line.get(key) for key in ("user", "reply", "fault", "results")})
            )
        elif line["t"] == "attempt":
            kept = {key: line.get(key) for key in ("verdict", "results", "messages")}
            out[names[line["case"]]] |= settled(kept)
    return out


def settled(value: Any, *, key: str = "") -> Any:
    """The value without times and made ids; ids of rules and scenarios are names, and stay."""
    if isinstance(value, dict):
        keep = frozenset({"id"}) if key in ("scenario", "rules") else frozenset()
        return {name: settled(item, key=name) for name, item in value.items() if name not in VOLATILE - keep}
    return [settled(item, key=key) for item in value] if isinstance(value, list) else value


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """The retail suite with its fourth engine."""
    return suite_with_a_callable(tmp_path)
