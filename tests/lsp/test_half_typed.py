"""What is told of half-typed texts: where the cursor is, which names may stand there, and where a name is written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from focal_eval.errors import ExitCode
from focal_eval.lsp.completion import complete
from focal_eval.lsp.cursor import cursor_at
from focal_eval.lsp.mentions import Mention
from focal_eval.lsp.naming import kinds_at
from focal_eval.lsp.positions import Lines
from focal_eval.lsp.project import Project
from focal_eval.lsp.spots import spots
from focal_eval.source import Span
from tests.lsp.shop import AGENT, REFUND, SUITE, make_shop


def at(marked: str) -> tuple[Lines, int, int]:
    """The lines of a text and the place of `|` in it."""
    before, _, after = marked.partition("|")
    return Lines(before + after), before.count("\n"), len(before.rpartition("\n")[2])


@pytest.mark.parametrize(
    ("text", "path", "key", "word"),
    [
        ("|", (), True, ""),
        ("turns:\n  - us|", ("turns", 0), True, "us"),
        ("turns:\n- user: a\n- |", ("turns", 1), True, ""),
        ("turns:\n  - user: a\n    ex|\n  - b", ("turns", 0), True, "ex"),
        ("turns:\n  - expect:\n      rules: [a, b|", ("turns", 0, "expect", "rules", 1), False, "b"),
        ("turns:\n  - expect: {rules: {includes: [a], ex|", ("turns", 0, "expect", "rules"), True, "ex"),
        ("turns:\n  - expect:\n      tools:\n        - look: {no: 1, |}", ("turns", 0, "expect", "tools", 0, "look"), True, ""),
        ("a: |\n", ("a",), False, ""),
        ("a: |-\n  text: b\nc|", (), True, "c"),
        ('a: "x: [y"\nb: [z|', ("b", 0), False, "z"),
    ],
)
def test_the_cursor_is_found(text: str, path: tuple[str | int, ...], key: bool, word: str) -> None:
    """The path, whether a key is typed, and the word, whatever follows."""
    if "|-" in text:
        lines, line, column = Lines(text[:-1]), text.count("\n"), 1
    else:
        lines, line, column = at(text)
    found = cursor_at(lines, line, column)
    assert (found.path, found.key, found.word) == (path, key, word)


@pytest.mark.parametrize("text", [AGENT, REFUND, SUITE], ids=["agent", "script", "suite"])
def test_every_beginning_of_a_file_is_answered(text: str, tmp_path: Path) -> None:
    """As a file is typed, letter after letter, suggestions can always be asked for."""
    make_shop(tmp_path)
    project = Project((tmp_path,))
    name = {AGENT: "evals/agents/shop.yaml", REFUND: "scenarios/refund.yaml", SUITE: "evals/shop.yaml"}[text]
    path = (tmp_path / name).resolve()
    for end in range(0, len(text), 7):
        typed = text[:end]
        project.files.put(path, typed)
        project.changed(path)
        found = complete(project, path, typed.count("\n"), len(typed.rpartition("\n")[2]))
        assert all(made.label for made in found)


@pytest.mark.parametrize(
    ("kind", "path", "key", "wanted"),
    [
        ("script", ("turns", 7, "expect", "rules", "includes", 2), False, ("rule", "")),
        ("script", ("turns", 0, "expect", "any_of", 1, "scenario"), False, ("scenario", "")),
        ("script", ("turns", 0, "expect", "tools", "exactly", 0, "find"), True, ("argument", "find.")),
        ("script", ("conversation", 0, "before", "then", "tool"), False, ("tool", "")),
        ("script", ("tools", "find", 0, "when"), True, ("argument", "find.")),
        ("agent", ("rules", "greet", "excludes", 0), False, ("rule", "")),
        ("agent", ("scenarios", "returns", "steps", "ask", "go", 0, "to"), False, ("step", "returns/")),
        ("agent", ("rules", 0, "match", "if"), False, ("variable", "")),
    ],
)
def test_the_readers_tell_what_is_named(kind: str, path: tuple[str | int, ...], key: bool, wanted: tuple[str, str]) -> None:
    """The kind of name that may stand at a path, with what belongs before it."""
    assert kinds_at(kind, path, key=key) == (wanted,)


@pytest.mark.parametrize(
    ("written", "mention", "found"),
    [
        ("greet", Mention("rule", "greet", Span("", 1, 1, 1, 6)), ["greet"]),
        ("'greet'", Mention("rule", "greet", Span("", 1, 1, 1, 8)), ["greet"]),
        ("status/status", Mention("step", "status/status", Span("", 1, 1, 1, 14)), ["status"]),
        ("a == 'a' and x.a and a", Mention("variable", "a", Span("", 1, 1, 1, 23), code=True), ["a", "a"]),
        ('"a {{ a }} {{ b.a }}"', Mention("variable", "a", Span("", 1, 1, 1, 22), code=True), ["a"]),
        ("{{ rule }}", Mention("rule", "greet", Span("", 1, 1, 1, 11)), []),
    ],
)
def test_a_name_is_found_where_it_is_written(written: str, mention: Mention, found: list[str]) -> None:
    """Only the letters of the name are its spot: no text in quotes, no field of something else, no other way to say it."""
    places = spots(mention, Lines(written))
    assert [written[start:end] for start, end in places] == found
    if mention.kind == "step":
        assert places == [(7, 13)]


@pytest.mark.parametrize("units", ["utf-8", "utf-16", "utf-32"])
def test_columns_go_there_and_back(units: str) -> None:
    """A column in the editor's units is the same character again."""
    text = "a\N{WAVING HAND SIGN}ü\N{COMBINING ACUTE ACCENT}b"
    lines = Lines(f"x\r\n{text}\r{text}\n", units)  # type: ignore[arg-type]  # one of the three
    assert len(lines) == 4
    for column in range(len(text) + 1):
        assert lines.from_units(1, lines.to_units(1, column)) == column


def test_without_the_extra_the_install_line_is_told() -> None:
    """`focal-eval lsp` where the libraries are absent says what to install."""
    program = "import sys; sys.modules['pygls'] = None\nfrom focal_eval.cli import main\nsys.exit(main(['lsp']))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.REFUSED
    assert "pip install 'focal-eval[lsp]'" in done.stderr
