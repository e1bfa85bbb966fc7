"""`compare --judge`: which of the replies that changed is better, asked in both orders."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the stubs need starlette and uvicorn: pip install 'focal-eval[serve]'")

from focal_eval.cli import main
from tests.engines.judge_stub import Asked, Opinion, as_object, judging
from tests.engines.vendor_stub import TOKEN

AGENT = """\
agent: shop
rules:
  - {id: one, when: asks for one, match: {any_words: [one]}, then: say it, template: one}
  - {id: two, when: asks for two, match: {any_words: [two]}, then: say it, template: two}
  - {id: three, when: asks for three, match: {any_words: [three]}, then: say it, template: three}
templates:
  - {id: one, mode: EXCLUSIVE, text: The first answer}
  - {id: two, mode: EXCLUSIVE, text: The second answer}
  - {id: three, mode: EXCLUSIVE, text: The third answer}
  - {id: else, mode: FALLBACK, text: Nothing}
"""
PLANTED = 2 * 3 * 2
"""Questions on planted pairs: two replies against nothing, an order to the judge and what the other says, in both orders."""
BOTH = re.compile(r"<first-(\w+)>\n(.*?)\n</first-\1>\n<second-\1>\n(.*?)\n</second-\1>", re.DOTALL)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """Two runs: `one` got worse, `two` better, `three` says the same, and all say it after a turn that is equal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("one", "two", "three"):
        text = f"title: {name}\nturns:\n  - user: hello\n    expect: {{rules: []}}\n  - user: {name}\n  - user: {name} again\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    (tmp_path / "suite.yaml").write_text(
        "scripts: [one.yaml, two.yaml, three.yaml]\nengine: {kind: embedded, agent: agent.yaml}\n"
        'judge: {url: "${JUDGE_URL}", model: m, key: "${JUDGE_KEY}", votes: 1, attempts: 1, cassette: judged.jsonl}\n'
    )
    for out, first, second in (("before", "The first answer", "The second answer"), ("after", "Bad news", "The best answer")):
        text = AGENT.replace("The first answer", first).replace("The second answer", second)
        (tmp_path / "agent.yaml").write_text(text)
        monkeypatch.setenv("JUDGE_URL", "http://127.0.0.1:9/v1")
        monkeypatch.setenv("JUDGE_KEY", TOKEN)
        main(["run", "suite.yaml", "--out", f"reports/{out}", "-q", "--report", "none"])
    capsys.readouterr()
    return tmp_path


def halves(asked: Asked) -> tuple[str, str]:
    found = BOTH.search(asked.text)
    assert found is not None
    return found[2], found[3]


def fair(asked: Asked) -> Any:
    """Prefers the best answer, anything to bad news, and that to nothing; what another conversation said it does not know."""
    ranks = [
        0 if "must prefer" in text or not text else 1 if "Bad" in text else 3 if "best" in text else 2 for text in halves(asked)
    ]
    return as_object("pass" if ranks[0] > ranks[1] else "fail", halves(asked)[0], "it is nicer")


def first_one(asked: Asked) -> Any:
    """Prefers whatever stands first."""
    return as_object("pass", halves(asked)[0])


def compared(opinion: Opinion, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    with judging(opinion) as stub:
        monkeypatch.setenv("JUDGE_URL", f"{stub.url}/v1")
        main(["compare", "reports/before", "reports/after", "--judge", "suite.yaml", *words])
        return len(stub.heard)


def test_a_judge_says_which_replies_are_better(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One better and one worse, which is shown with its reason; the reply that did not change is not asked about."""
    assert compared(fair, monkeypatch) == 4 + PLANTED
    out = capsys.readouterr().out
    assert "judged by stub-judge-1, each in both orders: of 2 changed replies 1 better, 1 worse, none tied" in out
    assert "better where it decided: 50% (95 % interval 9% to 91%), sign test p = 1" in out
    assert "both orders agreed on 2 of 2 pairs (100%, 95 % interval 34% to 100%)" in out
    assert "audit: the judge knew the better one of 4 of 6 planted pairs (67%, 95 % interval 30% to 90%)" in out
    assert "warning: the judge may not be trusted: of 6 planted pairs it knew the better reply in 4" in out
    assert "  against another conversation's reply: the order decided (one, turn 2)" in out
    assert "judged worse  one, turn 2: it is nicer\n    before  The first answer\n    after   Bad news" in out


def test_a_judge_that_prefers_what_stands_first_decides_nothing(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Answers that change with the order are ties, and counted as such."""
    compared(first_one, monkeypatch, "--json")
    found = json.loads(capsys.readouterr().out)["preference"]
    assert found["better"] == {"after": 0, "before": 0, "tie": 2, "error": 0}
    assert (found["inconsistent"], found["abstained"]) == (2, 0)
    assert found["swap"] == {"agreed": 0, "of": 2, "low": 0.0, "high": 0.6576}
    assert [order["prefers"] for order in found["pairs"][0]["orders"]] == ["before", "after"]
    assert found["audit"]["warning"] == "the judge cannot be trusted: of 6 planted pairs it knew the better reply in 0"
    assert (found["share_after"], found["p"]) == (None, 1.0)


def test_the_document_holds_every_pair(runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With both texts; the second time they come from the cassette."""
    assert compared(fair, monkeypatch, "--json") == 4 + PLANTED
    first = json.loads(capsys.readouterr().out)["preference"]
    assert [(pair["case"], pair["turn"], pair["better"]) for pair in first["pairs"]] == [
        ("one", 1, "before"),
        ("two", 1, "after"),
    ]
    assert first["tokens"] == (4 + PLANTED) * 120
    assert first["pairs"][0]["orders"] == [
        {"first": "before", "prefers": "before", "told": "1 of 1 vote", "why": "it is nicer", "quote": "The first answer"},
        {"first": "after", "prefers": "before", "told": "1 of 1 vote", "why": "it is nicer", "quote": "Bad news"},
    ]
    assert compared(fair, monkeypatch, "--json") == 0
    again = json.loads(capsys.readouterr().out)["preference"]
    assert again["pairs"] == first["pairs"]
    assert again["tokens"] is None


def test_no_more_are_asked_about_than_is_said(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the rest is counted."""
    assert compared(fair, monkeypatch, "--judge-most", "1") == 2 + 4  # nothing else was said that could be planted
    assert "1 more changed replies were not asked about" in capsys.readouterr().out


def test_a_judge_that_is_gone_is_told_for_each_pair(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The comparison is printed all the same, and its exit code is its own."""
    monkeypatch.setenv("JUDGE_URL", "http://127.0.0.1:9/v1")
    code = main(["compare", "reports/before", "reports/after", "--judge", "suite.yaml"])
    assert code == main(["compare", "reports/before", "reports/after"])
    assert "2 could not be asked about" in capsys.readouterr().out


def test_a_suite_without_a_judge_is_refused(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And one whose variable is missing."""
    monkeypatch.delenv("JUDGE_KEY")
    assert main(["compare", "reports/before", "reports/after", "--judge", "suite.yaml"]) == 2
    assert "JUDGE_KEY is not set" in capsys.readouterr().err
    suite = runs / "suite.yaml"
    suite.write_text("\n".join(line for line in suite.read_text().splitlines() if not line.startswith("judge")) + "\n")
    assert main(["compare", "reports/before", "reports/after", "--judge", "suite.yaml"]) == 2
    assert "names no judge" in capsys.readouterr().err


def test_a_baseline_is_compared_as_a_run_is(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Approved replies against those of a run."""
    assert main(["approve", "reports/before", "-q"]) in (0, 1)
    capsys.readouterr()
    with judging(fair) as stub:
        monkeypatch.setenv("JUDGE_URL", f"{stub.url}/v1")
        main(["compare", "baseline", "reports/after", "--judge", "suite.yaml"])
    assert "of 2 changed replies 1 better, 1 worse" in capsys.readouterr().out


def abstaining(asked: Asked) -> Any:
    """Knows what is planted and has no opinion of the rest."""
    ranks = [0 if "must prefer" in text or not text else 1 for text in halves(asked)]
    return as_object("abstain" if ranks == [1, 1] else "pass" if ranks[0] > ranks[1] else "fail", halves(asked)[0])


def test_a_judge_that_abstains_has_no_order_to_blame(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its ties are told apart from those that the order decided."""
    compared(abstaining, monkeypatch, "--json")
    found = json.loads(capsys.readouterr().out)["preference"]
    assert (found["better"]["tie"], found["abstained"], found["inconsistent"], found["swap"]["of"]) == (2, 2, 0, 0)
    assert {one["said"] for one in found["audit"]["missed"]} == {"it abstained"}


def test_the_page_has_a_lane_of_its_own_for_the_judge(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the counts, the agreement of both orders, the audit and the evidence; a page without a judge says nothing of one."""
    compared(fair, monkeypatch, "--html", "judged.html")
    page = (runs / "judged.html").read_text(encoding="utf-8")
    assert 'data-tab="judge"' in page
    for told in ("Baseline preferred", "both orders", "planted pairs", "quoting <q", "prefers the baseline, by 1 of 1 vote"):
        assert told.lower() in page.lower(), told
    main(["compare", "reports/before", "reports/after", "--html", "plain.html"])
    assert 'id="view-judge"' not in (runs / "plain.html").read_text(encoding="utf-8")
