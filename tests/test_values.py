"""`value`: what its classes keep of a frozen dataclass, though they are made and defined with fewer steps."""

from __future__ import annotations

import dataclasses

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
