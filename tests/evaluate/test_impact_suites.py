"""`impact` over several suites: those that play the agent are found, each is chosen from by itself, mistakes are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.cli import main
from tests.evaluate.impact_shop import SUITE, chosen, edited, impact_of, remote, shop_in, write_script

AGAIN = "title: again\ntags: [late]\nturns:\n  - {user: another refund, expect: {tools: [pay]}}\n"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two suites of one agent in `evals/`, and a third that plays another."""
    monkeypatch.chdir(tmp_path)
    evals = shop_in(tmp_path)
    (evals / "more").mkdir()
    (evals / "more" / "again.yaml").write_text(AGAIN, encoding="utf-8")
    (evals / "words.yaml").write_text(SUITE.replace("scripts/*", "more/*"), encoding="utf-8")
    (evals / "other.yaml").write_text(SUITE.replace("agent.yaml", "other-agent.yaml"), encoding="utf-8")
    edited(evals, ("You get 18.50.", "You get it."))
    return evals


def test_all_suites_that_play_the_agent_are_chosen_from(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each choice knows its suite; the suite of another agent is left alone; the list has the scripts of all."""
    found = impact_of(capsys)
    assert [(one["suite"], one["chosen"], one["cases"]) for one in found["suites"]] == [
        ("evals/shop.yaml", 1, 3),
        ("evals/words.yaml", 1, 1),
    ]
    assert [(choice["suite"], choice["case"]) for choice in found["chosen"]] == [
        ("evals/shop.yaml", "refund"),
        ("evals/words.yaml", "again"),
    ]
    assert main(["impact", "evals/agent.yaml", "evals/new.yaml", "--list"]) == 0
    assert capsys.readouterr().out.splitlines() == ["evals/more/again.yaml", "evals/scripts/refund.yaml"]
    assert main(["impact", "evals/agent.yaml", "evals/new.yaml", "-q", "--verify"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "evals/shop.yaml: 1 of 3 cases in 1 script to run",
        "evals/words.yaml: 1 of 1 case in 1 script to run",
        "2 of 4 cases in 2 scripts to run",
        "verified: 1 case changed, 0 of them not chosen (miss rate 0%)",
    ]


def test_suites_that_are_named_are_meant_alone(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One, or several; each once."""
    assert list(chosen(capsys, "--suite", "evals/words.yaml")) == ["again"]
    both = ("--suite", "evals/words.yaml", "--suite", "evals/shop.yaml", "--suite", "evals/words.yaml")
    assert list(chosen(capsys, *both)) == ["again", "refund"]


def test_a_choice_of_scripts_may_leave_out_a_suite(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tag that one of them has is a tag; one that none has is refused."""
    assert [one["suite"] for one in impact_of(capsys, "--tag", "late")["suites"]] == ["evals/words.yaml"]
    assert main(["impact", "evals/agent.yaml", "evals/new.yaml", "--tag", "early"]) == 2
    assert "no script has the tag 'early'" in capsys.readouterr().err


def test_each_suite_is_looked_back_at_in_its_own_latest_run(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A later run of another suite hides nothing; a run that is named counts for its own suite alone."""
    write_script(shop, "chat", "nice weather", "sunny")
    assert main(["run", "evals/shop.yaml", "-q", "--report", "none", "--out", "reports/one"]) == 1
    assert main(["run", "evals/words.yaml", "-q", "--report", "none", "--out", "reports/two"]) == 0
    found = impact_of(capsys)
    assert len({one["run"] for one in found["suites"]} - {None}) == 2
    assert {choice["case"]: choice["why"] for choice in found["chosen"]} == {
        "chat": ["failed"],
        "refund": ["touched"],
        "again": ["touched"],
    }
    named = impact_of(capsys, "--run", "reports/two")
    assert [one["run"] is None for one in named["suites"]] == [True, False]
    assert [choice["case"] for choice in named["chosen"]] == ["refund", "again"]


def test_nothing_that_plays_it_is_told_with_a_command(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no suite has the agent and there are several, the error names them and shows how one is meant."""
    (shop / "agent.yaml").rename("apart.yaml")
    (shop / "new.yaml").rename("new.yaml")
    assert main(["impact", "apart.yaml", "new.yaml"]) == 2
    err = capsys.readouterr().err
    assert "no suite in evals/ plays apart.yaml or new.yaml; there is evals/other.yaml, evals/shop.yaml" in err
    assert "'focal-eval impact apart.yaml new.yaml --suite evals/other.yaml'" in err
    for path in shop.glob("*.yaml"):
        path.unlink()
    assert main(["impact", "apart.yaml", "new.yaml"]) == 2
    assert "there is none in evals/" in capsys.readouterr().err


def test_nobody_is_asked(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A suite whose engine's address is not set is chosen from all the same: nothing is sent."""
    text = "title: x\nscripts: [scripts/*.yaml]\nengine: {kind: focal, url: '${NOT_SET_ANYWHERE}', agent_file: agent.yaml}\n"
    (shop / "far.yaml").write_text(text, encoding="utf-8")
    (shop / "off.yaml").write_text(text.replace("agent.yaml", "${NOT_SET_EITHER}"), encoding="utf-8")
    assert [one["suite"] for one in impact_of(capsys)["suites"]] == ["evals/far.yaml", "evals/shop.yaml", "evals/words.yaml"]


def test_a_remote_suite_stands_beside_those_that_are_played(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are chosen from by playing, it by its records; that it has none is told, and all of it chosen."""
    remote(shop)
    found = impact_of(capsys)
    assert [(one["suite"], one["chosen"]) for one in found["suites"]] == [
        ("evals/afar.yaml", 3),
        ("evals/shop.yaml", 1),
        ("evals/words.yaml", 1),
    ]
    assert found["suites"][0]["notes"] == [
        "there is no run of evals/afar.yaml to look back at, and its engine 'callable' cannot be played here"
    ]
