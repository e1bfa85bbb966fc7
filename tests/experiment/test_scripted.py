"""A case as a script of its own: with fragments spliced in, wording picked and params filled in, it plays the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from focal_eval.evaluate import RunRequest
from focal_eval.evaluate.laboratory import open_lab
from focal_eval.experiment.lab import Lab, Replay
from focal_eval.experiment.scripted import read_back, scripted, written

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def lab() -> Lab:
    return open_lab(RunRequest((ROOT / "evals" / "retail.yaml",))).lab


def heard(replay: Replay) -> list[object]:
    """What was said, matched and called."""
    answers = [(turn.user, turn.skipped, turn.reply) for turn in replay.turns]
    return [(user, skipped, reply and (reply.messages, reply.rules, reply.tools)) for user, skipped, reply in answers]


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_cases_of_the_suite_play_the_same_as_their_own_scripts(lab: Lab, every: int) -> None:
    """A retail case, written out and read back, has the verdict and the conversation it has in its suite."""
    version = lab.on(lab.agent)
    for position, case in list(enumerate(lab.cases))[::every]:
        text = written(scripted(case))
        script = read_back(text, case.script)
        assert script is not None, text
        assert "include:" not in text
        marked = replace(script, xfail=case.script.xfail)
        replay = version.play_case(replace(case, script=marked, row={}, pick=0))
        assert replay.verdict is lab.base(position).verdict, case.name
        assert heard(replay) == heard(lab.base(position)), case.name


def test_what_later_turns_save_stays_a_template(tmp_path: Path) -> None:
    """A name that is only known while the conversation goes on cannot be filled in before, and is left."""
    (tmp_path / "agent.yaml").write_text(
        "agent: a\nrules: [{id: r, match: {pattern: '.'}, template: t}]\ntemplates: [{id: t, text: 'code {{ message }}'}]\n",
        encoding="utf-8",
    )
    (tmp_path / "s.yaml").write_text(
        "title: T\nparams: {item: [mug, cup]}\nturns:\n"
        "  - {user: 'the {{ item }}', save: {code: response.code}, expect: {response: {matches: 'code (?P<code>.+)'}}}\n"
        "  - {user: 'again {{ code }}', expect: {response: {contains: '{{ code }}'}}}\n",
        encoding="utf-8",
    )
    (tmp_path / "suite.yaml").write_text("scripts: s.yaml\nengine: {kind: embedded, agent: agent.yaml}\n", encoding="utf-8")
    lab = open_lab(RunRequest((tmp_path / "suite.yaml",))).lab
    case = next(one for one in lab.cases if "cup" in one.name)
    data = scripted(case)
    assert [turn["user"] for turn in data["turns"]] == ["the cup", "again {{ code }}"]
    assert data["turns"][1]["expect"] == {"response": {"contains": "{{ code }}"}}
    script = read_back(written(data), case.script)
    assert script is not None
    assert lab.on(lab.agent).play_case(replace(case, script=script, row={}, pick=0)).good
