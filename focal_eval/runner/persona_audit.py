"""The audit of a persona that a model played: what in the record speaks against the simulator. No model is asked.

Each piece of evidence names the turn and the words. What it cannot see: a false word that is neither a number nor an address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from focal_eval.records import UNKNOWN, TurnRecord
from focal_eval.records.simulated import Evidence
from focal_eval.runner.simulated import DONE, GIVES_UP, MAX_TURNS, TOO_OFTEN
from focal_eval.text import fold, shorten

INVENTED, CONTRADICTS, REPEATS, ROLE, EARLY, ENDLESS, WITHOUT_GOAL = (
    "invented", "contradicts", "repeats", "role", "early", "endless", "without-goal",
)  # fmt: skip
WEAK = frozenset({WITHOUT_GOAL})
"""Evidence that leaves it open who is to blame: the agent may have said that all is done."""

_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_CODE = re.compile(r"[^\W_]+(?:[-/_][^\W_]+)*")
_SQUASHED = re.compile(r"[^0-9a-z]+")
_FEWEST_DIGITS = 4  # of a bare number; a shorter one may be a count or a price
_FEWEST_WORDS = 3  # of a message that nobody says twice by accident
_AGENTS_WORDS = (
    r"how (?:can|may) i (?:help|assist) you",
    r"is there anything else i can (?:help|do|assist)",
    r"as an? (?:ai|assistant|language model)",
    r"i(?:'m| am) an? (?:ai|assistant|virtual assistant|language model)",
    r"thank you for (?:contacting|reaching out)",
    r"dear customer",
    r"i(?:'ve| have) (?:processed|issued|refunded|cancelled|initiated|arranged) (?:your|the)",
    r"i(?:'ll| will) (?:process|issue|arrange|initiate) (?:your|the)",
    r"i(?:'d| would) be happy to (?:help|assist) you",
    r"could you please provide (?:me with )?your",
    r"let me look (?:that|your order) up for you",
)
_ROLE = re.compile(rf"\b(?:{'|'.join(_AGENTS_WORDS)})\b|^\s*(?:agent|assistant|support)\s*:")


def evidence_of(
    known: Iterable[Any], facts: Mapping[str, Any], turns: Sequence[TurnRecord], end: str, *, failed: bool
) -> tuple[Evidence, ...]:
    """What speaks against the simulator, in the order of the conversation.

    `known` is all that it was told before (its part, variables, history), `facts` what it knows by name, `end` how the
    conversation ended and `failed` whether an expectation failed.
    """
    sent = [turn for turn in turns if turn.skipped is None]
    found = [*_facts(known, facts, sent), *_repeats(sent), *_role(sent), *_end(sent, end, failed=failed)]
    return tuple(sorted(found, key=lambda one: len(turns) if one.turn is None else one.turn))


def _facts(known: Iterable[Any], facts: Mapping[str, Any], turns: Sequence[TurnRecord]) -> Iterator[Evidence]:
    """Numbers and addresses that the user was never given, or that are not their own."""
    own = " ".join(_texts(facts))
    told = _squash(" ".join([own, *_texts(list(known))]))
    shapes: dict[str, set[str]] = {}
    for token in _tokens(own):
        shapes.setdefault(_shape(token), set()).add(_squash(token))
    heard, seen = "", set[str]()
    for turn in turns:
        for token in _tokens(turn.user or ""):
            word = _squash(token)
            if not word or word in told or word in seen:
                continue
            seen.add(word)
            if word not in heard:
                yield Evidence(INVENTED, turn.index, f"'{shorten(token, 60)}' stands in no fact, and the agent never said it")
            elif other := sorted(shapes.get(_shape(token), ())):
                yield Evidence(CONTRADICTS, turn.index, f"'{shorten(token, 60)}' is not what it knows ({', '.join(other)})")
        heard += " " + _squash(_reply(turn))


def _repeats(turns: Sequence[TurnRecord]) -> Iterator[Evidence]:
    """Messages that were said before, although the agent had said something else since."""
    said: dict[str, list[str]] = {}  # by message, the replies that each time came before it
    before = ""
    for turn in turns:
        text = fold(turn.user or "")
        earlier = said.setdefault(text, [])
        long = len(text.split()) >= _FEWEST_WORDS
        if earlier and ((long and before not in earlier) or len(earlier) > 1):
            yield Evidence(REPEATS, turn.index, f"it says again '{shorten(turn.user or '', 60)}'")
        earlier.append(before)
        before = fold(_reply(turn))


def _role(turns: Sequence[TurnRecord]) -> Iterator[Evidence]:
    for turn in turns:
        if (found := _ROLE.search((turn.user or "").casefold().replace("\u2019", "'"))) is not None:
            yield Evidence(ROLE, turn.index, f"it speaks as the agent does: '{shorten(found.group().strip(), 60)}'")


def _end(turns: Sequence[TurnRecord], end: str, *, failed: bool) -> Iterator[Evidence]:
    if end in (DONE, GIVES_UP) and len(turns) < (1 if end == DONE else 2):
        yield Evidence(EARLY, None, f"it is over after {len(turns)} of its messages")
    elif end == DONE and failed:
        yield Evidence(WITHOUT_GOAL, None, "it says that it has what it wanted, and something that is expected did not hold")
    if end in (MAX_TURNS, TOO_OFTEN) and not _agent_stands_still(turns):
        yield Evidence(ENDLESS, None, f"it never ends: {len(turns)} messages, and the agent still answered them")


def _agent_stands_still(turns: Sequence[TurnRecord]) -> bool:
    """Whether the agent's last three replies are the same."""
    last = [fold(_reply(turn)) for turn in turns[-3:]]
    return len(last) == 3 and len(set(last)) == 1


def _reply(turn: TurnRecord) -> str:
    return "" if turn.reply is None or turn.reply.response is UNKNOWN else turn.reply.response


def _tokens(text: str) -> Iterator[str]:
    """Addresses, and words that hold digits and are no count."""
    for found in _MAIL.finditer(text):
        yield found.group()
    for found in _CODE.finditer(_MAIL.sub(" ", text)):
        token = found.group()
        digits = sum(char.isdigit() for char in token)
        letters = any(char.isalpha() for char in token)
        if digits >= _FEWEST_DIGITS or (letters and digits >= 2):
            yield token


def _shape(token: str) -> str:
    """`L-9999` of `A-1001`."""
    return "".join("9" if char.isdigit() else "L" if char.isalpha() else char for char in token)


def _squash(text: str) -> str:
    return _SQUASHED.sub("", text.casefold())


def _texts(data: Any) -> Iterator[str]:
    """Every text and number within data."""
    if isinstance(data, Mapping):
        for name, item in data.items():
            yield str(name)
            yield from _texts(item)
    elif isinstance(data, (list, tuple)):
        for item in data:
            yield from _texts(item)
    elif data is not None:
        yield str(data)
