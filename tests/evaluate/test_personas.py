"""Personas that a model plays, over real sockets: good ones, bad ones, recorded ones, and what is told of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli import main
from focal_eval.runner.persona_prompt import messages_of
from tests.engines.vendor_stub import TOKEN
from tests.evaluate.players import SCRIPT, Plays, goes_on, good, journal, player, run, shop

DEAF = """\
agent: shop
rules: [{id: done, match: {any_words: [never]}, then: x, template: n}]
templates: [{id: n, mode: FALLBACK, text: I did not get that.}]
"""


WANTS = '  wants: "the money back for order {{ number }}"\n'


def done(why: str = "over") -> dict[str, str]:
    return {"say": "", "status": "done", "why": why}


def repeats(talk: list[str], _: Mapping[str, Any]) -> Any:
    """Says its order, and then the same words again, whatever it is told."""
    return goes_on("I want a refund for A-1001, please" if len(talk) % 4 == 0 else "and now quickly")


def same(talk: list[str], _: Mapping[str, Any]) -> Any:
    return goes_on("give me the refund now")


def drifts(talk: list[str], _: Mapping[str, Any]) -> Any:
    """Begins as a customer, and then is the agent."""
    if len(talk) < 2:
        return goes_on("a refund please")
    return {"say": "", "status": "gives_up", "why": "no help"} if len(talk) > 3 else goes_on("Agent: How can I help you today?")


def invents(talk: list[str], _: Mapping[str, Any]) -> Any:
    """Gives an order that it was never told."""
    if "Refunded" in (talk[-1] if talk else ""):
        return {"say": "", "status": "gives_up", "why": "that was another order"}
    return goes_on("It is A-9999, mail nora@elsewhere.example" if talk else "a refund please")


def contradicts(talk: list[str], _: Mapping[str, Any]) -> Any:
    """Takes over an order that the agent suggests, although it knows its own."""
    if "Refunded" in (talk[-1] if talk else ""):
        return {"say": "", "status": "gives_up", "why": "wrong order"}
    return goes_on("yes, A-2002" if talk else "which order was it")


def endless(talk: list[str], _: Mapping[str, Any]) -> Any:
    words = ("hello", "a refund", "hi there", "which one", "a refund again", "hello once more", "which then")
    return goes_on(words[len(talk) // 2 % len(words)])


def early(talk: list[str], _: Mapping[str, Any]) -> Any:
    return {"say": "", "status": "gives_up", "why": "too long"} if talk else goes_on("a refund please")


def ending(suite: Path, out: str = "out") -> dict[str, Any]:
    return dict(journal(suite, "attempt", out)[0]["ending"])


def test_a_good_persona_reaches_its_goal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it said, model, seed, temperature, tokens and cost stand in the journal; nobody is to blame; reports tell it."""
    suite = shop(tmp_path, model=", prices: {total: 10}, temperature: 0.3", gates="simulator_blamed: {max: 0}")
    with player(good) as told:
        code, header = run(suite, told.url, monkeypatch, "--report", "html,junit,markdown")
    assert code == 0
    turns = journal(suite, "turn")
    assert [turn["user"] for turn in turns] == ["a refund please for my broken mug", "It is A-1001, Nora Lind"]
    note = turns[0]["simulator"]
    assert (note["model"], note["temperature"], note["tokens"], note["cost"]) == ("played-1", 0.3, 110, 0.0011)
    assert [body["seed"] for body in told.bodies[:2]] == [turn["simulator"]["seed"] for turn in turns]
    found = ending(suite)
    assert found.pop("note")["why"] == "the money comes back"
    states = {"state": "persona", "path": ["persona", "persona"]}
    assert found == {"end": "done", "why": "the money comes back", "turns": 2, **states}
    simulator = header["simulator"]
    assert (simulator["conversations"], simulator["messages"], simulator["tokens"], simulator["cost"]) == (1, 3, 330, 0.0033)
    assert next(gate for gate in header["gates"] if gate["name"] == "simulator_blamed")["passed"] is True
    words = "played-1 worded 3 messages at temperature 0.3; 330 tokens, cost 0.0033"
    shown = (
        capsys.readouterr().out + (tmp_path / "out" / "summary.md").read_text() + (tmp_path / "out" / "junit.xml").read_text()
    )
    assert shown.count("1 simulated conversation: 1 done") == 3
    assert words in shown
    assert "1 simulated conversation: 1 done" in (tmp_path / "out" / "report.html").read_text()
    assert told.tokens == {TOKEN}
    for path in (tmp_path / "out").iterdir():
        assert TOKEN.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("plays", "kind", "turn", "end"),
    [
        (repeats, "repeats", 2, "max-turns"),
        (same, "endless", None, "too-often"),
        (drifts, "role", 1, "gives_up"),
        (invents, "invented", 1, "gives_up"),
        (contradicts, "contradicts", 1, "gives_up"),
        (endless, "endless", None, "max-turns"),
        (early, "early", None, "gives_up"),
    ],
)
def test_the_audit_catches_a_bad_persona(
    plays: Plays, kind: str, turn: int | None, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The simulator is to blame, with the turn and the words; the run warns, and the gate fails."""
    suite = shop(tmp_path, gates="simulator_blamed: {max: 0.5}")
    with player(plays) as told:
        code, header = run(suite, told.url, monkeypatch, "--report", "none")
    assert code != 0
    found = ending(suite)
    assert (found["end"], found["blame"]) == (end, "simulator")
    assert (kind, turn) in [(one["kind"], one["turn"]) for one in found["audit"]]
    assert next(gate for gate in header["gates"] if gate["name"] == "simulator_blamed")["passed"] is False
    assert header["simulator"]["share"] == 1.0
    shown = capsys.readouterr().out
    assert "warning: 1 of 1 simulated conversation" in shown
    assert f"[{kind}]" in shown


def test_a_fault_of_the_engine_is_blamed_on_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A persona that plays well and gives up on an agent that does not help says something of the agent."""

    def patient(talk: list[str], _: Mapping[str, Any]) -> Any:
        words = ["I would like my money back", "it is order A-1001", "nobody understands me"]
        return goes_on(words[len(talk) // 2]) if len(talk) < 6 else {"say": "", "status": "gives_up", "why": "nobody helps"}

    suite = shop(tmp_path)
    (tmp_path / "agent.yaml").write_text(DEAF)
    with player(patient) as told:
        code, header = run(suite, told.url, monkeypatch, "--report", "none")
    assert code == 1
    assert ending(suite)["blame"] == "engine"
    assert header["simulator"]["blame"] == {"engine": 1, "simulator": 0, "undecided": 0}


def test_who_is_done_without_the_goal_is_not_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The persona says that it has what it wanted, and the goal does not hold: the agent may have told it so."""
    suite = shop(tmp_path)
    with player(lambda talk, _: done() if talk else goes_on("a refund please")) as told:
        code, _ = run(suite, told.url, monkeypatch, "--report", "none")
    assert code == 1
    found = ending(suite)
    assert (found["blame"], [one["kind"] for one in found["audit"]]) == ("undecided", ["without-goal"])


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("no object", "the answer is no JSON object"),
        ({"say": "", "status": "goes_on"}, "it goes on and says nothing"),
        ({"say": "x", "status": "maybe"}, "the status is 'maybe'"),
        ({"say": "x" * 2_001, "status": "goes_on"}, "it says 2,001 characters at once; 2,000 are allowed"),
        ("[" * 50_000 + "{}", "nothing can be made"),
    ],
)
def test_an_answer_of_no_use_is_the_simulators_fault(
    said: Any, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked once more, with another seed, and then the case has no verdict: exit code 3."""
    suite = shop(tmp_path)
    with player(lambda *_: said) as told:
        code, _ = run(suite, told.url, monkeypatch, "--report", "none")
    assert code == 3
    found = ending(suite)
    assert (found["end"], found["blame"]) == ("broke", "simulator")
    assert why in found["why"]
    assert len({body["seed"] for body in told.bodies}) == len(told.bodies) == 2


def test_a_model_that_is_gone_is_the_simulators_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is not blamed for it."""
    suite = shop(tmp_path)
    code, _ = run(suite, "http://127.0.0.1:9/v1", monkeypatch, "--report", "none")
    assert code == 3
    assert ending(suite)["blame"] == "simulator"
    assert "the simulator's model could not be asked: " in ending(suite)["why"]


def test_a_hostile_reply_changes_none_of_the_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the agent says stands between marks it cannot close, and never in the message with the rules."""

    def curious(talk: list[str], _: Mapping[str, Any]) -> Any:
        return early(talk, _) if len(talk) > 2 else goes_on("whisper to me" if not talk else "what was that")

    suite = shop(tmp_path)
    with player(curious) as told:
        run(suite, told.url, monkeypatch, "--report", "none")
    rules = {body["messages"][0]["content"] for body in told.bodies}
    assert len(rules) == 1
    assert "new rules" not in rules.pop()
    asked = told.bodies[1]["messages"][1]["content"]
    inside = asked.split(">\n", 1)[1].rsplit("\n</", 1)[0]
    assert "SYSTEM: new rules" in inside
    assert "SYSTEM" not in asked.replace(inside, "")


def test_the_same_seed_asks_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs make the same requests byte for byte; another seed of the suite makes others."""
    suite = shop(tmp_path)
    bodies = []
    for name, more in (("a", ""), ("b", ""), ("c", "seed: 7\n")):
        suite.write_text(suite.read_text().replace("seed: 7\n", "") + more)
        with player(good) as told:
            run(suite, told.url, monkeypatch, "--report", "none", out=name)
        bodies.append(told.bodies)
    assert bodies[0] == bodies[1]
    assert [body["messages"] for body in bodies[0]] == [body["messages"] for body in bodies[2]]
    assert {body["seed"] for body in bodies[0]}.isdisjoint(body["seed"] for body in bodies[2])


def test_a_cassette_replays_a_run_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same words, replies and notes byte for byte, and nobody is asked; another persona is a miss that says so."""
    suite = shop(tmp_path, model=", cassette: {file: said.jsonl}")
    with player(good) as told:
        assert run(suite, told.url, monkeypatch, "--report", "none")[0] == 0
    suite.write_text(suite.read_text().replace("said.jsonl", "said.jsonl, mode: replay"))
    code, header = run(suite, "http://127.0.0.1:9/v1", monkeypatch, "--report", "none", out="again")
    assert code == 0
    assert (header["simulator"]["kept"], header["simulator"]["tokens"]) == (3, None)

    def told_in(out: str) -> list[Any]:
        turns = journal(suite, "turn", out)
        notes = [{key: item for key, item in turn["simulator"].items() if key != "kept"} for turn in turns]
        return [[json.dumps([turn["user"], turn["reply"]["response"]]) for turn in turns], notes, ending(suite, out)["why"]]

    assert told_in("out") == told_in("again")
    assert TOKEN not in (tmp_path / "said.jsonl").read_text()
    (tmp_path / "refund.yaml").write_text(SCRIPT.replace("short of words", "talkative"))
    code, _ = run(suite, "http://127.0.0.1:9/v1", monkeypatch, "--report", "none", out="miss")
    assert code == 3
    assert ending(suite, "miss")["why"] == "the simulator's cassette has no answer to this, and its mode is replay"


def test_both_sides_replay_from_cassettes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's conversations and the model's answers are kept apart; together they play a run with neither there."""
    suite = shop(tmp_path, model=", cassette: {file: said.jsonl}")
    tape = ("--report", "none", "--cassette-file", "tape.jsonl", "--cassette")
    with player(good) as told:
        assert run(suite, told.url, monkeypatch, *tape, "record")[0] == 0
    assert run(suite, "http://127.0.0.1:9/v1", monkeypatch, *tape, "replay", out="again")[0] == 0
    said = [[(turn["user"], turn["reply"]["response"]) for turn in journal(suite, "turn", out)] for out in ("out", "again")]
    assert said[0] == said[1]


@pytest.mark.parametrize("plays", [good, invents, endless])
def test_a_recorded_run_is_judged_again_without_the_model(
    plays: Plays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same turns, verdict, ending and audit; no request is made."""
    suite = shop(tmp_path)
    with player(plays) as told:
        code, header = run(suite, told.url, monkeypatch, "--report", "none")
        asked = len(told.bodies)
        assert main(["rejudge", "out", "--out", "again", "--report", "none"]) == code
        assert len(told.bodies) == asked
    assert ending(suite, "again") == ending(suite)
    assert [turn["simulator"] for turn in journal(suite, "turn", "again")] == [
        turn["simulator"] for turn in journal(suite, "turn")
    ]
    again = json.loads((tmp_path / "again" / "run.json").read_text())
    assert again["simulator"] == header["simulator"]


def test_a_played_conversation_becomes_an_ordinary_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`record --from` writes its words, and the script passes with no model at all."""
    suite = shop(tmp_path)
    with player(good) as told:
        run(suite, told.url, monkeypatch, "--report", "none")
        asked = len(told.bodies)
        assert main(["record", "--from", "out", "*", "--out", "played.yaml"]) == 0
        text = (tmp_path / "played.yaml").read_text()
        assert "simulator" not in text
        assert "  - user: It is A-1001, Nora Lind\n" in text
        assert main(["check", "played.yaml", "--agent", "agent.yaml", "--strict"]) == 0
        assert main(["run", "played.yaml", "--suite", "suite.yaml", "--out", "after", "--report", "none"]) == 0
        assert len(told.bodies) == asked


def test_workers_play_personas_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes share the model; words, notes and figures are those of one."""
    suite = shop(tmp_path, script=SCRIPT.replace("[A-1001]", "[A-1001, A-1002, A-1003]"))

    def plays(talk: list[str], body: Mapping[str, Any]) -> Any:
        order = body["messages"][0]["content"].rsplit('"number": "', 1)[1][:6]
        said = good(talk, body)
        return json.dumps(said).replace("A-1001", order)

    with player(plays) as told:
        code, one = run(suite, told.url, monkeypatch, "--report", "none", out="one")
        assert code == 0
        code, two = run(suite, told.url, monkeypatch, "--report", "none", "--workers", "2", out="two")
    assert code == 0
    assert one["simulator"] == two["simulator"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (True, "suite.yaml:3:18: error[unset-variable]: the environment variable PLAYER_URL is not set"),
        (False, "refund.yaml:4:12: error[no-simulator]: the suite names no model that plays this persona"),
    ],
)
def test_nothing_runs_without_the_model(
    settings: bool, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused before the run, with the place; nothing is asked where no suite says so."""
    suite = shop(tmp_path, settings=settings)
    assert run(suite, None, monkeypatch) == (2, None)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (SCRIPT.replace(WANTS, ""), "4:3: error[missing-key]: the key 'wants' is missing"),
        (SCRIPT + "  states: {a: {says: hi, then: done}}\n", "9:3: error[two-users]: a persona has no 'states'"),
        (SCRIPT.replace("  wants:", "  want:"), "no key is named 'want' here; did you mean 'wants'?"),
        (SCRIPT.replace("{{ number }}", "{{ nummer }}"), "'nummer' has no value here; did you mean 'number'?"),
        (SCRIPT.replace("max_turns: 6", "max_turns: {times: 6, to: begin}"), "'max_turns' leads to 'begin', which is no end"),
        ("simulator: {wants: x}\n", "'wants' is of a persona"),
        ("simulator: {max_turns: 3}\n", "a simulated user has 'states', or a 'persona'"),
    ],
)
def test_a_persona_that_cannot_be_played_is_told(
    broken: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its place, in `check`."""
    shop(tmp_path, script=broken)
    monkeypatch.chdir(tmp_path)
    assert main(["check", "refund.yaml"]) == 2
    assert said in capsys.readouterr().out


def test_a_lab_asks_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Verbs that play a suite many times over refuse personas in a sentence."""
    suite = shop(tmp_path)
    monkeypatch.chdir(suite.parent)
    monkeypatch.setenv("PLAYER_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("PLAYER_KEY", TOKEN)
    shutil.copy("agent.yaml", "other.yaml")
    assert main(["bisect", "agent.yaml", "other.yaml", "--script", "refund.yaml", "--suite", "suite.yaml"]) == 2
    assert "asks no model, which the persona at refund.yaml:4:12 needs" in capsys.readouterr().err


def test_a_long_conversation_is_cut_from_its_beginning() -> None:
    """A request stays bounded, whatever an engine says."""
    from focal_eval.records import Reply, TurnRecord
    from focal_eval.runner.persona_prompt import LONGEST_TALK, Part

    turns = [TurnRecord(at, f"message {at}", Reply(response="x" * 100_000)) for at in range(40)]
    asked = str(messages_of(Part("p", "w", {}), turns)[1]["content"])
    assert len(asked) < LONGEST_TALK + 1_000
    assert "message 39" in asked
    assert "message 3\n" not in asked
