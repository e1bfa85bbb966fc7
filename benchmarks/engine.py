"""The agent under test: a bicycle hire desk that answers in about a microsecond, so that the harness is what is measured.

Every Python job calls this file; `peers/promptfoo/engine.js` is the same desk in JavaScript.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Line(NamedTuple):
    """One turn of the conversation: what the rider says, what the desk answers, and what must be observed."""

    says: str
    answer: str
    contains: str
    rule: str
    tool: str


LINES = (
    Line(
        "Good morning, this is about my hired bicycle {bike}",
        "Good morning! Bicycle {bike} is hired in your name until Sunday.",
        "{bike} is hired in your name",
        "greet-rider",
        "find_hire",
    ),
    Line(
        "The front light of {bike} went out last night",
        "I am sorry. A mechanic will look at the light of {bike} today.",
        "mechanic will look at the light of {bike}",
        "report-fault",
        "book_mechanic",
    ),
    Line(
        "May I keep {bike} two days longer?",
        "Yes: the hire of {bike} now ends on Tuesday evening.",
        "hire of {bike} now ends on Tuesday",
        "extend-hire",
        "move_return",
    ),
    Line(
        "What do the extra days for {bike} cost me?",
        "Two further days for {bike} cost 18.00, less 5.00 for the broken light.",
        "for {bike} cost 18.00",
        "quote-price",
        "price_days",
    ),
    Line(
        "Thank you, nothing else about {bike}",
        "With pleasure. Enjoy the ride on {bike}!",
        "the ride on {bike}",
        "say-goodbye",
        "close_request",
    ),
)
BIKE_LENGTH = len("BK-000000")


def bike(number: int) -> str:
    """The bicycle a conversation is about; it makes every message and every reply different."""
    return f"BK-{number:06d}"


class Desk:
    """Knows how far each conversation has come, and answers from a table."""

    def __init__(self) -> None:
        self._turns: dict[str, int] = {}

    def reply(self, session: str, message: str) -> dict[str, object]:
        """What the desk says and does; the keys are those of a reply in a run folder's journal."""
        turn = self._turns.get(session, 0)
        self._turns[session] = turn + 1
        line = LINES[turn % len(LINES)]
        at = message.find("BK-")
        return {
            "response": line.answer.format(bike=message[at : at + BIKE_LENGTH]),
            "rules": [line.rule],
            "tools": [line.tool],
        }


_desk = Desk()


async def answer(message: str, conversation: Any) -> dict[str, object]:
    """The desk as focal-eval's `callable` engine asks it; a coroutine, since it never waits and needs no thread."""
    return _desk.reply(conversation.id, message)
