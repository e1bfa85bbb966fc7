"""The run folders of a pytest session: what other verbs make of them, gates, baselines, engines that fail, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from focal_eval.cli import main
from tests.pytest_plugin.project import build, environment, inside, run, write

SLOW = """
import asyncio

async def answer(message, conversation):
    if "wait" in message:
        await asyncio.sleep(60)
    return {"response": message, "rules": ["greet"]}
"""
WAITING = "turns:\n  - user: please wait\n    expect: {rules: [greet]}\n"


@pytest.fixture
def shop(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project of scripts that pass, in the current folder."""
    build(pytester.path, "greeting.yaml", "xfail.yaml")
    for name, value in environment(pytester.path.parent).items():
        monkeypatch.setenv(name, value)
    return pytester


def header(project: Path) -> dict[str, object]:
    """The header of the only run."""
    (folder,) = (project / "reports").iterdir()
    found: dict[str, object] = orjson.loads((folder / "run.json").read_bytes())
    return found


def test_other_verbs_take_a_session_as_a_run(shop: pytest.Pytester, capsys: pytest.CaptureFixture[str]) -> None:
    """`report latest`, `compare` with a run of `focal-eval run`, and `show` work on what pytest left."""
    assert main(["run", "evals/shop.yaml", "--report", "none"]) == 0
    inside(shop, "scenarios").assert_outcomes(passed=1, xfailed=1)
    capsys.readouterr()
    assert main(["compare", "previous", "latest"]) == 0
    assert "✓ Nothing changed · 2 same" in capsys.readouterr().out
    assert main(["report", "latest", "--report", "markdown"]) == 0
    assert main(["show", "latest", "greeting"]) == 0


def test_a_gate_of_the_whole_suite_fails_the_session(shop: pytest.Pytester) -> None:
    """Every item passes, a gate does not hold: exit 1 where the whole suite was played, and told but no more where not."""
    path = shop.path / "evals" / "shop.yaml"
    path.write_text(path.read_text() + "gates: {failed: {max: 0}, skipped: {min: 5}}\n")
    result = inside(shop, "scenarios")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1, xfailed=1)
    result.stdout.fnmatch_lines(["✗ gate skipped: 0 (n = 2 cases), asked for ≥ 5", "✗ Failed*skipped missed*"])
    result = inside(shop, "scenarios/greeting.yaml")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["✗ gate skipped: 0 (n = 1 case), asked for ≥ 5"])


def test_the_baseline_is_approved_by_an_option(shop: pytest.Pytester) -> None:
    """What is new and passed is approved; what changed is left until a reason is given; what failed is never taken."""
    write(shop.path, {"scenarios/bad.yaml": "turns:\n  - user: hello\n    expect: {rules: [goodbye]}\n"})
    result = inside(shop, "scenarios", "--focal-update-baseline")
    result.assert_outcomes(passed=1, xfailed=1, failed=1)
    result.stdout.fnmatch_lines(["baseline evals/baselines/shop: 2 new; 1 new case left, *; 2 files written"])
    kept = {file.name for file in (shop.path / "evals" / "baselines" / "shop").iterdir()}
    assert kept == {"greeting.yaml", "xfail.yaml"}
    bot = shop.path / "evals" / "bot.py"
    bot.write_text(bot.read_text().replace("You said", "I heard"))
    again = ("scenarios/greeting.yaml", "--focal-update-baseline")
    said = run(shop.path, *again)[1]
    assert (
        "baseline evals/baselines/shop: nothing new; 1 changed case left, say why with --focal-reason; 0 files written" in said
    )
    said = run(shop.path, *again, "--focal-reason", "other words")[1]
    assert "baseline evals/baselines/shop: 1 wrong; 1 file written" in said
    assert "why: other words" in (shop.path / "evals" / "baselines" / "shop" / "greeting.yaml").read_text()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--focal-reason", "because"], "--focal-reason is for --focal-update-baseline"),
        (["--focal-update-baseline", "--focal-report", "none"], "*leave out --focal-report none"),
        (["--focal-update-baseline", "-o", "focal_report=none"], "*leave out --focal-report none"),
    ],
)
def test_options_that_contradict_each_other_are_refused(shop: pytest.Pytester, options: list[str], told: str) -> None:
    """A usage error before anything is collected."""
    result = inside(shop, "scenarios", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{told}"])


def test_a_folder_that_cannot_be_written_ends_the_session_in_a_sentence(shop: pytest.Pytester) -> None:
    """No traceback: the folder and the reason, and exit code 3 as `focal-eval run` has it."""
    (shop.path / "full").write_text("a file")
    result = inside(shop, "scenarios", "--focal-report", "full")
    assert int(result.ret) == 3
    result.stdout.fnmatch_lines(["*Exit: focal-eval: the run folder */full/* cannot be written: Not a directory*"])
    assert "INTERNALERROR" not in result.stdout.str()


def test_run_folders_go_where_the_ini_file_says(shop: pytest.Pytester) -> None:
    """`focal_report` in the ini file is relative to that file."""
    shop.makeini("[pytest]\nfocal_report = out/runs\n")
    inside(shop, "scenarios").assert_outcomes(passed=1, xfailed=1)
    assert len(list((shop.path / "out" / "runs").iterdir())) == 1
    assert not (shop.path / "reports").exists()


def test_each_suite_of_a_session_has_a_run_of_its_own(shop: pytest.Pytester) -> None:
    """Scripts of two suites make two folders, each named with its suite in the summary."""
    other = (shop.path / "evals" / "shop.yaml").read_text().replace("../scenarios/**", "../other")
    write(shop.path, {"evals/other.yaml": other, "other/hello.yaml": "turns:\n  - user: hello\n    expect: {rules: [greet]}\n"})
    result = inside(shop, "scenarios", "other")
    result.assert_outcomes(passed=2, xfailed=1)
    result.stdout.fnmatch_lines(["evals/shop.yaml: ✓ 1 of 2 cases passed*", "evals/other.yaml: ✓ The case passed*"])
    assert len(list((shop.path / "reports").iterdir())) == 2


def test_a_case_that_pytest_skips_is_skipped_in_the_run(shop: pytest.Pytester) -> None:
    """A conftest may mark items: the run folder says that the case was skipped, and why."""
    shop.makeconftest("""
        import pytest
        def pytest_collection_modifyitems(items):
            for item in items:
                if item.name == "greeting":
                    item.add_marker(pytest.mark.skip(reason="the bot is asleep"))
    """)
    inside(shop, "scenarios").assert_outcomes(skipped=1, xfailed=1)
    assert header(shop.path)["counts"]["skipped"] == 1  # type: ignore[index]
    (folder,) = (shop.path / "reports").iterdir()
    assert b"the bot is asleep" in (folder / "journal.jsonl").read_bytes()


def test_a_case_that_is_tried_again_has_its_attempts_in_the_run(shop: pytest.Pytester) -> None:
    """A plug-in that runs an item again makes further attempts of one case; the last one counts."""
    bot = "seen = []\ndef answer(message, conversation):\n    seen.append(message)\n"
    bot += "    return {'response': 'hello', 'rules': ['greet', 'goodbye'] if len(seen) > 1 else []}\n"
    write(shop.path, {"evals/bot.py": bot})
    shop.makeconftest("""
        from _pytest.runner import runtestprotocol
        def pytest_runtest_protocol(item, nextitem):
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for again in range(2):
                for report in runtestprotocol(item, nextitem=nextitem, log=False):
                    if report.failed and not again:
                        report.outcome = "rerun"
                    item.ihook.pytest_runtest_logreport(report=report)
            return True
        def pytest_report_teststatus(report):
            if report.outcome == "rerun":
                return "rerun", "R", "RERUN"
    """)
    assert inside(shop, "scenarios/greeting.yaml").ret == pytest.ExitCode.OK
    (folder,) = (shop.path / "reports").iterdir()
    ends = [orjson.loads(line) for line in (folder / "journal.jsonl").read_bytes().splitlines() if b'"t":"attempt"' in line]
    assert [(end["attempt"], end["verdict"]) for end in ends] == [(1, "failed"), (2, "passed")]
    assert header(shop.path)["counts"]["passed"] == 1  # type: ignore[index]


def test_an_engine_that_is_given_up_is_not_asked_again(shop: pytest.Pytester) -> None:
    """After the engine was given up the other cases are errors at once, and the run says that the engine was lost."""
    suite = """
scripts: [../scenarios/*.yaml]
engine: {kind: focal, url: "http://127.0.0.1:9", tenant: 7d3f0a52-1111-4000-8000-000000000001, faults: {breaker_after: 2}}
timeout_s: 5
"""
    script = "turns:\n  - user: hello\n    expect: {response: {contains: a}}\n"
    write(
        shop.path, {"evals/shop.yaml": suite, **{f"scenarios/{name}.yaml": script for name in ("greeting", "xfail", "a", "b")}}
    )
    result = inside(shop, "scenarios")
    result.assert_outcomes(errors=4)
    result.stdout.fnmatch_lines(["*error[[]engine-unreachable]: cannot connect*", "not asked: *"])
    assert header(shop.path)["state"] == "given-up"


def test_ctrl_c_keeps_what_was_played(tmp_path: Path) -> None:
    """SIGINT in the midst of a conversation: pytest's own words, and a run folder that says it was interrupted."""
    project = build(tmp_path / "shop", "greeting.yaml")
    write(
        project,
        {"evals/bot.py": SLOW, "scenarios/greeting.yaml": WAITING.replace("wait", "go on"), "scenarios/waits.yaml": WAITING},
    )
    command = [sys.executable, "-m", "pytest", "-pno:hypothesispytest", "-pno:timeout", "-p", "no:xdist", "-v", "scenarios"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=project, env=environment(tmp_path)
    ) as process:
        _wait(lambda: any(b'"t":"attempt"' in file.read_bytes() for file in project.glob("reports/*/journal.jsonl")))
        time.sleep(0.5)
        os.kill(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[0]
    assert process.returncode == pytest.ExitCode.INTERRUPTED, said
    assert "… Interrupted after 1 of 2 cases: no failure so far" in said
    assert header(project)["state"] == "interrupted"


def _wait(until: object) -> None:
    """Waits until something is so."""
    assert callable(until)
    for _ in range(600):
        if until():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen within a minute")


@pytest.mark.slow
def test_a_cassette_is_recorded_by_one_process_and_replayed_by_several(tmp_path: Path) -> None:
    """Recording under xdist is refused with the reason; what one process recorded, others replay."""
    project = build(tmp_path / "shop", "greeting.yaml", "xfail.yaml")
    suite = project / "evals" / "shop.yaml"
    suite.write_text(suite.read_text().replace("[rules]}", "[rules], cassette: {file: shop.jsonl, mode: record}}", 1))
    code, said = run(project, "-n", "2", "scenarios", "--focal-report", "none")
    assert code == 1
    assert "shop.jsonl is recorded by one process; play it without -n, or replay it" in said
    assert "Traceback" not in said
    code, said = run(project, "-p", "no:xdist", "scenarios", "--focal-report", "none")
    assert code == 0, said
    assert (project / "evals" / "shop.jsonl").is_file()
    suite.write_text(suite.read_text().replace("record}", "replay}"))
    (project / "evals" / "bot.py").write_text("def answer(message, conversation):\n    raise RuntimeError('not asked')\n")
    code, said = run(project, "-n", "2", "scenarios", "--focal-report", "none")
    assert code == 0, said
