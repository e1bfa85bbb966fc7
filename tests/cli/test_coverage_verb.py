"""`focal-eval coverage`, as a user sees it."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest

from focal_eval.cli import main
from tests.cli.shop import build
from tests.resealing import reseal


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The working folder: a small suite and a run of it. The goodbye has no expectation on what is said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    build(tmp_path)
    play("one", capsys)


def play(name: str, capsys: pytest.CaptureFixture[str], *more: str) -> int:
    """A run of the suite into a folder of that name."""
    code = main(["run", "suite.yaml", "--out", f"reports/{name}", "-q", "--report", "none", *more])
    capsys.readouterr()
    return code


def change(file: str, old: str, new: str) -> None:
    """Edits a file of the shop."""
    text = Path(file).read_text(encoding="utf-8")
    assert old in text
    Path(file).write_text(text.replace(old, new), encoding="utf-8")


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """What the verb prints."""
    assert main(["coverage", *words]) == code
    return capsys.readouterr().out


def test_kinds_then_the_worst_then_idle_scripts_then_the_share(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each kind, what nobody would miss with its line and scripts, and the share of rules as the last line."""
    out = said(capsys, "reports/one")
    assert out.startswith("coverage of ")
    assert ": 3 cases, 4 turns, agent agent.yaml\n" in out
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in out.split("\n") if line.startswith(("rules", "templates"))}
    assert rows == {"rules": "3 3 100 % 3 100 % 0", "templates": "4 3 75 % 2 50 % 0 1"}
    assert "  29  template fallback  missed" in out
    assert "  28  template farewell  hit, not asserted  1 turn: greeting" in out
    assert out.index("template fallback") < out.index("template farewell")
    assert "2 scripts; each touches or checks something that no other does" in out
    assert out.rstrip().split("\n")[-1] == "3 of 3 rules asserted (100 %), 3 hit"


def test_a_rule_without_an_expectation_is_hit_and_not_asserted(capsys: pytest.CaptureFixture[str]) -> None:
    """Taking the expectation away takes the protection away, though the rule matches as before."""
    change("scenarios/greeting.yaml", "expect: {rules: [goodbye]}", "expect: {response: {max_words: 9}}")
    play("two", capsys)
    assert said(capsys, "reports/two", "-q") == "2 of 3 rules asserted (66.6 %), 3 hit\n"
    out = said(capsys, "reports/two", "--kind", "rule")
    assert "rule goodbye  hit, not asserted  1 turn: greeting" in out
    assert "template" not in out


def test_fail_under_says_of_what(capsys: pytest.CaptureFixture[str]) -> None:
    """The gate names its figure and its limit, and decides the exit code; `--of hit` and `--kind` change what is counted."""
    change("scenarios/greeting.yaml", "expect: {rules: [goodbye]}", "expect: {response: {max_words: 9}}")
    play("two", capsys)
    out = said(capsys, "reports/two", "--fail-under", "95", code=1)
    assert "✗ gate coverage: 0.666667 (n = 3 rules), asked for ≥ 0.95 asserted\n" in out
    assert "✓ gate coverage: 1 (n = 3 rules), asked for ≥ 0.95 hit\n" in said(
        capsys, "reports/two", "--fail-under", "95", "--of", "hit"
    )
    out = said(capsys, "reports/two", "--fail-under", "75", "--of", "hit", "--kind", "template")
    assert "✓ gate coverage: 0.75 (n = 4 templates)" in out


def test_runs_of_one_agent_are_added_up(capsys: pytest.CaptureFixture[str]) -> None:
    """What one run leaves out the other may cover."""
    play("smoke", capsys, "--tag", "smoke")
    play("rest", capsys, "--tag", "!smoke")
    assert said(capsys, "reports/smoke", "-q") == "2 of 3 rules asserted (66.6 %), 2 hit\n"
    assert said(capsys, "reports/smoke", "reports/rest", "-q") == "3 of 3 rules asserted (100 %), 3 hit\n"


def test_runs_of_two_agents_are_refused_with_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    """A hit of the old rule says nothing of the edited one, unless adding up by name is asked for."""
    change("agent.yaml", "any_words: [bye]", "any_words: [bye, cheers]")
    play("two", capsys)
    assert main(["coverage", "reports/one", "reports/two"]) == 2
    told = capsys.readouterr().err
    assert "were played by different agents: 1 edit, rule goodbye edited; --by-name adds up what has the same name" in told
    assert ": 6 cases, 8 turns" in said(capsys, "reports/one", "reports/two", "--by-name")


@pytest.mark.parametrize("against", ["old.yaml", "reports/one"])
def test_only_what_was_edited_since(capsys: pytest.CaptureFixture[str], against: str) -> None:
    """Against an agent file or another run: edited and added items, each with its edit, and the share of those alone."""
    Path("old.yaml").write_text(Path("agent.yaml").read_text())
    change("agent.yaml", "any_words: [bye]", "any_words: [bye, cheers]")
    change("agent.yaml", "slots:", "  - {id: thanks, match: {any_words: [thanks]}, template: farewell}\nslots:")
    play("two", capsys)
    out = said(capsys, "reports/two", "--against", against, "--fail-under", "60", code=1)
    assert "rule thanks  missed (added)" in out
    assert "refund" not in out.split("scripts;")[0].split("\n", 1)[1]
    assert out.rstrip().split("\n")[-1] == "1 of 2 rules edited since asserted (50 %), 1 hit"


def test_one_item_with_the_scripts_behind_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Figures in turns, and who hits and asserts it; a name that nothing has is answered with the nearest one."""
    out = said(capsys, "reports/one", "--item", "rule:refund")
    assert "rule refund, line 8: asserted\n  turns: hit 2, asserted 2, checked not to be 0" in out
    assert "hit by: money/refund\n" in out
    assert main(["coverage", "reports/one", "--item", "refnd"]) == 2
    assert "no item is named 'refnd'; did you mean 'refund'?" in capsys.readouterr().err


def test_pairs_and_arguments_are_lists_to_ask_for(capsys: pytest.CaptureFixture[str]) -> None:
    """The values that tools were given, and rules active together; neither is shown unasked."""
    out = said(capsys, "reports/one", "--show", "pairs,arguments")
    assert "0 pairs of rules active in one turn, of 3" in out
    assert '  lookup_order.order_id: "A-1", "A-2"' in out
    assert "scripts;" not in out
    assert "pairs" not in said(capsys, "reports/one")


def test_lists_are_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    """`--max-shown` cuts each list and says how much more there is."""
    out = said(capsys, "reports/one", "--max-shown", "1")
    assert "template fallback" in out
    assert "template farewell" not in out
    assert "  and 1 more\n" in out


def test_the_json_document_has_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Items with their state, scripts with what only they touch, the gate and the exit code."""
    data = json.loads(said(capsys, "reports/one", "--json", "--fail-under", "50", "--kind", "rule,tool"))
    assert [run["folder"] for run in data["runs"]] == ["reports/one"]
    assert (data["cases"], data["turns"], data["judged_cases"], data["exit_code"]) == (3, 4, 3, 0)
    assert data["totals"]["rule"] == {
        "items": 3, "counted": 3, "hit": 3, "asserted": 3, "both_outcomes": 0,
        "missed": 0, "near": 0, "suppressed": 0, "unknown": 0,
    }  # fmt: skip
    refund = next(item for item in data["items"] if item["name"] == "refund")
    assert (refund["kind"], refund["line"], refund["turns"], refund["asserted"]) == ("rule", 8, 2, True)
    assert refund["scripts"] == {"count": 1, "names": ["money/refund"]}
    assert {item["kind"] for item in data["items"]} == {"rule", "tool"}
    assert data["gate"]["observed"] == 1.0
    assert data["arguments"][0]["values"] == [{"value": '"A-1"', "cases": 1}, {"value": '"A-2"', "cases": 1}]


def test_lcov_and_html_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    """The tracefile is of the agent file; the page is the run's report with a Coverage view; both paths are told."""
    out = said(capsys, "reports/one", "--lcov", "cov.info", "--html", "cov.html")
    assert out.endswith("lcov: cov.info\nreport: cov.html\n")
    lines = Path("cov.info").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "SF:agent.yaml"
    assert "FNDA:2,rule refund" in lines
    assert "DA:8,2" in lines
    page = Path("cov.html").read_text(encoding="utf-8")
    assert 'id="tab-coverage"' in page
    assert "3 of 3 rules asserted (100 %), 3 hit" in page


def test_what_an_engine_does_not_report_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    """A journal without rules: they are unknown, not missed, there is nothing to take a share of, and the exit code is 3."""
    journal = Path("reports/one/journal.jsonl")
    lines = [orjson.loads(line) for line in journal.read_bytes().splitlines()]
    for line in lines:
        for name in ("rules", "candidates", "enforcement"):
            (line.get("reply") or {}).pop(name, None)
    journal.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    reseal(journal)
    out = said(capsys, "reports/one", "--fail-under", "50", code=3)
    assert "note: not reported by the engine, so unknown: rule, constraint" in out
    assert "nothing to cover: 0 rules" in out
    assert "missed" not in said(capsys, "reports/one", "--kind", "rule").split("both outcomes")[1].split("\n", 1)[1]


def test_a_script_that_says_other_things_now_asserts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Its replies are no answers to what it says today: it is hit, and told as not judged."""
    change("scenarios/greeting.yaml", "user: bye", "user: so long, bye")
    out = said(capsys, "reports/one")
    assert "1 case of" in out
    assert "could not be judged again" in out
    assert out.rstrip().split("\n")[-1] == "1 of 3 rules asserted (33.3 %), 3 hit"


def test_without_its_scripts_a_run_tells_hits_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """What it hit is known, what expectations would miss is not, and a gate on that is no verdict."""
    Path("suite.yaml").unlink()
    out = said(capsys, "reports/one")
    assert out.rstrip().split("\n")[-1] == "3 of 3 rules hit (100 %); whether expectations would miss them is unknown"
    said(capsys, "reports/one", "--fail-under", "50", code=3)
    said(capsys, "reports/one", "--fail-under", "50", "--of", "hit")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["nowhere"], "no run is named 'nowhere'"),
        (["reports/one", "--kind", "rulez"], "no kind of item is named 'rulez'"),
        (["reports/one", "--show", "item"], "no list is named 'item'; did you mean 'items'?"),
        (["reports/one", "--fail-under", "101"], "101 is not a number of per cent, 0 to 100"),
        (["reports/one", "--fail-under", "most"], "most is not a number of per cent"),
        (["reports/one", "--against", "suite.yaml"], "suite.yaml is no agent file"),
        (["reports/one", "--against", "none"], "no run is named 'none'"),
    ],
)
def test_mistakes_are_refused(capsys: pytest.CaptureFixture[str], words: list[str], problem: str) -> None:
    """Each wrong word is answered with what is wrong and the nearest right one, exit code 2."""
    assert main(["coverage", *words]) == 2
    assert problem in capsys.readouterr().err


def test_a_damaged_journal_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """A reply of another shape ends in a sentence that names the case, exit code 3."""
    journal = Path("reports/one/journal.jsonl")
    journal.write_bytes(journal.read_bytes().replace(b'"rules":[', b'"rules":7,"x":[', 1))
    reseal(journal)
    assert main(["coverage", "reports/one"]) == 3
    assert "the journal of reports/one is damaged at case" in capsys.readouterr().err


GATED = "\ngates: {pass_rate: {min: 1}, coverage: {min: 0.9}}\n"


def test_a_suites_gate_on_coverage(capsys: pytest.CaptureFixture[str]) -> None:
    """It fails the run where rules are not asserted, passes where they are, and is not judged where cases were left out."""
    change("suite.yaml", "agent.yaml}", "agent.yaml}" + GATED)
    assert play("good", capsys) == 0
    change("scenarios/greeting.yaml", "expect: {rules: [goodbye]}", "expect: {response: {max_words: 9}}")
    assert main(["run", "suite.yaml", "--out", "reports/bad", "--report", "html"]) == 1
    out = capsys.readouterr().out
    assert "✗ gate coverage: 0.666667 (n = 3 rules), asked for ≥ 0.9 asserted" in out
    assert 'id="tab-coverage"' in Path("reports/bad/report.html").read_text(encoding="utf-8")
    assert main(["run", "suite.yaml", "--tag", "smoke", "--out", "reports/some", "--report", "html"]) == 0
    out = capsys.readouterr().out
    assert "– gate coverage: not judged, as only some of the suite's cases were played; asked for ≥ 0.9 asserted" in out
    assert 'id="tab-coverage"' not in Path("reports/some/report.html").read_text(encoding="utf-8")


def test_a_suite_may_ask_for_other_items_than_rules(capsys: pytest.CaptureFixture[str]) -> None:
    """Each kind is a gate with a figure of its own, judged by `rejudge` as by the run; one of them fails it."""
    change("suite.yaml", "agent.yaml}", "agent.yaml}\ngates: {coverage: {rules: 50%, templates: 90%, tools: 0, of: hit}}\n")
    for verb in (["run", "suite.yaml"], ["rejudge", "reports/run"]):
        assert main([*verb, "--out", f"reports/{verb[0]}", "--report", "html"]) == 1
        out = capsys.readouterr().out
        assert "✓ gate coverage: 1 (n = 3 rules), asked for ≥ 0.5 hit" in out
        assert "✗ gate coverage templates: 0.75 (n = 4 templates), asked for ≥ 0.9 hit" in out
        assert "gate coverage tools" in out
        assert 'id="tab-coverage"' in Path(f"reports/{verb[0]}/report.html").read_text(encoding="utf-8")


def test_a_report_made_again_keeps_its_coverage_view(capsys: pytest.CaptureFixture[str]) -> None:
    """`report` shows what the run's own report showed."""
    change("suite.yaml", "agent.yaml}", "agent.yaml}" + GATED)
    play("good", capsys)
    assert main(["report", "reports/good", "--report", "html", "-q"]) == 0
    assert 'id="tab-coverage"' in Path("reports/good/report.html").read_text(encoding="utf-8")
