"""Name → factory for every plug-in kind, imported only when asked for; an unknown name gets the nearest known one.

Kinds and the names built in stand in `BUILTIN`; anyone adds more by an entry point in the group
`focal_eval.<kind>` (`focal_eval.checks`, `focal_eval.engines`, ...) with the same spelling of names:
`rules` is a key of a turn's `expect`, `response.contains` a key under `response`, `conversation.never` an
entry of `conversation`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from importlib import import_module
from typing import Any, Literal

from focal_eval.errors import Advice

Kind = Literal["checks", "engines", "reporters", "importers", "stores"]

BUILTIN: dict[Kind, dict[str, str]] = {
    "checks": {
        "citations": "focal_eval.checks.lists:Citations",
        "confidence": "focal_eval.checks.values:Confidence",
        "conversation.after": "focal_eval.checks.sequence:After",
        "conversation.before": "focal_eval.checks.sequence:Before",
        "conversation.count": "focal_eval.checks.sequence:HowOften",
        "conversation.feedback": "focal_eval.checks.stored:Feedback",
        "conversation.judge": "focal_eval.checks.judge:ConversationJudge",
        "conversation.never": "focal_eval.checks.sequence:Never",
        "conversation.python": "focal_eval.checks.local_python:ConversationPython",
        "conversation.records": "focal_eval.checks.stored:Records",
        "conversation.saved": "focal_eval.checks.values:Saved",
        "conversation.total_cost": "focal_eval.checks.totals:TotalCost",
        "conversation.total_latency_ms": "focal_eval.checks.totals:TotalLatency",
        "conversation.total_tokens": "focal_eval.checks.totals:TotalTokens",
        "conversation.turns": "focal_eval.checks.totals:Turns",
        "conversation.visits": "focal_eval.checks.sequence:Visits",
        "cost": "focal_eval.checks.limits:Cost",
        "enforcement": "focal_eval.checks.lists:Enforced",
        "finish_reason": "focal_eval.checks.finish_reason:FinishReason",
        "first_token_ms": "focal_eval.checks.limits:FirstToken",
        "follow_ups": "focal_eval.checks.lists:FollowUps",
        "latency_ms": "focal_eval.checks.limits:Latency",
        "messages": "focal_eval.checks.lists:Messages",
        "metadata": "focal_eval.checks.values:Metadata",
        "model": "focal_eval.checks.model:Model",
        "outcome": "focal_eval.checks.values:TurnOutcome",
        "progress": "focal_eval.checks.progress:Progress",
        "python": "focal_eval.checks.local_python:Python",
        "reasoning": "focal_eval.checks.values:Reasoning",
        "response.contains": "focal_eval.checks.text:Contains",
        "response.ends_with": "focal_eval.checks.text:EndsWith",
        "response.equals": "focal_eval.checks.text:Equals",
        "response.excludes": "focal_eval.checks.text:Excludes",
        "response.golden": "focal_eval.checks.measures:Golden",
        "response.is_question": "focal_eval.checks.conduct:IsQuestion",
        "response.judge": "focal_eval.checks.judge:Judge",
        "response.json": "focal_eval.checks.json_reply:JsonReply",
        "response.language": "focal_eval.checks.language:Language",
        "response.matches": "focal_eval.checks.text:Matches",
        "response.means": "focal_eval.checks.semantic:Means",
        "response.max_chars": "focal_eval.checks.measures:MaxChars",
        "response.max_words": "focal_eval.checks.measures:MaxWords",
        "response.min_chars": "focal_eval.checks.measures:MinChars",
        "response.min_words": "focal_eval.checks.measures:MinWords",
        "response.no_personal_data": "focal_eval.checks.personal:NoPersonalData",
        "response.no_provider_error": "focal_eval.checks.conduct:NoProviderError",
        "response.no_secrets": "focal_eval.checks.secrecy:NoSecrets",
        "response.refusal": "focal_eval.checks.conduct:Refusal",
        "response.similar": "focal_eval.checks.measures:Similar",
        "response.starts_with": "focal_eval.checks.text:StartsWith",
        "rules": "focal_eval.checks.rules:Rules",
        "scenario": "focal_eval.checks.scenario:Scenario",
        "template": "focal_eval.checks.values:Template",
        "tokens": "focal_eval.checks.limits:TokenUse",
        "tools": "focal_eval.checks.tools:Tools",
        "variables": "focal_eval.checks.values:Variables",
    },
    "engines": {
        "callable": "focal_eval.engines.callable:LocalCallable",
        "cassette": "focal_eval.engines.cassette:Cassette",
        "embedded": "focal_eval.engines.embedded:Embedded",
        "focal": "focal_eval.engines.focal:Focal",
        "glean": "focal_eval.engines.glean:Glean",
        "mix": "focal_eval.engines.mix:Mix",
        "openai": "focal_eval.engines.openai:OpenAI",
        "pipeshub": "focal_eval.engines.pipeshub:PipesHub",
        "rivescript": "focal_eval.engines.rivescript:RiveScript",
    },
    "reporters": {
        "github": "focal_eval.report.github:write",
        "html": "focal_eval.report.html:write",
        "json": "focal_eval.report.jsonl:write_document",
        "jsonl": "focal_eval.report.jsonl:write",
        "junit": "focal_eval.report.junit:write",
        "markdown": "focal_eval.report.markdown:write",
        "otlp": "focal_eval.report.traces:write",
        "sarif": "focal_eval.report.sarif_run:write",
    },
    "importers": {
        "adk": "focal_eval.importers.adk:Adk",
        "botium": "focal_eval.importers.botium:Botium",
        "csv": "focal_eval.importers.csv_table:Table",
        "cx": "focal_eval.importers.cx:DialogflowCX",
        "focal": "focal_eval.importers.recorded:Focal",
        "glean": "focal_eval.importers.recorded:Glean",
        "mix": "focal_eval.importers.recorded:Mix",
        "openai": "focal_eval.importers.openai_chat:OpenAI",
        "otel": "focal_eval.importers.recorded:OpenTelemetry",
        "parlant": "focal_eval.importers.parlant:Parlant",
        "pipecat": "focal_eval.importers.pipecat:Pipecat",
        "pipeshub": "focal_eval.importers.recorded:PipesHub",
        "promptfoo": "focal_eval.importers.promptfoo:Promptfoo",
        "rasa": "focal_eval.importers.rasa:Rasa",
        "sgd": "focal_eval.importers.sgd:SchemaGuided",
        "tau-bench": "focal_eval.importers.tau_bench:TauBench",
        "tau2": "focal_eval.importers.tau2:Tau2",
    },
    "stores": {
        "postgresql": "focal_eval.store.opening:postgresql",
        "sqlite": "focal_eval.store.opening:sqlite",
    },
}


@lru_cache(maxsize=8)
def _entry_points(kind: Kind) -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=f"focal_eval.{kind}")}


def names(kind: Kind, *, installed: bool = True) -> list[str]:
    """Every name of a kind, sorted; `installed=False` leaves other packages' plug-ins out."""
    known = set(BUILTIN[kind])
    if installed:
        known |= set(_entry_points(kind))
    return sorted(known)


@lru_cache(maxsize=512)
def find(kind: Kind, name: str) -> Any:
    """The factory registered under `name`, or None; its module is imported now and not before."""
    target = BUILTIN[kind].get(name)
    if target is not None:
        module, _, attribute = target.partition(":")
        return getattr(import_module(module), attribute)
    point = _entry_points(kind).get(name)
    return None if point is None else point.load()


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name a person most likely meant, or None where none is near."""
    candidates = list(known)
    folded = {candidate.casefold().replace("_", "-"): candidate for candidate in candidates}
    import difflib  # for slips of the fingers alone

    match = difflib.get_close_matches(word.casefold().replace("_", "-"), list(folded), n=1, cutoff=0.6)
    return folded[match[0]] if match else None


def misspelt(word: str, known: Iterable[str]) -> bool:
    """Whether a word looks like a slip of the fingers for a known one: one or two letters off, long words only."""
    allowed = 0 if len(word) < 4 else 1 if len(word) < 7 else 2
    folded = word.casefold().replace("_", "-")
    others = (name.casefold().replace("_", "-") for name in known)
    near = [other for other in others if _new_letters(folded, other) <= allowed and _new_letters(other, folded) <= allowed]
    if not near:  # as with most names that are gone: the library for the rest takes longer to load than all this
        return False
    from rapidfuzz.distance import OSA

    return any(OSA.distance(folded, other, score_cutoff=allowed) <= allowed for other in near)


def _new_letters(word: str, other: str) -> int:
    """How many letters of a word the other one lacks: so many slips, at least, lie between them."""
    return (Counter(word) - Counter(other)).total()


def did_you_mean(word: str, known: Iterable[str], *, list_up_to: int = 12) -> str | None:
    """The last part of an error line: the nearest name, else the known ones while they are few."""
    candidates = sorted(set(known))
    if best := nearest(word, candidates):
        return Advice(f"did you mean '{best}'?", str(word), best)
    if candidates and len(candidates) <= list_up_to:
        return "known here: " + ", ".join(candidates)
    return None
