"""Shapes: what a type reads, what it refuses and in which words, and how it stands in the JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import jsonschema
import pytest

from focal_eval.document import INVALID, Reader, SchemaBuilder, Shape, read_text, record_of, shape_of
from focal_eval.document.shape import Boolean, Number, Text


@dataclass(frozen=True)
class Size:
    """How large something is."""

    short: ClassVar[str] = "width"
    width: Annotated[int, Number(whole=True, minimum=1, maximum=100)]
    height: float | None = None

    def __post_init__(self) -> None:
        if self.height == 13:
            raise ValueError("thirteen is unlucky")


@dataclass(frozen=True)
class Thing:
    """A thing."""

    name: Annotated[str, Text(may_be_empty=False)]
    size: Size | None = None
    kind: Literal["mug", "vase", 7] = "mug"
    tags: tuple[str, ...] = ()
    prices: Mapping[str, float] = field(default_factory=dict)
    not_: bool = False
    data: Any = field(default=None, metadata={"doc": "Plain data."})


def read(kind: Any, text: str) -> tuple[Any, list[str]]:
    document = read_text(text, "a.yaml")
    assert document.root is not None
    value = shape_of(kind).read(document.root, Reader(document))
    return value, [str(item) for item in document.problems]


def problem(kind: Any, text: str) -> str:
    value, problems = read(kind, text)
    assert value is INVALID
    (one,) = problems
    return one


def test_a_record_is_read_into_its_dataclass() -> None:
    """Fields by their keys; a trailing underscore is not part of the key, and the short form is the field it names."""
    text = "{name: m, size: 3, kind: 7, tags: one, prices: {eu: 1, us: 2.5}, not: true, data: [1, {a: null}]}"
    thing = Thing("m", Size(3), 7, ("one",), {"eu": 1, "us": 2.5}, True, [1, {"a": None}])
    assert read(Thing, text) == (thing, [])
    assert read(Thing, "{name: m, size: {width: 3, height: 2}}") == (Thing("m", Size(3, 2)), [])


def test_null_stands_for_not_given() -> None:
    """Nothing after an optional key is the key left out; after a required one it is an error."""
    assert read(Thing, "{name: m, size: , data: ~}") == (Thing("m"), [])
    assert problem(Thing, "{name: , size: 1}") == "a.yaml:1:8: error[wrong-type]: expected text, found nothing"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{nam: m, name: m}", "1:2: error[unknown-key]: no key is named 'nam' here; did you mean 'name'?"),
        ("{nam: m}", "1:2: error[unknown-key]: no key is named 'nam' here; did you mean 'name'?"),
        ("{kind: vase}", "1:1: error[missing-key]: the key 'name' is missing"),
        ("{name: ''}", "1:8: error[empty-text]: this text must not be empty"),
        ("{name: 5}", "1:8: error[wrong-type]: expected text, found the number 5; to say it as text, write \"5\""),
        ("{name: true}", "1:8: error[wrong-type]: expected text, found the boolean true; to say it as text, write \"true\""),
        ("{name: [m]}", "1:8: error[wrong-type]: expected text, found a list"),
        ("{name: m, size: 0}", "1:17: error[out-of-range]: 0 is below 1"),
        ("{name: m, size: 101}", "1:17: error[out-of-range]: 101 is above 100"),
        ("{name: m, size: 1.5}", "1:17: error[wrong-type]: expected a whole number, found the number 1.5"),
        ("{name: m, size: 007}", "1:17: error[wrong-type]: expected a whole number, found the text '007'; a leading zero makes it text; drop the zero"),  # noqa: E501  # a whole line of output
        ("{name: m, size: 12:30}", "1:17: error[wrong-type]: expected a whole number, found the text '12:30'; a time like 12:30 is text, not a number"),  # noqa: E501  # a whole line of output
        ("{name: m, size: {width: 1, height: 13}}", "1:17: error[bad-value]: thirteen is unlucky"),
        ("{name: m, size: {width: 1, height: 1e400}}", "1:36: error[out-of-range]: the number is too large"),
        ("{name: m, kind: mugg}", "1:17: error[unknown-word]: 'mugg' is not one of mug, vase, 7; did you mean 'mug'?"),
        ("{name: m, kind: '7'}", "1:17: error[unknown-word]: '7' is not one of mug, vase, 7; write it without quotes"),
        ("{name: m, kind: []}", "1:17: error[wrong-type]: expected one of mug, vase, 7, found a list"),
        ("{name: m, tags: {a: b}}", "1:17: error[wrong-type]: expected text, found a mapping"),
        ("{name: m, tags: [a, [b]]}", "1:21: error[wrong-type]: expected text, found a list"),
        ("{name: m, prices: [1]}", "1:19: error[wrong-type]: expected a mapping, found a list"),
        ("{name: m, not: yes}", "1:16: error[wrong-type]: expected true or false, found the text 'yes'; write true or false; 'yes', 'no', 'on' and 'off' are text"),  # noqa: E501  # a whole line of output
        ("{name: {{ m }}}", "1:8: error[yaml-unquoted-template]: a value that starts with '{{' is read as a mapping; put the whole value in \"quotes\""),  # noqa: E501  # a whole line of output
        ("m", "1:1: error[wrong-type]: expected a mapping, found the text 'm'"),
    ],
)  # fmt: skip
def test_a_wrong_value_says_what_was_expected_and_found(text: str, line: str) -> None:
    """One line at the value itself, with the way out where there is one."""
    assert problem(Thing, text) == f"a.yaml:{line}"


def test_everything_wrong_is_reported_in_one_pass() -> None:
    """A broken value hides no other."""
    _, problems = read(Thing, "nam: m\nsize: x\nkind: [1]\ntags: [1, 2]\n")
    assert [text.split(":")[1] for text in problems] == ["1", "2", "3", "4", "4"]
    assert [text.split("[")[1].split("]")[0] for text in problems] == [
        "unknown-key", "wrong-type", "wrong-type", "wrong-type", "wrong-type",
    ]  # fmt: skip


def test_a_value_read_twice_is_reported_once() -> None:
    """Shapes may look at a node again without saying everything again."""
    document = read_text("a: 1\na: 2\n", "a.yaml")
    reader = Reader(document)
    for _ in range(3):
        record_of(Thing).read(document.root, reader)  # type: ignore[arg-type]  # it was read
    assert [item.code for item in document.problems].count("duplicate-key") == 1


SHAPES: list[tuple[Any, list[str], list[str]]] = [
    (Thing, ["{name: m}", "{name: m, size: 3}", "{name: m, size: {width: 3}, not: true, kind: 7}", "{name: m, size: }"],
     ["{}", "{name: ''}", "{name: m, nam: n}", "{name: m, size: 0}", "{name: m, kind: cup}", "{name: m, size: {height: 1}}"]),
    (tuple[int, ...], ["1", "[1, 2]", "[]"], ["a", "[a]", "1.5"]),
    (bool, ["true", "false"], ["yes", "1", "null"]),
    (dict[str, str], ["{a: b}", "{}"], ["{a: 1}", "[a]"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "good", "bad"), SHAPES, ids=[str(kind) for kind, _, _ in SHAPES])
def test_the_schema_and_the_reader_agree(kind: Any, good: list[str], bad: list[str]) -> None:
    """What a shape reads its JSON Schema takes, and what the shape refuses the schema refuses."""
    from tests.document.yaml_reading import data

    into = SchemaBuilder()
    schema = {**shape_of(kind).schema(into), "$defs": into.defs}
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for text in good:
        assert read(kind, text)[1] == []
        assert validator.is_valid(data(f"v: {text}")["v"]), text
    for text in bad:
        assert read(kind, text)[0] is INVALID
        assert not validator.is_valid(data(f"v: {text}")["v"]), text


def test_the_schema_carries_help() -> None:
    """An editor shows the record's docstring and the fields' documentation."""
    into = SchemaBuilder()
    shape_of(Thing).schema(into)
    assert into.defs["Thing"]["description"] == "A thing."
    assert into.defs["Thing"]["properties"]["data"]["description"] == "Plain data."


def test_a_type_without_a_shape_is_a_programming_error() -> None:
    """A plug-in's field of a type nobody can read fails when it is loaded, not when a script is."""
    with pytest.raises(TypeError, match="no shape for"):
        shape_of(complex)


def test_a_class_may_bring_its_own_shape() -> None:
    """`__shape__` decides how a class is read."""

    class Flag:
        @classmethod
        def __shape__(cls) -> Shape:
            return Boolean()

    assert read(Flag, "true") == (True, [])
