"""Damaged and hostile files: whatever is in them, an importer gives diagnostics or scripts that read back."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from focal_eval.errors import Problems
from focal_eval.importers import Source, make_importer
from focal_eval.importers.run import prove
from tests.importers.test_import_adk import ROLL, case
from tests.importers.test_import_pipecat import WEATHER
from tests.importers.test_import_rasa import FIXTURES

STORIES = """\
stories:
- story: one
  steps:
  - {intent: greet, user: "hi [Mia](PERSON) {{ x }}"}
  - {action: utter_greet}
  - {action: action_x}
  - {active_loop: form}
  - {slot_was_set: [{a: {type: x}}, b, {requested_slot: c}]}
  - or: [{intent: a}, {intent: b, user: c}]
  - {checkpoint: met}
- story: two
  steps: [{checkpoint: met}, {user: bye}, {bot: "so long"}]
"""
CASES = """\
test_cases:
- test_case: the_case
  fixtures: [premium]
  metadata: info
  steps:
  - user: hi
    assertion_order_enabled: true
    assertions:
    - {flow_started: {operator: any, flow_ids: [a, b]}}
    - {slot_was_set: [{name: a, value: {one_of: 1}}]}
    - {slot_was_not_set: [{name: b, value: 2}]}
    - {bot_uttered: {utter_name: utter_x, text_matches: "a|b", buttons: [{title: "Yes", payload: x}]}}
    - {generative_response_is_grounded: {ground_truth: x}}
    - {action_executed: do_it}
  - {user: again}
  - {bot: text}
  - {utter: utter_y}
  - {slot_was_not_set: [c, {d: 1}]}
  - {commands: [{start_flow: pay}, {set_slot: [{a: 1}]}]}
"""
CONFIG = """\
prompts: ['{{ message }} and {{ other }}']
providers: [echo]
defaultTest: {vars: {other: [a, b]}, assert: [{type: cost, threshold: 1}]}
tests:
- vars: {message: "hi {{ other }}"}
  metadata: {conversationId: 7}
  options: {storeOutputAs: kept}
  threshold: 0.5
  assert:
  - {type: contains-any, value: [a, b], weight: 0}
  - {type: is-json, value: {type: object, properties: {a: {type: string}}}}
  - {type: not-regex, value: "a{2}"}
  - {type: word-count, value: {min: 2, max: 4}}
  - {type: similar, value: x, threshold: 0.5}
  - {type: "trajectory:tool-args-match", value: {name: a, args: {x: {equals: 1}}, ignore: [y]}}
  - {type: "trajectory:tool-used", value: {name: a, min: 1, max: 3}}
  - {type: assert-set, threshold: 0.5, assert: [{type: contains, value: x}, {type: starts-with, value: y}]}
- vars: {message: "{{ kept }}"}
  assert: [{type: equals, value: {a: [1]}}]
scenarios:
- config: [{vars: {a: 1}}]
  tests: [{vars: {message: x}}]
"""
CONVO = """\
name
about it

#begin
SET_SCRIPTING_MEMORY a|b

#me
hello $a and $b

#bot
!no $c
BUTTONS x|$d
BUTTONS_COUNT >=2
TEXT_REGEXP_ANY a{2}
INTENT_CONFIDENCE 50

#bot
I found $n things
RESPONSE_LENGTH 30

#me
BUTTON p|$n

#bot
{"a": [1, {"equals": 2}]}
"""
SAMPLES = {
    "adk": ("x.test.json", case(ROLL, ROLL, session_input={"state": {"a": 1}}, final_session_state={"b": {"one_of": 1}})),
    "botium": ("x.convo.txt", CONVO),
    "pipecat": ("x.yaml", WEATHER),
    "promptfoo": ("promptfooconfig.yaml", CONFIG),
    "rasa": ("x.yml", STORIES),
}
PIECES = st.sampled_from(
    [
        "", "\x00", "{{", "{{ x }}", "{% raw %}", "{#", "}}", "[", "]", "{", "}", '"', "'", ":", "- ", "\n", "\r", "\t", "#",
        "|", "\\", "$", "null", "true", "-1", "1e999", "9" * 400, "any", "absent", "!!python/object:os.system x", "&a", "*a",
        "<<: *a", "\ud800", "\u2028", "😀", "é" * 50, "a: " * 40, "[" * 60, "(?P<x>", "(" * 30, "file:///etc/passwd",
        "../" * 5, ".nan", "~", "0x10", "2026-11-21",
    ]
)  # fmt: skip


def survives(name: str, file: str, data: bytes, *more: Source) -> None:
    """Nothing is raised, and what is made reads back."""
    for named in (True, False):
        problems = Problems()
        imported = make_importer(name).read((Source(file, data, named=named), *more), problems)
        if not problems.errors:
            prove(imported, problems)
        told = [str(item) for item in problems.errors if item.code == "import-unwritable"]
        assert not told, told


def tries(count: int) -> settings:
    """So many examples, always the same ones."""
    return settings(max_examples=count, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


FEW_AND_MANY = [20, pytest.param(400, marks=pytest.mark.slow)]


@pytest.mark.parametrize("count", FEW_AND_MANY)
@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_files_never_crash_an_importer(name: str, count: int) -> None:
    """Pieces put in, put over and cut out anywhere."""
    file, text = SAMPLES[name]
    beside = (Source("y.yml", (FIXTURES + CASES).encode()),) if name == "rasa" else ()

    @tries(count)
    @given(st.lists(st.tuples(st.integers(0, len(text)), st.integers(0, 12), PIECES), min_size=1, max_size=4))
    def tried(edits: list[tuple[int, int, str]]) -> None:
        damaged = text
        for at, length, piece in edits:
            damaged = damaged[:at] + piece + damaged[at + length :]
        survives(name, file, damaged.encode("utf-8", "surrogatepass"), *beside)

    tried()


SCALARS = st.sampled_from(["", " ", "x", "{{ x }}", "any", "absent", "only", "utter_x", "a|b", "(", "file://x", "-", "é"])
KEYS = st.sampled_from(["name", "value", "type", "equals", "one_of", "only", "x", "", "args", "min", "max"])
NUMBERS = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
ODD = st.recursive(
    st.none() | st.booleans() | NUMBERS | SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("count", FEW_AND_MANY)
@pytest.mark.parametrize(
    ("name", "file", "text"),
    [(name, *SAMPLES[name]) for name in SAMPLES if name != "botium"] + [("rasa", "e.yml", FIXTURES + CASES)],
)
def test_values_of_any_kind_in_any_place_are_survived(name: str, file: str, text: str, count: int) -> None:
    """A file of the right shape in which one value is another one."""
    data = yaml.safe_load(text.replace("!include judge_text.yaml", "judge"))
    places = list(paths_in(data))

    @tries(count)
    @given(st.sampled_from(places), ODD)
    def tried(path: tuple[str | int, ...], odd: Any) -> None:
        changed = replaced(data, path, odd)
        written = json.dumps(changed) if file.endswith(".json") else yaml.safe_dump(changed, allow_unicode=True)
        survives(name, file, written.encode())

    tried()


def paths_in(data: Any, path: tuple[str | int, ...] = ()) -> Any:
    """The path of every value."""
    if path:
        yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from paths_in(value, (*path, key))


def replaced(data: Any, path: tuple[str | int, ...], odd: Any) -> Any:
    """The data with another value at a path."""
    if not path:
        return odd
    step, *rest = path
    if isinstance(data, dict):
        return {key: replaced(value, tuple(rest), odd) if key == step else value for key, value in data.items()}
    return [replaced(value, tuple(rest), odd) if index == step else value for index, value in enumerate(data)]


def test_a_deep_file_is_refused() -> None:
    """With a diagnostic; in a text file of Botium brackets are text."""
    for name, (file, _) in SAMPLES.items():
        problems = Problems()
        make_importer(name).read((Source(file, b"[" * 100_000),), problems)
        assert bool(problems.errors) == (name != "botium")
