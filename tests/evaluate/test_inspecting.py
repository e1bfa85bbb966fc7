"""The short way to know that a script asks for nothing unusual finds exactly what looking at the script finds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from focal_eval.clock import Clock
from focal_eval.engines import Abilities, Engine
from focal_eval.errors import Refused
from focal_eval.evaluate import RunRequest
from focal_eval.evaluate.inspecting import Inspection
from focal_eval.evaluate.preparing import prepare
from focal_eval.evaluate.target import bare_fields, collected
from focal_eval.script.facts import Facts, facts_from, facts_json, facts_of
from focal_eval.script.model import Script
from focal_eval.script.names import KnownNames
from focal_eval.script.repeats import Repeats
from focal_eval.script.shelf import Filed
from focal_eval.script.suite import SuiteFields

ROOT = Path(__file__).parents[2]
RETAIL = ROOT / "evals" / "retail.yaml"
ABLE = Abilities(
    reports=frozenset({"response", "rules", "tools", "scenario", "variables", "template", "metadata", "messages_stored"}),
    speaks_first=True,
    seeds=frozenset({"variables", "history", "scenario"}),
    stubs=True,
)


class Able:
    """Stands for an engine where nothing is asked of it but what it can do."""

    def __init__(self, abilities: Abilities) -> None:
        self.abilities = abilities


@pytest.fixture(scope="module")
def retail() -> list[tuple[Script, Facts]]:
    """The scripts of the retail suite that are plain enough to have facts."""
    scripts = collected(RunRequest((RETAIL,))).scripts
    return [(script, facts) for script in scripts if (facts := facts_of(script)) is not None]


@pytest.fixture(scope="module")
def names() -> KnownNames:
    """What the retail agent has."""
    target = prepare(RunRequest((RETAIL,)), Clock()).target
    assert target.agent is not None
    assert target.agent.names is not None
    return target.agent.names


def inspection(fields: SuiteFields, names: KnownNames | None, abilities: Abilities) -> Inspection:
    out = Inspection(fields, names, allow_python=True)
    engine: Engine = Able(abilities)  # type: ignore[assignment]  # it is only looked at
    out.engine(engine, "some")
    return out


def found(script: Script, fields: SuiteFields, names: KnownNames | None, abilities: Abilities) -> bool:
    """Whether looking at the script itself finds anything."""
    looked = inspection(fields, names, abilities)
    looked.look(script)
    return any((looked.unknown.items, looked.idle.items, looked.demands.items, looked.unsaid.items))


def less(names: KnownNames) -> Iterator[KnownNames]:
    """The agent without one rule, one tool, one scenario at a time."""
    for rule in sorted(names.rules)[::6]:
        yield replace(names, rules=names.rules - {rule})
    assert names.tools is not None
    for tool in sorted(names.tools)[::4]:
        yield replace(names, tools={name: arguments for name, arguments in names.tools.items() if name != tool})
    for scenario in sorted(names.scenarios)[::4]:
        yield replace(names, scenarios={name: steps for name, steps in names.scenarios.items() if name != scenario})


def test_most_retail_scripts_are_plain(retail: list[tuple[Script, Facts]]) -> None:
    """The tests below look at something."""
    assert len(retail) > 60


def test_a_name_that_is_missing_is_found_either_way(retail: list[tuple[Script, Facts]], names: KnownNames) -> None:
    """For every script and every agent that lacks something."""
    fields, noticed = bare_fields(), 0
    for fewer in (names, *less(names)):
        quick = inspection(fields, fewer, ABLE)
        for script, facts in retail:
            expected = found(script, fields, fewer, ABLE)
            assert quick.passes(facts) is not expected, script.id
            noticed += expected
    assert noticed > 20


@pytest.mark.parametrize("lacking", [*sorted(ABLE.reports), *sorted(ABLE.seeds - {"history"}), "stubs", "speaks_first"])
def test_what_an_engine_cannot_is_found_either_way(retail: list[tuple[Script, Facts]], names: KnownNames, lacking: str) -> None:
    """A field it does not report, a seed it does not take, stubs, a first word."""
    lesser = replace(ABLE, reports=ABLE.reports - {lacking}, seeds=ABLE.seeds - {lacking})
    if lacking in ("stubs", "speaks_first"):
        lesser = replace(ABLE, stubs=lacking != "stubs", speaks_first=lacking != "speaks_first")
    fields = replace(bare_fields(), unreported="refuse")
    quick = inspection(fields, names, lesser)
    for script, facts in retail:
        assert quick.passes(facts) is not found(script, fields, names, lesser), script.id


@pytest.mark.parametrize(("variants", "repeats"), [("rotate", 1), ("rotate", 3), ("all", 1)])
def test_a_wording_that_nobody_says_is_found_either_way(
    retail: list[tuple[Script, Facts]], names: KnownNames, variants: Literal["rotate", "all"], repeats: int
) -> None:
    """It depends on the repeats and on what the suite says of variants."""
    fields = replace(bare_fields(), variants=variants, repeats=Repeats(repeats))
    quick = inspection(fields, names, ABLE)
    for script, facts in retail:
        assert quick.passes(facts) is not found(script, fields, names, ABLE), script.id


def test_facts_come_back_as_they_were(retail: list[tuple[Script, Facts]]) -> None:
    """From the plain data that is kept."""
    for _, facts in retail:
        told = facts_json(facts)
        assert told is not None
        assert facts_from(told) == facts


def test_a_second_run_plans_without_unpacking(tmp_path: Path) -> None:
    """The plan is the same, case by case, and each script is the one that was read."""
    request = RunRequest((RETAIL,), cache=tmp_path)
    first, second = prepare(request, Clock()), prepare(request, Clock())
    assert [(case.id, case.name, case.turns) for case in first.plan.cases] == [
        (case.id, case.name, case.turns) for case in second.plan.cases
    ]
    assert not any(isinstance(script, Filed) for script in first.target.scripts.planned)
    assert sum(isinstance(script, Filed) for script in second.target.scripts.planned) > 60
    for one, other in zip(first.target.scripts, second.target.scripts, strict=True):
        assert (one.id, one.digest, one.texts, one.tags) == (other.id, other.digest, other.texts, other.tags)
    assert [item.span for item in first.target.warnings] == [item.span for item in second.target.warnings]


def test_a_damaged_cache_is_noticed_when_a_script_is_wanted(tmp_path: Path) -> None:
    """The facts may be whole where the rest is not: the script is then read from its file."""
    request = RunRequest((RETAIL,), cache=tmp_path / "cache")
    first = prepare(request, Clock())
    (file,) = (tmp_path / "cache").iterdir()
    data = file.read_bytes()
    file.write_bytes(data.replace(b'"rules","[', b'"rules","{'))
    second = prepare(request, Clock())
    filed = [script for script in second.target.scripts.planned if isinstance(script, Filed)]
    assert filed
    whole = {script.id: script for script in first.target.scripts}
    for script in filed:
        assert script.load().turns[0].expect == whole[script.id].turns[0].expect


def test_a_script_that_needs_a_judge_is_looked_at_itself(tmp_path: Path) -> None:
    """What stands in the cache about it must not hide that there is no judge to ask."""
    (tmp_path / "scripts").mkdir()
    for number in range(25):
        asked = "response: {judge: says hello}" if number == 7 else "response: hello"
        (tmp_path / "scripts" / f"s{number:02d}.yaml").write_text(f"turns:\n  - user: hello\n    expect: {{{asked}}}\n")
    (tmp_path / "desk.py").write_text("def answer(message, conversation):\n    return message\n")
    suite = tmp_path / "suite.yaml"
    suite.write_text("scripts: [scripts/*.yaml]\nengine: {kind: callable, target: desk.py:answer}\n")
    request = RunRequest((suite,), cache=tmp_path / "cache")
    for _ in range(2):  # without and with the cache
        with pytest.raises(Refused) as refused:
            prepare(request, Clock())
        assert "no-judge" in {item.code for item in refused.value.diagnostics}
