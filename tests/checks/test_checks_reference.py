"""The reference of checks is true: complete, and every example in it is read without a problem."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from focal_eval.checks import ConversationCheck, TurnCheck
from focal_eval.document import Reader, Record, SchemaBuilder, read_text, shape_of
from focal_eval.registry import BUILTIN, find
from focal_eval.script.matchers import OPERATORS
from focal_eval.script.read import read_script

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "checks.md"
TEXT = REFERENCE.read_text(encoding="utf-8")
BLOCKS = [
    (TEXT.count("\n", 0, found.start()) + 1, found.group(1)) for found in re.finditer(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
]
KEYS = sorted(BUILTIN["checks"])


def section(key: str) -> str:
    """The text under a check's heading."""
    start = TEXT.index(f"### `{key}`\n")
    end = re.search(r"^##", TEXT[start + 3 :], re.MULTILINE)
    return TEXT[start:] if end is None else TEXT[start : start + 3 + end.start()]


def whole(block: str) -> str:
    """A part of a script as a script."""
    if block.startswith("expect:"):
        return "title: Example\nturns:\n  - user: hi\n" + textwrap.indent(block, "    ")
    if block.startswith("conversation:"):
        return f"title: Example\nturns:\n  - user: hi\n{block}"
    return block


@pytest.mark.parametrize(("line", "block"), BLOCKS, ids=[f"line-{line}" for line, _ in BLOCKS])
def test_every_example_is_read_without_a_problem(line: int, block: str) -> None:
    """No error and no warning comes of any example."""
    document = read_text(whole(block), f"checks.md+{line}")
    script = read_script(document, "example", Reader(document))
    assert [str(problem) for problem in document.problems] == []
    assert script is not None
    assert script.conversation or any(turn.expect for turn in script.turns)


@pytest.mark.parametrize("key", KEYS)
def test_every_check_is_described_with_all_its_keys(key: str) -> None:
    """Each check that is built in has a section with an example, and each of its keys stands in it."""
    text = section(key)
    assert "```yaml" in text
    shape = shape_of(find("checks", key))
    if isinstance(shape, Record):
        own = key.rpartition(".")[2]
        assert [name for name in shape.entries if name != own and not re.search(rf"\b{name}\b", text)] == []


def test_the_reference_names_no_check_that_is_not_there() -> None:
    """Every heading of a check is a registered key."""
    assert sorted(re.findall(r"^### `(.+)`$", TEXT, re.MULTILINE)) == KEYS


def test_every_operator_of_a_matcher_is_described() -> None:
    """The table of matchers names each operator."""
    table = TEXT[TEXT.index("## Matchers") : TEXT.index("## Checks of a turn")]
    assert [name for name in OPERATORS if f"{name}:" not in table] == []


@pytest.mark.parametrize("key", KEYS)
def test_every_check_keeps_its_contract(key: str) -> None:
    """A check's kind fits its key, it has a schema of its own name, and a sentence that says what it expects."""
    kind = find("checks", key)
    assert issubclass(kind, ConversationCheck if key.startswith("conversation.") else TurnCheck)
    into = SchemaBuilder()
    schema = shape_of(kind).schema(into)
    assert schema
    assert (kind.__doc__ or "").strip().split("\n")[0].endswith((".", ":", "`."))
    assert not (kind.__doc__ or "").startswith(f"{kind.__name__}(")
