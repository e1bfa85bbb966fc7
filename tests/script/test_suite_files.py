"""Suites: engines, environment, gates, and the scripts their patterns mean."""

# ruff: noqa: E501  # whole lines of output are compared

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from focal_eval.document import read_text
from focal_eval.errors import Problems
from focal_eval.script.collect import collect
from focal_eval.script.gates import RegressionsLimit
from focal_eval.script.limit import Limit
from focal_eval.script.repeats import Repeats
from focal_eval.script.suite import Suite, looks_like_agent, looks_like_suite, read_suite
from tests.script.file_reading import said

ENGINE = "engine: {kind: cassette, file: a.jsonl}\n"


def suite(text: str, path: Path = Path("suite.yaml")) -> Suite:
    document = read_text(text, str(path))
    made = read_suite(document, path)
    assert made is not None, list(map(str, document.problems))
    return made


def wrong(text: str) -> list[str]:
    return said(f"scripts: a.yaml\n{text}", "suite")


def test_the_smallest_suite_and_its_defaults() -> None:
    """Scripts and an engine; everything else has a stated default."""
    fields = suite(f"scripts: a.yaml\n{ENGINE}").fields
    assert (fields.repeats, fields.concurrency, fields.timeout_s, fields.case_timeout_s) == (Repeats(1), 16, 30.0, None)
    assert (fields.variants, fields.unreported, fields.golden, fields.channel) == ("rotate", "refuse", 1.0, "api")
    assert (dict(fields.gates), fields.seed, fields.tags, dict(fields.engines)) == ({}, 0, (), {})
    assert [(pattern.text, str(pattern.span)) for pattern in fields.scripts] == [("a.yaml", "suite.yaml:1:10")]


def test_each_engine_has_its_own_keys() -> None:
    """`kind` picks the configuration, with its own fields and defaults."""
    text = (
        "engine: {kind: embedded, agent: agents/a.yaml}\nengines:\n  tape: {kind: cassette, file: b.jsonl, match: position}\n"
    )
    fields = suite(f"scripts: a.yaml\n{text}").fields
    assert (fields.engine.kind, fields.engine.config.agent) == ("embedded", "agents/a.yaml")
    assert (fields.engines["tape"].config.file, fields.engines["tape"].config.match) == ("b.jsonl", "position")
    assert str(fields.engine.spans["agent"]) == "suite.yaml:2:33"


def test_engines_may_share_by_merge_keys() -> None:
    """`kind`, too, may come from an anchor."""
    text = "engine: &tape {kind: cassette, file: a.jsonl}\nengines: {other: {<<: *tape, file: b.jsonl}}\n"
    other = suite(f"scripts: a.yaml\n{text}").fields.engines["other"]
    assert (other.kind, other.config.file) == ("cassette", "b.jsonl")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "engine: {kind: casette, file: a}",
            "2:16: error[unknown-engine]: no engine is named 'casette'; did you mean 'cassette'?",
        ),
        ("engine: {kind: cassette, flie: a}", "2:26: error[unknown-key]: no key is named 'flie' here; did you mean 'file'?"),
        ("engine: {kind: cassette}", "2:9: error[missing-key]: the key 'file' is missing"),
        ("engine: cassette", "2:9: error[wrong-type]: expected a mapping with 'kind', found the text 'cassette'"),
        ("engine: {kind: 5}", '2:16: error[wrong-type]: expected text, found the number 5; to say it as text, write "5"'),
        (f"{ENGINE}repeats: 0", "3:10: error[out-of-range]: 0 is below 1"),
        (f"{ENGINE}repeats: 1.5", "3:10: error[wrong-type]: expected a whole number, found the number 1.5"),
        (f"{ENGINE}repeats: {{until: stable}}", "3:10: error[missing-key]: the key 'at_most' is missing"),
        (
            f"{ENGINE}repeats: {{at_most: 20, until: stabel}}",
            "3:31: error[unknown-word]: 'stabel' is not one of decided, stable; did you mean 'stable'?",
        ),
        (
            f"{ENGINE}repeats: {{at_most: 10, until: stable}}",
            "3:10: error[bad-value]: at_most: 10 is too few to stop early: "
            "a case is stable after 14 equal repeats (flaky_from 0.2, alpha 0.05)",
        ),
        (f"{ENGINE}repeats: {{at_most: 20, flaky_from: 0.6}}", "3:36: error[out-of-range]: 0.6 is above 0.5"),
        (f"{ENGINE}gates: {{pass_hat_k: {{min: 1}}}}", "3:21: error[bad-value]: this gate needs 'k', the number of tries"),
        (f"{ENGINE}gates: {{regressions: {{min_effect: 0.1}}}}", "3:22: error[bad-value]: 'min_effect' needs 'alpha'"),
        (f"{ENGINE}gates: {{regressions: {{alpha: 0.9}}}}", "3:30: error[out-of-range]: 0.9 is above 0.5"),
        (
            f"{ENGINE}gates: {{flaky: {{max: 0, alpha: 0.05}}}}",
            "3:25: error[unknown-key]: no key is named 'alpha' here; known here: max, min",
        ),
        (f"{ENGINE}concurrency: 100000", "3:14: error[out-of-range]: 100000 is above 10000"),
        (f"{ENGINE}timeout_s: 0", "3:12: error[out-of-range]: 0 is below 0.001"),
        (f"{ENGINE}variants: every", "3:11: error[unknown-word]: 'every' is not one of rotate, all"),
        (
            f"{ENGINE}unreported: fial",
            "3:13: error[unknown-word]: 'fial' is not one of refuse, skip, fail; did you mean 'fail'?",
        ),
        (f"{ENGINE}golden: 0.9", "3:9: error[wrong-type]: expected equal, off or {similar: 0.9}, found the number 0.9"),
        (f"{ENGINE}golden: {{similar: 2}}", "3:19: error[out-of-range]: 2 is above 1"),
        (
            f"{ENGINE}gates: {{pass_rte: {{min: 1}}}}",
            "3:9: error[unknown-gate]: no gate is named 'pass_rte'; did you mean 'pass_rate'?",
        ),
        (f"{ENGINE}gates: {{pass_rate: 1}}", "3:20: error[wrong-type]: expected a mapping, found the number 1"),
        (f"{ENGINE}gates: {{pass_rate: {{}}}}", "3:20: error[bad-value]: a gate needs 'min' or 'max'"),
        (
            f"{ENGINE}gates: {{pass_rate: {{mni: 1}}}}",
            "3:21: error[unknown-key]: no key is named 'mni' here; did you mean 'min'?",
        ),
        (f"{ENGINE}prices: {{prompt: cheap}}", "3:18: error[wrong-type]: expected a number, found the text 'cheap'"),
        (
            f"{ENGINE}mask: [tool.*.result]",
            "3:8: error[unknown-word]: 'tool' is no part of a message that is compared; did you mean 'tools'?",
        ),
        (
            f"{ENGINE}mask: tools..result",
            "3:7: error[bad-value]: 'tools..result' is no path; between two dots stands a key, a number or '*'",
        ),
        (f"{ENGINE}tgas: [a]", "3:1: error[unknown-key]: no key is named 'tgas' here; did you mean 'tags'?"),
    ],
)
def test_a_wrong_suite_is_said_so(text: str, line: str) -> None:
    """One line at its place."""
    assert wrong(text) == [line]


def test_repeats_are_a_number_or_what_ends_them() -> None:
    """A number stands for `at_most`; a gate on regressions allows none unless it says so."""
    assert suite(f"scripts: a.yaml\n{ENGINE}repeats: 3").fields.repeats == Repeats(3)
    fields = suite(
        f"scripts: a.yaml\n{ENGINE}repeats: {{at_most: 30, until: decided, alpha: 0.1}}\ngates: {{regressions: {{alpha: 0.05}}}}"
    ).fields
    assert fields.repeats == Repeats(30, "decided", alpha=0.1)
    assert fields.gates == {"regressions": RegressionsLimit(max=0.0, alpha=0.05)}


def test_what_is_not_compared_is_read_as_paths() -> None:
    """One path or a list of them, `*` for any step; names of findings are those the check has."""
    fields = suite(f"scripts: a.yaml\n{ENGINE}mask: [tools.*.result.at, metadata]\ntolerate: text-changed\n").fields
    assert fields.mask == (("tools", "*", "result", "at"), ("metadata",))
    assert fields.tolerate == ("text-changed",)
    (problem,) = wrong(f"{ENGINE}tolerate: [text-change]")
    assert problem.endswith("did you mean 'text-changed'?")


def test_gates_have_ends() -> None:
    """`min`, `max` or both."""
    fields = suite(f"scripts: a.yaml\n{ENGINE}gates: {{pass_rate: {{min: 0.9, max: 1}}, errored: {{max: 0}}}}\n").fields
    assert dict(fields.gates) == {"pass_rate": Limit(0.9, 1), "errored": Limit(None, 0)}


@pytest.mark.parametrize(("written", "asked"), [("equal", 1.0), ("off", None), ("{similar: 0.8}", 0.8)])
def test_golden_policies(written: str, asked: float | None) -> None:
    """How close a reply must come to its golden text; `off` in YAML is a text, as it should be."""
    assert suite(f"scripts: a.yaml\n{ENGINE}golden: {written}\n").fields.golden == asked


def engine_of(value: str) -> Any:
    return suite(f"scripts: a.yaml\nengine: {{kind: cassette, file: {value}}}\n").fields.engine


def test_environment_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set ones are put in and known as secrets, unset ones are noted with their place, defaults stand in."""
    monkeypatch.setenv("TAPE", "secret-tape")
    monkeypatch.delenv("NO_TAPE", raising=False)
    assert (engine_of('"x/${TAPE}.jsonl"').config.file, engine_of('"${TAPE}"').secrets) == (
        "x/secret-tape.jsonl",
        ("secret-tape",),
    )
    missing = engine_of('"${NO_TAPE}/${TAPE}"')
    assert missing.config.file == "${NO_TAPE}/secret-tape"
    assert [(name, str(span)) for name, span in missing.missing] == [("NO_TAPE", "suite.yaml:2:32")]
    default = engine_of('"${NO_TAPE:-tape}.jsonl"')
    assert (default.config.file, default.missing, default.secrets) == ("tape.jsonl", (), ())
    assert engine_of('"$TAPE {TAPE} ${}"').config.file == "$TAPE {TAPE} ${}"


def test_a_variable_is_text_where_text_is_asked_and_a_number_where_a_number_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in the environment has no type of its own, and is never read as YAML."""
    monkeypatch.setenv("DIGITS", "0042")
    monkeypatch.setenv("NUMBER", "42")
    monkeypatch.setenv("EVIL", "{a: b}")
    assert [engine_of(f'"${{{name}}}"').config.file for name in ("DIGITS", "NUMBER", "EVIL")] == ["0042", "42", "{a: b}"]
    text = 'engine: {kind: callable, target: "m:f", deterministic: "${FLAG}"}\n'
    monkeypatch.setenv("FLAG", "true")
    assert suite(f"scripts: a.yaml\n{text}").fields.engine.config.deterministic is True


NUMBERED = "engine: {{kind: openai, url: 'http://h/v1', model: m, {}}}\n"


@pytest.mark.parametrize(
    "keys",
    [
        'max_rounds: "${NO_NUMBER}"',
        'stream: "${NO_NUMBER}"',
        'faults: {attempts: "${NO_NUMBER}", retry: "${NO_NUMBER}"}',
        'temperature: "${NO_NUMBER}"',
        'extra: {max_tokens: 5}, token: "${NO_NUMBER}"',
    ],
)
def test_a_missing_variable_is_no_wrong_value(keys: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a number, a boolean or a word is expected, what is not set is noted as not set; the suite can be read."""
    monkeypatch.delenv("NO_NUMBER", raising=False)
    engine = suite(f"scripts: a.yaml\n{NUMBERED.format(keys)}").fields.engine
    assert {name for name, _ in engine.missing} == {"NO_NUMBER"}


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ('max_rounds: "${NO_NUMBER}", stream: 5', "error[wrong-type]: expected true or false, found the number 5"),
        ('max_rounds: "${NO_NUMBER}", strem: true', "no key is named 'strem' here; did you mean 'stream'?"),
        ('max_rounds: "${NO_NUMBER:-many}"', "error[wrong-type]: expected a whole number, found the text 'many'"),
        ("max_rounds: 0", "error[bad-value]: 'max_rounds' must be above 0"),
    ],
)
def test_other_mistakes_beside_a_missing_variable_are_told(keys: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what the variable would mend is passed over."""
    monkeypatch.delenv("NO_NUMBER", raising=False)
    (told,) = wrong(NUMBERED.format(keys))
    assert line in told


def test_other_values_are_not_filled_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only engines take variables; a title may show one."""
    monkeypatch.setenv("TAPE", "secret")
    assert suite(f'scripts: a.yaml\n{ENGINE}title: "${{TAPE}}"\n').fields.title == "${TAPE}"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `evals` beside scripts, fragments and other files."""
    monkeypatch.chdir(tmp_path)
    for name in ("shop/a.yaml", "shop/b.yml", "shop/deep/c.yaml", "shop/fragments/f.yaml", "shop/d.fragment.yaml", "shop/n.txt",
                 "desk/a.yaml"):  # fmt: skip
        path = tmp_path / "scenarios" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("turns: [hello]\n")
    (tmp_path / "evals").mkdir()
    return tmp_path


def collected(project: Path, scripts: str) -> tuple[list[str], list[str]]:
    """The ids of what a suite's `scripts` mean, and the problems on the way."""
    made = suite(f"scripts: {scripts}\n{ENGINE}", project / "evals" / "suite.yaml")
    problems = Problems()
    entries, _ = collect(made, problems)
    return [name for _, name in entries], [str(item).partition("suite.yaml:")[2] for item in problems]


@pytest.mark.parametrize(
    ("scripts", "ids"),
    [
        ("../scenarios/shop/a.yaml", ["a"]),
        ("../scenarios/shop", ["shop/a", "shop/b", "shop/deep/c"]),
        ("../scenarios/shop/*.yaml", ["a"]),
        ("../scenarios/shop/**/*.yaml", ["a", "deep/c"]),
        ("../scenarios/shop/**", ["a", "b", "deep/c"]),
        ("[../scenarios/shop/**, ../scenarios/desk/*.yaml]", ["desk/a", "shop/a", "shop/b", "shop/deep/c"]),
        ("[../scenarios/**/a.yaml, '!../scenarios/desk/**']", ["shop/a"]),
        ("[../scenarios/shop/**, '!../scenarios/shop/deep']", ["a", "b"]),
        ("[../scenarios/shop/**, '!../scenarios/shop/[ab].*', ../scenarios/shop/a.yaml]", ["a", "deep/c"]),
        ("[../scenarios/shop/a.yaml, ../scenarios/shop/*.yaml]", ["a"]),
    ],
)
def test_patterns_and_ids(project: Path, scripts: str, ids: list[str]) -> None:
    """Files, folders, globs and exclusions in the order written; ids start below what the patterns share; no fragments."""
    assert collected(project, scripts) == (ids, [])


@pytest.mark.parametrize(
    ("scripts", "line"),
    [
        ("../scenarios/shp/*.yaml", "1:10: error[no-scripts]: there is no folder scenarios/shp; did you mean 'shop'?"),
        ("../scenarios/shop/*.json", "1:10: error[no-scripts]: '../scenarios/shop/*.json' matches no script"),
        ("../scenarios/desk/b.yaml", "1:10: error[no-scripts]: '../scenarios/desk/b.yaml' matches no script; did you mean 'a.yaml'?"),
        ("'**x/*.yaml'", "1:10: error[bad-glob]: '**x/*.yaml' cannot be searched: "
                         "Invalid pattern: '**' can only be an entire path component"),
        ("'!'", "1:10: error[bad-glob]: '!' cannot be searched: it names no path"),
        ('"a\\0b"', "1:10: error[no-scripts]: 'a\0b' matches no script"),
        ("[../scenarios/desk, '!../scenarios/shop/**']", "1:30: warning[excludes-nothing]: '!../scenarios/shop/**' leaves no file out; "
                                                         "drop it, or write it after the patterns it narrows"),
        ("['!../scenarios/desk/**', ../scenarios/desk]", "1:11: warning[excludes-nothing]: '!../scenarios/desk/**' leaves no file out; "
                                                         "drop it, or write it after the patterns it narrows"),
    ],
)  # fmt: skip
def test_a_pattern_that_means_nothing_is_said_so(project: Path, scripts: str, line: str) -> None:
    """At its own place, with the nearest name."""
    assert collected(project, scripts)[1] == [line]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("scripts: a\nengine: {}", "suite"), ("engine: {}", "suite"), ("scripts: [a]", "suite"),
        ("agent: a", "agent"), ("rules: []", "agent"), ("agent: a\nscripts: b", "suite"),
        ("turns: []", "other"), ("turns: []\nengine: {}", "other"), ("turns: []\nrules: []", "other"), ("[a]", "other"), ("", "other"),
        ("services: {}", "other"),
    ],
)  # fmt: skip
def test_files_are_told_apart_by_their_keys(text: str, kind: str) -> None:
    """`turns` makes a script, `scripts` or `engine` a suite, `agent` or `rules` an agent."""
    root = read_text(text, "a.yaml").root
    found = "suite" if looks_like_suite(root) else "agent" if looks_like_agent(root) else "other"
    assert found == kind
