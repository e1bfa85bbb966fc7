"""Asks a judging model what checks want to know, so many at a time, and gives the votes: between a turn and its judgement.

Equal questions are asked once. Nothing here decides an expectation: that is the check's, on the votes alone.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from typing import Any

from focal_eval.checks.judge_prompt import VERSION, messages_of, schema_of, vote_of
from focal_eval.clock import content_id
from focal_eval.engines.model_client import ModelAccess, ModelClient
from focal_eval.engines.openai_messages import Completion
from focal_eval.errors import EngineError
from focal_eval.records import Answer, Json, Question, Tokens, Vote
from focal_eval.runner.vote_book import VoteBook
from focal_eval.value import value

MOST_KEPT = 20_000  # answers in memory
SEVERAL = 0.7  # the temperature of several votes: at 0 they would be one vote told often


@value
class Voting:
    """How a judge is asked."""

    votes: int = 3
    temperature: float | None = None  # None: 0 for one vote, SEVERAL for more
    structured: str = "json"  # json | schema | off
    concurrency: int = 8
    prices: Mapping[str, float] = field(default_factory=dict)

    @property
    def heat(self) -> float:
        """The temperature that is sent."""
        if self.temperature is not None:
            return self.temperature
        return 0.0 if self.votes == 1 else SEVERAL


class Asker:
    """Asks one judge. Sessions of a run share it; it is made before the event loop and lives in one."""

    def __init__(self, client: ModelClient, voting: Voting, book: VoteBook | None = None) -> None:
        self.client, self.voting = client, voting
        self._book = book
        self._limit = asyncio.Semaphore(voting.concurrency)
        self._under_way: dict[str, asyncio.Task[Answer]] = {}
        self._known: OrderedDict[str, Answer] = OrderedDict()

    @property
    def settings(self) -> str:
        """A digest of all that an answer hangs on beside the question."""
        return settings_of(self.client.access, self.voting)

    async def answers(self, questions: Iterable[Question]) -> dict[str, Answer]:
        """The answer to each question by its digest; what went wrong is in the answer. Raises StorageError alone."""
        asked = {question.digest: question for question in questions}
        found = await asyncio.gather(*(self._answer(digest, question) for digest, question in asked.items()))
        return dict(zip(asked, found, strict=True))

    async def close(self) -> None:
        """Lets go of the connections."""
        for task in list(self._under_way.values()):
            task.cancel()
        await self.client.close()

    async def _answer(self, digest: str, question: Question) -> Answer:
        known = self._known.get(digest)
        if known is not None:
            self._known.move_to_end(digest)
            return known
        task = self._under_way.get(digest)
        if task is not None:
            return replace(await asyncio.shield(task), kept=True)
        task = self._under_way[digest] = asyncio.create_task(self._ask(digest, question))
        try:
            answer = await task
        finally:
            self._under_way.pop(digest, None)
        if answer.error is None:
            self._known[digest] = replace(answer, kept=True)
            if len(self._known) > MOST_KEPT:
                self._known.popitem(last=False)
        return answer

    async def _ask(self, digest: str, question: Question) -> Answer:
        key = content_id(digest, self.settings, length=32)
        if self._book is not None:
            kept = self._book.find(key)
            if kept is not None:
                return replace(kept, kept=True, cost=None)
            if not self._book.asks:
                return Answer(digest, error="the judge's cassette has no votes on this, and its mode is replay")
        answer = await self._voted(digest, question)
        if self._book is not None and answer.error is None:
            self._book.keep(key, question.rubric, answer)
        return answer

    async def _voted(self, digest: str, question: Question) -> Answer:
        found = await asyncio.gather(*(self._vote(question, number) for number in range(self.voting.votes)))
        completions = [one for one in found if isinstance(one, Completion)]
        broken = [one for one in found if isinstance(one, EngineError)]
        votes = tuple(
            Vote("void", why=f"not answered: {one}") if isinstance(one, EngineError) else _voting(one, question)
            for one in found
        )
        tokens = _summed([one.tokens for one in completions if one.tokens is not None])
        model = next((one.model for one in completions if one.model), self.client.access.model)
        answer = Answer(digest, votes, None, model, tokens, _cost(tokens, self.voting.prices))
        if broken and answer.verdict == "abstain":  # a judge that could not be asked has not abstained
            return replace(answer, error=str(broken[0]))
        return answer

    async def _vote(self, question: Question, number: int) -> Completion | EngineError:
        body: dict[str, Json] = {"temperature": self.voting.heat, "seed": number}
        if self.voting.structured == "json":
            body["response_format"] = {"type": "json_object"}
        elif self.voting.structured == "schema":
            schema = {"name": "verdict", "strict": True, "schema": schema_of(question.rubric)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        async with self._limit:
            try:
                return await self.client.complete(messages_of(question), **body)
            except EngineError as problem:
                return problem


def settings_of(access: ModelAccess, voting: Voting) -> str:
    """A digest of the prompt, the model and how it is asked; not of where it is, nor of what is secret."""
    told: list[Any] = [VERSION, access.model, dict(access.extra), voting.votes, voting.heat, voting.structured]
    return content_id(json.dumps(told, sort_keys=True, default=str), length=16)


def _voting(completion: Completion, question: Question) -> Vote:
    if completion.refused:
        return Vote("void", why="the model refuses to judge")
    if completion.finish == "length":
        return Vote("void", why="the answer was cut off")
    return vote_of(completion.text, question)


def _summed(several: list[Tokens]) -> Tokens | None:
    if not several:
        return None

    def of(name: str) -> int | None:
        found = [count for one in several if (count := getattr(one, name)) is not None]
        return sum(found) if found else None

    return Tokens(of("total"), of("prompt"), of("completion"))


def _cost(tokens: Tokens | None, prices: Mapping[str, float]) -> float | None:
    if tokens is None or not prices:
        return None
    parts = {"prompt": tokens.prompt, "completion": tokens.completion, "total": tokens.total}
    return sum((count or 0) * prices.get(name, 0.0) for name, count in parts.items()) / 1e6
