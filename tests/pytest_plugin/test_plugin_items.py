"""Scripts as pytest items: which files are collected, what the items are called, and what each verdict becomes."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import orjson
import pytest

from tests.pytest_plugin.project import FOREIGN, SCRIPTS, build, environment, inside, run, write

IDS = [
    "scenarios/broke.yaml::broke",
    "scenarios/expects-nothing.yaml::expects-nothing",
    "scenarios/greeting.yaml::greeting",
    "scenarios/held.yaml::held",
    "scenarios/money/refund.yaml::money/refund[order=A-1]",
    "scenarios/money/refund.yaml::money/refund[order=A-2]",
    "scenarios/skipped.yaml::skipped",
    "scenarios/xfail-breaks.yaml::xfail-breaks",
    "scenarios/xfail.yaml::xfail",
    "scenarios/xpass.yaml::xpass",
    "test_plain.py::test_plain",
]
OUTCOMES = {"failed": 2, "passed": 3, "skipped": 2, "xfailed": 2, "errors": 2}


class Played:
    """One session over the whole project, with all that it left."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.project = build(folder / "shop")
        write(self.project, FOREIGN)
        self.code, self.said = run(self.project, "-v", "--junitxml=junit.xml", *arguments, ".")
        self.cases = {case.get("name"): case for case in ET.parse(self.project / "junit.xml").getroot().iter("testcase")}

    @property
    def folder(self) -> Path:
        """The one run folder."""
        (found,) = (self.project / "reports").iterdir()
        return found

    def outcome(self, name: str) -> str:
        """What pytest prints of an item."""
        found = re.search(rf"^{re.escape(name)} (\w+)|(\w+) {re.escape(name)} *$", self.said, re.MULTILINE)
        assert found is not None, self.said
        return found[1] or found[2]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The project played by one process."""
    return Played(tmp_path_factory.mktemp("alone"), "-p", "no:xdist")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The project played by two processes of xdist."""
    return Played(tmp_path_factory.mktemp("played"), "-n", "2")


@pytest.fixture(params=["alone", "shared"])
def played(request: pytest.FixtureRequest) -> Played:
    """Either of them: what holds for one holds for the other."""
    found: Played = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def shop(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """The project in the current folder, and its environment."""
    build(pytester.path)
    for name, value in environment(pytester.path.parent).items():
        monkeypatch.setenv(name, value)
    return pytester


def test_cases_of_suites_are_items_and_other_yaml_is_left_alone(shop: pytest.Pytester) -> None:
    """`pytest .` lists an item a case, by path and name; composes, workflows, fragments and stray YAML are no items."""
    write(shop.path, FOREIGN)
    result = inside(shop, ".", "--collect-only", "-q")
    assert [line for line in result.outlines if "::" in line] == IDS
    assert result.ret == 0
    assert not (shop.path / "reports").exists()


def test_a_verdict_is_pytests_own_outcome(played: Played) -> None:
    """Failed is FAILED, errored is ERROR, xfail, xpass and skip are pytest's, quarantine is an xfail with its reason."""
    assert played.code == 1
    assert {name.rpartition("::")[2]: played.outcome(name) for name in IDS} == {
        "broke": "ERROR",
        "expects-nothing": "SKIPPED",
        "greeting": "PASSED",
        "held": "XFAIL",
        "money/refund[order=A-1]": "PASSED",
        "money/refund[order=A-2]": "FAILED",
        "skipped": "SKIPPED",
        "xfail-breaks": "ERROR",
        "xfail": "XFAIL",
        "xpass": "FAILED",
        "test_plain": "PASSED",
    }
    held = played.cases["held"].find("skipped")
    assert held is not None
    assert held.get("message") == "in quarantine until 2099-12-31 (anna): the next release mends it"


def test_a_failure_is_the_frame_and_no_traceback(played: Played) -> None:
    """A failure is told as `focal-eval run` tells it: the words, the caret, what was observed; nothing of ours."""
    for line in (
        "✗ FAILED  money/refund[order=A-2]  A refund",
        "    6 |     expect: {rules: [refund], response: {contains: A-1}}",
        "      expected  text containing 'A-1'",
        "! ERRORED  broke  Broke",
        "  error[engine-error]: bot.py:answer raised RuntimeError: the bot fell over",
        "[XPASS(strict)] not built yet",
    ):
        assert line in played.said.split("\n")
    assert "Traceback" not in played.said
    assert "focal_eval/" not in played.said


def test_turns_are_told_one_by_one(played: Played) -> None:
    """With -v a turn that failed has a line under its item; a failure's report has every turn with verdict and rules."""
    assert re.search(
        r"A-2\] *(FAILED.*)?\n  turn 1: scenarios/money/refund.yaml:6:\d+: failed\[response.contains\]: ", played.said
    )
    assert re.search(r"\n✓ turn 2: passed · rules goodbye · \d+ ms\n    user   bye\n    agent  You said bye.\n", played.said)


def test_junit_has_properties_of_each_turn(played: Played) -> None:
    """Verdict, rules and milliseconds of each turn are properties; a broken engine is an error, a failed case a failure."""
    found = {item.get("name"): item.get("value") for item in played.cases["money/refund[order=A-2]"].iter("property")}
    assert found.pop("focal.turn.1.ms")
    assert found.pop("focal.turn.2.ms")
    assert len(found.pop("focal.case") or "") == 12
    assert found == {
        "focal.verdict": "failed",
        "focal.turn.1.verdict": "failed",
        "focal.turn.1.rules": "refund",
        "focal.turn.2.verdict": "passed",
        "focal.turn.2.rules": "goodbye",
    }
    assert played.cases["broke"].find("error") is not None
    assert played.cases["money/refund[order=A-2]"].find("failure") is not None


def test_the_run_folder_is_that_of_a_run(played: Played) -> None:
    """One folder with journal, header and reports, whole and judged, whoever played; the summary tells its verdict."""
    assert {"journal.jsonl", "run.json", "report.html", "junit.xml", "summary.md"} <= {
        file.name for file in played.folder.iterdir()
    }
    header = orjson.loads((played.folder / "run.json").read_bytes())
    assert header["state"] == "finished"
    assert header["plan"]["cases"] == header["plan"]["collected"] == 10
    assert header["options"]["again"]["paths"] == ["evals/shop.yaml"]
    assert {verdict: count for verdict, count in header["counts"].items() if count} == {
        "passed": 2,
        "failed": 2,
        "errored": 2,
        "skipped": 2,
        "xfailed": 1,
        "xpassed": 1,
    }
    assert "✗ 3 of 10 cases failed and 2 errored · " in played.said
    assert f" · reports/{played.folder.name}/report.html" in played.said


def test_both_ways_of_playing_write_the_same_records(alone: Played, shared: Played) -> None:
    """What xdist's workers played is in the journal as one process would have written it, but for times and order."""
    assert records(alone) == records(shared)
    assert len(records(alone)) == 10


def records(played: Played) -> dict[str, list[object]]:
    """What the journal holds of each case, without times, checksums and the time of a frame."""
    out: dict[str, list[object]] = {}
    for line in (played.folder / "journal.jsonl").read_bytes().splitlines():
        data = orjson.loads(line)
        if data["t"] in ("case", "turn", "attempt"):
            out.setdefault(data["case"], []).append({key: data[key] for key in data if key not in ("crc", "elapsed_ms")})
    return out


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (["-k", "refund and A-1"], {"passed": 1, "deselected": 9}),
        (["-k", "smoke"], {"passed": 1, "deselected": 9}),
        (["-m", "smoke or two_words"], {"passed": 2, "failed": 1, "deselected": 7}),
        (["-m", "tag_skip and not smoke"], {"passed": 1, "failed": 1, "deselected": 8}),
        (["-m", "nightly and xfail"], {"xfailed": 2, "failed": 1, "errors": 1, "deselected": 6}),
        (["--runxfail", "-k", "xfail or xpass or held"], {"failed": 2, "passed": 1, "errors": 1, "deselected": 6}),
        (["-x"], {"errors": 1}),
        (["--maxfail=2"], {"errors": 1, "passed": 2, "skipped": 1, "xfailed": 1, "failed": 1}),
        (["scenarios/money/refund.yaml::money/refund[order=A-1]"], {"passed": 1}),
        (["evals/shop.yaml::greeting"], {"passed": 1}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_pytests_own_selection_works(shop: pytest.Pytester, choice: list[str], expected: dict[str, int]) -> None:
    """-k, -m, -x, --maxfail and node ids choose cases; a tag is a marker that does nothing but be chosen by."""
    where = [] if "::" in choice[0] else ["scenarios"]
    result = inside(shop, *choice, *where, "--strict-markers", "-p", "no:cacheprovider", "--focal-report", "none")
    result.assert_outcomes(**expected)
    assert not (shop.path / "reports").exists()


def test_the_last_failures_are_run_again(shop: pytest.Pytester) -> None:
    """--lf plays what failed and errored, and the run folder knows that more was collected."""
    inside(shop, "scenarios", "--focal-report", "none").assert_outcomes(failed=2, errors=2, passed=2, skipped=2, xfailed=2)
    result = inside(shop, "scenarios", "--lf")
    result.assert_outcomes(failed=2, errors=2)
    (folder,) = (shop.path / "reports").iterdir()
    assert orjson.loads((folder / "run.json").read_bytes())["plan"]["cases"] == 4


def test_a_case_that_is_named_twice_is_played_once(shop: pytest.Pytester) -> None:
    """A suite and one of its scripts, both named, give each case one item."""
    result = inside(shop, "evals/shop.yaml", "scenarios/greeting.yaml", "--collect-only", "-q")
    listed = [line for line in result.outlines if "::" in line]
    assert len(listed) == 10
    assert "evals/shop.yaml::greeting" in listed


def test_all_errors_of_all_scripts_are_shown_in_frames(shop: pytest.Pytester) -> None:
    """Broken scripts are collection errors in the project's frames, each in its own file; nothing is played."""
    write(shop.path, {
        "scenarios/one.yaml": "turns:\n  - user: hello\n    expct: {rules: [greet]}\n",
        "scenarios/two.yaml": "turns:\n  - user: hello\n    expect: {rulez: [greet], response: {containz: a}}\n",
    })  # fmt: skip
    result = inside(shop, "scenarios")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([
        "*ERROR collecting scenarios/one.yaml*",
        "scenarios/one.yaml:3:5: error[[]unknown-key]: no key is named 'expct' here; did you mean 'expect'?",
        "    |     ^^^^^",
        "*ERROR collecting scenarios/two.yaml*",
        "scenarios/two.yaml:3:14: error[[]unknown-check]: no check is named 'rulez'; did you mean 'rules'?",
        "scenarios/two.yaml:3:41: error[[]unknown-check]: no check is named 'containz'; did you mean 'contains'?",
        "*Interrupted: 2 errors during collection*",
    ])  # fmt: skip
    assert "Traceback" not in result.stdout.str()
    result = inside(shop, "scenarios", "--continue-on-collection-errors", "-q", "--tb=no")
    result.assert_outcomes(failed=2, errors=4, passed=2, skipped=2, xfailed=2)


def test_what_concerns_all_scripts_is_told_once(shop: pytest.Pytester) -> None:
    """A suite that is broken, an engine that is not there: one error, however many scripts there are."""
    result = inside(shop, "scenarios", "--focal-engine", "othre")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["evals/shop.yaml has no engine 'othre'; did you mean 'other'?"])
    (shop.path / "evals" / "shop.yaml").write_text("scripts: [../scenarios/*.yaml]\nengin: 3\n")
    result = inside(shop, "scenarios")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["evals/shop.yaml:2:1: error[[]unknown-key]: *did you mean 'engine'?"])


def test_the_suite_is_told_where_it_cannot_be_known(shop: pytest.Pytester) -> None:
    """Two suites with a script, or none: an error names the option, and the option or the ini file decides."""
    suite = (shop.path / "evals" / "shop.yaml").read_text()
    write(shop.path, {"evals/again.yaml": suite, "other/stray.yaml": SCRIPTS["greeting.yaml"]})
    result = inside(shop, "scenarios/greeting.yaml")
    result.stdout.fnmatch_lines(["several suites contain scenarios/greeting.yaml; pick one with --focal-suite: *"])
    inside(shop, "scenarios/greeting.yaml", "--focal-suite", "evals/again.yaml").assert_outcomes(passed=1)
    result = inside(shop, "other/stray.yaml")
    result.stdout.fnmatch_lines(["other/stray.yaml belongs to no suite; name one with --focal-suite FILE, or an agent with *"])
    shop.makeini("[pytest]\nfocal_suite = evals/shop.yaml\n")
    inside(shop, "other", "-q").assert_outcomes(passed=1)


def test_scripts_without_a_suite_are_played_on_an_agent(shop: pytest.Pytester) -> None:
    """--focal-agent names an agent file, as --agent of `focal-eval run` does."""
    agent = "agent: kiosk\nrules:\n  - {id: greet, match: {any_words: [hello]}, then: greet, template: hi}\n"
    agent += "templates:\n  - {id: hi, mode: EXCLUSIVE, text: hello you}\n  - {id: none, mode: FALLBACK, text: what?}\n"
    script = "turns:\n  - user: hello\n    expect: {rules: [greet], response: {contains: hello you}}\n"
    write(shop.path, {"agent.yaml": agent, "other/hello.yaml": script})
    inside(shop, "other", "--focal-agent", "agent.yaml").assert_outcomes(passed=1)


def test_hidden_work_is_not_done(shop: pytest.Pytester) -> None:
    """--setup-plan sends nothing to the engine."""
    result = inside(shop, "scenarios/greeting.yaml", "--setup-plan")
    result.stdout.no_fnmatch_line("*asked:*")
    assert not (shop.path / "reports").exists()
