"""What one value must be: the conditions that matchers are made of, as plain frozen values.

A condition says yes by returning None and no by returning the `Mismatch` a person needs: where, what was expected, what was
there. `ABSENT` stands for a value that is not there at all; only `absent`, `not: any` and a `one_of` that holds them accept it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from focal_eval.script.wording import ABSENT, is_number, kind_of, show, typed
from focal_eval.text import counted
from focal_eval.value import value

Path = tuple[str | int, ...]


@value
class Mismatch:
    """Why a value is not what was asked for: `path` leads to it from the judged value, `where` from the matcher's YAML."""

    path: Path
    expected: str
    observed: str
    where: Path = ()

    def below(self, *steps: str | int) -> Mismatch:
        """The same mismatch, seen from `steps` further out."""
        return Mismatch((*steps, *self.path), self.expected, self.observed, (*steps, *self.where))

    def __str__(self) -> str:
        place = ".".join(str(step) for step in self.path)
        return f"{place + ': ' if place else ''}expected {self.expected}, observed {self.observed}"


class Condition:
    """A demand on one value."""

    __slots__ = ()

    def mismatch(self, value: Any) -> Mismatch | None:
        """None where the value is as asked, else why it is not."""
        raise NotImplementedError

    def describe(self) -> str:
        """The demand in words that fit after "expected": `'A-1001'`, `at least 5`."""
        raise NotImplementedError


def same_scalar(expected: Any, value: Any) -> bool:
    """Whether two scalars are equal: numbers as numbers, text after trimming, booleans and null only to themselves."""
    if isinstance(expected, str):
        return isinstance(value, str) and (value == expected or value.strip() == expected.strip())
    if isinstance(expected, bool) or expected is None:
        return value is expected
    return is_number(value) and value == expected


@value
class Literal(Condition):
    """A scalar, equal to itself alone."""

    value: str | int | float | bool | None

    def mismatch(self, value: Any) -> Mismatch | None:
        expected = self.value
        if value is expected or same_scalar(expected, value):
            return None
        if value is ABSENT or kind_of(value) == kind_of(expected):
            return Mismatch((), show(expected), show(value))
        return Mismatch((), typed(expected), typed(value))

    def describe(self) -> str:
        return show(self.value)


@value
class Equals(Condition):
    """Any data, equal in full: no operators inside, no keys beyond those given."""

    value: Any

    def mismatch(self, value: Any) -> Mismatch | None:
        return _differs(self.value, value, ())

    def describe(self) -> str:
        return f"exactly {show(self.value)}"


def _differs(expected: Any, value: Any, path: Path) -> Mismatch | None:
    if isinstance(expected, Mapping):
        if not isinstance(value, Mapping):
            return Mismatch(path, typed(expected), typed(value))
        for name, item in expected.items():
            if found := _differs(item, value.get(name, ABSENT), (*path, name)):
                return found
        extra = [name for name in value if name not in expected]
        return Mismatch((*path, extra[0]), "nothing", show(value[extra[0]])) if extra else None
    if isinstance(expected, (list, tuple)):
        if not isinstance(value, (list, tuple)):
            return Mismatch(path, typed(expected), typed(value))
        if len(value) != len(expected):
            return Mismatch(path, counted(len(expected)), f"{counted(len(value))}: {show(value)}")
        pairs = enumerate(zip(expected, value, strict=True))
        return next((found for i, (a, b) in pairs if (found := _differs(a, b, (*path, i)))), None)
    if found := Literal(expected).mismatch(value):
        return Mismatch(path, found.expected, found.observed)
    return None


@value
class AnyValue(Condition):
    """There, whatever it is; null too."""

    def mismatch(self, value: Any) -> Mismatch | None:
        return Mismatch((), "any value", "nothing") if value is ABSENT else None

    def describe(self) -> str:
        return "any value"


@value
class NotThere(Condition):
    """Not there at all; null is there."""

    def mismatch(self, value: Any) -> Mismatch | None:
        return None if value is ABSENT else Mismatch((), "nothing", show(value))

    def describe(self) -> str:
        return "nothing"


def not_wanted(name: str, value: Any) -> Mismatch:
    """The mismatch of a key that is there although `only: true` leaves no room for it."""
    return Mismatch((name,), "no such key, as only: true", show(value))


@value
class Fields(Condition):
    """A mapping with these keys; others may be there unless `only`."""

    fields: Mapping[str, Condition]
    only: bool = False

    def mismatch(self, value: Any) -> Mismatch | None:
        if not isinstance(value, Mapping):
            return Mismatch((), f"the mapping {self.describe()}", typed(value))
        for name, condition in self.fields.items():
            if found := condition.mismatch(value.get(name, ABSENT)):
                return found.below(name)
        if self.only:
            for name in value:
                if name not in self.fields:
                    return not_wanted(name, value[name])
        return None

    def describe(self) -> str:
        inner = ", ".join(f"{name}: {condition.describe()}" for name, condition in self.fields.items())
        return "{" + inner + "}" + (" and no more" if self.only else "")


@value
class Items(Condition):
    """A list with exactly these items, in this order."""

    items: tuple[Condition, ...]

    def mismatch(self, value: Any) -> Mismatch | None:
        if not isinstance(value, (list, tuple)):
            return Mismatch((), f"the list {self.describe()}", typed(value))
        if len(value) != len(self.items):
            return Mismatch((), counted(len(self.items)), f"{counted(len(value))}: {show(value)}")
        for index, condition in enumerate(self.items):
            if found := condition.mismatch(value[index]):
                return found.below(index)
        return None

    def describe(self) -> str:
        return "[" + ", ".join(item.describe() for item in self.items) + "]"
