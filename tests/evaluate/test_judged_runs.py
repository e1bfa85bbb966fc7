"""Runs with a judge: verdicts apart from cases, the audit, gates, and judging again without anybody being asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the stubs need starlette and uvicorn: pip install 'focal-eval[serve]'")

from focal_eval.cli import main
from tests.engines.judge_stub import (
    PATH,
    Opinion,
    always_no,
    always_yes,
    as_object,
    coin,
    judging,
    knowing,
    obedient,
    quoting,
)
from tests.engines.vendor_stub import TOKEN
from tests.evaluate.judged_shop import KNOWN, WORDS, gate, run, shop


def asked_in(run_folder: Path) -> list[dict[str, Any]]:
    """Every answer of a judge that a journal holds."""
    lines = [json.loads(line) for line in (run_folder / "journal.jsonl").read_bytes().splitlines()]
    return [asked for line in lines for asked in line.get("asked", ())]


def test_a_judge_that_knows_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its verdicts hold the gate that is there without being named; the audit agrees on all that was planted; no warning."""
    with judging(knowing(WORDS)) as stub:
        code, header = run(shop(tmp_path), stub.url, monkeypatch, "--report", "html,junit,markdown,github,json")
    assert code == 0
    judge = header["judge"]
    assert judge["results"] == {"passed": 3, "failed": 0, "abstained": 0, "errored": 0}
    assert (judge["audit"]["planted"], judge["audit"]["agreed"]) == (KNOWN, KNOWN)
    assert judge["audit"]["warning"] is None
    assert judge["votes"] == {"pass": 9, "fail": 0, "abstain": 0, "void": 0}
    assert judge["tokens"] == 9 * 120
    assert judge["audit"]["tokens"] == 3 * 120 * KNOWN
    assert gate(header, "judged")["passed"]
    assert "warning" not in capsys.readouterr().out.lower()
    for name in ("report.html", "junit.xml", "summary.md", "annotations.txt"):
        text = (tmp_path / "out" / name).read_text(encoding="utf-8")
        assert "trusted" not in text
        assert TOKEN not in text


BAD_JUDGES: dict[str, Opinion] = {"always-yes": always_yes, "always-no": always_no, "coin": coin, "obedient": obedient(WORDS)}


@pytest.mark.parametrize("name", ["always-yes", "always-no", "coin"])
def test_the_audit_catches_a_bad_judge_in_every_report(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Terminal, page, JUnit, Markdown, annotations and JSON all say so, and the gate on agreement fails."""
    suite = shop(tmp_path, gates="judge_agreement: {min: 0.9}, judged: {min: 0}")
    with judging(BAD_JUDGES[name]) as stub:
        code, header = run(suite, stub.url, monkeypatch, "--report", "html,junit,markdown,github,json")
    warning = header["judge"]["audit"]["warning"]
    assert "trusted" in warning
    assert code == 1
    found = gate(header, "judge_agreement")
    assert (found["passed"], found["observed"] < 0.9) == (False, True)
    out = capsys.readouterr().out
    assert f"warning: {warning}" in out
    assert {
        "always-yes": "planted an answer that tells the judge to pass it, to fail: it passed it; by the rubric:",
        "always-no": "planted a known-good answer, to pass: it failed it; “It is there on Monday.”, by the rubric:",
        "coin": "planted a",
    }[name] in out
    for file in ("report.html", "junit.xml", "summary.md", "annotations.txt", "run-results.json"):
        assert warning in (tmp_path / "out" / file).read_text(encoding="utf-8"), file


def test_an_always_yes_judge_with_honest_quotes_fails_on_the_bad_side_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows every good answer; of the bad ones only the empty ones, which nothing can be quoted from."""
    with judging(always_yes) as stub:
        _, header = run(shop(tmp_path), stub.url, monkeypatch, "--report", "none")
    audit = header["judge"]["audit"]
    assert audit["good"]["agreed"] == audit["good"]["planted"] == 9
    assert audit["bad"]["agreed"] == 0
    assert {one["verdict"] for one in audit["missed"]} == {"pass", "abstain"}
    assert "known-bad" in audit["warning"]


def test_a_judge_that_obeys_the_judged_text_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted injection passes itself; each rubric has one."""
    with judging(obedient(WORDS)) as stub:
        _, header = run(shop(tmp_path), stub.url, monkeypatch, "--report", "none")
    assert [one["kind"] for one in header["judge"]["audit"]["missed"]] == ["injection"] * 3


def test_what_a_judge_fails_is_apart_from_the_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The case passes, the gate does not, and the terminal shows where."""
    with judging(knowing(WORDS)) as stub:
        code, header = run(shop(tmp_path, lost=True), stub.url, monkeypatch, "--report", "html,junit")
    assert code == 1
    assert header["counts"]["passed"] == 3
    assert gate(header, "judged")["observed"] == 0.75
    (failure,) = header["judge"]["failures"]
    assert (failure["case"], failure["turn"], failure["at"][:2]) == ("lost", 0, ["lost.yaml", 6])
    out = capsys.readouterr().out
    assert "lost.yaml:6:16: judged[lost, turn 1]: the judge says that this does not fit" in out
    assert "judged[response.judge]" not in out
    assert "did not hold, and fails no case" in (tmp_path / "out" / "junit.xml").read_text(encoding="utf-8")
    result = [json.loads(line) for line in (tmp_path / "out" / "journal.jsonl").read_bytes().splitlines()]
    told = [one for line in result for one in line.get("results", ()) if one["outcome"] == "failed"]
    assert [(one["soft"], one["by"]["kind"], one["by"]["told"]) for one in told] == [
        (True, "judge", "3 of 3 votes of stub-judge-1 say fail")
    ]


def test_a_suite_may_let_the_judge_fail_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then no gate is added; the case has failed."""
    with judging(knowing(WORDS)) as stub:
        code, header = run(shop(tmp_path, ", fails: case", lost=True), stub.url, monkeypatch, "--report", "none")
    assert code == 1
    assert (header["counts"]["failed"], [one["name"] for one in header["gates"]]) == (1, ["pass_rate"])


def test_a_gate_of_the_suite_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of four are enough for this one."""
    suite = shop(tmp_path, gates="judged: {min: 0.7}", lost=True)
    with judging(knowing(WORDS)) as stub:
        assert run(suite, stub.url, monkeypatch, "--report", "none")[0] == 0


def test_a_judge_that_is_gone_leaves_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3: nothing says that the agent is bad, and nothing that it is good."""
    with judging(knowing(WORDS)) as stub:
        pass
    code, header = run(shop(tmp_path), stub.url, monkeypatch, "--report", "none")
    assert code == 3
    assert header["judge"]["results"]["errored"] == 3
    assert gate(header, "judged")["observed"] is None
    assert "could not be asked" in gate(header, "judged")["message"]
    assert header["judge"]["audit"]["warning"] == f"the judge was not audited: {KNOWN} planted answers could not be asked about"
    assert "Traceback" not in capsys.readouterr().err


def test_an_abstaining_judge_passes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The expectations are skipped, and not among those that passed."""
    with judging(lambda asked: as_object("abstain", "")) as stub:
        code, header = run(shop(tmp_path), stub.url, monkeypatch, "--report", "none")
    assert code == 1
    assert header["judge"]["results"] == {"passed": 0, "failed": 0, "abstained": 3, "errored": 0}
    assert gate(header, "judged")["observed"] == 0
    assert header["counts"]["skipped"] == 1


def test_votes_of_which_the_quote_is_made_up_decide_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All void; the audit shows a judge that knows nothing."""
    with judging(lambda asked: as_object("pass", "words nobody said")) as stub:
        _, header = run(shop(tmp_path), stub.url, monkeypatch, "--report", "none")
    assert header["judge"]["votes"]["void"] == 9
    assert header["judge"]["audit"]["agreed"] == 0


def test_judging_again_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the endpoint and without its key: the same lines, gates, exit code and audit."""
    suite = shop(tmp_path, lost=True)
    with judging(knowing(WORDS)) as stub:
        code, header = run(suite, stub.url, monkeypatch, "--report", "none")
    monkeypatch.delenv("JUDGE_URL")
    monkeypatch.delenv("JUDGE_KEY")
    assert main(["rejudge", "out", "--out", "again", "--report", "none"]) == code
    again = json.loads((tmp_path / "again" / "run.json").read_text(encoding="utf-8"))
    assert again["gates"] == header["gates"]
    assert again["judge"] == header["judge"]
    assert asked_in(tmp_path / "again") == asked_in(tmp_path / "out")
    assert main(["rejudge", "again", "--out", "third", "--report", "none"]) == code


def test_a_changed_rubric_has_no_votes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is skipped, which is no pass; votes on another rubric are not taken for it."""
    with judging(knowing(WORDS)) as stub:
        run(shop(tmp_path), stub.url, monkeypatch, "--report", "none")
    parcel = tmp_path / "parcel.yaml"
    parcel.write_text(parcel.read_text(encoding="utf-8").replace("when something arrives", "why it is late"), encoding="utf-8")
    assert main(["rejudge", "out", "--out", "again", "--report", "none"]) == 1
    header = json.loads((tmp_path / "again" / "run.json").read_text(encoding="utf-8"))
    assert header["judge"]["results"] == {"passed": 2, "failed": 0, "abstained": 1, "errored": 0}


def test_a_cassette_makes_a_second_run_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Audit included; without a server where the mode is replay. Neither key nor token is written."""
    with judging(knowing(WORDS)) as stub:
        _, first = run(shop(tmp_path, ", cassette: judged.jsonl"), stub.url, monkeypatch, "--report", "none")
        asked = len(stub.heard)
        code, second = run(shop(tmp_path, ", cassette: judged.jsonl"), stub.url, monkeypatch, "--report", "none", out="two")
        assert (code, len(stub.heard)) == (0, asked)
    third = run(
        shop(tmp_path, ", cassette: {file: judged.jsonl, mode: replay}"), stub.url, monkeypatch, "--report", "none", out="three"
    )
    assert third[0] == 0
    for header in (second, third[1]):
        assert header["judge"]["kept"] == 3
        assert header["judge"]["tokens"] is None
        assert header["judge"]["audit"]["agreed"] == first["judge"]["audit"]["agreed"]
    assert TOKEN not in (tmp_path / "judged.jsonl").read_text(encoding="utf-8")


def test_workers_and_shards_come_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes, and two shards put together, have the verdicts and the audit of one run."""
    suite = shop(tmp_path, lost=True)
    with judging(knowing(WORDS)) as stub:
        code, one = run(suite, stub.url, monkeypatch, "--report", "none")
        _, two = run(suite, stub.url, monkeypatch, "--report", "none", "--workers", "2", out="two")
        for part in ("1/2", "2/2"):
            run(suite, stub.url, monkeypatch, "--report", "none", "--shard", part, out=f"shard{part[0]}")
    assert main(["merge", "shard1", "shard2", "--out", "merged", "--report", "none"]) == code
    merged = json.loads((tmp_path / "merged" / "run.json").read_text(encoding="utf-8"))
    for other in (two, merged):
        assert other["judge"]["results"] == one["judge"]["results"]
        assert [gate["observed"] for gate in other["gates"]] == [gate["observed"] for gate in one["gates"]]
        assert other["judge"]["audit"]["agreed"] == one["judge"]["audit"]["agreed"]
        assert other["judge"]["audit"]["planted"] == one["judge"]["audit"]["planted"]


def test_groups_and_templates_with_a_judge_in_them_are_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`not`, `any_of` and a rubric that is filled per case; `not` turns the vote around."""
    suite = shop(tmp_path)
    (tmp_path / "parcel.yaml").write_text(
        "title: P\nparams: {day: [Thursday, Monday]}\nturns:\n  - user: where is my parcel\n    expect:\n"
        '      response: {judge: "says {{ day }}"}\n      not: {response: {judge: is rude}}\n'
        "      any_of: [{response: {contains: nowhere}}, {response: {judge: is about a parcel}}]\n",
        encoding="utf-8",
    )

    def opinion(asked: Any) -> Any:
        fits = asked.rubric == "says Thursday" or asked.rubric.startswith("is about")
        return as_object("pass" if fits else "fail", quoting(asked))

    with judging(opinion) as stub:
        _, header = run(suite, stub.url, monkeypatch, "--report", "none", "-k", "parcel")
    assert header["judge"]["results"] == {"passed": 5, "failed": 1, "abstained": 0, "errored": 0}
    assert [(one["case"], one["message"]) for one in header["judge"]["failures"]] == [
        ("parcel[day=Monday]", "the judge says that this does not fit: says Monday")
    ]


def test_cases_in_quarantine_gate_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does what a judge says of them."""
    held = "quarantine: [{case: lost, owner: anna, expires: 2099-12-31, reason: known}]\n"
    with judging(knowing(WORDS)) as stub:
        code, header = run(shop(tmp_path, lost=True, more=held), stub.url, monkeypatch, "--report", "none")
    assert code == 0
    assert header["judge"]["results"]["failed"] == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("judge: {url", "x-judge: {url"), "unknown-key"),
        (("judge: {url", "#judge: {url"), "no-judge"),
        (('"${JUDGE_KEY}"', '"${NO_SUCH_KEY}"'), "unset-variable"),
        (("attempts: 1", "attempts: 1, extra: {model: n}"), "bad-value"),
        (("attempts: 1", "attempts: 1, votes: 0"), "out-of-range"),
        (("attempts: 1", "attempts: 1, vots: 3"), "unknown-key"),
    ],
)
def test_a_run_that_could_not_ask_is_refused_before_it_begins(
    change: tuple[str, str], code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the place and the fix."""
    suite = shop(tmp_path)
    text = suite.read_text(encoding="utf-8")
    assert change[0] in text
    suite.write_text(text.replace(*change), encoding="utf-8")
    found, header = run(suite, "http://127.0.0.1:9", monkeypatch)
    assert (found, header) == (2, None)
    assert f"error[{code}]" in capsys.readouterr().err


def test_no_judge_is_asked_under_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is sent never hangs on a model."""
    suite = shop(tmp_path)
    parcel = tmp_path / "parcel.yaml"
    parcel.write_text(
        parcel.read_text(encoding="utf-8") + "  - user: thanks\n    when: {response: {judge: is kind}}\n", encoding="utf-8"
    )
    assert run(suite, "http://127.0.0.1:9", monkeypatch)[0] == 2
    assert "'when' is decided before anything is sent" in capsys.readouterr().err


def test_a_suite_without_judged_scripts_needs_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing variable counts when the judge is needed."""
    suite = shop(tmp_path)
    for name in ("parcel.yaml", "refund.yaml"):
        (tmp_path / name).write_text("title: T\nturns:\n  - user: refund\n    expect: {rules: [refund]}\n", encoding="utf-8")
    code, header = run(suite, None, monkeypatch, "--report", "none")
    assert code == 0
    assert "judge" not in header


def test_a_secret_in_a_reply_is_not_written_with_the_votes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quote of it is redacted in the journal and in the cassette."""
    agent_key = "sk-abcdefghijklmnop0123456789"
    suite = shop(tmp_path, ", cassette: judged.jsonl")
    agent = tmp_path / "agent.yaml"
    agent.write_text(agent.read_text(encoding="utf-8").replace("arrives on Thursday", f"arrives {agent_key}"), encoding="utf-8")
    with judging(lambda asked: as_object("pass", quoting(asked))) as stub:
        run(suite, stub.url, monkeypatch, "--report", "html")
        assert any(agent_key in str(body) for body in stub.bodies(PATH))
    for file in ("judged.jsonl", "out/journal.jsonl", "out/run.json"):
        assert agent_key not in (tmp_path / file).read_text(encoding="utf-8"), file


def test_check_names_what_no_judge_can_be_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`check` needs neither endpoint nor key, and reports a suite without a judge at each expectation."""
    suite = shop(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JUDGE_URL", raising=False)
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    assert main(["check", "suite.yaml"]) == 0
    suite.write_text(suite.read_text(encoding="utf-8").replace("judge: {url", "# judge: {url"), encoding="utf-8")
    capsys.readouterr()
    assert main(["check", "suite.yaml"]) == 2
    out = capsys.readouterr().out
    assert out.count("error[no-judge]: the suite names no judge to ask") == 3


@pytest.mark.parametrize("gates", ["", "judged: {min: 0.9}"])
def test_a_suite_may_say_that_nobody_is_asked(
    gates: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a judge would decide is skipped and warned of; a gate on it has no verdict, as no judge was asked."""
    suite = shop(tmp_path, gates=gates)
    asks = next(line for line in suite.read_text(encoding="utf-8").splitlines() if line.startswith("judge:"))
    suite.write_text(suite.read_text(encoding="utf-8").replace(asks, "judge: skip"), encoding="utf-8")
    assert main(["check", str(tmp_path)]) == 0
    code, header = run(suite, None, monkeypatch, "--report", "none")
    printed = capsys.readouterr()
    assert printed.err.count("warning[no-judge]: no judge is asked, as the suite says `judge: skip`") == 1
    assert header["counts"] == {**header["counts"], "passed": 1, "skipped": 1, "failed": 0}
    assert "judge" not in header
    assert code == (3 if gates else 0)
    if gates:
        assert gate(header, "judged")["message"].startswith("judged not judged: no judge was asked")
        assert "No verdict: no gate was judged, as no judge was asked" in printed.out
    journal = (tmp_path / "out" / "journal.jsonl").read_text(encoding="utf-8")
    assert "no judge is asked, as the suite says `judge: skip`" in journal
