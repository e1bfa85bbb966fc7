"""`impact` with an engine that can only be looked back at: what its records hold of an edit, what they cannot tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from focal_eval.cli import main
from focal_eval.evaluate.impacting import WHY
from tests.evaluate.impact_shop import SCRIPTS, SUITE, chosen, edited, impact_of, remote, shop_in, write_script
from tests.resealing import reseal

AFAR = ("--suite", "evals/afar.yaml")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three scripts that were run on an engine which is asked and reports."""
    monkeypatch.chdir(tmp_path)
    evals = shop_in(tmp_path)
    recorded(evals)
    return evals


def recorded(evals: Path, *reports: str) -> None:
    """A run of the remote suite."""
    suite = remote(evals, *reports)
    assert main(["run", suite, "-q", "--report", "none"]) == 0


@pytest.mark.parametrize(
    ("swap", "case", "why", "differs"),
    [
        (("template: refund}", "template: refund, tags: x}"), "refund", ["recorded"], "rule refund matched"),
        (("value: 20", "value: 25"), "refund", ["recorded", "matched"], "tool pay was called"),
        (("You get 18.50.", "You get it."), "refund", ["recorded", "matched"], "template refund was said"),
        (("[hello, hi]", "[hello]"), "hello", ["recorded", "matched"], "rule greet matched"),
        (
            ("template: chat}\ntools", "template: chat}\n  - {id: nice, match: {any_words: [nice]}, template: hello}\ntools"),
            "chat",
            ["matched"],
            "rules: + nice",
        ),
    ],
)
def test_a_record_that_shows_the_edit_chooses_its_case(
    shop: Path, capsys: pytest.CaptureFixture[str], swap: tuple[str, str], case: str, why: list[str], differs: str
) -> None:
    """What was edited is in the record, or the two agents part on what was said; the other cases are left out."""
    edited(shop, swap)
    found = chosen(capsys, *AFAR)
    assert list(found) == [case]
    assert (found[case]["why"], found[case]["message"], found[case]["differs"]) == (why, 1, differs)
    assert found[case]["edits"] == ([] if why == ["matched"] else [0])


def test_words_for_a_model_count_where_the_rule_was_at_work(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A rule's action in words changes nothing that is played here, but what a remote engine is told."""
    edited(shop, ("template: chat}", "template: chat, then: be brief}"))
    assert list(chosen(capsys, *AFAR)) == ["chat"]


def test_a_setting_holds_for_every_conversation(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All cases are chosen, and told why."""
    edited(shop, ("agent: shop\n", "agent: shop\ngreeting: hello\n"))
    found = chosen(capsys, *AFAR)
    assert {choice["differs"] for choice in found.values()} == {"it holds for every conversation"}
    assert len(found) == 3


def test_what_is_not_reported_is_unknown(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An engine that tells no rules may have matched the edited one anywhere; where the agents part is told besides."""
    recorded(shop, "response")
    edited(shop, ("[weather]", "[weather, rain]"))
    found = chosen(capsys, *AFAR)
    assert {name: choice["why"] for name, choice in found.items()} == {name: ["untold"] for name in SCRIPTS}
    edited(shop, ("[weather]", "[rain]"))
    assert {name: choice["why"] for name, choice in chosen(capsys, *AFAR).items()} == {
        "chat": ["matched", "untold"],
        "hello": ["untold"],
        "refund": ["untold"],
    }
    assert main(["impact", "evals/agent.yaml", "evals/new.yaml", *AFAR]) == 0
    assert f"3 cases: {WHY['untold']}" in capsys.readouterr().out


def test_cases_that_are_new_failed_edited_or_were_left_out_are_chosen(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The reasons that need no edit; of a run of some scripts the others were not recorded."""
    edited(shop, ("template: chat}", "template: chat, tags: x}"))
    write_script(shop, "hello", "hi there", "Welcome")
    write_script(shop, "bye", "bye", "Pardon")
    why = {name: choice["why"] for name, choice in chosen(capsys, *AFAR).items()}
    assert why == {"bye": ["new"], "chat": ["recorded"], "hello": ["edited"]}
    assert main(["run", "evals/scripts/refund.yaml", *AFAR, "-q", "--report", "none"]) == 0
    why = {name: choice["why"] for name, choice in chosen(capsys, *AFAR).items()}
    assert why == {name: ["unrecorded"] for name in ("bye", "chat", "hello")}


def test_the_run_of_another_version_is_told(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its records are looked at all the same, with a note."""
    text = (shop / "agent.yaml").read_text(encoding="utf-8")
    (shop / "agent.yaml").write_text(text + "# edited since\n", encoding="utf-8")
    edited(shop, ("[weather]", "[weather, rain]"))
    (suite,) = impact_of(capsys, *AFAR)["suites"]
    assert suite["notes"][0].endswith("was played by another version of the agent than evals/agent.yaml")
    assert suite["chosen"] == 1
    assert main(["impact", "evals/agent.yaml", "evals/new.yaml", *AFAR, "-q"]) == 0
    assert "! run " in capsys.readouterr().out


def test_records_of_a_remote_engine_add_to_what_playing_shows(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A suite that is played here but was last run on another of its engines is chosen from by both."""
    served = "engines: {afar: {kind: callable, target: app.py:answer, reports: [response, rules]}}\n"
    (shop / "shop.yaml").write_text(SUITE + served, encoding="utf-8")
    remote(shop, "response", "rules")
    assert main(["run", "evals/shop.yaml", "--engine", "afar", "-q", "--report", "none"]) == 0
    edited(shop, ("template: chat}", "template: chat, then: be brief}"), ("You get 18.50.", "You get it."))
    found = chosen(capsys, "--suite", "evals/shop.yaml")
    assert {name: choice["why"] for name, choice in found.items()} == {
        "chat": ["recorded", "untold"],
        "hello": ["untold"],
        "refund": ["touched", "matched", "untold"],
    }
    assert list(chosen(capsys, "--suite", "evals/shop.yaml", "--run", "none")) == ["refund"]
    alone = chosen(capsys, "--suite", "evals/shop.yaml", "--engine", "afar")
    assert alone["refund"]["why"] == ["matched", "untold"]


def test_a_damaged_record_is_refused(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The journal and the case are named."""
    journal = next(Path("reports").glob("*/journal.jsonl"))
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        if line["t"] == "turn":
            line["reply"]["rules"] = 7
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    reseal(journal)
    edited(shop, ("[weather]", "[rain]"))
    assert main(["impact", "evals/agent.yaml", "evals/new.yaml", *AFAR]) != 0
    assert "is damaged at case" in capsys.readouterr().err
