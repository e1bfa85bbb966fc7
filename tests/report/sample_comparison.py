"""Comparisons for the tests of the regression report: a small one with every kind of change, and one of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from focal_eval.compare import Masks, compare_cases, grouped
from focal_eval.compare.model import CaseChange, Comparison, Edit, RecordedCase, RecordedTurn, Side
from focal_eval.compare.stats import measured, statistics_of
from focal_eval.report.comparison import ComparisonView

Reply = dict[str, Any]


def result(key: str, text: str, outcome: str = "passed", line: int = 7) -> dict[str, Any]:
    """A judged expectation."""
    out: dict[str, Any] = {"key": key, "text": text, "outcome": outcome, "at": ["scenarios/shop.yaml", line, 7, line, 20]}
    if outcome == "failed":
        out["findings"] = [{"message": f"not so: {text}", "expected": "that", "observed": "this", "near": "almost"}]
        out["excerpt"] = [[line - 1, "    expect:"], [line, f"      {key}: that"]]
        out["because"] = "the policy says so"
    return out


def reply(response: str, **parts: Any) -> Reply:
    """What the engine reported of a turn."""
    return {
        "response": response,
        "rules": [{"name": "apologise", "score": 0.91}],
        "candidates": [{"name": "apologise", "score": 0.91}],
        "tools": [],
        "scenario": {"id": "returns", "step": "start"},
        "transitions": [{"kind": "start", "target": "start", "scenario": "returns", "reason": "a return"}],
        "template": "sorry",
        "outcome": "awaiting-user",
        "raw": {"session": "s-1", "response": response},
    } | parts


def turn(index: int, user: str | None, answer: Reply | None = None, *results: Mapping[str, Any], **parts: Any) -> RecordedTurn:
    """One recorded turn."""
    return RecordedTurn(index, user, answer, results=results, elapsed_ms=parts.pop("elapsed_ms", 4.0 + index), **parts)


def case(name: str, verdict: str, turns: Iterable[RecordedTurn], **parts: Any) -> RecordedCase:
    """One recorded case."""
    script = name.partition("[")[0].partition("#")[0]
    told: dict[str, Any] = {
        "title": name.replace("/", ": ").replace("-", " "),
        "file": f"scenarios/{script}.yaml",
        "tags": ("smoke",),
    }
    return RecordedCase(name, script, verdict, tuple(turns), **told | parts)


HELLO = turn(0, "Hello", reply("Hello, how can I help?"), result("rules", "rules include apologise"))
OFFER = reply(
    "I can refund the mug to your card today.",
    rules=[{"name": "apologise", "score": 0.91}, {"name": "offer-refund", "score": 0.41}],
    candidates=[{"name": "apologise", "score": 0.91}, {"name": "offer-refund", "score": 0.41, "reason": "'broken'"}],
    tools=[
        {
            "name": "lookup_order",
            "arguments": {"order_id": "A-1", "address": {"zip": "10115", "city": "Berlin"}},
            "result": {"price": 12},
        }
    ],
    scenario={"id": "returns", "step": "confirm"},
    transitions=[
        {"kind": "transition", "source": "start", "target": "confirm", "scenario": "returns", "reason": "it is broken"}
    ],
    follow_ups=["Yes, refund it", "No"],
)
VOUCHER = reply(
    "I can offer a voucher for the mug today.",
    rules=[{"name": "apologise", "score": 0.88}, {"name": "offer-voucher", "score": 0.5}],
    candidates=[
        {"name": "apologise", "score": 0.88},
        {"name": "offer-voucher", "score": 0.5},
        {
            "name": "offer-refund",
            "score": 0.18,
            "suppressed": "near-miss",
            "by": "below the threshold 0.3",
            "reason": "'broken'",
        },
    ],
    tools=[
        {
            "name": "lookup_order",
            "arguments": {"order_id": "A-1", "address": {"zip": "10117", "city": "Berlin"}},
            "result": {"price": 12},
        },
        {"name": "make_voucher", "arguments": {"amount": 12}, "error": "timed out"},
    ],
    scenario={"id": "returns", "step": "voucher"},
    transitions=[{"kind": "transition", "source": "start", "target": "voucher", "scenario": "returns", "reason": "always"}],
    follow_ups=["Yes, refund it", "Tell me more"],
    enforcement=[{"rule": "no-upsell", "action": "blocked", "violation": "voucher"}],
)
HELD = result("rules", "rules include offer-refund"), result("response.contains", "response contains 'mug'")
MISSED = result("rules", "rules include offer-refund", "failed"), result("response.contains", "response contains 'mug'")


def _pairs() -> list[tuple[Sequence[RecordedCase], Sequence[RecordedCase]]]:
    """Both sides of each case, with its repeats."""
    broken = "My mug is broken"
    good = (HELLO, turn(1, broken, OFFER, *HELD), turn(2, "Thanks", reply("You are welcome.")))
    bad = (HELLO, turn(1, broken, VOUCHER, *MISSED), turn(2, "Thanks", reply("You are welcome.")))
    fault = turn(1, broken, None, fault={"kind": "engine-timeout", "message": "no answer in 5 s", "detail": "host: shop"})
    mild = (HELLO, turn(1, broken, VOUCHER))
    stored = (
        ({"role": "assistant", "text": "I can refund the mug."},),
        ({"role": "assistant", "text": "I can replace the mug."},),
    )
    return [
        ([case("returns/mug[item=cup]", "passed", good)], [case("returns/mug[item=cup]", "failed", bad)]),
        ([case("returns/mug[item=jug]", "passed", good)], [case("returns/mug[item=jug]", "failed", bad)]),
        ([case("returns/mild", "passed", (HELLO, turn(1, broken, OFFER)))], [case("returns/mild", "passed", mild)]),
        ([case("billing/invoice", "failed", bad)], [case("billing/invoice", "passed", good)]),
        ([case("orders/lost", "passed", good)], [case("orders/lost", "errored", (HELLO, fault), reason="the engine broke")]),
        ([case("orders/extra", "passed", (HELLO,))], [case("orders/extra", "passed", (HELLO, turn(1, "And one more", OFFER)))]),
        ([], [case("orders/brand-new", "passed", (HELLO,))]),
        ([case("orders/retired", "passed", (HELLO,))], []),
        (
            [case("orders/stored", "passed", (HELLO,), messages=stored[0])],
            [case("orders/stored", "passed", (HELLO,), messages=stored[1])],
        ),
        (
            [case("returns/shaky", "passed", good), case("returns/shaky#2", "passed", good, repeat=2)],
            [case("returns/shaky", "failed", bad), case("returns/shaky#2", "passed", good, repeat=2)],
        ),
        *(([case(f"calm/case-{n}", "passed", (HELLO,))], [case(f"calm/case-{n}", "passed", (HELLO,))]) for n in range(6)),
    ]


EDITS = (
    Edit(
        "rule", "offer-refund", "edited", (("match.any_words", ["broken", "cracked"], ["cracked"]),), 12, ("rule:offer-refund",)
    ),
    Edit("template", "bye", "edited", (("text.en", "Goodbye!", "Good bye!"),), 40, ("template:bye",)),
)
GATES: tuple[Mapping[str, Any], ...] = (
    {"name": "regressions", "limit": {"max": 0}, "observed": 2, "passed": False},
    {"name": "stale", "limit": {"max": 0}, "observed": None, "passed": None},
)
OWN_GATES: tuple[Mapping[str, Any], ...] = ({"name": "pass_rate", "limit": {"min": 0.5}, "observed": 0.8, "passed": True},)
HEADER: Mapping[str, Any] = {
    "id": "20261121-100000-aaaa",
    "started_at": "2026-11-21T10:00:00+00:00",
    "suite": {"file": "evals/shop.yaml", "title": "The shop"},
    "engine": {"kind": "embedded", "agent": {"id": "shop", "file": "shop.yaml", "digest": "sha256:0123456789"}},
}

Pairs = Sequence[tuple[Sequence[RecordedCase], Sequence[RecordedCase]]]


def view_of(pairs: Pairs, *, edits: tuple[Edit, ...] | None = None, **parts: Any) -> ComparisonView:
    """What the report is written from, for both sides of these cases."""
    cases: list[CaseChange] = []
    sides: tuple[dict[str, Sequence[RecordedCase]], dict[str, Sequence[RecordedCase]]] = ({}, {})
    for before, after in pairs:
        tried = (*_tried(before), *_tried(after)) if len(before) > 1 or len(after) > 1 else (0, 0, 0, 0)
        change = compare_cases(before[0] if before else None, after[0] if after else None, Masks(), tried=tried)
        cases.append(change)
        sides[0][change.name], sides[1][change.name] = before, after
    comparison = Comparison(
        Side("20261120-100000-bbbb", "run"),
        Side("20261121-100000-aaaa", "run"),
        tuple(cases),
        grouped(cases, edits),
        edits,
        {"latency_ms": 12},
    )
    statistics = statistics_of(*((measured(one) for pair in pairs for one in pair[side]) for side in (0, 1)))
    told: dict[str, Any] = {"gates": GATES, "own_gates": OWN_GATES, "statistics": statistics.as_json()}
    told |= {"before_header": HEADER, "after_header": HEADER}
    return ComparisonView(comparison, _reading(sides[0]), _reading(sides[1]), **told | parts)


def _reading(side: Mapping[str, Sequence[RecordedCase]]) -> Callable[[CaseChange], Sequence[RecordedCase]]:
    return lambda change: side[change.name]


def _tried(repeats: Sequence[RecordedCase]) -> tuple[int, int]:
    return sum(one.verdict == "passed" for one in repeats), len(repeats)


def small_view() -> ComparisonView:
    """Every kind of change once at least."""
    return view_of(_pairs(), edits=EDITS)
