"""ADK's rubrics and the criteria of a `test_config.json`, as far as a judge of replies can decide them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from focal_eval.importers import criteria
from focal_eval.importers.criteria import KEPT, judged
from focal_eval.importers.foreign import Source
from focal_eval.importers.losses import Losses
from focal_eval.importers.tree import Tree, mapping, mappings

CONFIG = "test_config.json"
SENTENCES = {
    "judged-words": criteria.SENTENCES["judged-words"],
    "rubric": "rubrics of tool calls, which a judge of replies does not see: kept under `origin` for a reader",
    "case-rubric": "rubrics of a whole case: asked once, of all that the agent said, and not of each turn",
    "rubric-share": "rubrics of which a share must hold, or a share of several verdicts: each must hold",
    "response-match": "overlap with the golden reply (`response_match_score`): a suite's `golden` says how alike they must be",
    "call-share": "calls of which a share must fit (`tool_trajectory_avg_score`): all must",
    "criterion": "other criteria of test_config.json, such as safety and hallucinations",
}
APPROXIMATED = frozenset({"judged-words", "case-rubric", "rubric-share", "response-match", "call-share"})
_UPPER = re.compile(r"(?<=[a-z0-9])[A-Z]")
_REPLIES, _CALLS, _MATCH = (
    "rubric_based_final_response_quality_v1",
    "rubric_based_tool_use_quality_v1",
    "final_response_match_v2",
)


def today(data: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping with its own keys in snake case; what is below is as it was."""
    return {_UPPER.sub(lambda found: "_" + found[0].lower(), key): value for key, value in data.items()}


@dataclass(frozen=True, slots=True)
class Rubric:
    """One rubric in words, and whether it is on the calls and not on what is said."""

    says: str
    of_calls: bool = False


def rubrics_in(data: Mapping[str, Any]) -> Iterator[Rubric]:
    """The rubrics that something names, in both of ADK's spellings."""
    for _, item in mappings(data.get("rubrics")):
        given = today(item)
        words = mapping(today(mapping(given.get("rubric_content"))))
        says = words.get("text_property") or given.get("description") or given.get("rubric_id")
        if isinstance(says, str) and says.strip():
            yield Rubric(says, "TOOL" in str(given.get("type") or "").upper())


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a folder's configuration asks of every turn."""

    rubrics: tuple[str, ...] = ()
    same_answer: bool = False  # as the golden reply, in whatever words

    def of(self, golden: str | None, losses: Losses) -> list[Any]:
        """The judged expectations of a turn."""
        out = [judged(says) for says in self.rubrics]
        if self.same_answer and golden is not None:
            out.append(judged(f"gives the same answer as this, in whatever words: {golden}"))
        losses.keep(KEPT, len(out))
        return out


NO_CRITERIA = Criteria()


def folder_of(source: Source) -> str:
    """The folder of a file; a configuration holds for the files beside it."""
    return source.file.replace("\\", "/").rpartition("/")[0]


def is_config(source: Source, read: Tree) -> bool:
    """Whether a file holds a folder's criteria."""
    return source.file.endswith(CONFIG) and isinstance(mapping(read.data).get("criteria"), Mapping)


def criteria_of(read: Tree, losses: Losses) -> Criteria:
    """What the configuration asks of replies; the rest of it is counted."""
    rubrics: list[str] = []
    same = False
    for name, given in mapping(read.data)["criteria"].items():
        place = read.at("criteria", name)
        asked = given if isinstance(given, Mapping) else {"threshold": given}
        share = asked.get("threshold")
        partly = isinstance(share, (int, float)) and not isinstance(share, bool) and share < 1
        if name == "tool_trajectory_avg_score":
            losses.add("call-share", place) if partly else losses.keep("criteria")
        elif name == "response_match_score":
            losses.add("response-match", place)
        elif name == _MATCH:
            same = True
            losses.add("judged-words", place)
        elif name == _REPLIES:
            rubrics += [rubric.says for rubric in rubrics_in(asked)]
        elif name == _CALLS:
            for _ in rubrics_in(asked):
                losses.add("rubric", place)
        else:
            losses.add("criterion", place)
        if partly and name in (_MATCH, _REPLIES):
            losses.add("rubric-share", place)
    return Criteria(tuple(rubrics), same)
