"""`value`: the decorator of the records that are made by the hundred thousand, and of those every start-up defines.

For the type checker it is `dataclass(frozen=True, slots=True)`: nobody assigns to a field. At run time the class is a plain
dataclass with slots, because a frozen one sets each field through `object.__setattr__` and takes five times as long to make;
and what a dataclass would compile for each class anew is shared (its equality, hash and `repr`) or compiled when the first
instance is made (`__init__`), which defines the class in a tenth of the time.
"""

from __future__ import annotations

import gc
from _thread import allocate_lock
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(kind: type[T]) -> type[T]:
    """The class as a dataclass of values: equal and hashable by its fields, not to be changed."""
    made: Any = dataclass(slots=True, eq=False, repr=False, init=False)(kind)
    made.__init__ = _compiled_when_called(made)
    specs = fields(made)
    made.__eq__ = _equality(_reading([spec.name for spec in specs if spec.compare]))
    made.__hash__ = _hashing(_reading([spec.name for spec in specs if (spec.compare if spec.hash is None else spec.hash)]))
    if "__repr__" not in vars(kind):
        made.__repr__ = _shown
    made.__is_value__ = True
    return made  # type: ignore[no-any-return]


@contextmanager
def collector_off() -> Iterator[None]:
    """Without the cyclic garbage collector: it would walk all the values that are made again and again, for no cycle."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


_COMPILING = allocate_lock()


def _compiled_when_called(made: Any) -> Callable[..., None]:
    """The `__init__` of `made` that puts the real one in its own place."""

    def init(self: Any, *args: Any, **named: Any) -> None:
        with _COMPILING:
            if made.__init__ is init:
                made.__init__ = _init_of(made)
        made.__init__(self, *args, **named)

    return init


def _init_of(made: Any) -> Callable[..., None]:
    """The `__init__` that `dataclass` would make, in a third of the time: without annotations, and without another class."""
    known: dict[str, Any] = {"_absent": MISSING}
    places, names, sets = ["self"], list[str](), list[str]()
    for spec in fields(made):
        name, given = spec.name, spec.name
        takes = names if spec.kw_only else places
        if spec.default_factory is not MISSING:
            known[f"_make_{name}"] = spec.default_factory
            takes += [f"{name}=_absent"] if spec.init else []
            given = f"_make_{name}() if {name} is _absent else {name}" if spec.init else f"_make_{name}()"
        elif spec.default is not MISSING:
            known[f"_default_{name}"] = spec.default
            takes += [f"{name}=_default_{name}"] if spec.init else []
            given = name if spec.init else f"_default_{name}"
        elif spec.init:
            takes.append(name)
        else:
            continue  # `__post_init__` sets it
        sets.append(f"self.{name} = {given}")
    if hasattr(made, "__post_init__"):
        sets.append("self.__post_init__()")
    takes = [*places, *(("*", *names) if names else ())]
    exec(f"def __init__({', '.join(takes)}):\n " + "\n ".join(sets or ["pass"]), known)  # noqa: S102  # names of fields alone
    init: Callable[..., None] = known["__init__"]
    init.__qualname__ = f"{made.__qualname__}.__init__"
    return init


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
