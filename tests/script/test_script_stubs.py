"""Stubs: what tools answer in a script."""

from __future__ import annotations

from typing import Any

import pytest

from focal_eval.script.model import Step, Stub
from focal_eval.script.stubs import Answering
from tests.script.file_reading import problems_of, said, script_of


def stubs(tools: str) -> tuple[Stub, ...]:
    return script_of(f"tools: {tools}\nturns: [hello]\n").stubs


def answering(tools: str) -> Answering:
    return Answering({stub.tool: stub.answers for stub in stubs(tools)})


def test_an_answer_alone_is_a_list_of_one() -> None:
    """The short form of a stub has no list."""
    assert [answer.steps for answer in stubs("{t: {returns: {a: 1}}}")[0].answers] == [(Step({"a": 1}),)]
    assert len(stubs("{t: [{returns: 1}]}")[0].answers) == 1


def test_an_answer_returns_anything_or_fails() -> None:
    """A result of any kind, null too; an error as text or under `error`; a delay that is reported and not waited for."""
    for written, value in (("null", None), ("[1, a]", [1, "a"]), ("18.5", 18.5), ("''", "")):
        assert answering(f"{{t: {{returns: {written}}}}}").find("t", {}) == Step(value)
    for written in ("not found", "{error: not found}", "{error: not found, code: 404}"):
        assert answering(f"{{t: {{fails: {written}, delay_ms: 50}}}}").find("t", {}) == Step(None, "not found", 50)


def test_the_first_answer_that_fits_is_taken() -> None:
    """`when` matches arguments like any expectation: others may be there unless `only`."""
    play = answering(
        """
  t:
    - {when: {id: A, n: {at_least: 2}}, returns: 1}
    - {when: {id: A}, only: true, returns: 2}
    - {when: {id: {matches: '^B'}}, returns: 3}
    - {when: {id: absent}, returns: 4}
"""
    )
    calls: list[tuple[dict[str, Any], Any]] = [
        ({"id": "A", "n": 2}, 1), ({"id": "A"}, 2), ({"id": "A", "n": 1}, None),
        ({"id": "B7", "x": 0}, 3), ({}, 4), ({"id": "C"}, None),
    ]  # fmt: skip
    for arguments, wanted in calls:
        found = play.find("t", arguments)
        assert (None if found is None else found.returns) == wanted, arguments
    assert play.find("other", {}) is None


def test_a_sequence_answers_call_by_call() -> None:
    """One answer a call, in order; the last one stays."""
    play = answering("{t: {sequence: [{returns: 1}, {fails: down}, {returns: 3}]}}")
    found = [play.find("t", {}) for _ in range(4)]
    assert found == [Step(1), Step(None, "down"), Step(3), Step(3)]


def test_an_answer_may_be_used_up() -> None:
    """`times` makes room for the answers after it; calls it did not take do not count."""
    play = answering("{t: [{when: {id: A}, times: 2, fails: busy}, {returns: 1}]}")
    calls = [{"id": "B"}, {"id": "A"}, {"id": "A"}, {"id": "A"}]
    assert [getattr(play.find("t", call), "fails", None) for call in calls] == [None, "busy", "busy", None]


def test_answers_may_share_by_merge_keys() -> None:
    """What answers have in common may be merged in."""
    (stub,) = stubs("{t: [{when: {id: A}, <<: &order {returns: {total: 1}}}, {when: {id: B}, <<: *order}]}")
    assert [answer.steps for answer in stub.answers] == [(Step({"total": 1}),), (Step({"total": 1}),)]


def test_a_templated_answer_keeps_its_node() -> None:
    """Its templates are checked now and filled per case."""
    script = script_of(
        "params: {o: [A]}\ntools: {t: [{when: {id: '{{ o }}'}, returns: {x: '{{ o }}'}}, {returns: 1}]}\nturns: [hi]"
    )
    assert [answer.node is not None for answer in script.stubs[0].answers] == [True, False]


def test_numbers_and_patterns_of_an_answer_may_come_from_rows() -> None:
    """What an answer needs as a number or a pattern may be a template; a row that does not fit is found before a run."""
    text = """
params: {n: [5, %s], p: ['^A']}
tools:
  t: {when: {total: {approx: "{{ n }}"}, id: {matches: "{{ p }}"}}, returns: "{{ n }}", delay_ms: "{{ n }}"}
turns: [hello]
"""
    (answer,) = script_of(text % "6").stubs[0].answers
    assert answer.node is not None
    assert list(answer.argument_spans) == ["total", "id"]
    found = problems_of("script", (text % "six").encode())
    assert [str(item).removeprefix("a.yaml:") for item in found] == [
        "4:30: error[wrong-type]: expected a number, found the text 'six'",
        "4:99: error[wrong-type]: expected a number, found the text 'six'",
    ]
    assert [[label.text for label in item.labels] for item in found] == [["where n is six", "where p is ^A"]] * 2


@pytest.mark.parametrize(
    ("tools", "line"),
    [
        ("[t]", "1:8: error[wrong-type]: expected a mapping of tool names, found a list"),
        ("{t: []}", "1:12: error[bad-stub]: 't' has no answers"),
        ("{t: {}}", "1:12: error[bad-stub]: an answer needs 'returns', 'fails' or 'sequence'"),
        ("{t: 5}", "1:12: error[wrong-type]: expected a mapping, found the number 5"),
        ("{t: {when: {a: 1}}}", "1:12: error[bad-stub]: an answer needs 'returns', 'fails' or 'sequence'"),
        ("{t: {returns: 1, fails: no}}", "1:12: error[bad-stub]: an answer has one of returns, fails"),
        ("{t: {returns: 1, only: true}}", "1:31: error[bad-stub]: 'only' needs 'when'"),
        ("{t: {sequence: []}}", "1:23: error[bad-stub]: 'sequence' is empty"),
        ("{t: {sequence: [{delay_ms: 5}]}}", "1:24: error[bad-stub]: each answer of a sequence has 'returns' or 'fails'"),
        ("{t: {fails: ''}}", "1:20: error[wrong-type]: expected the error's text, found the text ''"),
        ("{t: {fails: {code: 404}}}", "1:20: error[wrong-type]: expected the error's text, found a mapping"),
        ("{t: {returns: 1, times: 0}}", "1:32: error[out-of-range]: 0 is below 1"),
        ("{t: {returns: 1, delay_ms: -1}}", "1:35: error[out-of-range]: -1 is below 0"),
        ("{t: {returns: 1, whn: {a: 1}}}", "1:25: error[unknown-key]: no key is named 'whn' here; did you mean 'when'?"),
        ("{t: {when: {a: {matches: '('}}, returns: 1}}", "1:33: error[bad-pattern]: not a pattern: missing ) at position 1"),
    ],
)
def test_a_wrong_stub_is_said_so(tools: str, line: str) -> None:
    """One line at its place."""
    assert said(f"tools: {tools}\nturns: [hello]") == [line]


@pytest.mark.parametrize(
    ("answers", "unreachable"),
    [
        ("[{returns: 1}, {returns: 2}]", [1]),
        ("[{returns: 1}, {when: {a: 1}, returns: 2}, {returns: 3}]", [1, 2]),
        ("[{when: {a: 1}, returns: 1}, {when: {a: 1}, returns: 2}]", [1]),
        ("[{when: {a: 1}, returns: 1}, {when: {a: 1}, only: true, returns: 2}]", [1]),
        ("[{when: {a: 1}, only: true, returns: 1}, {when: {a: 1}, returns: 2}]", []),
        ("[{when: {a: 1}, only: true, returns: 1}, {when: {a: 1}, only: true, returns: 2}]", [1]),
        ("[{returns: 1, times: 2}, {returns: 2}]", []),
        ("[{when: {a: 1}, returns: 1, times: 1}, {when: {a: 1}, returns: 2}]", []),
        ("[{when: {a: 1}, returns: 1}, {when: {a: 2}, returns: 2}]", []),
        ("[{when: {a: 1}, returns: 1}, {when: {a: '1'}, returns: 2}]", []),
    ],
)
def test_an_answer_that_is_never_reached_is_warned_of(answers: str, unreachable: list[int]) -> None:
    """The warning points at the answer, its label at the one that is always taken first."""
    text = f"turns: [hello]\ntools:\n  t: {answers}\n"
    found = problems_of("script", text.encode())
    assert [item.code for item in found] == ["unreachable-answer"] * len(unreachable)
    assert [label.text for item in found for label in item.labels] == ["this one is always taken first"] * len(unreachable)
    assert all(item.labels[0].span < item.span for item in found)


def test_many_answers_are_looked_through_in_time() -> None:
    """Ten thousand answers of one tool are no reason to wait."""
    import time

    answers = ", ".join(f"{{when: {{id: {number}}}, returns: 1}}" for number in range(10_000))
    start = time.process_time()
    assert said(f"tools: {{t: [{answers}]}}\nturns: [hello]") == []
    assert time.process_time() - start < 5
