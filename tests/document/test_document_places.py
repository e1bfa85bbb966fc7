"""Every value of a file knows where it stands, whatever stands before it."""

from __future__ import annotations

import pytest

from focal_eval.document import Reader, plain, read_bytes, read_text
from focal_eval.source import Span, excerpt, frame
from tests.document.yaml_reading import scalars

BREAKS = {"LF": "\n", "CR LF": "\r\n", "CR": "\r"}

LINES = [
    "title: one",
    "# a comment with 😀 and \u2028 in it",
    "emoji: {😀: two, after: three}",
    "tab:\tfour",
    "combining: e\u0301 five",
    "list:",
    "  - six",
    "  - [seven, 'eight', \"nine\"]",
    "separators: 'ten \u2028 \x85 \u2029'",
    "right-to-left: \u202beleven",
    "last: twelve",
]
VALUES = ["one", "two", "three", "four", "e\u0301 five", "six", "seven", "eight", "nine", "\u202beleven", "twelve"]


def where(value: str) -> tuple[int, int]:
    """Line and column of a value in LINES, its opening quote included."""
    for number, line in enumerate(LINES, 1):
        if value in line:
            column = line.index(value)
            return number, column if line[column - 1] in "'\"" else column + 1
    raise AssertionError(value)


@pytest.mark.parametrize("kind", BREAKS)
def test_every_scalar_keeps_its_place(kind: str) -> None:
    """Line and column count characters, after emoji, tabs and separators, with each kind of line break."""
    document = read_text(BREAKS[kind].join(LINES) + BREAKS[kind], "a.yaml")
    assert list(map(str, document.problems)) == []
    places = {node.value: (node.start_mark.line + 1, node.start_mark.column + 1) for node in scalars(document.root)}
    assert {value: places[value] for value in VALUES} == {value: where(value) for value in VALUES}


def test_a_byte_order_mark_moves_nothing() -> None:
    """The first key of a file with a byte order mark stands in column 1."""
    document = read_bytes(b"\xef\xbb\xbfa: 1\nb: {{ x }}\n", "a.yaml")
    plain(document.root, Reader(document))  # type: ignore[arg-type]  # it was read
    assert [str(item).split(":")[1:3] for item in document.problems] == [["2", "4"]]


def test_separators_are_characters_of_the_text() -> None:
    """NEL, LS and PS neither end a line nor vanish from a value, quoted or not."""
    document = read_text("a: x\u2028y\nb: 'p\x85q'\nc: \"r\u2029s\"\n", "a.yaml")
    assert plain(document.root, Reader(document)) == {"a": "x\u2028y", "b": "p\x85q", "c": "r\u2029s"}  # type: ignore[arg-type]


def test_private_characters_beside_separators_stay_what_they_are() -> None:
    """What stands in for a separator while the file is read is never mistaken for the author's own character."""
    document = read_text("a: \ue000\u2028\ue001\n", "a.yaml")
    assert plain(document.root, Reader(document)) == {"a": "\ue000\u2028\ue001"}  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", BREAKS)
def test_a_frame_shows_the_line_that_is_meant(kind: str) -> None:
    """The lines of a frame are counted as places are."""
    text = BREAKS[kind].join(["a: 1", "b: \u2028", "c: : 3", "d: 4"])
    document = read_text(text, "a.yaml")
    (problem,) = document.problems
    assert problem.span.line == 3
    assert excerpt(text, problem.span.line) == ((2, "b: \u2028"), (3, "c: : 3"))


def test_a_long_value_is_marked_on_its_first_line() -> None:
    """A problem with a value of many lines points at the first one, so that annotations stand where it begins."""
    document = read_text("a:\n  b: {{ x\n    }}\n  c: 1\n", "a.yaml")
    plain(document.root, Reader(document))  # type: ignore[arg-type]  # it was read
    (problem,) = document.problems
    assert problem.span == Span("a.yaml", 2, 6, 2, 10)


def test_a_frame_of_a_long_line_stays_readable() -> None:
    """A caret far to the right is shown with the text around it, not at the end of a line of thousands."""
    text = "a: " + "x" * 5_000 + " b: c"
    document = read_text(text, "a.yaml")
    (problem,) = document.problems
    shown = frame(document.frame_lines(problem.span), problem.span).split("\n")
    assert max(map(len, shown)) < 200
    assert shown[-1].strip().endswith("^")
