"""promptfoo's assertions that a model grades, as rubrics of a judge; and those that no judge of a reply can decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from focal_eval.importers import criteria
from focal_eval.importers.criteria import judged
from focal_eval.importers.tree import scalar_text

SENTENCES = {
    **criteria.SENTENCES,
    "judged-criterion": "assertions graded by what no judge of a reply has, such as a search, a picture or what was found: "
    "kept under `origin` for a reader",
    "judge-setting": "models and prompts that grade assertions (`provider`, `rubricPrompt`): the suite's `judge` grades",
    "judge-value": "assertions that a model grades, without what it is to grade by",
}
APPROXIMATED = criteria.APPROXIMATED
ELSEWHERE = frozenset((
    "agent-rubric", "search-rubric", "research-rubric", "video-rubric", "context-recall", "context-relevance",
    "noise-sensitivity", "select-best", "max-score", "classifier", "moderation", "guardrails", "verdict",
    "citation-faithfulness",
))  # fmt: skip
"""Graded by a model of its own kind, by more than the reply, or among several outputs."""

GRADED_BY = ("provider", "rubricPrompt")  # of an assertion, or of a test's options for all of its
Tell = Callable[[str], None]
_SEVERAL = 0.7  # of g-eval's best grade, where it names none


def judged_of(kind: str, item: Mapping[str, Any], variables: Mapping[str, Any], tell: Tell) -> dict[str, Any] | None:
    """The expectation of an assertion; None where none has its meaning, which is told."""
    if kind in ELSEWHERE:
        tell("judged-criterion")
        return None
    rubric = _rubric(kind, item.get("value"), variables)
    if not rubric.strip():
        tell("judged-criterion" if kind == "context-faithfulness" else "judge-value")
        return None
    if any(item.get(key) for key in GRADED_BY):
        tell("judge-setting")
    if kind not in _AS_WRITTEN:
        tell("judged-words")
    share = item.get("threshold", _SEVERAL if kind == "g-eval" else None)
    made = judged(rubric, share, whole=kind in _WHOLE)
    if isinstance(made, Mapping) and "scale" in made:
        tell("judged-points")
    return {"response": {"judge": made}}


def _rubric(kind: str, value: Any, variables: Mapping[str, Any]) -> str:
    """What is asked; empty where the assertion does not say."""
    if kind in _UNSAID:
        return _UNSAID[kind]
    if kind == "context-faithfulness":
        value = variables.get("context")
    if kind == "trajectory:goal-success" and isinstance(value, Mapping):
        value = value.get("goal")
    said = _said(value)
    return _FORMS.get(kind, "{}").format(said) if said.strip() else ""


def _said(value: Any) -> str:
    """A rubric in words: texts of a list follow one another, `value` of a mapping is its own."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "; ".join(scalar_text(item) for item in value if item is not None)
    return "" if value is None else scalar_text(value)


_AS_WRITTEN = frozenset({"llm-rubric", "model-graded-closedqa", "g-eval", "pi"})
_WHOLE = frozenset({"conversation-relevance", "trajectory:goal-success"})
_UNSAID = {
    "answer-relevance": "answers what the customer asked",
    "conversation-relevance": "each reply answers what the customer said just before it",
}
_FORMS = {
    "factuality": "says nothing that contradicts this: {}",
    "model-graded-factuality": "says nothing that contradicts this: {}",
    "context-faithfulness": "claims nothing that this does not support: {}",
    "trajectory:goal-success": "the agent reaches this goal: {}",
}
JUDGED = _AS_WRITTEN | _WHOLE | _UNSAID.keys() | _FORMS.keys()
"""Graded by a model that is shown the reply, or the conversation."""
