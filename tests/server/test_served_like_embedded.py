"""The retail example gives the same turns, verdicts and stored messages embedded, served, and served as a stream."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from focal_eval.clock import Clock
from focal_eval.engines import Engine
from focal_eval.engines.base import Setting
from focal_eval.engines.embedded import Embedded
from focal_eval.runner.attempt import Attempt
from focal_eval.runner.judge import PreparedScript
from focal_eval.runner.opening import Terms
from focal_eval.runner.plan import Case, Selection, make_plan
from focal_eval.server.app import make_app
from focal_eval.server.listen import in_background
from tests.examples.retail import AGENT, scripts
from tests.server.client import ServedEngine

VOLATILE = frozenset({"session_id", "turn_id", "id", "latency_ms", "elapsed_ms", "created_at"})


def masked(value: Any) -> Any:
    """The value without what is new in every run."""
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items() if key not in VOLATILE or isinstance(item, dict)}
    return [masked(item) for item in value] if isinstance(value, list) else value


def half(odd: bool | None) -> list[Case]:
    """Every other case of the suite, None for all; those few that begin inside a scenario are in both."""
    cases = make_plan(scripts(), repeats=1, variants="first", select=Selection()).cases
    ordered = sorted(cases, key=lambda case: case.script.given.scenario is None)
    return [case for at, case in enumerate(ordered) if odd is None or at % 2 == odd]


async def journal_of(engine: Engine, cases: list[Case]) -> dict[str, list[Any]]:
    """What a run of the cases would write, by case, without what is new in every run."""
    prepared = {script.id: PreparedScript(script) for script in scripts()}
    gate, written = asyncio.Semaphore(8), {}

    async def play(case: Case) -> None:
        lines: list[bytes] = []
        async with gate:
            await Attempt(case, prepared[case.script.id], Terms(engine, Clock(), timeout_s=30), lines.append).play()
        written[case.id] = [masked(json.loads(line)) for line in lines]

    try:
        await asyncio.gather(*map(play, cases))
    finally:
        await engine.close()
    return written


@pytest.fixture(scope="module")
def embedded() -> dict[str, list[Any]]:
    return asyncio.run(journal_of(Embedded(str(AGENT)).connect(Setting(AGENT.parent)), half(None)))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_the_retail_suite_is_the_same_served(embedded: dict[str, list[Any]], stream: bool) -> None:
    """Every line of the journal is equal: replies, tools, candidates, verdicts, stored messages."""
    engine = Embedded(str(AGENT)).connect(Setting(AGENT.parent))
    with in_background(make_app(engine)) as url:
        served = asyncio.run(journal_of(ServedEngine(url, engine.abilities, stream=stream), half(stream)))
    assert [case for case in served if served[case] != embedded[case]] == []
    assert len(served) > len(embedded) / 3
    assert sum(len(lines) for lines in served.values()) > 3 * len(served), "there are turns to compare"


def test_both_halves_are_the_whole() -> None:
    """No case is left out, and each half has stubs, seeds and conversations that the agent begins."""
    plain, streamed = half(False), half(True)
    assert {case.id for case in [*plain, *streamed]} == {case.id for case in half(None)}
    for cases in (plain, streamed):
        given = [case.script.given for case in cases]
        assert any(case.script.stubs for case in cases)
        assert any(one.variables for one in given)
        assert any(one.scenario for one in given)
        assert any(case.script.metadata for case in cases)
        assert any(not turn.user for case in cases for turn in case.script.turns)
