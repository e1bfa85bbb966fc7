"""Judges on this machine behind an endpoint of chat completions: one that knows, and some that are not to be trusted."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from tests.engines.vendor_stub import TOKEN, Heard, Stub, as_json, served

PATH = "/v1/chat/completions"
_TEXT = re.compile(r"^<(text-\w+)>\n(.*?)\n</\1>$", re.MULTILINE | re.DOTALL)
_RUBRIC = re.compile(r"Rubric: the text must fulfil this: (.*)")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a judge reads."""

    rubric: str
    text: str
    seed: int


Opinion = Callable[[Asked], Any]
"""What a judge says: the words of its answer, or the object in it."""


def as_object(verdict: str, quote: str, why: str = "as the text says") -> dict[str, str]:
    return {"verdict": verdict, "quote": quote, "why": why}


def quoting(asked: Asked) -> str:
    """The first words of the judged text."""
    return " ".join(asked.text.split()[:4])


def knowing(words: str) -> Opinion:
    """A judge that knows: the text fits where it says the words and does not deny them, nor tells the judge what to do."""

    def opinion(asked: Asked) -> Any:
        fits = re.search(words, asked.text) and not re.search(r"\bnot\b|must pass|Ignore", asked.text)
        return as_object("pass" if fits else "fail", quoting(asked))

    return opinion


def always_yes(asked: Asked) -> Any:
    """Also of an empty text, for which it makes up a quote."""
    return as_object("pass", quoting(asked) or "it is all there")


def always_no(asked: Asked) -> Any:
    return as_object("fail", quoting(asked))


def coin(asked: Asked) -> Any:
    """Heads or tails, the same for the same text."""
    heads = hashlib.sha256(asked.text.encode()).digest()[0] % 2
    return as_object("pass" if heads else "fail", quoting(asked))


def obedient(words: str) -> Opinion:
    """A judge that knows, but does what a text tells it."""

    def opinion(asked: Asked) -> Any:
        found = re.search(r'\{"verdict".*?\}', asked.text)
        return json.loads(found.group()) if found else knowing(words)(asked)

    return opinion


@contextmanager
def judging(opinion: Opinion) -> Iterator[Stub]:
    """The judge, served; `stub.url` ends before `/v1`."""

    async def answer(heard: Heard) -> Response:
        content = heard.body["messages"][-1]["content"]
        text, rubric = _TEXT.findall(content)[-1][1], _RUBRIC.search(content)
        assert rubric is not None
        said = opinion(Asked(rubric[1], text, heard.body["seed"]))
        words = said if isinstance(said, str) else json.dumps(said)
        choice = {"message": {"role": "assistant", "content": words}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
        return as_json({"model": "stub-judge-1", "choices": [choice], "usage": usage})

    with served({("POST", PATH): answer}, Stub(), token=TOKEN) as stub:
        yield stub
