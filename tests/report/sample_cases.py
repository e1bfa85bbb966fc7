"""The cases of the rich run: a shop's support agent, with every lane failing once and hostile texts among them."""

from __future__ import annotations

from focal_eval.records import (
    Candidate,
    Enforcement,
    Fault,
    Finding,
    MessageRecord,
    Outcome,
    Reply,
    RuleMatch,
    ScenarioState,
    Tokens,
    ToolCall,
    Transition,
    Verdict,
)
from tests.report.sample_odd_cases import bot_first_case, flaky_case, hostile_case, marked_cases
from tests.report.sample_run import Attempt, Case, Turn, failed, passed, unjudged


def _mug(order: str) -> tuple[Turn, Turn]:
    file = "scenarios/returns/damaged-mug.yaml"
    first = Turn(
        f"My mug arrived broken, order {order}",
        Reply(
            response="I'm sorry your mug arrived damaged. I can refund $18.50 or send a replacement. Which do you prefer?",
            rules=(RuleMatch("apologise", 0.94), RuleMatch("offer-refund", 0.81)),
            candidates=(
                Candidate("apologise", 0.94, reason="any_words: broken"),
                Candidate("offer-refund", 0.81, reason="any_words: broken"),
                Candidate("upsell", 0.38, suppressed="excluded", by="apologise", reason="lexical score"),
                Candidate(
                    "delivery-status", 0.21, suppressed="near-miss", by="below the threshold 0.3", reason="lexical score"
                ),
            ),
            tools=(
                ToolCall("lookup_order", {"order_id": order}, {"status": "delivered", "total": 18.5}, duration_ms=1.2, id="c1"),
            ),
            scenario=ScenarioState("returns", "confirm"),
            transitions=(Transition("start", None, "confirm", "returns", "rule apologise enters the scenario"),),
            template="apologise-damage",
            enforcement=(Enforcement("refund-limit", "passed"),),
            tokens=Tokens(total=212, prompt=180, completion=32),
            latency_ms=3.1,
            variables={"order_id": order, "refund_amount": 18.5},
            raw={"turn_id": "t-1", "matched_rules": [{"id": "apologise"}], "outcome": "failed"},
        ),
        (
            passed("rules", "rules include 'apologise' and 'offer-refund'", file, 7),
            passed("tools", f"tools call lookup_order with order_id '{order}'", file, 9),
            passed("scenario", "scenario is returns/confirm", file, 11),
            passed("response.contains", "response contains 'sorry' and 'refund'", file, 13),
            passed("response.max_words", "response has at most 80 words", file, 14),
        ),
        saved={"amount": "18.50"},
    )
    second = Turn(
        "yes please",
        Reply(
            response="Done. Your refund of $18.50 is on its way and will reach you within five days.",
            rules=(RuleMatch("confirm-refund", 0.88),),
            candidates=(Candidate("confirm-refund", 0.88, reason="scope: returns/confirm"),),
            tools=(ToolCall("create_refund", {"order_id": order, "amount": 18.5}, {"refund_id": "RF-2291"}, duration_ms=2.0),),
            scenario=ScenarioState("returns", "done"),
            transitions=(Transition("transition", "confirm", "done", "returns", "any_words: yes"),),
            template=None,
            tokens=Tokens(total=160),
            latency_ms=2.7,
        ),
        (
            passed("rules", "rules are exactly 'confirm-refund'", file, 18),
            passed("tools", "tools call create_refund with amount near 18.5", file, 19),
            passed("response.any_of", "response contains 'done' or contains 'refunded'", file, 21),
        ),
    )
    return first, second


def _stored(*turns: Turn) -> tuple[MessageRecord, ...]:
    out = []
    for index, turn in enumerate(turns):
        out.append(MessageRecord("user", turn.user, id=f"m{2 * index}", created_at=f"2026-11-21T07:40:0{index}+00:00"))
        if turn.reply is not None:
            answer = turn.reply.response if isinstance(turn.reply.response, str) else None
            out.append(
                MessageRecord(
                    "assistant",
                    answer,
                    id=f"m{2 * index + 1}",
                    type="text",
                    rules=turn.reply.rules,
                    scenario=turn.reply.scenario,
                )
            )
    return tuple(out)


def _good(script: str, title: str, tags: tuple[str, ...], **params: str) -> Case:
    order = params.get("order", "A-1001")
    turns = _mug(order)
    end = (passed("conversation.never", "tool delete_account is never called", f"scenarios/{script}.yaml", 24),)
    return Case(script, title, [Attempt(list(turns), results=end, messages=_stored(*turns))], tags, dict(params))


def rules_case() -> Case:
    """The rules lane fails: the rule was near, but cooling down."""
    file = "scenarios/returns/late-parcel.yaml"
    found = Finding(
        "rule 'offer-refund' did not match",
        expected="rules include 'apologise' and 'offer-refund'",
        observed="apologise (0.91)",
        near="'offer-refund' scored 0.77 but was dropped: cooldown, 1 of 2 turns left",
        path=(1,),
    )
    turn = Turn(
        "My parcel is ten days late and I want my money back!",
        Reply(
            response="I am sorry for the delay. Let me look into your parcel.",
            rules=(RuleMatch("apologise", 0.91),),
            candidates=(
                Candidate("apologise", 0.91, reason="any_words: late"),
                Candidate("offer-refund", 0.77, suppressed="cooldown", by="1 of 2 turns left", reason="phrase: money back"),
                Candidate("escalate", 0.29, suppressed="near-miss", by="below the threshold 0.3"),
                Candidate("collect-order", 0.5, suppressed="scope", by="only in returns/start"),
            ),
            tools=(),
            scenario=None,
            template=None,
            latency_ms=2.2,
        ),
        (
            failed(
                "rules",
                "rules include 'apologise' and 'offer-refund'",
                file,
                9,
                found,
                source="      rules: [apologise, offer-refund]",
                because="policy 4.2: a parcel over a week late is always offered a refund",
                column=26,
            ),
            passed("scenario", "scenario is none", file, 10),
            failed(
                "response.contains",
                "response contains 'refund'",
                file,
                12,
                Finding(
                    "'refund' is not in the response", "'refund'", "I am sorry for the delay. Let me look into your parcel."
                ),
                source="        contains: refund",
                column=19,
            ),
        ),
        golden="I am sorry for the delay. I can refund your parcel today, if you like.",
    )
    later = Turn("hello?", skipped="the case failed at turn 1 and the suite stops a case at its first failure")
    return Case(
        "returns/late-parcel", "A late parcel is offered a refund", [Attempt([turn, later], Verdict.FAILED)], ("returns",)
    )


def tools_case() -> Case:
    """The tools lane fails: one argument differs, and another call broke."""
    file = "scenarios/orders/change-address.yaml"
    found = Finding(
        "update_address was called with another 'zip'",
        expected="update_address(order_id='A-2207', zip='10115')",
        observed="update_address(order_id='A-2207', zip=10115)",
        near="zip: expected the string '10115', observed the number 10115",
    )
    turn = Turn(
        "Please send order A-2207 to Invalidenstraße 116, 10115 Berlin instead 🙏",
        Reply(
            response="I have changed the address of order A-2207. You will get a confirmation by e-mail.",
            rules=(RuleMatch("change-address", 0.97, id="0b0fb2bc-6f0b-4e63-9d38-5d7f0e7f6b6c"),),
            tools=(
                ToolCall(
                    "lookup_order", {"order_id": "A-2207"}, {"status": "packed", "lines": [{"sku": "MUG-1", "n": 2}]}, group=0
                ),
                ToolCall(
                    "update_address",
                    {
                        "order_id": "A-2207",
                        "zip": 10115,
                        "street": "Invalidenstraße 116",
                        "city": "Berlin",
                        "customer": 12345678901234567890,
                    },
                    True,
                    duration_ms=14.0,
                ),
                ToolCall("notify_customer", {"channel": "e-mail"}, error="SMTP gateway answered 451"),
            ),
            scenario=ScenarioState("orders", "address"),
            transitions=(Transition("continue", "address", "address", "orders"),),
            latency_ms=31.4,
        ),
        (
            passed("rules", "rules include 'change-address'", file, 8),
            failed(
                "tools",
                "tools call lookup_order, update_address",
                file,
                11,
                found,
                source="        - update_address: {order_id: A-2207, zip: '10115'}",
                column=46,
            ),
        ),
    )
    return Case(
        "orders/change-address", "An address is changed before dispatch", [Attempt([turn], Verdict.FAILED)], ("orders", "smoke")
    )


def step_case() -> Case:
    """The step lane fails, and a soft expectation of the reply too."""
    file = "scenarios/returns/wrong-size.yaml"
    turns = [
        Turn(
            "these shoes are too small",
            Reply(
                response="No problem. Which size do you need?",
                rules=(RuleMatch("exchange", 0.83),),
                scenario=ScenarioState("exchange", "ask-size"),
                transitions=(Transition("start", None, "ask-size", "exchange"),),
                template="ask-size",
            ),
            (passed("scenario", "scenario is exchange/ask-size", file, 7),),
        ),
        Turn(
            "43 please",
            Reply(
                response="Sorry, I did not understand. Which size do you need?",
                rules=(),
                candidates=(Candidate("exchange", 0.12, suppressed="near-miss", by="below the threshold 0.3"),),
                scenario=ScenarioState("exchange", "ask-size"),
                transitions=(Transition("continue", "ask-size", "ask-size", "exchange", "slot 'size' is not filled"),),
                template="ask-size",
                outcome="awaiting-user",
            ),
            (
                failed(
                    "scenario",
                    "scenario is exchange/confirm",
                    file,
                    11,
                    Finding(
                        "the conversation stayed at exchange/ask-size",
                        "exchange/confirm",
                        "exchange/ask-size",
                        "the transition to 'confirm' wants slot 'size', which is not filled",
                    ),
                    source="      scenario: exchange/confirm",
                    column=17,
                ),
                failed(
                    "response.max_words",
                    "response has at most 8 words",
                    file,
                    13,
                    Finding("the response has 9 words", "at most 8 words", "9 words"),
                    source="        max_words: 8",
                    column=20,
                    soft=True,
                ),
                unjudged(Outcome.SKIPPED, "tools", "tools call reserve_stock", file, 12, "the engine does not report tools"),
            ),
        ),
    ]
    conversation = (
        failed(
            "conversation.visits",
            "the conversation visits exchange/ask-size, exchange/confirm, exchange/done",
            file,
            16,
            Finding(
                "exchange/confirm was never visited",
                "exchange/ask-size → exchange/confirm → exchange/done",
                "exchange/ask-size",
            ),
            source="  - visits: [exchange/ask-size, exchange/confirm, exchange/done]",
            column=33,
        ),
        passed("conversation.never", "tool delete_account is never called", file, 17),
    )
    attempt = Attempt(turns, Verdict.FAILED, conversation, _stored(*turns))
    return Case("returns/wrong-size", "A wrong size is exchanged", [attempt], ("returns", "exchange"))


def errored_case() -> Case:
    """The engine broke in the second turn; the third was never sent."""
    file = "scenarios/billing/invoice-copy.yaml"
    turns = [
        Turn(
            "I need a copy of my invoice",
            Reply(response="Of course. What is your order number?", rules=(RuleMatch("invoice", 0.7),)),
            (passed("rules", "rules include 'invoice'", file, 6),),
        ),
        Turn(
            "A-3301",
            fault=Fault(
                "engine-timeout", "no answer within 30 s", "POST https://agent.example/v1/chat\nread timeout after 30.0 s"
            ),
            elapsed_ms=30_012.0,
        ),
        Turn("hello?", skipped="the engine broke in turn 2"),
    ]
    attempt = Attempt(turns, Verdict.ERRORED, reason="engine-timeout: no answer within 30 s", elapsed_ms=30_040.0)
    return Case("billing/invoice-copy", "An invoice is sent again", [attempt], ("billing",))


def crashed_case() -> Case:
    """A check crashed: neither the script nor the engine is to blame."""
    file = "scenarios/billing/vat.yaml"
    crash = unjudged(Outcome.ERRORED, "python", "python: vat_is_right", file, 9, "ZeroDivisionError: division by zero")
    turn = Turn("Is VAT included?", Reply(response="Yes, 19 % VAT is included in all our prices."), (crash,))
    attempt = Attempt([turn], Verdict.ERRORED, reason="a check crashed: python: vat_is_right")
    return Case("billing/vat", "VAT is explained", [attempt], ("billing",))


def failing_cases() -> list[Case]:
    """One case for each way to go wrong."""
    return [rules_case(), tools_case(), step_case(), errored_case(), crashed_case(), hostile_case()]


def rich_cases() -> list[Case]:
    """The whole rich run."""
    orders = [f"A-{number}" for number in range(1001, 1013)]
    good = [_good("returns/damaged-mug", "A damaged mug is refunded", ("returns", "smoke"), order=order) for order in orders]
    repeats = [_good("returns/damaged-lamp", "A damaged lamp is refunded", ("returns",)) for _ in range(3)]
    for number, case in enumerate(repeats, 1):
        case.repeat = number
    return [*good, *failing_cases(), flaky_case(), bot_first_case(), *marked_cases(), *repeats]
