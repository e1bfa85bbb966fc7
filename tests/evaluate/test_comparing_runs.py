"""Two runs compared, from the folders they left."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest

from focal_eval.compare.model import Change
from focal_eval.errors import ExitCode, StorageError, UsageError
from focal_eval.evaluate import CompareRequest, RunRequest, compare, run
from focal_eval.evaluate.comparing import Compared
from focal_eval.report.progress import Silence
from tests.cli.shop import SUITE, build
from tests.resealing import reseal

ROOT = Path(__file__).resolve().parents[2]

EDITS = (
    ("match: {pattern: ['do i get it', ", "match: {pattern: ['do i get it', 'how long', "),  # a word more; it needs over_limit
    (
        "'electronics' and result.lookup_order.delivered_days > 14\"",
        "'electronics' and result.lookup_order.delivered_days > 21\"",
    ),
    ("    priority: -20\n    template: anything-else", "    priority: -20\n    template: welcome-back"),
)
"""One edit of a rule that is harmless, one that breaks two scripts, one that changes replies and breaks nothing."""


SUBJECTS = ("digressions", "greeting", "languages", "returns")


def play(out: str, **asked: Any) -> ExitCode:
    request = RunRequest(**{"paths": (Path("suite.yaml"),), "out": Path(out), "reports": (), **asked})
    return run(request, Silence()).exit_code


def against(before: str = "before", after: str = "after") -> Compared:
    return compare(CompareRequest(before, after))


def change_in(file: str, old: str, new: str) -> None:
    text = Path(file).read_text(encoding="utf-8")
    assert old in text
    Path(file).write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a small suite and a first run of it."""
    build(tmp_path)
    monkeypatch.chdir(tmp_path)
    play("before")
    return tmp_path


@pytest.fixture(scope="module")
def retail(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """The example suite before and after three rules of its agent were edited."""
    folder = tmp_path_factory.mktemp("retail")
    for name in ("evals", "scenarios"):
        shutil.copytree(ROOT / name, folder / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        asked = {"suite": Path("evals/retail.yaml"), "paths": tuple(Path("scenarios/retail") / name for name in SUBJECTS)}
        play("before", **asked)
        for old, new in EDITS:
            change_in("evals/agents/retail.yaml", old, new)
        play("after", **asked)
        return against()


def test_three_edits_are_three_causes_and_one_fails_the_gate(retail: Compared) -> None:
    """Each edit of a rule is named as a cause of its own; only the one that broke scripts fails."""
    told = [(group.cause.key, group.counts.get("regressed", 0)) for group in retail.comparison.groups]
    assert [key for key, _ in told] == [
        "rules:-return-window-electronics",
        "template:anything-else>welcome-back",
        "rules:+supervisor-decides",
    ]
    assert [regressed for _, regressed in told] == [4, 0, 0]
    assert retail.exit_code == ExitCode.FAILED
    assert [(gate.name, gate.observed, gate.passed) for gate in retail.gates] == [("regressions", 4.0, False)]


def test_each_cause_is_linked_to_the_edit_that_made_it(retail: Compared) -> None:
    """Three edits, each with its line and fields, each at one cause."""
    comparison = retail.comparison
    assert comparison.edits is not None
    edited = [comparison.edits[at].name for group in comparison.groups for at in group.edits]
    assert edited == ["return-window-electronics", "acknowledge", "supervisor-decides"]
    lines = (ROOT / "evals" / "agents" / "retail.yaml").read_text(encoding="utf-8").split("\n")
    for edit in comparison.edits:
        assert edit.line is not None
        assert lines[edit.line - 1].strip() == f"- id: {edit.name}"


def test_every_case_is_counted_once(retail: Compared) -> None:
    """Cases that changed stand in one group each; the others are the same."""
    counts = retail.comparison.counts
    grouped = [name for group in retail.comparison.groups for name in group.cases]
    assert len(grouped) == len(set(grouped)) == counts[Change.REGRESSED] + counts[Change.CHANGED]
    assert sum(counts.values()) == len(retail.comparison.cases) == len(retail.after.cases)


@pytest.mark.usefixtures("shop")
def test_the_same_agent_changes_nothing() -> None:
    """Two runs of the same files are the same, and what was masked is listed."""
    play("after")
    compared = against()
    assert {case.change for case in compared.comparison.cases} == {Change.SAME}
    assert (compared.comparison.groups, compared.comparison.edits, compared.exit_code) == ((), (), ExitCode.OK)
    assert compared.comparison.masked["latency_ms"] > 0


@pytest.mark.usefixtures("shop")
def test_a_run_keeps_its_agent_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy in the folder is what later comparisons read, whatever became of the file; secrets are not in it."""
    assert Path("before/agent.yaml").read_text() == Path("agent.yaml").read_text()
    change_in("agent.yaml", "Goodbye!", "So long, sk-abcdefghijklmnopqrstuv!")
    play("after")
    assert "sk-abc" not in Path("after/agent.yaml").read_text()
    assert "[redacted]" in Path("after/agent.yaml").read_text()
    Path("agent.yaml").unlink()
    edits = against().comparison.edits
    assert edits is not None
    assert [(edit.kind, edit.name) for edit in edits] == [("template", "farewell")]


@pytest.mark.usefixtures("shop")
def test_an_agent_that_was_not_kept_is_said_not_to_be_known() -> None:
    """Without the copy the file on disk serves, unless it was edited since."""
    for kept in ("before/agent.yaml",):
        Path(kept).unlink()
    journal = Path("before/journal.jsonl")
    journal.write_bytes(journal.read_bytes().replace(b',"copy":"agent.yaml"', b""))
    reseal(journal)
    change_in("agent.yaml", "Goodbye!", "Bye!")
    play("after")
    compared = against()
    assert compared.comparison.edits is None
    assert compared.agents is not None
    assert compared.agents.endswith("is not known: agent.yaml was edited since")


@pytest.mark.usefixtures("shop")
def test_a_selection_makes_no_case_gone() -> None:
    """What a run was not asked to play is left out and counted; what was taken from the suite is gone."""
    play("after", tags=("smoke",))
    compared = against()
    assert (compared.comparison.left_out, len(compared.comparison.cases)) == (2, 1)
    backwards = against("after", "before")
    assert (backwards.comparison.left_out, backwards.comparison.counts[Change.NEW]) == (2, 0)
    Path("scenarios/money/refund.yaml").unlink()
    play("less")
    gone = against("before", "less").comparison
    assert (gone.left_out, gone.counts[Change.GONE]) == (0, 2)


@pytest.mark.usefixtures("shop")
def test_two_suites_without_a_case_in_common_are_refused() -> None:
    """There is nothing to say of them; one case in common is enough."""
    Path("scenarios/greeting.yaml").rename("other.yaml")
    change_in("other.yaml", "user: hello", "user: hi there")
    Path("elsewhere.yaml").write_text(SUITE.replace("scenarios/**/*.yaml", "other.yaml"))
    play("after", paths=(Path("elsewhere.yaml"),))
    with pytest.raises(UsageError, match="have no case in common"):
        against()


@pytest.mark.usefixtures("shop")
def test_masks_of_the_suite_hold() -> None:
    """A suite says what is volatile in its replies."""
    change_in("agent.yaml", "Your refund for {{ order }}", "Your refund of 2026-11-20 for {{ order }}")
    play("before2")
    change_in("agent.yaml", "2026-11-20", "2026-11-21")
    Path("suite.yaml").write_text(SUITE + "compare:\n  mask: [{pattern: '\\d{4}-\\d\\d-\\d\\d', name: date}]\n")
    play("after")
    compared = against("before2")
    assert compared.comparison.counts[Change.CHANGED] == 0
    assert compared.comparison.masked["date (/\\d{4}-\\d\\d-\\d\\d/)"] > 0


@pytest.mark.usefixtures("shop")
def test_an_engine_that_breaks_leaves_no_verdict() -> None:
    """Cases without a verdict are no regression; the comparison has no verdict either."""
    lines = Path("before/journal.jsonl").read_bytes().split(b"\n")
    shutil.copytree("before", "after")
    broken = [
        line.replace(b'"verdict":"passed"', b'"verdict":"errored"') if b'"t":"attempt"' in line else line for line in lines
    ]
    Path("after/journal.jsonl").write_bytes(b"\n".join(broken))
    reseal(Path("after/journal.jsonl"))
    compared = against()
    assert (compared.comparison.counts[Change.ERRORED], compared.exit_code) == (3, ExitCode.NO_VERDICT)


@pytest.mark.usefixtures("shop")
def test_a_header_with_other_masks_is_refused() -> None:
    """A header somebody edited ends in a sentence."""
    play("after")
    journal = Path("after/journal.jsonl")
    journal.write_bytes(journal.read_bytes().replace(b'"compare":{"mask":[]}', b'"compare":{"mask":[3]}'))
    reseal(journal)
    with pytest.raises(StorageError, match="header of after cannot be read"):
        against()


@pytest.mark.usefixtures("shop")
def test_a_run_is_compared_at_once() -> None:
    """`baseline` names the run to compare with; what regressed fails the run, and its header says so."""
    change_in("agent.yaml", "tools: [lookup_order]", "tools: []")
    request = RunRequest(paths=(Path("suite.yaml"),), out=Path("after"), reports=(), baseline="before")
    result = run(request, Silence())
    assert result.compared is not None
    assert result.compared.comparison.counts[Change.REGRESSED] == 2
    header = orjson.loads(Path("after/run.json").read_bytes())
    assert (result.exit_code, header["exit_code"], header["verdict"]) == (1, 1, "failed")
    assert "regressions" in [gate["name"] for gate in header["gates"]]


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(("reference", "said"), [("nowhere", "no run is named 'nowhere'"), ("baseline", "holds no baseline")])
def test_a_run_with_nothing_to_compare_with_is_refused_before_it_begins(reference: str, said: str) -> None:
    """Nothing was sent, and no folder is left."""
    with pytest.raises(UsageError, match=said):
        play("after", baseline=reference)
    assert not Path("after").exists()


def test_trials_of_recorded_conversations_can_be_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two trials of the same tasks, recorded from a model: every case is classed, every change has a cause."""
    data = ROOT.parent / "shared" / "data" / "tau-bench-trajectories"
    if not data.is_dir():
        pytest.skip("needs the sample data beside the checkout")
    from focal_eval.cli import main

    monkeypatch.chdir(tmp_path)
    assert main(["import", "tau-bench", str(data), "--out", "imported", "-q"]) == 0
    suite = (Path("imported/suite.yaml"),)
    play("trial-0", paths=suite)
    play("trial-1", paths=suite, engine="trial-1")
    comparison = against("trial-0", "trial-1").comparison
    assert len(comparison.cases) == 25
    assert all((case.cause is None) is (case.change is Change.SAME) for case in comparison.cases)
    assert sum(len(group.cases) for group in comparison.groups) == 25 - comparison.counts[Change.SAME]
