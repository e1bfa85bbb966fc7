"""The gate `coverage` of a suite: one share, or one for each kind of item; each is a gate of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field, fields
from typing import Annotated, Any, Literal

from focal_eval.document import INVALID, Reader, Shape, record_of
from focal_eval.document.reader import STR, MappingNode, Node, ScalarNode
from focal_eval.document.shape import JsonSchema, Number, SchemaBuilder
from focal_eval.script.limit import Limit
from focal_eval.value import value as a_value

COVERED: Mapping[str, str] = {
    "coverage": "rule",
    "coverage_constraints": "constraint",
    "coverage_scenarios": "scenario",
    "coverage_steps": "step",
    "coverage_transitions": "transition",
    "coverage_tools": "tool",
    "coverage_templates": "template",
}
"""Gates on coverage by name, with the kind of item that each takes a share of."""

_PER_CENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?) ?%")


class Share(Number):
    """A number from 0 to 1, or per cent: `0.95`, `95%`."""

    def __init__(self) -> None:
        super().__init__(minimum=0, maximum=1)
        self.expected = "a share from 0 to 1, or per cent: 0.95 or 95%"

    def read(self, node: Node, reader: Reader) -> Any:
        if isinstance(node, ScalarNode) and node.tag == STR and (found := _PER_CENT.fullmatch(node.value)):
            share = float(found[1]) / 100
            return share if share <= 1 else reader.error("out-of-range", f"{node.value} is above 100%", node)
        if isinstance(node, ScalarNode) and re.fullmatch(r"[\d.]{1,9}", node.value) and 1 < float(node.value) <= 100:
            return reader.error("out-of-range", f"{node.value} is above 1", node, help=f"write {node.value}%")
        return super().read(node, reader)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"anyOf": [super().schema(into), {"type": "string", "pattern": r"^\d{1,3}(\.\d{1,6})? ?%$"}]}


SHARE = Share()


@a_value
class CoverageLimit(Limit):
    """A threshold on the share of the agent's items of one kind that a run covers."""

    of: Literal["asserted", "hit"] = "asserted"

    def __post_init__(self) -> None:
        Limit.__post_init__(self)


def _least(what: str) -> Any:
    return field(default=None, metadata={"doc": f"The least share of {what}."})


@a_value
class Coverage:
    """The shares of an agent's items that a run has to cover."""

    min: Annotated[float | None, SHARE] = field(default=None, metadata={"doc": "The least share of rules; as `rules`."})
    max: Annotated[float | None, SHARE] = field(default=None, metadata={"doc": "The greatest share of rules."})
    of: Literal["asserted", "hit"] = field(
        default="asserted",
        metadata={"doc": "What counts: items that an expectation would miss, or all that were at work at least once."},
    )
    rules: Annotated[float | None, SHARE] = _least("rules")
    constraints: Annotated[float | None, SHARE] = _least("hard constraints")
    scenarios: Annotated[float | None, SHARE] = _least("scenarios")
    steps: Annotated[float | None, SHARE] = _least("steps of scenarios")
    transitions: Annotated[float | None, SHARE] = _least("transitions between steps")
    tools: Annotated[float | None, SHARE] = _least("tools")
    templates: Annotated[float | None, SHARE] = _least("templates")

    def __post_init__(self) -> None:
        if self.min is not None and self.rules is not None:
            raise ValueError("'rules' says the same as 'min'; give one of them")
        if not any(getattr(self, spec.name) is not None for spec in fields(self) if spec.name != "of"):
            raise ValueError("coverage needs the share of some kind of item, such as 'rules: 95%'")

    def limits(self) -> dict[str, CoverageLimit]:
        """The gates that it stands for, by name."""
        out: dict[str, CoverageLimit] = {}
        least = self.rules if self.min is None else self.min
        if least is not None or self.max is not None:
            out["coverage"] = CoverageLimit(least, self.max, self.of)
        for name in list(COVERED)[1:]:
            share = getattr(self, name.removeprefix("coverage_"))
            if share is not None:
                out[name] = CoverageLimit(share, None, self.of)
        return out


class CoverageShape(Shape):
    """`coverage`: a share of the rules, or shares by kind of item; gives the gates it stands for."""

    expected = "a share such as 95%, or a mapping of shares"

    def read(self, node: Node, reader: Reader) -> Any:
        if isinstance(node, MappingNode):
            found = record_of(Coverage).read(node, reader)
            return INVALID if found is INVALID else found.limits()
        share = SHARE.read(node, reader)
        return INVALID if share is INVALID else {"coverage": CoverageLimit(share)}

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"anyOf": [SHARE.schema(into), record_of(Coverage).schema(into)]}
