"""`model`: which model wrote the reply, for engines that may change it without a word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from focal_eval.checks.base import Moment, Unreported
from focal_eval.checks.reported import not_reported
from focal_eval.checks.values import OneValue
from focal_eval.records import Finding


@dataclass(frozen=True, slots=True)
class Model(OneValue):
    """The model that wrote the reply, as the engine names it."""

    needs: ClassVar[frozenset[str]] = frozenset()  # told with some replies and not with others
    named: ClassVar[str] = "model"
    field: ClassVar[str] = "model"

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        if seen.reply.model is None:
            raise Unreported(not_reported("model"))
        return OneValue.judge(self, seen)
