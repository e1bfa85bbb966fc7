"""Cases whose stored messages differ from what was said, judged by the real check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from focal_eval.checks import Conversation, judge_check
from focal_eval.checks.stored import Records
from focal_eval.records import (
    UNKNOWN,
    CheckResult,
    Citation,
    Finding,
    MessageRecord,
    Outcome,
    Reply,
    RuleMatch,
    ScenarioState,
    Tokens,
    ToolCall,
    TurnRecord,
    Verdict,
)
from focal_eval.source import Span
from tests.report.sample_odd_cases import HOSTILE
from tests.report.sample_run import Attempt, Case, Turn

SAID = (
    ("Hello there", "Hello! How can I help you today?", ("greet",), ()),
    ("My mug arrived broken, order A-1001", "I am sorry to hear that. May I look up order A-1001 for you?", ("apologise",), ()),
    (
        "Yes please",
        "Order A-1001 was delivered on 12 November. I can refund $18.50 to your card, or send a new mug. Which do you prefer?",
        ("offer-refund", "offer-replacement"),
        ("lookup_order",),
    ),
    ("A refund please", "Done. Your refund of $18.50 is on its way and arrives within five days.", ("confirm-refund",), ()),
    ("Thanks, bye", "You are welcome. Goodbye!", ("goodbye",), ()),
)
HOLES = ("scenario-start-not-stored", "turn-number-wrong")


def talk() -> list[Turn]:
    """A conversation of five turns within a scenario from the second on."""
    return [
        Turn(
            user,
            Reply(
                response=agent,
                rules=tuple(RuleMatch(rule, 0.9) for rule in rules),
                tools=tuple(ToolCall(tool, {"order_id": "A-1001"}, {"total": 18.5}) for tool in tools),
                scenario=ScenarioState("returns", f"step-{number}") if number else None,
                turn_id=f"t-{number}",
            ),
        )
        for number, (user, agent, rules, tools) in enumerate(SAID)
    ]


def stored_of(turns: Iterable[Turn]) -> list[MessageRecord]:
    """What an engine without a fault stores of a conversation."""
    out = []
    for number, turn in enumerate(turns):
        assert turn.reply is not None
        at, reply = f"2026-11-21T07:40:0{number}Z", turn.reply
        text = None if reply.response is UNKNOWN else reply.response
        if turn.user is not None:
            out.append(MessageRecord("user", turn.user, turn_id=reply.turn_id, created_at=at))
        out.append(
            MessageRecord(
                "assistant",
                text,
                turn_id=reply.turn_id,
                rules=reply.rules,
                tools=reply.tools,
                scenario=reply.scenario,
                created_at=at,
            )
        )
    return out


def judged(turns: list[Turn], messages: Iterable[MessageRecord], tolerated: Iterable[str] = (), line: int = 21) -> CheckResult:
    """The result of `records: consistent` over the conversation."""
    records = tuple(TurnRecord(number, turn.user, turn.reply) for number, turn in enumerate(turns))
    seen = Conversation(records, tuple(messages), tolerated=frozenset(tolerated))
    outcome, findings, reason = judge_check(Records(), seen)
    excerpt = ((line - 1, "conversation:"), (line, "  - records: consistent")) if outcome is Outcome.FAILED else ()
    at = Span("scenarios/stored/talk.yaml", line, 14, line, 24)
    text = "stored messages agree with what was said"
    return CheckResult("conversation.records", text, outcome, at, findings, reason, excerpt=excerpt)


def case_of(
    name: str, title: str, messages: list[MessageRecord] | None, *, tolerated: Iterable[str] = (), judge: bool = True
) -> Case:
    """A case of the one conversation and what is stored of it."""
    turns = talk()
    results = (judged(turns, messages, tolerated),) if judge and messages is not None else ()
    failed = any(result.outcome is Outcome.FAILED for result in results)
    attempt = Attempt(
        turns, Verdict.FAILED if failed else Verdict.PASSED, results, None if messages is None else tuple(messages)
    )
    return Case(f"stored/{name}", title, [attempt])


def wrong_case() -> Case:
    """Another text, another rule list, another call, a lost message, a message nobody sent; one hole tolerated."""
    kept = stored_of(talk())
    kept[5] = replace(
        kept[5],
        text=SAID[2][1].replace("18.50", "81.50").replace("prefer", "want"),
        rules=(RuleMatch("offer-refund", 0.9), RuleMatch("upsell", 0.4)),
        tools=(ToolCall("lookup_order", {"order_id": "A-1010"}, {"total": 18.5}),),
    )
    stranger = MessageRecord("user", "Also cancel my account", turn_id="t-99", created_at="2026-11-21T07:40:05Z")
    return case_of("wrong", "What is stored differs", [*kept[:2], *kept[4:6], kept[7], *kept[8:], stranger], tolerated=HOLES)


def stored_cases() -> list[Case]:
    """One case for each way the lane can look."""
    kept = stored_of(talk())
    lost = [message for message in kept if message.turn_id != "t-1"]
    hostile = [replace(message, text=HOSTILE[number % len(HOSTILE)], turn_id=None) for number, message in enumerate(kept)]
    return [
        wrong_case(),
        case_of("same", "What is stored is what was said", kept),
        case_of("tolerated", "The suite lives with a hole", lost, tolerated=HOLES),
        case_of("unjudged", "Nobody judges what is stored", lost, judge=False),
        case_of("nothing", "The engine keeps nothing", None, judge=False),
        case_of("hostile", "Hostile texts are stored", hostile),
        more_case(),
    ]


def more_case() -> Case:
    """A turn of an engine that tells all the newer records hold."""
    reply = Reply(
        response="The policy allows returns within 30 days [1].",
        citations=(
            Citation(
                "within 30 days", "policy.md", "https://shop.example/policy", 1, "doc-7", 0.93, "Returns: within 30 days of"
            ),
        ),
        follow_ups=("How do I return it?",),
        reasoning="The user asks about returns; the policy says thirty days.",
        reasoning_ms=840.0,
        confidence="High",
        progress=("Searching the knowledge base", "Reading policy.md"),
        type="bot_response",
        format="MARKDOWN",
        metadata={"reason": "policy found", "retrieved": ["policy.md", "faq.md"]},
        tokens=Tokens(1_240, 1_100, 140, 900, 64, 60),
        cost=0.0031,
        latency_ms=1_630.0,
        model="small-2026-10",
        finish_reason="stop",
        session_id="s-1",
        turn_id="t-1",
        tracking_token="trk-9",
        created_at="2026-11-21T07:40:01Z",
        first_token_ms=420.0,
    )
    turn = Turn("How long may I return it?", reply, elapsed_ms=1_702.0, first_token_ms=420.0)
    feedback: dict[str, Any] = {"feedback": {"rating": 5}, "model": "small-2026-10", "confidence": "High"}
    messages = (MessageRecord("user", turn.user), MessageRecord("assistant", str(reply.response), **feedback))
    return Case("stored/more", "All that an engine tells", [Attempt([turn], messages=messages)])


def finding_names(case: Case) -> list[tuple[str | None, bool]]:
    """Names of a sample's findings, and whether they are tolerated."""
    found: list[Finding] = [finding for result in case.attempts[-1].results for finding in result.findings]
    return [(finding.name, finding.tolerated) for finding in found]
