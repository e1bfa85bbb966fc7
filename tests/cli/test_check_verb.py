"""`focal-eval check` as people, CI and editors use it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli import main

GOOD = "title: Hello\nturns:\n  - user: hello\n    expect: {rules: [greet]}\n"
WARNED = "params: {order: [A-1001, A-1002]}\nturns: [hello]\n"
BROKEN = """title: A mug
turns:
  - user: "😀 hello"
    expect:
      rulez: [greet]
  - user: refund {{ amount }}
  - user: bye
    save: {amount: response.amount}
    user: good bye
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a good, a warned-of and a broken script, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    for name, text in (("good", GOOD), ("warned", WARNED), ("broken", BROKEN)):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def check(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """The exit code, and what was printed on stdout and stderr."""
    code = main(["check", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_pretty_shows_frames_labels_and_a_count(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The default is for people: each problem with its line, a caret below the word, and the second place that explains it."""
    code, out, err = check(capsys, "broken.yaml")
    assert (code, err) == (2, "")
    assert (
        out
        == """\
broken.yaml:5:7: error[unknown-check]: no check is named 'rulez'; did you mean 'rules'?
  4 |     expect:
  5 |       rulez: [greet]
    |       ^^^^^
broken.yaml:6:11: error[undefined-name]: 'amount' has no value here
  5 |       rulez: [greet]
  6 |   - user: refund {{ amount }}
    |           ^^^^^^^^^^^^^^^^^^^
  broken.yaml:8:12: saved here, after this use
  7 |   - user: bye
  8 |     save: {amount: response.amount}
    |            ^^^^^^
broken.yaml:9:5: error[duplicate-key]: the key 'user' is given twice
  8 |     save: {amount: response.amount}
  9 |     user: good bye
    |     ^^^^
  broken.yaml:7:5: first defined here
  6 |   - user: refund {{ amount }}
  7 |   - user: bye
    |     ^^^^
3 errors in 1 of 1 file; read 1 script
"""
    )


def test_concise_is_a_line_a_problem(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines for grep on stdout, the count on stderr, and nothing at all under --quiet where all is well."""
    code, out, err = check(capsys, "broken.yaml", "warned.yaml", "--format", "concise")
    assert code == 2
    assert out.splitlines() == [
        "broken.yaml:5:7: error[unknown-check]: no check is named 'rulez'; did you mean 'rules'?",
        "broken.yaml:6:11: error[undefined-name]: 'amount' has no value here",
        "broken.yaml:9:5: error[duplicate-key]: the key 'user' is given twice",
        "warned.yaml:1:10: warning[unused-param]: the param 'order' is never used; write {{ order }} somewhere, or drop it",
    ]
    assert err == "3 errors and 1 warning in 2 of 2 files; read 2 scripts\n"
    assert check(capsys, "good.yaml", "--format", "concise", "--quiet") == (0, "", "")


def test_github_annotates_the_lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One workflow command a problem; nothing in a message can end it or begin another."""
    _, out, _ = check(capsys, "broken.yaml", "--format", "github")
    assert out.splitlines() == [
        "::error file=broken.yaml,line=5,col=7,endLine=5,title=unknown-check::no check is named 'rulez'; did you mean 'rules'?",
        "::error file=broken.yaml,line=6,col=11,endLine=6,title=undefined-name::'amount' has no value here",
        "::error file=broken.yaml,line=9,col=5,endLine=9,title=duplicate-key::the key 'user' is given twice",
    ]
    (folder / "evil.yaml").write_text('turns:\n  - user: a\n    "x%0A::error::y\\n::set-output": 1\n', encoding="utf-8")
    _, out, _ = check(capsys, "evil.yaml", "--format", "github")
    assert len(out.splitlines()) == 1
    assert "%250A" in out


def test_sarif_for_code_hosts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A SARIF 2.1.0 log: rules, levels, places that count characters, and related places."""
    code, out, _ = check(capsys, "broken.yaml", "warned.yaml", "--format", "sarif")
    log: dict[str, Any] = json.loads(out)
    assert (code, log["version"], log["$schema"]) == (2, "2.1.0", "https://json.schemastore.org/sarif-2.1.0.json")
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == ["duplicate-key", "undefined-name", "unknown-check", "unused-param"]
    assert run["tool"]["driver"]["name"] == "focal-eval"
    assert run["columnKind"] == "unicodeCodePoints"
    for result in run["results"]:
        assert set(result) <= {"ruleId", "ruleIndex", "level", "message", "locations", "relatedLocations"}
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["message"]["text"]
        assert result["level"] in ("error", "warning")
        for place in (*result["locations"], *result.get("relatedLocations", ())):
            region = place["physicalLocation"]["region"]
            assert region["endLine"] >= region["startLine"] >= 1
            assert (region["endLine"], region["endColumn"]) >= (region["startLine"], region["startColumn"])
    first = run["results"][0]
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "broken.yaml"},
        "region": {"startLine": 5, "startColumn": 7, "endLine": 5, "endColumn": 12},
    }
    assert run["results"][1]["relatedLocations"][0]["message"] == {"text": "saved here, after this use"}


@pytest.mark.parametrize("words", [("--json",), ("--format", "json")])
def test_json_for_tools(folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    """One document with counts and diagnostics; the exit code is in it."""
    code, out, err = check(capsys, "good.yaml", "broken.yaml", *words)
    document = json.loads(out)
    assert err == ""
    assert document["files"] == {"scripts": 2, "fragments": 0, "suites": 0, "agents": 0, "baselines": 0, "quarantines": 0}
    assert (document["errors"], document["warnings"], document["exit_code"], code) == (3, 0, 2, 2)
    assert document["diagnostics"][0] == {
        "code": "unknown-check", "severity": "error", "message": "no check is named 'rulez'", "help": "did you mean 'rules'?",
        "file": "broken.yaml", "line": 5, "column": 7, "end_line": 5, "end_column": 12,
    }  # fmt: skip
    assert document["diagnostics"][1]["labels"] == [
        {"text": "saved here, after this use", "file": "broken.yaml", "line": 8, "column": 12, "end_line": 8, "end_column": 18}
    ]


def test_exit_codes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 without errors, warnings or not; 2 with errors; 2 for warnings under --strict."""
    assert check(capsys, "good.yaml")[0] == 0
    assert check(capsys, "warned.yaml")[0] == 0
    assert check(capsys, "warned.yaml", "--strict")[0] == 2
    assert check(capsys, "good.yaml", "--strict")[0] == 0
    assert check(capsys, "broken.yaml")[0] == 2


def test_a_good_folder_says_what_was_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No problems is an answer, with what it is an answer about."""
    assert check(capsys, "good.yaml") == (0, "no problems; read 1 script\n", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["good.yml"], "there is no file good.yml; did you mean 'good.yaml'?"),
        (["nothing-like-it"], "there is no file nothing-like-it"),
        (["empty"], "there is nothing to check: no scripts, suites or agents in empty"),
        (["good.yaml", "--agent", "god.yaml"], "there is no agent god.yaml; did you mean 'good.yaml'?"),
        (["x" * 300], "there is no file " + "x" * 300),
        ([], "the following arguments are required: PATH"),
        (["good.yaml", "--formt", "sarif"], "unrecognized arguments: --formt"),
        (["good.yaml", "--format", "xml"], "argument --format: invalid choice: 'xml'"),
    ],
)
def test_a_wrong_call_is_refused(folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    """Exit code 2, one sentence on stderr with the nearest name, nothing on stdout."""
    (folder / "empty").mkdir()
    code, out, err = check(capsys, *words)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_an_unknown_option_names_the_nearest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt option is met like a misspelt key."""
    assert "did you mean '--format'?" in check(capsys, "good.yaml", "--formt", "sarif")[2]


def test_a_folder_is_searched_and_foreign_yaml_passed_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only what is ours is read; what was passed over is told to tools, and hidden folders are not entered."""
    (folder / ".github").mkdir()
    (folder / ".github" / "ci.yaml").write_text("turns: 5\n")
    (folder / "deep" / "fragments").mkdir(parents=True)
    (folder / "compose.yaml").write_text("services: {web: {image: nginx}}\n")
    (folder / "deep" / "fragments" / "login.yaml").write_text("turns: [my mail is mia@example.com]\n")
    (folder / "deep" / "uses.yaml").write_text("turns: [include: fragments/login.yaml]\n")
    (folder / "deep" / "notes.txt").write_text("turns: 5\n")
    (folder / "broken.yaml").unlink()
    code, out, _ = check(capsys, ".", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["files"] == {"scripts": 3, "fragments": 1, "suites": 0, "agents": 0, "baselines": 0, "quarantines": 0}
    assert document["passed_over"] == ["compose.yaml"]


def test_a_named_file_is_never_passed_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that was asked for is a script, whatever is in it."""
    (folder / "compose.yaml").write_text("services: {web: {image: nginx}}\n")
    code, out, _ = check(capsys, "compose.yaml", "--format", "concise")
    assert code == 2
    assert "compose.yaml:1:1: error[unknown-key]: no key is named 'services' here" in out
    assert "compose.yaml:1:1: error[missing-key]: the key 'turns' is missing" in out


def test_scripts_are_checked_against_an_agent(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--agent gives the names for scripts that belong to no suite; its own problems are reported with theirs."""
    agent = (
        "agent: a\nrules: [{id: hello, match: {any_words: [hi]}, template: t}]\ntemplates: {t: {text: Hi, mode: FALLBACK}}\n"
    )
    (folder / "agent.yaml").write_text(agent)
    code, out, _ = check(capsys, "good.yaml", "--agent", "agent.yaml", "--format", "concise")
    assert (code, out) == (2, "good.yaml:4:22: error[unknown-rule]: agent.yaml has no rule 'greet'; known here: hello\n")
    (folder / "agent.yaml").write_text(agent.replace("template: t}", "tempalte: t}"))
    code, out, _ = check(capsys, "good.yaml", "--agent", "agent.yaml", "--format", "concise")
    assert (code, out) == (
        2,
        "agent.yaml:2:47: error[unknown-key]: no key is named 'tempalte' here; did you mean 'template'?\n",
    )


def test_a_suite_brings_its_scripts_and_its_agent(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Naming a suite checks everything it would run."""
    (folder / "agent.yaml").write_text("agent: a\nrules: [{id: hello, match: {any_words: [hi]}, template: t}]\n")
    (folder / "suite.yaml").write_text("scripts: [good.yaml]\nengine: {kind: embedded, agent: agent.yaml}\n")
    code, out, _ = check(capsys, "suite.yaml", "--json")
    document = json.loads(out)
    assert code == 2
    assert document["files"] == {"scripts": 1, "fragments": 0, "suites": 1, "agents": 0, "baselines": 0, "quarantines": 0}
    assert {item["file"] for item in document["diagnostics"]} == {"agent.yaml"}


def test_colour_only_where_it_is_wanted(folder: Path) -> None:
    """A pipe has none, FORCE_COLOR brings it, NO_COLOR takes it away again."""
    import os

    def printed(**more: str) -> str:
        environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")} | more
        command = [sys.executable, "-m", "focal_eval", "check", "broken.yaml"]
        return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False).stdout

    assert "\x1b[" not in printed()
    assert "\x1b[" in printed(FORCE_COLOR="1")
    assert "\x1b[" not in printed(FORCE_COLOR="1", NO_COLOR="1")


def test_control_characters_of_a_file_never_reach_the_terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key with an escape sequence in it is shown, not obeyed."""
    (folder / "evil.yaml").write_text('turns: [a]\n"\\e[2Jgone": 1\n', encoding="utf-8")
    for name in ("pretty", "concise", "github"):
        assert "\x1b" not in check(capsys, "evil.yaml", "--format", name)[1]


def test_hundreds_of_problems_end_in_a_count(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The pretty form stops after two hundred frames and says how many more there are; the count is complete."""
    (folder / "many.yaml").write_text("turns:\n" + "  - {usr: a}\n" * 300)
    _, out, _ = check(capsys, "many.yaml")
    assert out.count("error[unknown-key]") == 200
    assert "and 100 more\n" in out
    assert out.endswith("300 errors in 1 of 1 file; read 1 script\n")


def test_links_that_lead_nowhere_are_unreadable_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A link to itself or to nothing in a folder is a problem at its place, for `check` and for `run` alike."""
    (folder / "links").mkdir()
    (folder / "links" / "loop.yaml").symlink_to("loop.yaml")
    (folder / "links" / "lost.yaml").symlink_to("nothing.yaml")
    code, out, _ = check(capsys, "links")
    assert (code, out.count("error[unreadable-file]")) == (2, 2)
    (folder / "links" / "lost.yaml").unlink()
    agent = folder / "links" / "agent.txt"
    agent.write_text("agent: kiosk\n")
    assert main(["run", "links", "--agent", str(agent)]) == 2
    assert "links/loop.yaml:1:1: error[unreadable-file]: the file cannot be read" in capsys.readouterr().err


def test_check_says_what_a_run_would_be_refused_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An expectation on what the suite's engine does not report is an error before any run, and the same one."""
    (folder / "agent.txt").write_text(
        "agent: kiosk\nrules: [{id: greet, match: {any_words: hello}, template: hi}]\ntemplates: {hi: Hi}\n"
    )
    (folder / "suite.yaml").write_text("scripts: [one.yaml]\nengine: {kind: embedded, agent: agent.txt}\n")
    (folder / "one.yaml").write_text("turns:\n  - user: hello\n    expect: {citations: [policy]}\n")
    code, out, _ = check(capsys, "suite.yaml")
    line = "one.yaml:3:14: error[unreported-field]: this engine does not report citations"
    assert (code, line in out) == (2, True)
    assert main(["run", "suite.yaml"]) == 2
    assert line in capsys.readouterr().err
    (folder / "suite.yaml").write_text("scripts: [one.yaml]\nengine: {kind: embedded, agent: agent.txt}\nunreported: skip\n")
    assert check(capsys, "suite.yaml")[0] == 0


def test_check_runs_no_local_python(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A suite of a local function is checked without importing it."""
    (folder / "bot.py").write_text("raise SystemExit('run')\n")
    (folder / "suite.yaml").write_text(
        "scripts: [good.yaml]\nengine: {kind: callable, target: 'bot.py:answer', reports: [rules]}\n"
    )
    assert check(capsys, "suite.yaml")[0] == 0


@pytest.mark.parametrize(("include", "outside"), [("../shared/login.yaml", False), ("../../far/login.yaml", True)])
def test_check_and_run_agree_on_what_may_be_included(
    folder: Path, capsys: pytest.CaptureFixture[str], include: str, outside: bool
) -> None:
    """Includes stay below the folder that a suite and its scripts share, whichever verb reads them."""
    for place in ("proj/scripts", "proj/shared", "far"):
        (folder / place).mkdir(parents=True)
    (folder / "pyproject.toml").write_text("")
    for place in ("proj/shared", "far"):
        (folder / place / "login.yaml").write_text("turns: [hello]\n")
    (folder / "proj/agent.txt").write_text("agent: kiosk\n")
    (folder / "proj/suite.yaml").write_text("scripts: [scripts/*.yaml]\nengine: {kind: embedded, agent: agent.txt}\n")
    script = f"turns:\n  - include: {include}\n  - {{user: bye, expect: {{response: {{min_words: 1}}}}}}\n"
    (folder / "proj/scripts/one.yaml").write_text(script)
    _, out, _ = check(capsys, "proj/suite.yaml")
    assert ("error[include-outside]" in out) is outside
    code = main(["run", "proj/suite.yaml", "--report", "none"])
    assert (code, "error[include-outside]" in capsys.readouterr().err) == ((2, True) if outside else (0, False))
