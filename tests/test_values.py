"""`value`: what its classes keep of a frozen dataclass, though they are made and defined with fewer steps."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from focal_eval.value import value


@value
class Place:
    """A name and a number; `note` is no part of what it is."""

    name: str
    number: int = 0
    note: str = dataclasses.field(default="", compare=False, repr=False)


@value
class Named:
    """Another class with an equal field."""

    name: str


@value
class Same:
    """Nothing to tell one from another."""


def test_values_are_equal_by_the_fields_that_count() -> None:
    """Equal fields make equal values with equal hashes; fields that are not compared do not matter."""
    assert Place("a", 1, "here") == Place("a", 1, "there")
    assert hash(Place("a", 1, "here")) == hash(Place("a", 1, "there"))
    assert Place("a", 1) != Place("a", 2)
    assert len({Place("a"), Place("a"), Place("b")}) == 2


def test_values_of_other_classes_differ() -> None:
    """A value equals only values of its own class, whatever the fields hold."""
    other: object = Place("a")
    assert Named("a") != other
    assert Same() == Same()
    assert hash(Same()) == hash(Same())


def test_values_are_dataclasses() -> None:
    """They are shown, listed and replaced like any dataclass, and have slots."""
    assert repr(Place("a", 1, "here")) == "Place(name='a', number=1)"
    assert dataclasses.replace(Place("a"), number=2) == Place("a", 2)
    assert [spec.name for spec in dataclasses.fields(Named)] == ["name"]
    assert not hasattr(Place("a"), "__dict__")


@value
class Told:
    """Every kind of field there is."""

    name: str
    count: int = 3
    notes: list[str] = dataclasses.field(default_factory=list)
    brief: bool = dataclasses.field(default=False, init=False)
    made: list[str] = dataclasses.field(default_factory=list, init=False)
    settled: str = dataclasses.field(init=False)
    loud: bool = dataclasses.field(default=False, kw_only=True)
    by: str = dataclasses.field(kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "settled", f"{self.name} by {self.by}")


def test_values_are_made_as_dataclasses_are() -> None:
    """Defaults, fresh lists, fields nobody gives, names only, and what is settled at the end."""
    first, second = Told("a", by="x"), Told("b", 4, ["n"], by="y", loud=True)
    assert (first.name, first.count, first.notes, first.brief, first.made, first.settled) == ("a", 3, [], False, [], "a by x")
    assert (second.count, second.notes, second.loud, second.settled) == (4, ["n"], True, "b by y")
    first.notes.append("mine")
    assert Told("c", by="z").notes == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "Told.__init__() missing 1 required positional argument: 'name'"),
        (("a",), "Told.__init__() missing 1 required keyword-only argument: 'by'"),
        (("a", 1, [], True), "takes from 2 to 4 positional arguments"),
    ],
)
def test_a_value_that_lacks_a_field_is_not_made(given: tuple[object, ...], said: str) -> None:
    """The message names the class and the field, the first time and later."""
    make: Any = Told
    for _ in range(2):
        with pytest.raises(TypeError, match=re.escape(said)):
            make(*given)
