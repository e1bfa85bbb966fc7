"""A run of any size with texts that differ as real ones do, the same for the same numbers."""

from __future__ import annotations

import random

from focal_eval.records import Candidate, Finding, Reply, RuleMatch, ScenarioState, ToolCall, Transition, Verdict
from tests.report.sample_run import Attempt, Case, Turn, failed, passed

ITEMS = [
    "mug",
    "lamp",
    "kettle",
    "jacket",
    "keyboard",
    "toaster",
    "blanket",
    "headset",
    "backpack",
    "monitor",
    "chair",
    "umbrella",
    "vase",
    "blender",
    "tent",
]
FAULTS = ["arrived broken", "never arrived", "has the wrong colour", "is too small", "stopped working", "was billed twice"]
MOODS = [
    "I am quite disappointed.",
    "Please help me.",
    "This is the second time!",
    "No hurry.",
    "I need it by Friday.",
    "Thanks in advance.",
]
ANSWERS = [
    "I am sorry that your {item} {fault}. I have found order {order} in our records and can offer a refund or a replacement.",
    "Thank you for your patience. The {item} of order {order} was handed to the carrier on {day} November and is on its way.",
    "I have noted that the {item} {fault}. Could you tell me whether the original packaging is still at hand?",
    "Your refund for the {item} in order {order} has been created. It will reach your account within {day} working days.",
    "I have passed this on to a colleague who looks after {item} orders. Your reference is {order}-{day}.",
]
SUBJECTS = ["returns", "orders", "billing", "delivery", "warranty", "exchange", "loyalty", "account"]
RULES = [
    "apologise",
    "offer-refund",
    "lookup-first",
    "ask-packaging",
    "confirm-refund",
    "escalate",
    "order-status",
    "no-upsell",
]
STEPS = ["start", "identify", "confirm", "resolve", "done"]
TAGS = ["smoke", "regression", "slow", "vip", "locale-de", "locale-en"]


def _turn(source: random.Random, file: str, index: int, words: dict[str, object], broken: bool) -> Turn:
    item, fault, order = words["item"], words["fault"], words["order"]
    says = f"My {item} {fault}, order {order}. {source.choice(MOODS)}" if index == 0 else source.choice(MOODS)
    answer = source.choice(ANSWERS).format(**words)
    names = source.sample(RULES, 4)
    reply = Reply(
        response=answer,
        rules=tuple(RuleMatch(name, round(source.uniform(0.5, 1), 3)) for name in names[:2]),
        candidates=tuple(
            Candidate(name, round(source.uniform(0.1, 0.5), 3), suppressed="near-miss", by="below the threshold 0.3")
            for name in names[2:]
        ),
        tools=(
            ToolCall("lookup_order", {"order_id": order}, {"status": "delivered", "total": source.randint(500, 9000) / 100}),
        ),
        scenario=ScenarioState(file.split("/")[1], STEPS[index % len(STEPS)]),
        transitions=(Transition("transition", STEPS[index % 5 - 1], STEPS[index % 5], None, "any_words: yes"),),
        template=None,
        latency_ms=round(source.uniform(1, 40), 3),
        raw={"turn_id": f"{source.getrandbits(64):016x}", "session": f"{source.getrandbits(64):016x}", "v": 3},
    )
    line = 6 + 8 * index
    results = [
        passed("rules", f"rules include '{names[0]}'", file, line),
        passed("tools", f"tools call lookup_order with order_id '{order}'", file, line + 1),
        passed("response.contains", f"response contains '{item}'", file, line + 3),
    ]
    if broken:
        missing = Finding("'supervisor' is not in the response", "'supervisor'", answer)
        source_line = "        contains: supervisor"
        results.append(
            failed(
                "response.contains", "response contains 'supervisor'", file, line + 4, missing, source=source_line, column=19
            )
        )
    return Turn(says, reply, tuple(results), elapsed_ms=round(source.uniform(1, 45), 3))


def volume_cases(cases: int, turns: int = 5, *, broken_every: int = 37) -> list[Case]:
    """`cases` cases of `turns` turns; each `broken_every`th fails in its last turn."""
    source = random.Random(2026)
    out = []
    for number in range(cases):
        subject = SUBJECTS[number // 25 % len(SUBJECTS)]
        script = f"{subject}/{ITEMS[number // 200 % len(ITEMS)]}-{number // 25:04d}"
        words: dict[str, object] = {
            "item": source.choice(ITEMS),
            "fault": source.choice(FAULTS),
            "order": f"A-{source.randint(1000, 99999)}",
            "day": source.randint(1, 28),
        }
        broken = number % broken_every == broken_every - 1
        played = [
            _turn(source, f"scenarios/{script}.yaml", index, words, broken and index == turns - 1) for index in range(turns)
        ]
        verdict = Verdict.FAILED if broken else Verdict.PASSED
        attempt = Attempt(played, verdict, elapsed_ms=round(sum(turn.elapsed_ms for turn in played), 3))
        params = {"order": words["order"], "row": number % 25}
        title = f"The {words['item']} that {words['fault']} is looked after"
        out.append(Case(script, title, [attempt], (subject, TAGS[number % len(TAGS)]), params))
    return out
