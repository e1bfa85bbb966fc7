"""`focal-eval explore`: proposals on disk that check and run, beside the suites that cover something already."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli import main
from focal_eval.document import read_file
from focal_eval.evaluate.unreviewed import MARK, TAG
from tests.experiment.kiosk import AGENT, write_kiosk

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kiosk in an otherwise empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    write_kiosk(tmp_path)
    return tmp_path


def explored(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The document of an exploration."""
    capsys.readouterr()
    assert main(["explore", *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_proposals_check_and_pass(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every script that is written has no problem, waits for review, and passes in a run."""
    found = explored(capsys, "agent.yaml", "--out", "new")
    written = sorted(path.name for path in (shop / "new").iterdir())
    assert written == sorted(f"{one['name']}.yaml" for one in found["scripts"])
    assert main(["check", "new", "--agent", "agent.yaml", "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)
    assert checked["unreviewed"] == checked["files"]["scripts"] == len(written)
    assert [one for one in checked["diagnostics"] if Path(one["file"]).parent.name == "new"] == []
    assert main(["run", "new", "--agent", "agent.yaml", "--report", "none", "-q", "--out", "reports/new"]) == 0


def test_every_observed_value_is_marked(shop: Path) -> None:
    """In a proposal only what is said and where it came from stands unmarked."""
    assert main(["explore", "agent.yaml", "--out", "new", "-q"]) == 0
    for path in (shop / "new").iterdir():
        text = path.read_text(encoding="utf-8")
        data = read_file(path, path.name).root
        assert data is not None
        assert TAG in text
        lines = text[text.index("turns:") :].splitlines()
        keys = [line for line in lines if line.startswith(("      rules:", "      tools:", "      scenario:", "    agent:"))]
        assert keys
        assert all(line.endswith(MARK) for line in keys), path.name


def test_unreviewed_scripts_can_be_left_out(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run without the tag leaves proposals out; nothing else is left of this suite."""
    assert main(["explore", "agent.yaml", "--out", "scripts/new", "-q"]) == 0
    (shop / "suite.yaml").write_text(
        "scripts: ['scripts/**/*.yaml']\nengine: {kind: embedded, agent: agent.yaml}\n", encoding="utf-8"
    )
    assert main(["run", "suite.yaml", "--tag", "!unreviewed", "--report", "none", "--json", "--out", "reports/left"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed[printed.index("{") :])["counts"]["passed"] == 3


def test_what_a_suite_covers_is_not_looked_for(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Items that a script of the suites exercises are told as covered, and no proposal has one as a target."""
    found = explored(capsys, "agent.yaml", "--suite", "suite.yaml")
    covered = {f"{item['kind']} {item['name']}" for item in found["items"] if item["state"] == "covered"}
    assert "rule greet" in covered
    assert not covered & {target for one in found["scripts"] for target in one["targets"]}
    again = explored(capsys, "agent.yaml", "--against", "suite.yaml")
    assert [one["targets"] for one in again["scripts"]] == [one["targets"] for one in found["scripts"]]


def test_the_same_request_gives_the_same_bytes(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two explorations print and write the same."""
    assert explored(capsys, "agent.yaml") == explored(capsys, "agent.yaml")
    for folder in ("one", "two"):
        assert main(["explore", "agent.yaml", "--out", folder, "-q"]) == 0
    for path in (shop / "one").iterdir():
        assert path.read_bytes() == (shop / "two" / path.name).read_bytes()


def test_no_file_is_overwritten(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second exploration into the same folder is refused before anything is written."""
    assert main(["explore", "agent.yaml", "--out", "new", "-q"]) == 0
    before = {path.name: path.stat().st_mtime_ns for path in (shop / "new").iterdir()}
    assert main(["explore", "agent.yaml", "--out", "new", "-q"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert before == {path.name: path.stat().st_mtime_ns for path in (shop / "new").iterdir()}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["agnet.yaml"], "there is no agent agnet.yaml; did you mean"),
        (["agent.yaml", "--kind", "rulez,steb"], "no kind of item is named 'rulez'"),
        (["agent.yaml", "--seed", "x"], "x is not a whole number"),
        (["agent.yaml", "--turns", "0"], "0 is not a whole number above zero"),
        (["broken.yaml"], "unknown-template"),
        (["suite.yaml"], "suite.yaml is a suite; name its agent file"),
        (["agent.yaml", "--suite", "agent.yaml"], "agent.yaml is no suite"),
        (["agent.yaml", "--against", "siute.yaml"], "there is no file siute.yaml"),
        (["scripts"], "scripts is a folder"),
    ],
)
def test_mistakes_are_told(shop: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    """A wrong command or agent is refused with a sentence and exit code 2."""
    (shop / "broken.yaml").write_text("agent: a\nrules: [{id: a, match: {any_words: [x]}, template: none}]\n", encoding="utf-8")
    assert main(["explore", *words]) == 2
    assert said in capsys.readouterr().err


def test_open_items_say_why(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not reached comes with the bound that ended the walk, on the terminal, too."""
    found = explored(capsys, "agent.yaml", "--max-plays", "3")
    left = [item for item in found["items"] if item["state"] == "open"]
    assert left
    assert all("3 turns were played" in item["why"] for item in left)
    assert main(["explore", "agent.yaml", "--max-plays", "3", "--max-shown", "1"]) == 0
    printed = capsys.readouterr().out
    assert f"Not reached ({len(left)})" in printed
    assert f"… and {len(left) - 1} more" in printed


def test_texts_that_look_like_templates_are_said_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Braces in an agent's words come through the script unchanged, and are not computed."""
    monkeypatch.chdir(tmp_path)
    hostile = AGENT.replace("any_words: [hello, hi]", 'phrase: ["hello {{ 7*7 }}"]')
    (tmp_path / "agent.yaml").write_text(hostile, encoding="utf-8")
    assert main(["explore", "agent.yaml", "--out", "new", "-q"]) == 0
    assert "49" not in (tmp_path / "new" / "rule-greet.yaml").read_text(encoding="utf-8")
    assert main(["run", "new", "--agent", "agent.yaml", "--report", "none", "-q", "--out", "reports/new"]) == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_example_agent_is_explored_from_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without any script, at least 95 of 100 rules, steps and transitions of the example agent are reached, and all pass."""
    agent = ROOT / "evals" / "agents" / "retail.yaml"
    found = explored(capsys, str(agent), "--out", str(tmp_path / "new"))
    for kind in ("rule", "step", "transition"):
        states = [item["state"] for item in found["items"] if item["kind"] == kind]
        assert states.count("reached") / len(states) >= 0.95, kind
    assert main(["check", str(tmp_path / "new"), "--agent", str(agent), "--strict", "-q"]) == 0
    words = ["--agent", str(agent), "--report", "none", "-q", "--out", str(tmp_path / "run")]
    assert main(["run", str(tmp_path / "new"), *words]) == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("folder", ["damage", "exchanges"])
def test_scripts_are_found_for_what_a_missing_folder_alone_covered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    """With a folder of the example scripts taken away, proposals exercise what only those did."""
    agent = ROOT / "evals" / "agents" / "retail.yaml"
    (tmp_path / "retail").symlink_to(ROOT / "scenarios" / "retail")
    suite = tmp_path / "suite.yaml"
    patterns = f'["retail/**/*.yaml", "!retail/{folder}/**/*.yaml"]'
    suite.write_text(f"scripts: {patterns}\nengine: {{kind: embedded, agent: {agent}}}\nvariants: all\n", encoding="utf-8")
    found = explored(capsys, str(agent), "--suite", str(suite))
    lacking = [item for item in found["items"] if item["state"] in ("reached", "open")]
    assert lacking
    assert all(item["state"] == "reached" for item in lacking), lacking
