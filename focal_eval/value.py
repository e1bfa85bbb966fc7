"""`value`: the decorator of the records that are made by the hundred thousand.

For the type checker it is `dataclass(frozen=True)`: nobody assigns to a field. At run time the class is a plain dataclass
with slots, because a frozen one sets each field through `object.__setattr__` and takes five times as long to make.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(kind: type[T]) -> type[T]:
    """The class as a dataclass of values: equal and hashable by its fields, not to be changed."""
    return dataclass(slots=True, unsafe_hash=True)(kind)
