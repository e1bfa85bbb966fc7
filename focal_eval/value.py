"""`value`: the decorator of the records that are made by the hundred thousand, and of those every start-up defines.

For the type checker it is `dataclass(frozen=True, slots=True)`: nobody assigns to a field. At run time the class is a plain
dataclass with slots, because a frozen one sets each field through `object.__setattr__` and takes five times as long to make;
and what a dataclass would compile for each class anew (its equality, hash and `repr`) is shared, which defines the class in
a third of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(kind: type[T]) -> type[T]:
    """The class as a dataclass of values: equal and hashable by its fields, not to be changed."""
    made: Any = dataclass(slots=True, eq=False, repr=False)(kind)
    specs = fields(made)
    made.__eq__ = _equality(_reading([spec.name for spec in specs if spec.compare]))
    made.__hash__ = _hashing(_reading([spec.name for spec in specs if (spec.compare if spec.hash is None else spec.hash)]))
    if "__repr__" not in vars(kind):
        made.__repr__ = _shown
    made.__is_value__ = True
    return made  # type: ignore[no-any-return]


def is_settled(kind: type) -> bool:
    """Whether instances of a class are not to be changed: a frozen dataclass, or a `value`."""
    params = getattr(kind, "__dataclass_params__", None)
    return params is not None and (params.frozen or "__is_value__" in vars(kind))


def _reading(names: list[str]) -> Callable[[Any], Any]:
    """Reads these fields of a value."""
    return attrgetter(*names) if names else type


def _equality(read: Callable[[Any], Any]) -> Callable[[Any, object], bool]:
    def equal(self: Any, other: object) -> bool:
        return bool(read(self) == read(other)) if self.__class__ is other.__class__ else NotImplemented

    return equal


def _hashing(read: Callable[[Any], Any]) -> Callable[[Any], int]:
    def hashed(self: Any) -> int:
        return hash(read(self))

    return hashed


def _shown(self: Any) -> str:
    said = [f"{spec.name}={getattr(self, spec.name)!r}" for spec in fields(self) if spec.repr]
    return f"{type(self).__qualname__}({', '.join(said)})"
