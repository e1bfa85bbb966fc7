"""The lines of an agent file that belong to items, and the tracefile made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.coverage import items_of, trace_case
from focal_eval.coverage.lcov import tracefile
from focal_eval.coverage.lines import items_by_line
from focal_eval.coverage.matrix import Matrix
from focal_eval.records import UNKNOWN
from tests.coverage.shop import AGENT, agent, enforced, move, reply, turns


def line_of(text: str) -> int:
    """The number of the first line with this text."""
    return next(number for number, line in enumerate(AGENT.split("\n"), 1) if text in line)


@pytest.fixture
def held(tmp_path: Path) -> dict[int, list[str]]:
    """The items on each line of the shop's file."""
    found = items_by_line(items_of(agent(tmp_path)), AGENT)
    return {number: [f"{item.kind}:{item.name}" for item in items] for number, items in found.items()}


def test_every_line_belongs_to_the_innermost_item(held: dict[int, list[str]]) -> None:
    """A rule has all its lines, a step has its own without its transitions, an exit has its line and not the scenario."""
    greet = line_of("- id: greet")
    assert [held[greet + offset] for offset in range(3)] == [["rule:greet"]] * 3
    assert held[line_of("exit: leave")] == ["exit:refund"]
    assert held[line_of("enter:")] == ["start:refund"]
    assert held[line_of("relocalise:")] == ["relocalise:refund → ask"]
    assert held[line_of("collect: order")] == ["step:refund/ask"]
    assert held[line_of("{to: sure, if: vip}")] == ["transition:refund/ask → sure"]
    assert held[line_of("{to: sure, when: 'yes'}")] == ["transition:refund/ask → sure (2)"]
    assert held[line_of("en: Done")] == ["template:done"]
    assert held[line_of("steps:")] == ["scenario:refund"]


def test_comments_blank_lines_and_what_is_no_item_belong_to_nothing(held: dict[int, list[str]]) -> None:
    """A block does not run on to what follows it, be it a comment or the next item's first line."""
    comment = line_of("# a comment")
    assert comment not in held
    assert comment - 1 not in held
    assert held[line_of("- id: start")] == ["rule:start"]
    assert line_of("agent: shop") not in held
    assert line_of("rules:") not in held
    assert line_of("id: order") not in held
    assert held[line_of("- {id: sorry")] == ["template:sorry"]


def test_two_edges_on_one_line_share_it(tmp_path: Path) -> None:
    """Items that stand on the very same line are both on it; one inside the other is there alone."""
    text = AGENT.replace(
        "          - {to: sure, if: vip}\n          - {to: sure, when: 'yes'}\n          - {to: sure}\n", ""
    ).replace("        go:\n      - id: sure", "        go: [{to: sure, if: vip}, {to: sure}]\n      - id: sure")
    found = items_by_line(items_of(agent(tmp_path, text)), text)
    line = next(number for number, said in enumerate(text.split("\n"), 1) if "go: [{to" in said)
    assert [item.name for item in found[line]] == ["refund/ask → sure", "refund/ask → sure (2)"]


def covered(tmp_path: Path) -> Matrix:
    """A matrix with a rule that is asserted, one that is hit, and a constraint with both outcomes."""
    matrix = Matrix(items_of(agent(tmp_path)))
    first = reply("greet", enforcement=(enforced("limit", "passed"),), transitions=(move("start", None, "ask"),))
    second = reply("greet", "start", enforcement=(enforced("limit", "fallback"),))
    matrix.add(trace_case("one", "one", turns(first, second)), {("rule", "greet"): (0, 1)}, {("rule", "start"): (0,)})
    return matrix


def test_the_tracefile_holds_lines_functions_and_branches(tmp_path: Path) -> None:
    """Lines count hits, functions count checks, branches count both outcomes; the sums are those of what stands there."""
    text = tracefile("evals/shop.yaml", AGENT, covered(tmp_path).rows())
    lines = text.splitlines()
    assert lines[:2] == ["TN:focal_eval", "SF:evals/shop.yaml"]
    assert lines[-1] == "end_of_record"
    greet, start, limit = (line_of(f"id: {name}") for name in ("greet", "start", "limit"))
    for wanted in (
        f"FN:{greet},rule greet",
        "FNDA:2,rule greet",
        "FNDA:0,rule start",
        f"BRDA:{greet},0,0,2",
        f"BRDA:{greet},0,1,0",
    ):
        assert wanted in lines
    for wanted in (
        f"BRDA:{start},0,0,1",
        f"BRDA:{start},0,1,1",
        f"DA:{greet + 1},2",
        f"DA:{start},1",
        f"DA:{line_of('exit: leave')},0",
    ):
        assert wanted in lines
    assert [line for line in lines if line.startswith(f"BRDA:{limit},")] == [
        f"BRDA:{limit},0,0,1", f"BRDA:{limit},0,1,1", f"BRDA:{limit},1,0,2", f"BRDA:{limit},1,1,0",
    ]  # fmt: skip
    counts = {key: [line for line in lines if line.startswith(f"{key}:")] for key in ("DA", "FN", "FNDA", "BRDA")}
    assert f"LF:{len(counts['DA'])}" in lines
    assert f"LH:{sum(not line.endswith(',0') for line in counts['DA'])}" in lines
    assert f"FNF:{len(counts['FN'])}" in lines
    assert f"BRF:{len(counts['BRDA'])}" in lines
    assert f"BRH:{sum(not line.endswith(',0') for line in counts['BRDA'])}" in lines


def test_what_is_unknown_or_switched_off_has_no_line(tmp_path: Path) -> None:
    """A viewer shows such lines as not instrumented: neither covered nor missed."""
    matrix = Matrix(items_of(agent(tmp_path)))
    silent = trace_case("one", "one", turns(reply("greet", transitions=UNKNOWN)))
    matrix.add(trace_case("one", "one", turns()), None, None)
    assert "DA:" not in tracefile("shop.yaml", AGENT, matrix.rows())
    matrix.add(silent, None, None)
    text = tracefile("shop.yaml", AGENT, matrix.rows())
    assert f"DA:{line_of('id: greet')},1" in text
    assert f"DA:{line_of('id: old')}," not in text
    assert f"DA:{line_of('{to: sure, if: vip}')}," not in text
    assert "FN:" not in text


def test_names_cannot_break_the_tracefile(tmp_path: Path) -> None:
    """A line feed in a path and a comma in a name stay in their line and their field."""
    text = tracefile("evals/\nend_of_record\nshop.yaml", AGENT, covered(tmp_path).rows())
    assert text.count("\nend_of_record") == 1
    assert all(line.count(",") == 1 for line in text.splitlines() if line.startswith(("FN:", "FNDA:", "DA:")))
