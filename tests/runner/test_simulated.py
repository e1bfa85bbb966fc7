"""Simulated users in an attempt: what they say, how it ends, who is to blame, and the same judged again."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import orjson
import pytest

from focal_eval.clock import fixed_clock
from focal_eval.engines import SessionStart
from focal_eval.errors import EngineUnreachable, StorageError
from focal_eval.records import UNKNOWN, Reply, Verdict
from focal_eval.records.simulated import Ending, ending_from_json, ending_to_json
from focal_eval.runner.attempt import Attempt
from focal_eval.runner.judge import CHANGED, CaseJudge, PreparedScript
from focal_eval.runner.opening import Terms
from focal_eval.runner.plan import cases_of
from focal_eval.runner.rejudge import Rejudge, recorded_from_json
from focal_eval.runner.simulated import Ends, Move, Says, SoFar, stop_rule
from focal_eval.runner.simulating import Simulation
from tests.runner.desk import ABLE, Desk, echo, play, script_of

STATES = "simulator:\n  states:\n"
PAYS = "    pays: {says: I pay call:pay, then: done}\n"
ASKS = STATES + (
    "    asks: {says: a GREET, expect: {rules: [greet]}, then: [{to: pays, when: {rules: [greet]}}, {to: gives_up}]}\n"
    "    pays: {says: I pay call:pay, then: done}\n"
    "  goal: {count: {tool: pay, times: 1}}\n"
)


def ended(text: str, desk: Desk | None = None, **terms: Any) -> tuple[Attempt, dict[str, Any]]:
    """A script's first case, played, and how its conversation ended."""
    attempt, lines = play(text, desk, **terms)
    ending: dict[str, Any] = lines[-1]["ending"]
    return attempt, ending


def said(attempt: Attempt) -> list[str | None]:
    return [turn.user for turn in attempt.turns]


def test_a_user_goes_by_what_the_engine_does() -> None:
    """States are said in the order of the edges taken, each judged; the goal is judged at the end, and all of it is written."""
    attempt, lines = play(ASKS)
    assert attempt.verdict is Verdict.PASSED
    assert [(line["t"], line.get("state"), line.get("user")) for line in lines[1:]] == [
        ("turn", "asks", "a GREET"),
        ("turn", "pays", "I pay call:pay"),
        ("attempt", None, None),
    ]
    assert lines[0]["marks"] == {"simulated": "a user of 2 states"}
    assert lines[0]["turns"] == 20
    assert lines[-1]["ending"] == {
        "end": "done", "why": "after 'pays', in any case", "turns": 2, "state": "pays", "path": ["asks", "pays"],
    }  # fmt: skip
    assert [result["key"] for line in lines[1:] for result in line["results"]] == ["rules", "conversation.count"]


def test_a_goal_that_is_missed_fails_the_case() -> None:
    """The user is done and the engine did not do it: that is the engine's."""
    attempt, ending = ended(STATES + "    asks: {says: hi, then: done}\n  goal: {count: {tool: pay, times: 1}}\n")
    assert attempt.verdict is Verdict.FAILED
    assert (ending["end"], ending["blame"]) == ("done", "engine")


def test_a_user_who_gives_up_fails_the_case() -> None:
    """At the word in the script that says so, with what the agent said last; the goal is not judged."""
    attempt, lines = play(ASKS.replace("a GREET", "hello").replace(", expect: {rules: [greet]}", ""))
    assert attempt.verdict is Verdict.FAILED
    goal, gave_up = lines[-1]["results"]
    assert (goal["key"], goal["outcome"]) == ("conversation.count", "skipped")
    assert "the user was never done" in goal["reason"]
    assert (gave_up["key"], gave_up["outcome"], gave_up["at"][1:3]) == ("goal", "failed", [3, 73])
    assert gave_up["findings"][0]["observed"] == "You said: hello"
    assert lines[-1]["ending"]["blame"] == "engine"


def test_a_user_may_leave_of_their_own_accord() -> None:
    """Nobody is to blame, the goal is not judged, and what was expected on the way stands."""
    text = STATES + "    asks: {says: hi, expect: {scenario: none}, then: leaves}\n  goal: {count: {tool: pay, times: 1}}\n"
    attempt, ending = ended(text)
    assert attempt.verdict is Verdict.PASSED
    assert (ending["end"], ending.get("blame")) == ("leaves", None)


def test_a_user_who_leaves_and_expects_nothing_judges_nothing() -> None:
    """No expectation was judged, so the case is skipped, not passed."""
    attempt, _ = ended(STATES + "    asks: {says: hi, then: leaves}\n  goal: {visits: [a/b]}\n")
    assert attempt.verdict is Verdict.SKIPPED


STOPS = {
    "no-edge": STATES + "    asks: {says: hi, then: [{to: done, when: {rules: [x]}}]}\n",
    "max-turns": (
        "simulator:\n  max_turns: 2\n  states:\n    asks: {says: [a, b], then: [{to: done, when: {rules: [x]}}, {to: asks}]}\n"
    ),
    "too-often": STATES + "    asks: {says: [a, b], at_most: 2, then: [{to: done, when: {rules: [x]}}, {to: asks}]}\n",
    "stuck": "simulator:\n  stuck: 2\n  states:\n    asks: {says: same, then: [{to: done, when: {rules: [x]}}, {to: asks}]}\n",
    "unsayable": STATES
    + "    a: {says: hi, save: {x: \"{{ tools | length }}\"}, then: b}\n    b: {says: '{{ 1 / x }}', then: done}\n",
}


@pytest.mark.parametrize("rule", STOPS)
def test_a_stopped_simulation_is_no_verdict_on_the_engine(rule: str) -> None:
    """Errored, with the simulator's fault and blame, at the place in the script; nothing of it is called failed."""
    attempt, lines = play(STOPS[rule])
    assert attempt.verdict is Verdict.ERRORED
    assert lines[-1]["fault"]["kind"] == "simulator"
    assert lines[-1]["fault"]["detail"].startswith("talk.yaml:")
    assert (lines[-1]["ending"]["end"], lines[-1]["ending"]["blame"]) == (rule, "simulator")


@pytest.mark.parametrize("rule", STOPS)
def test_an_expectation_that_failed_before_is_the_engines(rule: str) -> None:
    """Then the case failed, the engine is to blame, and the stop is told as the end of the way alone."""
    text = STOPS[rule].replace("then:", "expect: {rules: [never]}, then:", 1)
    attempt, lines = play(text)
    assert attempt.verdict is Verdict.FAILED
    assert "fault" not in lines[-1]
    assert (lines[-1]["ending"]["end"], lines[-1]["ending"]["blame"]) == (rule, "engine")


def test_a_soft_failure_blames_nobody_but_the_simulator() -> None:
    """What is soft fails nothing, so it does not turn a stop into the engine's failure."""
    _, ending = ended(STOPS["no-edge"].replace("then:", "expect: {rules: [never], soft: true}, then:"))
    assert ending["blame"] == "simulator"


def blind(message: str | None, start: SessionStart) -> Reply:
    """An engine that reports nothing but what it says."""
    return Reply(response=f"You said: {message}", rules=UNKNOWN)


@pytest.mark.parametrize(
    "condition", ["{rules: [x]}", "{not: {rules: [x]}}", "{rules: {excludes: [x]}}", "{any_of: [{rules: [x]}]}"]
)
def test_a_fact_that_is_not_known_is_never_true(condition: str) -> None:
    """Nor false: whichever edge asks for it, later edges are not tried, and the case is errored, never failed or passed."""
    text = STATES + f"    asks: {{says: hi, then: [{{to: done, when: {condition}}}, {{to: gives_up}}]}}\n"
    attempt, ending = ended(text, Desk(answer=blind))
    assert attempt.verdict is Verdict.ERRORED
    assert attempt.fault is not None
    assert attempt.fault.kind == "simulator"
    assert (ending["end"], ending["blame"]) == ("unknown-fact", "simulator")
    assert "it cannot be told" in ending["why"]


def test_an_edge_before_the_unknown_fact_is_taken() -> None:
    """Edges are tried in order, so what is not known behind the one that fits is not asked."""
    text = STATES + "    asks: {says: hi, then: [{to: done, when: {response: said}}, {to: gives_up, when: {rules: [x]}}]}\n"
    _, ending = ended(text, Desk(answer=blind))
    assert ending["end"] == "done"


def test_stop_rules_may_say_how_it_ends() -> None:
    """An end instead of an error; a state that was said too often may lead to another one."""
    gives_up = STOPS["stuck"].replace("stuck: 2", "stuck: {times: 2, to: gives_up}")
    assert ended(gives_up)[1]["end"] == "gives_up"
    leaves = STOPS["max-turns"].replace("max_turns: 2", "max_turns: {times: 2, to: leaves}")
    assert ended(leaves)[1]["end"] == "leaves"
    text = STATES + "    a: {says: hi, at_most: {times: 2, to: b}, then: a}\n    b: {says: bye, then: done}\n"
    attempt, ending = ended(text)
    assert said(attempt) == ["hi", "hi", "bye"]
    assert ending["path"] == ["a", "a", "b"]


def test_states_that_are_all_used_up_end_the_conversation() -> None:
    """Two states that send the user to each other when they were said too often do not turn round for ever."""
    text = STATES + (
        "    a: {says: hi, at_most: {times: 1, to: b}, then: [{to: done, when: {rules: [x]}}, {to: a}]}\n"
        "    b: {says: ho, at_most: {times: 1, to: a}, then: a}\n"
    )
    assert ended(text)[1]["end"] == "too-often"


def test_an_end_comes_before_a_stop_rule() -> None:
    """Who is done with the last message that is allowed is done."""
    attempt, ending = ended(
        "simulator:\n  max_turns: 1\n  stuck: 2\n"
        + ASKS.removeprefix("simulator:\n").replace("to: pays", "to: leaves").replace(PAYS, "")
    )
    assert (attempt.verdict, ending["end"]) == (Verdict.PASSED, "leaves")


def test_replies_that_are_not_known_are_not_the_same() -> None:
    """Two replies without a text do not make a user stuck; nor do equal ones with another between them."""
    user = script_of(STOPS["stuck"]).simulator
    assert user is not None
    silent = Desk(answer=lambda message, start: Reply(rules=()))
    attempt, ending = ended(STOPS["stuck"].replace("stuck: 2", "max_turns: 4\n  stuck: 2"), silent)
    assert (ending["end"], len(attempt.turns)) == ("max-turns", 4)
    texts = iter(["a", "b", "a", "a"])
    attempt, ending = ended(STOPS["stuck"], Desk(answer=lambda message, start: Reply(response=next(texts), rules=())))
    assert (ending["end"], len(attempt.turns)) == ("stuck", 4)
    assert stop_rule(user, SoFar((), {})) is None


def test_an_engine_that_breaks_is_to_blame() -> None:
    """In a turn, when the conversation is opened, and when the messages are read."""

    def dead(message: str | None, start: SessionStart) -> Reply:
        raise EngineUnreachable("the line is dead")

    attempt, ending = ended(ASKS, Desk(answer=dead))
    assert (attempt.verdict, ending["end"], ending["blame"]) == (Verdict.ERRORED, "engine-broke", "engine")

    class Deaf(Desk):
        async def open(self, start: SessionStart) -> Any:
            raise EngineUnreachable("nobody there")

    attempt, ending = ended(ASKS, Deaf())
    assert (attempt.verdict, ending["end"], ending["blame"]) == (Verdict.ERRORED, "engine-broke", "engine")
    assert ending.get("path") is None


KNOWS = (
    "params: {n: [7]}\nsimulator:\n  knows: {order: 'A-{{ n }}'}\n  states:\n"
    "    a: {says: '{{ order }} CODE', save: {told: 'rules[1]'}, expect: {response: '{{ order }}'}, then: b}\n"
    "    b: {says: 'I heard {{ told }}', then: done}\n  goal: {count: {text: 'heard {{ told }}', times: 1}}\n"
)


def test_what_a_user_knows_and_hears_is_filled_in() -> None:
    """Values of its own that may hold params, and what states save, in texts, expectations and the goal."""
    attempt, _ = ended(KNOWS)
    assert said(attempt) == ["A-7 CODE", "I heard code"]
    assert attempt.verdict is Verdict.PASSED


def test_what_a_user_knows_may_be_impossible() -> None:
    """The script's data are wrong, so the engine is not asked and nobody is called failed."""
    text = (
        "given: {variables: {n: 0}}\nsimulator:\n  knows: {x: '{{ 1 / n }}'}\n  states:\n    a: {says: '{{ x }}', then: done}\n"
    )
    lines: list[bytes] = []
    script = script_of(text)
    desk = Desk()
    case = next(iter(cases_of(script, 1, "rotate")))
    attempt = Attempt(case, PreparedScript(script), Terms(engine=desk, clock=fixed_clock()), lines.append)
    asyncio.run(attempt.play())
    assert attempt.verdict is Verdict.ERRORED
    assert attempt.fault is not None
    assert (attempt.fault.kind, desk.opened) == ("script-data", [])


def wordings(seed: int, repeats: int, variants: str = "rotate") -> list[list[str | None]]:
    """What each case says of a user with three texts who asks twice."""
    script = script_of(STATES + "    asks: {says: [one, two, three], at_most: {times: 2, to: done}, then: asks}\n")
    out = []
    for case in cases_of(script, repeats, variants):
        attempt = Attempt(case, PreparedScript(script), Terms(engine=Desk(), clock=fixed_clock(), seed=seed), None)
        asyncio.run(attempt.play())
        out.append(said(attempt))
    return out


def test_repeats_say_other_words_and_the_same_ones_each_time() -> None:
    """Each visit and each repeat says another text; the seed gives their order, and nothing else does."""
    first = wordings(0, 3)
    assert first == wordings(0, 3)
    assert {talk[0] for talk in first} == {"one", "two", "three"}
    assert all(talk[0] != talk[1] for talk in first)
    assert len({tuple(wordings(seed, 1)[0]) for seed in range(12)}) > 2
    assert sorted(wordings(0, 1, "all")) == sorted(first)


def recorded(text: str, desk: Desk | None = None) -> tuple[Any, list[dict[str, Any]], Attempt]:
    attempt, lines = play(text, desk)
    return recorded_from_json([line for line in lines if line["t"] == "turn"], lines[-1]), lines, attempt


def judged_again(text: str, found: Any) -> tuple[CaseJudge, list[dict[str, Any]]]:
    script = script_of(text)
    out: list[bytes] = []
    terms = Terms(engine=Desk(), clock=fixed_clock())
    judge = Rejudge(next(iter(cases_of(script, 1, "rotate"))), PreparedScript(script), terms.policy).judge(found, out.append)
    out.append(judge.attempt_line(b""))
    return judge, [orjson.loads(line) for line in out]


TALKS = {**STOPS, "done": ASKS, "knows": KNOWS, "gives up": ASKS.replace("a GREET", "hello")}


@pytest.mark.parametrize("name", TALKS)
def test_a_recorded_conversation_is_judged_again_alike(name: str) -> None:
    """The graph is walked once more over the recorded replies: the same turns, results, verdict and ending."""
    found, lines, attempt = recorded(TALKS[name])
    judge, again = judged_again(TALKS[name], found)
    assert judge.verdict is attempt.verdict
    assert again[:-1] == lines[1:-1]
    assert again[-1]["ending"] == lines[-1]["ending"]
    assert again[-1]["results"] == lines[-1]["results"]
    assert found.ending is not None
    assert ending_to_json(found.ending) == lines[-1]["ending"]
    assert found.states == tuple(line["state"] for line in lines if line["t"] == "turn")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (ASKS.replace("I pay call:pay", "I will pay"), "in the state 'pays' at turn 2 now, and the recording answers 'I pay"),
        (
            ASKS.replace("to: pays", "to: leaves").replace(PAYS, ""),
            "ends the conversation before turn 2 now",
        ),
        (
            ASKS.replace("then: done", "then: again").replace("  goal", "    again: {says: bye, then: done}\n  goal"),
            "'again' at turn 3 now, and the recording ends before",
        ),
    ],
)  # fmt: skip
def test_a_user_who_would_go_another_way_is_not_judged(changed: str, why: str) -> None:
    """No reply is judged as the answer to something else; it is told where today's user leaves the recording."""
    found, _, _ = recorded(ASKS)
    judge, lines = judged_again(changed, found)
    assert judge.verdict is Verdict.ERRORED
    assert judge.fault is not None
    assert judge.fault.kind == CHANGED
    assert why in judge.fault.message
    assert "ending" not in lines[-1]


def test_an_edge_that_was_missing_can_be_added_afterwards() -> None:
    """The recorded stop is not kept: with the edge the recorded conversation has an end, and its verdict."""
    found, _, attempt = recorded(STOPS["no-edge"].replace("then:", "expect: {scenario: none}, then:"))
    assert attempt.verdict is Verdict.ERRORED
    text = STATES + "    asks: {says: hi, expect: {scenario: none}, then: [{to: done, when: {rules: [x]}}, {to: leaves}]}\n"
    judge, lines = judged_again(text, found)
    assert judge.verdict is Verdict.PASSED
    assert lines[-1]["ending"]["end"] == "leaves"


def test_another_wording_of_the_state_fits() -> None:
    """As with variants of a turn: what was said then is one of the state's texts."""
    text = STATES + "    asks: {says: [one, two], expect: {scenario: none}, then: done}\n"
    found, lines, _ = recorded(text)
    other = text.replace("[one, two]", f"[zero, {lines[1]['user']}, two]")
    judge, again = judged_again(other, found)
    assert judge.verdict is Verdict.PASSED
    assert again[0]["user"] == lines[1]["user"]


class Parrot:
    """A simulated user without a graph: says what it was told to, and notes how."""

    def __init__(self, *moves: Move | Exception) -> None:
        self.moves = list(moves)
        self.seen: list[SoFar] = []

    async def move(self, seen: SoFar) -> Move:
        self.seen.append(SoFar(tuple(seen.turns), dict(seen.values)))
        move = self.moves.pop(0)
        if isinstance(move, Exception):
            raise move
        return move


def talk(*moves: Move | Exception) -> tuple[Attempt, Parrot, list[dict[str, Any]]]:
    """A conversation with a user of another kind behind the same interface."""
    lines: list[bytes] = []
    script = script_of(STOPS["max-turns"])
    case = next(iter(cases_of(script, 1, "rotate")))
    attempt = Attempt(case, PreparedScript(script), Terms(engine=Desk(), clock=fixed_clock()), lines.append)
    user = Parrot(*moves)

    async def hold() -> None:
        simulation = Simulation(attempt)
        attempt.simulation = simulation
        session = await Desk().open(SessionStart("c"))
        while (turn := await simulation.next(user)) is not None:
            reply = await session.send(attempt.user_of(turn))
            attempt.answered(turn, (attempt.user_of(turn), None), reply, None, None)
        attempt.conclude(UNKNOWN)
        lines.append(attempt.attempt_line(b""))

    asyncio.run(hold())
    return attempt, user, [orjson.loads(line) for line in lines]


def message(text: str, number: int) -> Says:
    turn = script_of(f"turns: [{text}]\n").turns[0]
    return Says(replace(turn, index=number, state="chats"), {"seed": 7})


def test_another_kind_of_user_stands_behind_the_same_interface() -> None:
    """It sees what was said and observed; its notes are written beside its messages and its end."""
    attempt, user, lines = talk(message("hello", 0), Ends("done", "all is well", note={"tokens": 3}))
    assert [len(seen.turns) for seen in user.seen] == [0, 1]
    assert user.seen[1].turns[0].reply is not None
    assert (lines[0]["state"], lines[0]["simulator"]) == ("chats", {"seed": 7})
    assert lines[1]["ending"]["note"] == {"tokens": 3}
    assert attempt.turns[0].state == "chats"


def test_a_user_that_crashes_is_to_blame() -> None:
    """Its bug is no verdict on the engine; what cannot be written down ends the run, as anywhere."""
    attempt, _, lines = talk(message("hello", 0), ZeroDivisionError("oh"))
    assert attempt.verdict is Verdict.ERRORED
    assert (lines[-1]["ending"]["end"], lines[-1]["ending"]["blame"]) == ("broke", "simulator")
    assert "ZeroDivisionError" in lines[-1]["fault"]["message"]
    with pytest.raises(StorageError, match="the disk is full"):
        talk(StorageError("the disk is full"))


def test_the_limit_of_messages_holds_for_every_user() -> None:
    """Two messages are allowed: the third is not said."""
    attempt, _, lines = talk(*(message(f"m{number}", number) for number in range(3)))
    assert [turn.user for turn in attempt.turns] == ["m0", "m1"]
    assert lines[-1]["ending"]["end"] == "max-turns"


@pytest.mark.parametrize(
    "data",
    [{"end": 1, "why": "x", "turns": 1}, {"end": "done", "why": "x"}, {"end": "done", "why": "x", "turns": 1, "path": "ab"},
     {"end": "done", "why": "x", "turns": 1, "blame": "me"}, {"end": "done", "why": "x", "turns": 1, "state": 5}],
)  # fmt: skip
def test_a_damaged_ending_is_not_taken_for_one(data: dict[str, Any]) -> None:
    """Another shape is refused, whatever is wrong with it."""
    with pytest.raises(ValueError, match=r"simulated conversation|to blame"):
        ending_from_json(data)


def test_an_ending_comes_back_as_it_was() -> None:
    """Each of its fields."""
    ending = Ending("stuck", "why", "a", 3, ("a", "a", "b"), "simulator")
    assert ending_from_json(ending_to_json(ending)) == ending


def test_the_engine_is_asked_as_often_as_the_user_speaks() -> None:
    """One loop sends turns of a script and of a simulated user; nothing is sent twice or left out."""
    seen: Counter[str | None] = Counter()

    def count(message: str | None, start: SessionStart) -> Reply:
        seen[message] += 1
        return echo(message, start)

    ended(ASKS, Desk(answer=count, abilities=ABLE))
    assert seen == {"a GREET": 1, "I pay call:pay": 1}
