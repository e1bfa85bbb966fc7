"""`focal-eval store`, `history` and `run --store`, as a user sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from focal_eval.cli import main
from tests.cli.shop import build


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The working folder: a small suite, two runs of it, and one after its refund rule forgot its tool."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FOCAL_EVAL_STORE", raising=False)
    build(tmp_path)
    for name in ("one", "two"):
        main(["run", "suite.yaml", "--out", f"reports/{name}", "-q", "--report", "none"])
    text = Path("agent.yaml").read_text()
    Path("agent.yaml").write_text(text.replace("tools: [lookup_order]", "tools: []"))
    main(["run", "suite.yaml", "--out", "reports/three", "-q", "--report", "none"])
    capsys.readouterr()


def ids() -> list[str]:
    return [json.loads(Path(f"reports/{name}/run.json").read_text())["id"] for name in ("one", "two", "three")]


def ingest() -> None:
    assert main(["store", "ingest", "three", "one", "two", "-q"]) == 0


def test_runs_are_taken_in_the_oldest_first_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Each run is told with what became of it; the same again changes nothing."""
    assert main(["store", "ingest", "three", "one", "reports/one", "two"]) == 0
    one, two, three = ids()
    assert capsys.readouterr().out == "".join(f"{run}: taken in, 3 cases\n" for run in (one, two, three))
    assert main(["store", "ingest", "one", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == [{"id": one, "outcome": "known", "cases": 3, "tries": 3}]
    assert Path("reports/store.sqlite").is_file()


def test_a_run_that_is_not_there_stops_all(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is taken in where a name is wrong; the nearest one is told."""
    assert main(["store", "ingest", "one", "thre"]) == 0
    capsys.readouterr()
    assert main(["store", "ingest", "two", "thirty"]) == 2
    assert "no run is named 'thirty'" in capsys.readouterr().err
    assert main(["store", "list", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["runs"]) == 2


def test_a_case_tells_its_first_bad_run_and_what_had_changed(capsys: pytest.CaptureFixture[str]) -> None:
    """The strip, the rates, and the run where it turned bad with the last good one before it."""
    ingest()
    assert main(["history", "money/refund[order=A-1]"]) == 0
    out = capsys.readouterr().out
    one, two, three = ids()
    assert "verdicts    ✓✓✗\n" in out
    assert "passed      66.7 % of 3 conversations\n" in out
    assert "unsteady    0 % of 3 judged runs\n" in out
    assert f"bad since run {three} (" in out
    assert f"the last good one was run {two}; since then the agent changed\n" in out
    assert one not in out


def test_a_history_as_json_holds_every_run(capsys: pytest.CaptureFixture[str]) -> None:
    """One document, with rates as numbers and their n."""
    ingest()
    assert main(["history", "case:money/refund[order=A-1]", "--json", "--last", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [point["verdict"] for point in found["points"]] == ["passed", "failed"]
    assert found["passed"] == {"rate": 0.5, "hits": 1, "of": 2}
    assert found["streak"]["changed"] == ["the agent"]
    assert found["series"] == {"suite": "suite.yaml", "engine": "embedded"}


def test_a_suite_tells_what_is_bad_now(capsys: pytest.CaptureFixture[str]) -> None:
    """Runs, rates, the cases that are bad since when, and the slowest ones."""
    ingest()
    assert main(["history", "suite", "--max-shown", "1"]) == 0
    out = capsys.readouterr().out
    assert "suite.yaml on embedded\n3 runs, " in out
    assert "runs        ✓✓✗\n" in out
    assert f"bad now, since their first bad run: 2 cases\n  money/refund[order=A-1]  since run {ids()[2]}\n" in out
    assert out.count("a conversation, 3 runs") == 1
    assert main(["history", "suite", "--json", "--before", ids()[1]]) == 0
    assert len(json.loads(capsys.readouterr().out)["points"]) == 2


def test_a_rule_tells_where_it_matched(capsys: pytest.CaptureFixture[str]) -> None:
    """How many cases matched it over time, and how they went."""
    ingest()
    assert main(["history", "rule:refund"]) == 0
    out = capsys.readouterr().out
    assert "rule refund\nsuite.yaml on embedded: 3 runs that report rules, " in out
    assert "passed      66.7 % of 6 conversations of cases that matched it\n" in out
    assert "  ✗ money/refund[order=A-1]  1 turn\n" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["history", "money/refnd[order=A-1]"], "the store knows no case 'money/refnd[order=A-1]'; did you mean"),
        (["history", "money/refund"], "'money/refund' is a script of 2 cases; name one: money/refund[order=A-1] and"),
        (["history", "rule:refnd"], "no run in the store matched a rule 'refnd'; did you mean 'refund'?"),
        (["history", "suite", "--suite", "suit.yaml"], "no runs of the suite 'suit.yaml'; did you mean 'suite.yaml'?"),
        (["history", "suite", "--engine", "embeded"], "no runs of the engine 'embeded'; did you mean 'embedded'?"),
        (["history", "suite", "--before", "2020"], "the store has no run '2020' of suite.yaml"),
        (["store", "ingset", "one"], "did you mean 'ingest'?"),
        (["store", "prune"], "say what stays: --keep-runs N, --keep-days N, or both"),
    ],
)
def test_a_word_that_means_nothing_gets_the_nearest(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one sentence."""
    ingest()
    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_old_runs_go(capsys: pytest.CaptureFixture[str]) -> None:
    """The newest stay; the command says how many went."""
    ingest()
    assert main(["store", "prune", "--keep-runs", "2"]) == 0
    assert "reports/store.sqlite: 1 run let go, 2 left; " in capsys.readouterr().out
    assert main(["store", "prune", "--keep-days", "30000", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left"] == 2


def test_a_store_is_made_and_said_to_be_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    """`migrate` names the version it made, and that there was nothing to do."""
    assert main(["store", "migrate"]) == 0
    assert capsys.readouterr().out == "reports/store.sqlite: made, 0001\n"
    assert main(["store", "migrate"]) == 0
    assert capsys.readouterr().out == "reports/store.sqlite is up to date: 0001\n"


def test_a_run_goes_into_the_store_that_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """By an option, the environment or the suite, in that order; `off` keeps it out."""
    with Path("suite.yaml").open("a") as file:
        file.write("\nstore: kept/suite.sqlite\n")
    quiet = ["-q", "--report", "none"]
    main(["run", "suite.yaml", "--out", "reports/a", *quiet])
    assert Path("kept/suite.sqlite").is_file()
    main(["run", "suite.yaml", "--out", "reports/b", "--store", "off", *quiet])
    monkeypatch.setenv("FOCAL_EVAL_STORE", "kept/environment.sqlite")
    main(["run", "suite.yaml", "--out", "reports/c", *quiet])
    main(["run", "suite.yaml", "--out", "reports/d", "--store", "kept/option.sqlite", *quiet])
    capsys.readouterr()
    counts = {}
    for name in ("suite", "environment", "option"):
        main(["store", "list", "--store", f"kept/{name}.sqlite", "--json"])
        counts[name] = len(json.loads(capsys.readouterr().out)["runs"])
    assert counts == {"suite": 1, "environment": 1, "option": 1}


def test_the_suite_in_evals_says_where_its_history_is(capsys: pytest.CaptureFixture[str]) -> None:
    """`history` needs no option where the suites in evals/ agree on one store."""
    Path("evals").mkdir()
    text = Path("suite.yaml").read_text() + "\nstore: ../kept/suite.sqlite\n"
    Path("evals/suite.yaml").write_text(text.replace("scenarios/", "../scenarios/").replace("agent.yaml", "../agent.yaml"))
    main(["run", "evals/suite.yaml", "--out", "reports/a", "-q", "--report", "none"])
    capsys.readouterr()
    assert main(["history", "suite"]) == 0
    assert "evals/suite.yaml on embedded" in capsys.readouterr().out


def test_a_run_is_rendered_again_with_its_last_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Up to the run itself, not later ones; a store that does not have it is refused."""
    ingest()
    assert main(["report", "two", "--report", "html", "--store", "reports/store.sqlite", "-q"]) == 0
    page = Path("reports/two/report.html").read_text()
    assert '"strip"' in page.partition('"columns":')[2].partition("]")[0]
    assert '"pp"' in page
    assert '"ppf"' not in page
    main(["run", "suite.yaml", "--out", "reports/four", "-q", "--report", "none"])
    capsys.readouterr()
    assert main(["report", "four", "--report", "html", "--store", "reports/store.sqlite", "-q"]) == 2
    assert "the store has no run" in capsys.readouterr().err


def test_a_store_that_fails_takes_nothing_from_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    """The verdict and the exit code stand; what to do about it is said, and stands in the document."""
    Path("notes.txt").write_text("no database" * 500)
    text = Path("agent.yaml").read_text()
    Path("agent.yaml").write_text(text.replace("tools: []", "tools: [lookup_order]"))
    assert main(["run", "suite.yaml", "--out", "reports/a", "--store", "notes.txt", "--json", "--report", "none"]) == 0
    said = capsys.readouterr()
    assert "focal-eval: the run is not in the store: the store notes.txt is no store" in said.err
    assert "`focal-eval store ingest reports/a` tries again" in said.err
    told = json.loads(said.out)["store"]
    assert (told["address"], told["outcome"]) == ("notes.txt", None)


def test_a_store_that_cannot_be_is_refused_before_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong scheme is no matter for after an hour of conversations."""
    assert main(["run", "suite.yaml", "--out", "reports/a", "--store", "postgesql://db/x"]) == 2
    assert "did you mean 'postgresql'" in capsys.readouterr().err
    assert not Path("reports/a").exists()


def test_a_password_does_not_belong_into_a_suite(capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the places for it."""
    with Path("suite.yaml").open("a") as file:
        file.write("\nstore: postgresql://ci:hush@db/focal\n")
    assert main(["check", "suite.yaml"]) == 2
    out = capsys.readouterr()
    assert "error[store-password]" in out.out + out.err
    assert "PGPASSWORD" in out.out + out.err
