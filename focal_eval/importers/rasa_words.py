"""Rasa's words in ours: which actions are tools, what a slot must be, which template a reply was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from focal_eval.importers.losses import Losses
from focal_eval.importers.tree import Place
from focal_eval.importers.write import Word, literal, said

BUILT_IN = frozenset((
    "action_listen", "action_restart", "action_session_start", "action_default_fallback", "action_deactivate_loop",
    "action_revert_fallback_events", "action_two_stage_fallback", "action_default_ask_affirmation",
    "action_default_ask_rephrase", "action_back", "action_unlikely_intent", "action_send_text", "action_extract_slots",
    "action_run_slot_rejections", "action_cancel_flow", "action_correct_flow_slot", "action_clarify_flows",
    "action_trigger_flow", "action_trigger_search", "action_trigger_chitchat", "action_clean_stack", "action_hangup",
    "action_repeat_bot_messages", "action_reset_routing",
))  # fmt: skip
UNSET: dict[str, Any] = {"one_of": [Word("absent"), None]}  # a slot without a value


def action(name: str) -> str:
    """What an action is to a script: a `template`, a `tool`, or `built-in` to Rasa."""
    if name.startswith("utter_"):
        return "template"
    return "built-in" if name in BUILT_IN else "tool"


def slot_matcher(value: Any) -> Any:
    """What a slot's variable must be; null is a slot without a value."""
    return dict(UNSET) if value is None else literal(value)


def variables(given: Any) -> dict[str, Any]:
    """Matchers for the slots of `slot_was_set`: names alone, or names with values."""
    out: dict[str, Any] = {}
    for item in given if isinstance(given, list) else [given]:
        if isinstance(item, str) and item.strip():
            out[item] = {"not": None}
        elif isinstance(item, Mapping):
            out |= {str(name): slot_matcher(value) for name, value in item.items()}
    return out


def template(names: Sequence[str], losses: Losses, place: Place) -> dict[str, Any]:
    """The expectation that a reply was made from these templates; a reply has one, so of several any is taken."""
    distinct = list(dict.fromkeys(names))
    if len(distinct) == 1:
        return {"template": said(distinct[0])}
    losses.add("several-templates", place)
    return {"template": {"one_of": [said(name) for name in distinct]}}
