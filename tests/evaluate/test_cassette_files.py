"""What recording does to files: nothing secret in them, nothing lost, and nothing broken by whatever comes in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli import main
from focal_eval.engines.credentials import cleaner, without_credentials
from focal_eval.engines.recording import RecordedConversation, RecordedTurn, line_bytes, recording_bytes
from focal_eval.engines.tape import Tape
from focal_eval.errors import Refused, StorageError, UsageError
from focal_eval.records import Reply
from tests.evaluate.cassette_runs import faults, journal, play, shop, tape, verdicts, write

CLEAN = cleaner(lambda data: data)
TELLTALE = """\
def answer(message, talk):
    return {
        "response": "Your key is sk-abcdefghijklmnop1234 and eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl.",
        "raw": {
            "headers": {"Authorization": "Bearer opaque-and-long-1", "Set-Cookie": "sid=cookie-crumbs", "x-api-key": "kkk-1"},
            "url": "https://nora:pa55w0rd@shop.example/orders?access_token=query-token-1&order=A-7",
            "dsn": "authorization: Basic bm9yYTpwYTU1dzByZA==",
        },
        "tools": [{"name": "login", "arguments": {"user": "nora", "password": "hunter2", "pin": 1234}}],
        "metadata": {"seen": message, "environment": "the-value-of-a-variable"},
    }
"""
SECRETS = (
    "sk-abcdefghijklmnop1234",
    "eyJhbGciOiJIUzI1NiJ9",
    "opaque-and-long-1",
    "cookie-crumbs",
    "kkk-1",
    "pa55w0rd",
    "bm9yYTpwYTU1dzByZA",
    "query-token-1",
    "hunter2",
    "1234,",
    "the-value-of-a-variable",
    "gh" + "p_abcdefghijklmnopqrstuvwxyz0123",
)


def callable_suite(folder: Path, bot: str, script: str, more: str = "") -> Path:
    suite = f"""\
scripts: [s/*.yaml]
engine:
  kind: callable
  target: bot.py:answer
  seeds: [variables]
  reports: [response, tools, metadata]
  cassette: tape.jsonl
{more}"""
    write(folder, suite_yaml=suite, bot_py=bot, s__talk_yaml=script)
    return folder / "suite.yaml"


def test_nothing_secret_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of variables, tokens, authorisation headers, cookies, passwords, keys and users in URLs: none is in the file.

    What was asked is compared without them too, so that the replay is the same conversation.
    """
    monkeypatch.setenv("SHOP_AGENT", "the-value-of-a-variable")
    script = """\
given: {variables: {token: hunter2, tier: gold}}
turns: [{user: my key is ghp_abcdefghijklmnopqrstuvwxyz0123, expect: {tools: [login]}}]
"""
    suite = callable_suite(tmp_path, TELLTALE, script)
    text = suite.read_text(encoding="utf-8").replace("  cassette:", "  agent: '${SHOP_AGENT}'\n  cassette:")
    write(tmp_path, **{"the-value-of-a-variable_": ""})
    suite.write_text(text.replace("${SHOP_AGENT}", "${SHOP_AGENT:-}"), encoding="utf-8")
    (tmp_path / "the-value-of-a-variable").write_text("agent: shop\ntools: {login: {returns: 1}}\n", encoding="utf-8")
    live = play(suite, "record")
    written = (tmp_path / "tape.jsonl").read_text(encoding="utf-8")
    assert [secret for secret in SECRETS if secret in written] == []
    assert "order=A-7" in written
    assert '"start":{"channel":"api","seed":0,"variables":{"token":"[redacted]","tier":"gold"}}' in written
    replayed = play(suite, "replay")
    assert verdicts(replayed) == verdicts(live) == {"talk": "passed"}


def test_credentials_are_known_by_where_they_stand() -> None:
    """A key says it whatever its spelling; a conversation's tracking token, a count of tokens and plain words stay."""
    kept: dict[str, Any] = {
        "tracking_token": "t-1",
        "tokens": {"total": 3},
        "text": "a password is a secret: http://shop.example/a?order=1",
        "token": {"total": 3},
        "password": "",
        "secret": True,
        "at": 1.5,
    }
    assert without_credentials(kept) == kept
    taken = {"Api-Key": "x", "CLIENT_SECRET": "x", "refreshToken": "x", "cvv": 123, "list": [{"cookie": "x"}]}
    assert json.dumps(without_credentials(taken)).count("[redacted]") == 5
    assert "x" not in json.dumps(list(without_credentials(taken).values()))


def test_what_json_cannot_say_is_written_as_text() -> None:
    """Lone surrogates, giant integers, endless nesting and objects become something that can be read back."""
    nested: list[Any] = []
    for _ in range(500):
        nested = [nested]
    out = CLEAN({"a": "\ud800", "b": 10**400, "c": nested, "d": {1: Path("x")}, "e": (1, {2})})
    assert (out["a"], out["b"], out["d"], out["e"]) == ("?", "[an integer of 1329 bits]", {"1": "x"}, [1, [2]])
    assert "[nested too deep]" in json.dumps(out["c"])


def test_a_conversation_that_broke_is_not_recorded(tmp_path: Path) -> None:
    """Neither after an error nor after a time limit; the others are, and the next run asks for the broken one again."""
    bot = """\
import time
def answer(message, talk):
    if message == "break":
        raise RuntimeError("broken")
    if message == "hang":
        time.sleep(5)
    return "fine"
"""
    script = """\
params: {word: [fine, break, hang]}
timeout_s: 0.3
turns: [{user: '{{ word }}'}, {user: and, expect: {response: fine}}]
"""
    suite = callable_suite(tmp_path, bot, script)
    assert verdicts(play(suite)) == {
        "talk[word=fine]": "passed",
        "talk[word=break]": "errored",
        "talk[word=hang]": "errored",
    }
    assert [talk["key"] for talk in tape(tmp_path / "tape.jsonl")] == ["talk[word=fine]"]
    assert [fault["kind"] for fault in faults(play(suite, "replay"))] == ["cassette-miss"] * 2
    write(tmp_path, bot_py="def answer(message, talk):\n    return 'fine'\n")
    assert play(suite).cassette == "cassette tape.jsonl: 1 replayed, 2 recorded"


SLOW = """\
import time
def answer(message, talk):
    time.sleep(float(message))
    return "fine"
"""
WAITS = "params: {seconds: ['0.01', '0.02', '30']}\nturns: [{user: '{{ seconds }}', expect: {response: fine}}]\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_keeps_the_conversations_that_had_ended(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C leaves a whole cassette; after a kill the next run finds what was appended beside it."""
    suite = callable_suite(tmp_path, SLOW, WAITS)
    part, cassette = tmp_path / "tape.jsonl.part", tmp_path / "tape.jsonl"
    command = [sys.executable, "-m", "focal_eval", "run", str(suite), "--cassette", "record", "--report", "none", "--out", "r"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        for _ in range(600):
            if part.exists() and part.read_bytes().count(b'"t":"conversation"') == 2:
                break
            time.sleep(0.02)
        run.send_signal(number)
        run.wait(timeout=20)
    if number == signal.SIGINT:
        assert run.returncode == 130
        assert not part.exists()
        assert [talk["key"] for talk in tape(cassette)] == ["talk[seconds=0.01]", "talk[seconds=0.02]"]
    else:
        assert not cassette.exists()
        with part.open("ab") as stream:
            stream.write(b'{"t":"conversation","key":"talk[seconds=30]","tur')  # cut off in the middle of a line
    write(tmp_path, s__talk_yaml=WAITS.replace("'30'", "'0.03'"))
    assert play(suite).cassette == "cassette tape.jsonl: 2 replayed, 1 recorded"
    assert len(tape(cassette)) == 3
    assert not part.exists()


def test_two_runs_do_not_record_the_same_cassette(tmp_path: Path) -> None:
    """The second one is refused before it asks anybody; a replay goes on."""
    suite = shop(tmp_path)
    play(suite)
    other = Tape(tmp_path / "tape.jsonl", "tape.jsonl", CLEAN)
    other.add(RecordedConversation("other", (RecordedTurn("a", Reply("b")),)))
    with pytest.raises(UsageError, match=r"another run is recording to the cassette tape\.jsonl"):
        play(suite, "record")
    assert play(suite, "replay").exit_code == 0
    other.save(None)
    assert play(suite, "record").exit_code == 0
    assert [talk["key"] for talk in tape(tmp_path / "tape.jsonl")] == ["late", "other"]


def test_what_another_run_recorded_meanwhile_is_kept(tmp_path: Path) -> None:
    """The cassette is read again before it is written."""
    path = tmp_path / "tape.jsonl"
    first, second = (Tape(path, "tape.jsonl", CLEAN) for _ in range(2))
    for name, one in (("a", first), ("b", second)):
        one.add(RecordedConversation(name, (RecordedTurn("x", Reply(name)),)))
        one.save(None)
    assert [talk["key"] for talk in tape(path)] == ["a", "b"]


def test_a_cassette_that_was_damaged_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    """What was recorded stays beside it."""
    path = tmp_path / "tape.jsonl"
    one = Tape(path, "tape.jsonl", CLEAN)
    one.add(RecordedConversation("a", (RecordedTurn("x", Reply("y")),)))
    path.write_text("damaged", encoding="utf-8")
    with pytest.raises(StorageError, match=r"cannot be read; what was recorded is kept in .*tape\.jsonl\.part"):
        one.save(None)
    assert path.read_text(encoding="utf-8") == "damaged"
    assert b'"key":"a"' in (tmp_path / "tape.jsonl.part").read_bytes()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """Before anything is run."""
    suite = shop(tmp_path, "cassette: tapes/late.jsonl")
    (tmp_path / "tapes").mkdir(mode=0o500)
    with pytest.raises(UsageError, match=r"the cassette tapes/late\.jsonl cannot be written: Permission denied"):
        play(suite)


def test_a_place_that_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder where the cassette should be, and a file where its folder should be."""
    suite = shop(tmp_path, "cassette: s/late.yaml/tape.jsonl")
    with pytest.raises(UsageError, match=r"cannot be written: (Not a directory|File exists)"):
        play(suite)
    suite = shop(tmp_path, "cassette: s")
    with pytest.raises(Refused, match="the cassette s cannot be read"):
        play(suite)


HEADER = b'{"t":"cassette","format":1,"engine":{"kind":"embedded","reports":["response","rules","tools","messages_stored"]}}\n'
TALK = line_bytes({"t": "conversation", "key": "late", "turns": [{"user": "hello", "reply": {"response": "Hi"}}]})


@pytest.mark.parametrize("mode", ["record", "replay", "replay-else-record"])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x00\xff", "tape.jsonl:1:1: error[cassette-json]: not JSON"),
        (HEADER + b'{"t":"conversation","key":7,"turns":[]}', "tape.jsonl:2:1: error[cassette-shape]: 'key': text is expected"),
        (HEADER + TALK + b'{"key', "tape.jsonl:3:6: error[cassette-json]"),
        (HEADER + TALK.replace(b'"Hi"', b'"Hi","elapsed_ms":"x"'), "'turns.0.reply.elapsed_ms': a number is expected"),
        (HEADER + TALK + TALK, "tape.jsonl:3:1: error[cassette-duplicate]"),
        (HEADER.replace(b'"response",', b"5,"), "tape.jsonl:1:1: error[cassette-shape]: 'engine.reports.0': text is expected"),
        (HEADER.replace(b":1,", b":[[[[1]]]],"), "tape.jsonl:1:1: error[cassette-format]"),
    ],
)
def test_a_damaged_cassette_is_refused_with_its_place(
    data: bytes, said: str, mode: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every mode, also where it would be recorded to: nothing is run, and the file stays as it is."""
    shop(tmp_path)
    (tmp_path / "tape.jsonl").write_bytes(data)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "suite.yaml", "--cassette", mode]) == 2
    assert said in capsys.readouterr().err
    assert (tmp_path / "tape.jsonl").read_bytes() == data


@pytest.mark.parametrize("answer", ["null", "5", '{"choices": []}', '{"chunks": 3}', "[]"])
def test_a_recorded_answer_that_is_none_is_the_engines_fault(answer: str, tmp_path: Path) -> None:
    """A hand that changed what a model or a tool answered gives an errored case, never a crash."""
    agent = "agent: shop\nrules: [{id: hi, match: {any_words: [hello]}, tools: [t]}]\ntools: {t: {python: tools.py:t}}\n"
    script = "turns: [{user: hello, expect: {rules: [hi]}}]\n"
    suite = shop(tmp_path, "cassette: {file: tape.jsonl, layers: [tools]}", agent_yaml=agent, s__late_yaml=script)
    write(tmp_path, tools_py="def t():\n    return 1\n")
    play(suite)
    text = (tmp_path / "tape.jsonl").read_text(encoding="utf-8")
    assert '"answer":{"result":1}' in text
    write(tmp_path, tape_jsonl=text.replace('{"result":1}', answer))
    result = play(suite, "replay")
    assert verdicts(result)["late"] in ("passed", "errored")
    assert {fault["kind"] for fault in faults(result)} <= {"engine-protocol"}


def test_times_are_those_of_the_recording(tmp_path: Path) -> None:
    """A turn that took a tenth of a second still took it when nobody waits for it."""
    suite = callable_suite(tmp_path, SLOW, "turns: [{user: '0.1', expect: {latency_ms: {min: 90}}}]\n")
    live, replayed = play(suite, "record"), play(suite, "replay")
    assert (live.exit_code, replayed.exit_code) == (0, 0)
    assert journal(live) == journal(replayed)


def test_a_recording_survives_its_own_reader(tmp_path: Path) -> None:
    """What is written by hand-made records is read back equal, and appended lines are sorted into the file."""
    talks = [RecordedConversation(key, (RecordedTurn(None, Reply("Hi", elapsed_ms=1.5)),), start={"seed": 0}) for key in "ba"]
    (tmp_path / "t.jsonl").write_bytes(recording_bytes(talks[:1]))
    one = Tape(tmp_path / "t.jsonl", "t.jsonl", CLEAN)
    one.add(talks[1])
    one.save(None)
    assert (tmp_path / "t.jsonl").read_bytes() == recording_bytes(talks[::-1])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here that is always full")
def test_a_full_disk_is_told_with_what_is_kept(tmp_path: Path) -> None:
    """Conversations written before the disk was full stay beside the cassette, and the next run that records has them."""
    talks = [RecordedConversation(key, (RecordedTurn(None, Reply("Hi", elapsed_ms=1.5)),), start={"seed": 0}) for key in "ab"]
    one = Tape(tmp_path / "t.jsonl", "t.jsonl", CLEAN)
    one.add(talks[0])
    assert one._lock is not None
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, one._lock)
    os.close(full)
    said = r"t\.jsonl cannot be written: the disk is full; 1 whole conversation kept in .*t\.jsonl\.part, for the next run"
    with pytest.raises(StorageError, match=said):
        one.add(talks[1])
    one.close()
    assert Tape(tmp_path / "t.jsonl", "t.jsonl", CLEAN).conversations.keys() == {"a"}


def test_a_device_is_no_cassette(tmp_path: Path) -> None:
    """What is no plain file is refused at once, not read until memory is full."""
    os.mkfifo(tmp_path / "t.jsonl")
    with pytest.raises(Refused, match=r"the cassette t\.jsonl cannot be read") as refused:
        Tape(tmp_path / "t.jsonl", "t.jsonl", CLEAN)
    assert [found.message for found in refused.value.diagnostics] == [
        "this is a device or a pipe; a cassette is a file of JSON lines"
    ]
