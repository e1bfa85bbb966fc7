"""A gate's threshold."""

from __future__ import annotations

from focal_eval.value import value as a_value


@a_value
class Limit:
    """A threshold; both ends are inclusive."""

    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        if self.min is None and self.max is None:
            raise ValueError("a gate needs 'min' or 'max'")
