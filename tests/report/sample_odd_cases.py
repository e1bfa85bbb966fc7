"""Cases of other kinds: hostile texts, a second attempt, an agent that speaks first, marks."""

from __future__ import annotations

from focal_eval.records import (
    Candidate,
    Citation,
    Finding,
    Reply,
    RuleMatch,
    ScenarioState,
    ToolCall,
    Verdict,
)
from tests.report.sample_run import Attempt, Case, Turn, failed, passed

HOSTILE = [
    "</script><script>window.pwned=1</script>",
    "<img src=x onerror=\"window.pwned=1\"> <svg onload='window.pwned=1'>",
    "\u001b[31mred\u001b[0m \u001b]0;title\u0007 and \u0000 nul, \u0085 nel, \u009b31m csi",
    "\u202eexe.gpj\u202c שלום עולם, مرحبا بالعالم 👩‍👩‍👧‍👦 \u2028 line \u2029 paragraph ]]> &amp; {{ 7*7 }} ${x}",
    "::error file=a::forged%0A| a | table |\n\n# heading `code` **bold** [link](javascript:alert(1)) </details>",
]


def hostile_case() -> Case:
    """Every text field holds something that would like to act."""
    file = "scenarios/security/hostile<b>.yaml"
    turns = []
    for index, text in enumerate(HOSTILE):
        reply = Reply(
            response=text,
            rules=(RuleMatch(text[:60], 0.5),),
            candidates=(Candidate(text[:40], 0.4, suppressed="scope", by=text[:30]),),
            tools=(ToolCall(text[:30], {"<b>": text}, {"html": text}, error=text),),
            scenario=ScenarioState("<i>s</i>", text[:20]),
            template="<u>t</u>",
            citations=(Citation("source", "<b>doc</b>", "javascript:window.pwned=1"),),
            raw={"payload": text},
        )
        result = failed(
            "response.contains",
            f"response contains '{text[:50]}'",
            file,
            5 + index,
            Finding(text, text, text, text),
            source=f"      contains: {text[:60]}".replace("\n", " "),
            because=text,
        )
        turns.append(Turn(text, reply, (result,), golden=text[::-1]))
    turns.append(Turn("a long one", Reply(response=("All work and no play makes the agent a dull bot. " * 420)[:20_480]), ()))
    name = "</script><img src=x onerror=window.pwned=1>"
    return Case(
        "security/hostile<b>", name, [Attempt(turns, Verdict.FAILED)], ("<b>bold</b>", "security"), {"p": "\"'><script>"}
    )


def flaky_case() -> Case:
    """It failed, then passed when it was tried again."""
    file = "scenarios/orders/status.yaml"
    miss = failed(
        "response.contains",
        "response contains 'on its way'",
        file,
        8,
        Finding("'on its way' is not in the response", "'on its way'", "One moment, please."),
        source="        contains: on its way",
        column=19,
    )
    first = Turn("where is my order A-77?", Reply(response="One moment, please."), (miss,))
    again = Turn(
        "where is my order A-77?",
        Reply(response="Your order A-77 is on its way.", rules=(RuleMatch("order-status", 0.9),)),
        (passed("response.contains", "response contains 'on its way'", file, 8),),
    )
    attempts = [Attempt([first], Verdict.FAILED), Attempt([again])]
    return Case("orders/status", "The status of an order is told", attempts, ("orders", "smoke"))


def bot_first_case() -> Case:
    """The agent speaks first; the reply is several messages."""
    file = "scenarios/greeting/bot-first.yaml"
    greeting = Turn(
        None,
        Reply(
            response="Hello!\n\nHow can I help you today?",
            messages=("Hello!", "How can I help you today?"),
            rules=(RuleMatch("greet"),),
            follow_ups=("Track an order", "Return something"),
            citations=(Citation("Our service hours are 9 to 5", "service-hours.md", "https://shop.example/hours", 1),),
        ),
        (passed("response.contains", "response contains 'help'", file, 4),),
        golden="Hello!\n\nHow may I help you today?",
        name="the agent greets",
    )
    return Case("greeting/bot-first", "The agent greets first", [Attempt([greeting])], ("greeting", "smoke"))


def marked_cases() -> list[Case]:
    """Cases with marks: expected to fail, passing unexpectedly, skipped."""
    file = "scenarios/loyalty/points.yaml"
    miss = failed(
        "response.contains",
        "response contains '120 points'",
        file,
        6,
        Finding("'120 points' is not in the response", "'120 points'", "I cannot see your points yet."),
        source="        contains: 120 points",
        column=19,
    )
    points = Turn("how many points do I have?", Reply(response="I cannot see your points yet."), (miss,))
    surprise = Turn("hi", Reply(response="Hello!"), (passed("response.contains", "response contains 'hello'", file, 6),))
    return [
        Case(
            "loyalty/points",
            "Points are told",
            [Attempt([points], Verdict.XFAILED)],
            ("loyalty",),
            marks={"xfail": "not built yet"},
        ),
        Case(
            "loyalty/greeting",
            "Members are greeted by name",
            [Attempt([surprise], Verdict.XPASSED, reason="marked xfail (waits for ticket 812), but passed")],
            ("loyalty",),
            marks={"xfail": "waits for ticket 812"},
        ),
        Case(
            "loyalty/expiry",
            "Expired points are explained",
            [Attempt([], Verdict.SKIPPED, reason="needs the points ledger", elapsed_ms=0.0)],
            ("loyalty", "slow"),
            marks={"skip": "needs the points ledger"},
        ),
    ]
