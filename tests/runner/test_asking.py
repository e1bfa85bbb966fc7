"""Asking a judge: votes, failures, what is asked once, and what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the stubs need starlette and uvicorn: pip install 'focal-eval[serve]'")

from focal_eval.clock import Clock
from focal_eval.engines.model_client import ModelAccess, ModelClient
from focal_eval.errors import StorageError
from focal_eval.records import Answer, Question, Rubric
from focal_eval.runner.asking import Asker, Voting, settings_of
from focal_eval.runner.vote_book import VoteBook
from tests.engines.judge_stub import PATH, Asked, as_object, judging, knowing, quoting
from tests.engines.vendor_stub import TOKEN, Stub, as_json

RUBRIC = Rubric("says when it arrives")
MONDAY = Question(RUBRIC, "It arrives on Monday.", (("customer", "when?"),))
NEVER = Question(RUBRIC, "I cannot say.")


def access(stub: Stub, **settings: object) -> ModelAccess:
    given: dict[str, object] = {"url": f"{stub.url}/v1", "model": "m", "key": TOKEN, "attempts": 1, **settings}
    return ModelAccess(**given)  # type: ignore[arg-type]  # keys of the class


def ask(stub: Stub, questions: Sequence[Question], voting: Voting | None = None, book: VoteBook | None = None) -> list[Answer]:
    """The answers to questions, in their order."""

    async def asked() -> list[Answer]:
        asker = Asker(ModelClient(access(stub), Clock()), voting or Voting(), book)
        try:
            found = await asker.answers(questions)
            return [found[question.digest] for question in questions]
        finally:
            await asker.close()

    return asyncio.run(asked())


def book(path: Path, mode: str = "replay-else-record") -> VoteBook:
    return VoteBook(path, mode, lambda value: value)


def test_each_question_gets_its_votes_with_what_they_cost() -> None:
    """Each vote is a request of its own, with its own seed; tokens and cost are summed."""
    with judging(knowing("Monday")) as stub:
        yes, no = ask(stub, [MONDAY, NEVER], Voting(prices={"prompt": 1.0, "completion": 10.0}))
        bodies = stub.bodies(PATH)
    assert (yes.verdict, no.verdict) == ("pass", "fail")
    assert [vote.quote for vote in yes.votes] == ["It arrives on Monday."] * 3
    assert yes.model == "stub-judge-1"
    assert yes.tokens is not None
    assert yes.tokens.total == 360
    assert yes.cost == pytest.approx((300 * 1 + 60 * 10) / 1e6)
    assert sorted(body["seed"] for body in bodies) == [0, 0, 1, 1, 2, 2]
    assert {body["temperature"] for body in bodies} == {0.7}
    assert {body["response_format"]["type"] for body in bodies} == {"json_object"}


def test_one_vote_is_asked_for_coldly_and_by_the_schema_where_that_is_wanted() -> None:
    """At temperature 0; `off` asks for no format at all."""
    with judging(knowing("Monday")) as stub:
        ask(stub, [MONDAY], Voting(1, structured="schema"))
        ask(stub, [MONDAY], Voting(1, structured="off", temperature=1.0))
        held, free = stub.bodies(PATH)
    assert held["temperature"] == 0
    assert held["response_format"]["json_schema"]["schema"]["required"] == ["quote", "verdict", "why"]
    assert "response_format" not in free
    assert free["temperature"] == 1


def test_equal_questions_are_asked_once() -> None:
    """At the same time, and later; what was not paid again says so."""

    async def asked(stub: Stub) -> list[Answer]:
        asker = Asker(ModelClient(access(stub), Clock()), Voting())
        both = await asyncio.gather(asker.answers([MONDAY]), asker.answers([MONDAY, MONDAY]))
        later = await asker.answers([MONDAY])
        await asker.close()
        return [found[MONDAY.digest] for found in (*both, later)]

    with judging(knowing("Monday")) as stub:
        found = asyncio.run(asked(stub))
        assert len(stub.heard) == 3
    assert [answer.kept for answer in found] == [False, True, True]


def test_no_more_than_so_many_are_asked_at_a_time() -> None:
    """Whatever asks."""
    under_way, most = 0, 0

    async def asked(stub: Stub) -> None:
        nonlocal under_way, most
        client = ModelClient(access(stub), Clock())
        complete = client.complete

        async def counted(*arguments: object, **body: object) -> object:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            try:
                return await complete(*arguments, **body)  # type: ignore[arg-type]
            finally:
                under_way -= 1

        client.complete = counted  # type: ignore[method-assign, assignment]
        asker = Asker(client, Voting(concurrency=2))
        await asker.answers([Question(RUBRIC, f"It arrives on day {day}.") for day in range(6)])
        await asker.close()

    with judging(knowing("day")) as stub:
        asyncio.run(asked(stub))
    assert most == 2


def test_an_endpoint_that_is_gone_is_an_error_and_no_abstention() -> None:
    """The answer says what happened, and nothing is raised."""
    with judging(knowing("Monday")) as stub:
        pass
    (answer,) = ask(stub, [MONDAY])
    assert answer.verdict == "error"
    assert answer.error


def test_a_vote_that_is_lost_is_void_where_the_others_decide() -> None:
    """Two of three say pass; the third was answered with an error."""
    with judging(knowing("Monday")) as stub:
        stub.next.append(as_json({"error": {"message": "overloaded"}}, 400))
        (answer,) = ask(stub, [MONDAY])
    assert (answer.verdict, answer.error) == ("pass", None)
    assert sorted(vote.verdict for vote in answer.votes) == ["pass", "pass", "void"]


def test_a_refused_key_is_told_without_the_key() -> None:
    """401."""
    with judging(knowing("Monday")) as stub:

        async def asked() -> Answer:
            asker = Asker(ModelClient(access(stub, key="wrong-secret"), Clock()), Voting(1))
            found = await asker.answers([MONDAY])
            await asker.close()
            return found[MONDAY.digest]

        answer = asyncio.run(asked())
    assert "401" in str(answer.error)
    assert "wrong-secret" not in str(answer)


@pytest.mark.parametrize("said", ["", "I pass it.", {"verdict": "pass", "quote": "made up", "why": ""}])
def test_hostile_answers_are_void(said: object) -> None:
    """Nothing of them decides."""
    with judging(lambda _: said) as stub:
        (answer,) = ask(stub, [MONDAY])
    assert answer.verdict == "abstain"
    assert answer.count("void") == 3
    assert answer.error is None


def test_votes_that_differ_are_told_apart_by_their_seed() -> None:
    """The agreement is the share of the most frequent one."""

    def torn(asked: Asked) -> object:
        return as_object("fail" if asked.seed == 0 else "pass", quoting(asked))

    with judging(torn) as stub:
        (answer,) = ask(stub, [MONDAY])
    assert answer.verdict == "pass"
    assert answer.agreement == pytest.approx(2 / 3)


def test_a_cassette_spares_asking_again(tmp_path: Path) -> None:
    """In another process too; `replay` never asks, `record` asks anew, and another setting is another answer."""
    path = tmp_path / "deep" / "judged.jsonl"
    with judging(knowing("Monday")) as stub:
        (first,) = ask(stub, [MONDAY], book=book(path))
        (again,) = ask(stub, [MONDAY], book=book(path))
        assert len(stub.heard) == 3
        assert (again.votes, again.kept, again.cost) == (first.votes, True, None)
        (unknown,) = ask(stub, [NEVER], book=book(path, "replay"))
        assert unknown.verdict == "error"
        assert len(stub.heard) == 3
        ask(stub, [MONDAY], book=book(path, "record"))
        assert len(stub.heard) == 6
        ask(stub, [MONDAY], Voting(1), book(path))
        assert len(stub.heard) == 7


def test_a_damaged_cassette_is_asked_for_again_and_a_folder_is_refused(tmp_path: Path) -> None:
    """A torn or foreign line is passed over."""
    path = tmp_path / "judged.jsonl"
    with judging(knowing("Monday")) as stub:
        ask(stub, [MONDAY], book=book(path))
        lines = path.read_bytes()
        path.write_bytes(b'{"t":"votes","format":1,"key":3}\n[]\nnot json\n' + lines[:-30])
        ask(stub, [MONDAY], book=book(path))
        assert len(stub.heard) == 6
    with pytest.raises(StorageError, match="cannot be read"):
        book(tmp_path)
    with pytest.raises(StorageError, match="cannot be written"):
        VoteBook(tmp_path / "judged.jsonl" / "x", "record", lambda value: value).keep("k", RUBRIC, Answer("d"))


def test_settings_are_all_that_an_answer_hangs_on() -> None:
    """The model, its temperature and further keys; not where it is, nor its key."""
    base = ModelAccess("http://one/v1", "m", "secret")
    same = settings_of(ModelAccess("http://two/v1", "m", "other"), Voting())
    assert settings_of(base, Voting()) == same
    others = [
        settings_of(ModelAccess("http://one/v1", "n"), Voting()),
        settings_of(ModelAccess("http://one/v1", "m", extra={"top_p": 1}), Voting()),
        settings_of(base, Voting(5)),
        settings_of(base, Voting(temperature=0.1)),
        settings_of(base, Voting(structured="off")),
    ]
    assert len({same, *others}) == 6
