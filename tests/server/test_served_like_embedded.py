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
from focal_eval.runner.attempt import Attempt, PreparedScript
from focal_eval.runner.opening import Terms
from focal_eval.runner.plan import Selection, make_plan
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


async def journal_of(engine: Engine) -> dict[str, list[Any]]:
    """What a run of every case would write, by case, without what is new in every run."""
    plan = make_plan(scripts(), repeats=1, variants="first", select=Selection())
    prepared = {script.id: PreparedScript(script) for script in scripts()}
    gate, written = asyncio.Semaphore(8), {}

    async def play(case: Any) -> None:
        lines: list[bytes] = []
        async with gate:
            await Attempt(case, prepared[case.script.id], Terms(engine, Clock(), timeout_s=30), lines.append).play()
        written[case.id] = [masked(json.loads(line)) for line in lines]

    try:
        await asyncio.gather(*map(play, plan.cases))
    finally:
        await engine.close()
    return written


@pytest.fixture(scope="module")
def embedded() -> dict[str, list[Any]]:
    return asyncio.run(journal_of(Embedded(str(AGENT)).connect(Setting(AGENT.parent))))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_the_retail_suite_is_the_same_served(embedded: dict[str, list[Any]], stream: bool) -> None:
    """Every line of the journal is equal: replies, tools, candidates, verdicts, stored messages."""
    engine = Embedded(str(AGENT)).connect(Setting(AGENT.parent))
    with in_background(make_app(engine)) as url:
        served = asyncio.run(journal_of(ServedEngine(url, engine.abilities, stream=stream)))
    assert served.keys() == embedded.keys()
    assert [case for case in embedded if served[case] != embedded[case]] == []
    assert sum(len(lines) for lines in embedded.values()) > 3 * len(embedded), "there are turns to compare"
