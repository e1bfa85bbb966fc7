"""promptfoo's assertions as expectations: what is compared, what is only nearly the same, and what needs code or a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from focal_eval.checks.json_reply import JsonReply
from focal_eval.importers import promptfoo_judged
from focal_eval.importers.criteria import KEPT, meaning
from focal_eval.importers.losses import Losses
from focal_eval.importers.promptfoo_judged import ELSEWHERE, GRADED_BY, JUDGED, judged_of
from focal_eval.importers.tree import Place, mapping, mappings, scalar_text, texts
from focal_eval.importers.write import Word, call, data_said, literal, said
from focal_eval.pattern import Pattern
from focal_eval.template import has_template

CODE = frozenset({"javascript", "python", "ruby", "webhook"})
MOST = 10**12  # of a number in an assertion
_STRICT = {"case": "strict", "space": "strict"}

SENTENCES = {
    "assertion-code": "assertions in code (javascript, python, ruby, webhook): foreign code is not run",
    **promptfoo_judged.SENTENCES,
    "other-assertion": "assertions without a check of the same meaning, such as rouge-n or is-xml",
    "similar": "likeness by meaning (`similar`): another encoder decides, by its measured threshold; numbers and denials count",
    "similar-not": "texts that must not be alike (`not-similar`): another encoder decides, by its own measured threshold",
    "levenshtein": "edit distances: compared as edit similarity",
    "embedded-json": "JSON in a reply: looked for in the whole reply or in a fenced block of it",
    "tool-schema": "calls that must fit the schemas of the provider: some tool must be called",
    "tool-set": "sets of called tools (tool-call-f1): these tools and no others, in any order",
    "tool-default": "arguments that may be left out or be anything: they are not compared",
    "tool-pattern": "tools named by a pattern",
    "assert-set": "sets of assertions that hold in part (`threshold`)",
    "partly": "tests that pass although an assertion fails (`threshold`): here all must hold",
    "transform": "assertions on a reply that code has transformed",
    "weight": "weights of assertions: a failed one counts in full",
    "bad-schema": "JSON Schemas that are not read here: JSON of any shape is taken",
    "bad-pattern": "patterns that are not read here",
    "bad-assertion": "assertions without the value they need",
    "measured-only": "assertions that only measure, such as cost without a threshold",
}
APPROXIMATED = promptfoo_judged.APPROXIMATED | {
    *("similar", "similar-not", "levenshtein", "embedded-json", "bad-schema"),
    *("tool-schema", "tool-set", "tool-default", "partly", "weight"),
}

Wanted = dict[str, Any]
Rule = Callable[["Given"], "Wanted | None"]


@dataclass(frozen=True, slots=True)
class Given:
    """One assertion: its value, all of it, where it stands, and where losses are counted."""

    asserts: Asserts
    value: Any
    item: Mapping[str, Any]
    place: Place


class Asserts:
    """Makes expectations of the assertions of one test, whose variables and options are given.

    `criteria` gathers what no check of ours decides, `thresholds` likenesses that were asked of another encoder.
    """

    def __init__(self, losses: Losses, variables: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        self.losses, self.variables = losses, variables
        self.graded = {key: options[key] for key in GRADED_BY if options.get(key)}
        self.criteria: list[str] = []
        self.thresholds: list[float] = []

    def read(self, given: Any, at: Callable[[int], Place]) -> list[Wanted]:
        """The expectations of a list of assertions."""
        out = []
        for index, item in mappings(given):
            made = self.one(item, at(index))
            out += [made] if made is not None else []
        return out

    def one(self, item: Mapping[str, Any], place: Place) -> Wanted | None:
        """One assertion; None where it is lost, which is counted."""
        kind = scalar_text(item.get("type") or "").strip()
        if kind == "assert-set":
            return self._set(item, place)
        if item.get("transform") is not None:
            self.losses.add("transform", place)
            return None
        negated = kind.startswith("not-")
        base = kind.removeprefix("not-")
        made = self._plain(base, {**item, "negated": negated}, place)
        if made is None:
            return None
        self.losses.keep(KEPT if base in JUDGED else "assertions")
        soft = made.pop("soft", False)
        wanted: Wanted = (_unused(made) if base == "trajectory:tool-used" else _negated(made)) if negated else made
        return self._weighed({**wanted, "soft": True} if soft else wanted, item, place)

    def _weighed(self, wanted: Wanted, item: Mapping[str, Any], place: Place) -> Wanted:
        weight = item.get("weight")
        extra: Wanted = {}
        if weight == 0 and not isinstance(weight, bool):
            extra["soft"] = True
        elif weight not in (None, 1):
            self.losses.add("weight", place)
        metric = item.get("metric")
        if isinstance(metric, str) and metric.strip():
            extra["because"] = metric
        return {**wanted, **extra}

    def _plain(self, base: str, item: Mapping[str, Any], place: Place) -> Wanted | None:
        if base in CODE:
            self.losses.add("assertion-code", place)
            return None
        if base in JUDGED or base in ELSEWHERE:
            asked = judged_of(base, {**self.graded, **item}, self.variables, lambda kind: self.losses.add(kind, place))
            if asked is None and (says := item.get("value")) not in (None, ""):
                self.criteria.append(f"{base}: {scalar_text(says)}")
            return asked
        rule = _RULES.get(base)
        if rule is None:
            self.losses.add("other-assertion", place)
            return None
        return rule(Given(self, item.get("value"), item, place))

    def _set(self, item: Mapping[str, Any], place: Place) -> Wanted | None:
        inner = mappings(item.get("assert"))
        threshold = item.get("threshold")
        share = threshold if isinstance(threshold, (int, float)) and not isinstance(threshold, bool) else None
        any_one = share is not None and 0 < share * len(inner) <= 1 and len(inner) > 1
        if share is not None and share < 1 and not any_one:
            self.losses.add("assert-set", place)
            return None
        made = [found for _, one in inner if (found := self.one(_bare(one), place)) is not None]
        if not made or (any_one and len(made) < len(inner)):
            return None
        wanted: Wanted = {"any_of" if any_one else "all_of": made}
        return self._weighed(wanted, item, place)

    def bad(self, place: Place) -> None:
        """Counts an assertion that lacks what it needs."""
        self.losses.add("bad-assertion", place)


def _bare(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """An assertion of a set, which holds or fails as a whole: without weight and metric."""
    return {key: value for key, value in item.items() if key not in ("weight", "metric")}


def _unused(made: Wanted) -> Wanted:
    """None of these tools is used, which is what promptfoo's inverse says of several."""
    tools = made.get("tools", {})
    if "calls" in tools:
        return {"tools": {"excludes": tools["calls"]}}
    if "count" in tools:
        return {"tools": {"excludes": list(tools["count"])}}
    return {"tools": {"none": True}}


def _negated(made: Wanted) -> Wanted:
    if set(made) == {"response"} and set(made["response"]) == {"contains"}:
        found = made["response"]["contains"]
        if isinstance(found["text"] if isinstance(found, Mapping) else found, str):
            return {"response": {"excludes": found}}
    if set(made) == {"response"}:
        return {"response": {"not": made["response"]}}
    return {"not": made}


def _words(asserts: Asserts, value: Any, place: Place, *, split: bool = False) -> list[str]:
    """The texts an assertion is about; none, counted, where there are none."""
    if isinstance(value, str) and split:
        found = [part.strip() for part in value.split(",")]
    else:
        found = [scalar_text(item) for item in (value if isinstance(value, list) else [value]) if item is not None]
    found = [said(text) for text in found if text.strip()]
    if not found:
        asserts.bad(place)
    return found


def _texts(found: list[str], *, strict: bool) -> Any:
    """Texts as `contains` takes them, one alone as itself."""
    given = found if len(found) > 1 else found[0]
    return {"text": given, **_STRICT} if strict else given


def _contains(strict: bool, *, every: bool = True, split: bool = False) -> Rule:
    def rule(given: Given) -> Wanted | None:
        found = _words(given.asserts, given.value, given.place, split=split)
        if not found:
            return None
        if every or len(found) == 1:
            return {"response": {"contains": _texts(found, strict=strict)}}
        return {"response": {"any_of": [{"contains": _texts([text], strict=strict)} for text in found]}}

    return rule


def _equals(given: Given) -> Wanted | None:
    if isinstance(given.value, (Mapping, list)):
        return {"response": {"json": {"equals": {"equals": data_said(given.value)}}}}
    found = _words(given.asserts, given.value, given.place)
    return {"response": {"equals": {"text": found[0], **_STRICT}}} if found else None


def _starts(given: Given) -> Wanted | None:
    found = _words(given.asserts, given.value, given.place)
    return {"response": {"starts_with": {"text": found[0], **_STRICT}}} if found else None


def _regex(given: Given) -> Wanted | None:
    text = scalar_text(given.value) if given.value is not None else ""
    try:
        Pattern(text)
    except ValueError:
        text = ""
    if not text or has_template(text):
        given.asserts.losses.add("bad-pattern", given.place)
        return None
    return {"response": {"matches": text}}


def _json(given: Given) -> Wanted | None:
    given.asserts.losses.add("embedded-json", given.place)
    if isinstance(given.value, str) and given.value.strip():
        given.asserts.bad(given.place)
        return None
    if not isinstance(given.value, Mapping) or not given.value:
        return {"response": {"json": {"valid": True}}}
    schema = data_said(given.value)
    try:
        JsonReply(schema=schema)
    except (ValueError, RecursionError):
        given.asserts.losses.add("bad-schema", given.place)
        return {"response": {"json": {"valid": True}}}
    return {"response": {"json": {"schema": schema}}}


def _number(value: Any) -> int | float | None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < MOST
    return value if good else None


def _limit(key: str) -> Rule:
    def rule(given: Given) -> Wanted | None:
        limit = _number(given.item.get("threshold", given.value))
        if limit is None:
            given.asserts.losses.add("measured-only", given.place)
            return None
        return {key: {"max": limit}}

    return rule


def _similar(given: Given) -> Wanted | None:
    found = _words(given.asserts, given.value, given.place)
    if not found:
        return None
    negated = bool(given.item.get("negated"))
    given.asserts.losses.add("similar-not" if negated else "similar", given.place)
    share = _number(given.item.get("threshold"))
    given.asserts.thresholds += [] if share is None else [share]
    return {"response": {"means": meaning(found, guarded=not negated)}}


def _distance(given: Given) -> Wanted | None:
    found, limit = _words(given.asserts, given.value, given.place), _number(given.item.get("threshold", 5))
    if not found or limit is None:
        return None
    given.asserts.losses.add("levenshtein", given.place)
    share = max(0.0, 1 - limit / max(len(found[0]), 1))
    return {"response": {"similar": {"to": found[0], "at_least": round(share, 3)}}} if share else None


def _length(given: Given) -> Wanted | None:
    bounds = mapping(given.value) if isinstance(given.value, Mapping) else {"min": given.value, "max": given.value}
    low, high = _number(bounds.get("min")), _number(bounds.get("max"))
    out = {}
    if low:
        out["min_words"] = int(low)
    if high is not None:
        out["max_words"] = int(high)
    if not out or out.get("min_words", 0) > out.get("max_words", MOST):
        given.asserts.bad(given.place)
        return None
    return {"response": out}


def _finish(given: Given) -> Wanted | None:
    found = _words(given.asserts, given.value, given.place)
    return {"finish_reason": literal(found[0])} if found else None


def _tools_used(given: Given) -> Wanted | None:
    if isinstance(given.value, Mapping):
        name = given.value.get("name", given.value.get("pattern"))
        if name == "*" and given.value.get("max") == 0:
            return {"tools": {"none": True}}
        if name == "*" and given.value.get("min", 1) == 1 and given.value.get("max") is None:
            return {"not": {"tools": {"none": True}}}
        if not isinstance(name, str) or not name.strip() or set("*?") & set(name):
            given.asserts.losses.add("tool-pattern", given.place)
            return None
        high = _number(given.value.get("max"))
        low = _number(given.value.get("min", 0 if high == 0 else 1))
        if low is None or low > (MOST if high is None else high):
            given.asserts.bad(given.place)
            return None
        bounds = {"min": int(low)}
        return {"tools": {"count": {name: bounds | ({"max": int(high)} if high is not None else {})}}}
    names = [said(name) for name in texts(given.value) if name.strip()]
    if not names:
        given.asserts.bad(given.place)
        return None
    return {"tools": {"calls": names, "order": Word("any")} if len(names) > 1 else {"calls": names}}


def _tool_sequence(given: Given) -> Wanted | None:
    steps = given.value.get("steps") if isinstance(given.value, Mapping) else given.value
    names = [said(name) for name in texts(steps) if name.strip()]
    if not names or any(set("*?") & set(name) for name in names):
        given.asserts.losses.add("tool-pattern" if names else "bad-assertion", given.place)
        return None
    exact = isinstance(given.value, Mapping) and given.value.get("mode") == "exact"
    return {"tools": {"exactly": names} if exact else {"calls": names}}


def _tool_arguments(given: Given) -> Wanted | None:
    wish = mapping(given.value)
    name, wanted = wish.get("name"), wish.get("args", wish.get("arguments"))
    if not isinstance(name, str) or not name.strip() or not isinstance(wanted, Mapping):
        given.asserts.losses.add("tool-pattern" if isinstance(wish.get("pattern"), str) else "bad-assertion", given.place)
        return None
    free = {*texts(wish.get("ignore")), *mapping(wish.get("defaults"))}
    wanted = {key: found for key, found in wanted.items() if key not in free}
    if free:
        given.asserts.losses.add("tool-default", given.place)
    if wish.get("mode") == "exact" and not free:
        return {"tools": {"calls": [{name: {"args": {key: literal(found) for key, found in wanted.items()}, "only": True}}]}}
    return {"tools": {"calls": [call(name, wanted)]}}


def _tool_set(given: Given) -> Wanted | None:
    names = _words(given.asserts, given.value, given.place, split=isinstance(given.value, str))
    if not names:
        return None
    given.asserts.losses.add("tool-set", given.place)
    made: Wanted = {"tools": {"exactly": list(dict.fromkeys(names)), "order": Word("any")}}
    share = _number(given.item.get("threshold", 1))
    return made if share is None or share >= 1 else {**made, "soft": True}


def _some_tool(given: Given) -> Wanted | None:
    given.asserts.losses.add("tool-schema", given.place)
    return {"not": {"tools": {"none": True}}}


_RULES: Mapping[str, Rule] = {
    "equals": _equals,
    "contains": _contains(strict=True),
    "contains-all": _contains(strict=True, split=True),
    "contains-any": _contains(strict=True, split=True, every=False),
    "icontains": _contains(strict=False),
    "icontains-all": _contains(strict=False, split=True),
    "icontains-any": _contains(strict=False, split=True, every=False),
    "starts-with": _starts,
    "regex": _regex,
    "is-json": _json,
    "contains-json": _json,
    "latency": _limit("latency_ms"),
    "cost": _limit("cost"),
    **dict.fromkeys(("similar", "similar:cosine", "similar:dot", "similar:euclidean"), _similar),
    "levenshtein": _distance,
    "word-count": _length,
    "finish-reason": _finish,
    "is-refusal": lambda given: {"response": {"refusal": True}},  # noqa: ARG005  # it takes no value
    "trajectory:tool-used": _tools_used,
    "trajectory:tool-sequence": _tool_sequence,
    "trajectory:tool-args-match": _tool_arguments,
    "tool-call-f1": _tool_set,
    "is-valid-openai-tools-call": _some_tool,
    "is-valid-openai-function-call": _some_tool,
    "is-valid-function-call": _some_tool,
}


def criteria_of(found: Sequence[str], turn: int) -> list[dict[str, Any]]:
    """Criteria as `origin` keeps them."""
    return [{"turn": turn, "says": says} for says in found]


def thresholds_of(found: Sequence[float], turn: int) -> list[dict[str, Any]]:
    """Likenesses that were asked for, as `origin` keeps them."""
    return [{"turn": turn, "similar": share} for share in found]
