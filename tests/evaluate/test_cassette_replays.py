"""Runs of any engine, recorded and replayed: the same verdicts, the same turns, and nobody asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from focal_eval.clock import fixed_clock
from focal_eval.errors import Refused, UsageError
from tests.engines.four_ways import ROOT, served, suite_with_a_callable
from tests.engines.openai_stub import PATH, complete
from tests.engines.vendor_stub import TOKEN, Stub
from tests.engines.vendor_stub import served as stubbed
from tests.evaluate.cassette_runs import SCRIPT, faults, journal, play, shop, tape, verdicts, write

SOME = ("returns", "abuse")  # folders of the retail scripts: enough of them for the engines on a socket


@pytest.mark.parametrize("engine", [None, "called", "served", "streamed"])
def test_a_replay_tells_what_the_live_run_told(engine: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every engine: verdicts, turns with their times, findings and stored messages; the server is gone by then."""
    suite = suite_with_a_callable(tmp_path)
    scripts = [f"{ROOT}/scenarios/retail/{name}/*.yaml" for name in SOME]
    lines = suite.read_text(encoding="utf-8").splitlines()
    lines = [f"scripts: {json.dumps(scripts)}" if line.startswith("scripts:") else line for line in lines]
    suite.write_text("\n".join(lines), encoding="utf-8")
    with ExitStack() as stack:
        if engine in ("served", "streamed"):
            monkeypatch.setenv("FOCAL_EVAL_SERVED", stack.enter_context(served()))
        live = play(suite, "record", engine=engine, cassette_file=tmp_path / "tape.jsonl")
    replayed = play(suite, "replay", engine=engine, cassette_file=tmp_path / "tape.jsonl")
    assert len(verdicts(live)) > 10
    assert set(verdicts(live).values()) == {"passed"}
    assert journal(replayed) == journal(live)
    assert replayed.exit_code == live.exit_code == 0


@contextmanager
def model() -> Iterator[Stub]:
    stub = Stub()
    with stubbed({("POST", PATH): complete}, stub):
        yield stub


ASKS_A_MODEL = """\
tools:
  track: {returns: {days: 0}}
turns:
  - user: 'look, call track {"order": "A-7"}'
    expect: {tools: [{track: {order: A-7}}], response: {contains: 'The tool says'}, tokens: {min: 1}}
  - user: thanks
    expect: {tools: {none: true}, response: {contains: thanks}}
"""


def model_suite(folder: Path, url: str, more: str) -> Path:
    suite = f"scripts: [talk.yaml]\nengine: {{kind: openai, url: '{url}/v1', model: small, tools: {{track: {{}}}}, {more}}}\n"
    write(folder, suite_yaml=suite, talk_yaml=ASKS_A_MODEL)
    return folder / "suite.yaml"


@pytest.mark.parametrize("stream", ["true", "false"])
@pytest.mark.parametrize("layers", ["[turns]", "[model]"])
def test_a_model_is_replayed_by_turns_or_by_what_it_was_asked(layers: str, stream: str, tmp_path: Path) -> None:
    """By turns all is as it was; by requests all that does not depend on times is. No request is sent, no token needed."""
    more = f"stream: {stream}, token: {TOKEN}, cassette: {{file: t.jsonl, layers: {layers}}}"
    with model() as stub:
        suite = model_suite(tmp_path, stub.url, more)
        live = play(suite, "record")
        heard = len(stub.heard)
    replayed = play(suite, "replay")
    assert (live.exit_code, replayed.exit_code, heard) == (0, 0, 3)
    assert verdicts(replayed) == verdicts(live) == {"talk": "passed"}
    if layers == "[turns]":
        assert journal(replayed) == journal(live)
    texts = [[line["reply"]["response"] for line in journal(run) if line["t"] == "turn"] for run in (live, replayed)]
    assert texts[0] == texts[1]
    assert TOKEN not in (tmp_path / "t.jsonl").read_text(encoding="utf-8")


def test_a_changed_request_to_a_model_names_what_changed(tmp_path: Path) -> None:
    """The nearest recorded request is named, and the paths at which this one differs, word by word."""
    cassette = "cassette: {file: t.jsonl, layers: {model: replay-else-record}}"
    with model() as stub:
        suite = model_suite(tmp_path, stub.url, f"prompt: You are the kind support of a shop., token: {TOKEN}, {cassette}")
        assert play(suite).exit_code == 0
        model_suite(tmp_path, stub.url, f"prompt: You are the stern support of a shop., token: {TOKEN}, {cassette}")
        changed = play(suite, "replay")
    (fault,) = faults(changed)
    assert fault["kind"] == "cassette-miss"
    assert fault["message"] == "the model was asked something that the recording 'talk' in t.jsonl holds no answer to"
    assert fault["detail"] == (
        "nearest recorded request: number 1 of 3\nmessages.0.content: You are the [-kind-] {+stern+} support of a shop."
    )


TOOL = """\
from pathlib import Path

def track(order):
    calls = Path(__file__).with_name("calls")
    calls.write_text(calls.read_text() + order + "\\n" if calls.exists() else order + "\\n")
    if order == "A-9":
        raise LookupError("no such order")
    return {"days": 2, "calls": len(calls.read_text().splitlines())}
"""


def test_the_python_of_tools_is_replayed_while_the_agent_goes_on(tmp_path: Path) -> None:
    """With the layer `tools`, the agent decides anew and its tools answer what they answered, errors too."""
    agent = """\
agent: shop
rules: [{id: late, match: {any_words: [late]}, tools: [track], template: late}]
templates:
  late: {mode: EXCLUSIVE, text: 'It takes {{ result.track.days }} days.'}
  sorry: {mode: FALLBACK, text: Pardon?}
tools:
  track: {args: {order: {from: 'order (?P<order>[A-Z]-[0-9]+)'}}, python: tools.py:track}
"""
    script = (
        "turns: [{user: 'late, order A-7', expect: {tools: [track]}}, {user: 'late, order A-9', expect: {rules: [late]}}]\n"
    )
    files = {"agent_yaml": agent, "s__late_yaml": script, "tools_py": TOOL}
    suite = shop(tmp_path, "cassette: {file: tape.jsonl, layers: [tools]}", **files)
    first, second, third = play(suite), play(suite), play(suite, "replay")
    assert (tmp_path / "calls").read_text() == "A-7\nA-9\n"
    tools = [[line["reply"]["tools"] for line in journal(run) if line["t"] == "turn"] for run in (first, second, third)]
    assert tools[0] == tools[1] == tools[2]
    assert (tools[0][0][0]["result"], tools[0][1][0]["error"]) == ({"days": 2, "calls": 1}, "LookupError: no such order")
    write(tmp_path, s__late_yaml=script.replace("A-9", "A-8"))
    (fault,) = faults(play(suite, "replay"))
    assert "nearest recorded request: number 2 of 2\narguments.order: [-A-9-] {+A-8+}" in fault["detail"]


def test_a_replay_needs_neither_variables_nor_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only the live engine needs is not asked for where nobody is asked; else it is."""
    monkeypatch.setenv("SHOP_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SHOP_ROUNDS", "2")
    with model() as stub:
        suite = model_suite(tmp_path, stub.url, f"token: {TOKEN}, cassette: t.jsonl")
        play(suite)
    text = suite.read_text(encoding="utf-8").replace(stub.url, "${SHOP_URL}").replace(TOKEN, "'${SHOP_TOKEN}'")
    suite.write_text(text.replace("cassette:", "max_rounds: '${SHOP_ROUNDS}', cassette:"), encoding="utf-8")
    for name in ("SHOP_URL", "SHOP_TOKEN", "SHOP_ROUNDS"):
        monkeypatch.delenv(name, raising=False)
    assert play(suite, "replay").exit_code == 0
    with pytest.raises(Refused) as caught:
        play(suite)
    assert {item.code for item in caught.value.diagnostics} == {"unset-variable"}


def test_only_what_changed_is_asked_again(tmp_path: Path) -> None:
    """Under `replay-else-record`, a script with other words is recorded anew, the others are replayed."""
    other = SCRIPT.replace("hello", "hi")
    suite = shop(tmp_path, s__other_yaml=other)
    assert play(suite).cassette == "cassette tape.jsonl: 2 recorded"
    assert play(suite).cassette == "cassette tape.jsonl: 2 replayed"
    write(tmp_path, s__other_yaml=other.replace("my parcel", "my blue parcel"))
    assert play(suite).cassette == "cassette tape.jsonl: 1 replayed, 1 recorded"
    assert [talk["turns"][1]["user"] for talk in tape(tmp_path / "tape.jsonl")] == [
        "my parcel is late, order A-7",
        "my blue parcel is late, order A-7",
    ]
    write(tmp_path, agent_yaml=(tmp_path / "agent.yaml").read_text().replace("Hello!", "Welcome!"))
    assert play(suite).cassette == "cassette tape.jsonl: 2 recorded"
    assert tape(tmp_path / "tape.jsonl")[0]["turns"][0]["reply"]["response"] == "Welcome!"


def test_a_turn_more_or_less_is_another_conversation(tmp_path: Path) -> None:
    """A recording stands for a script that says all of it and no more; a turn with `when` may be missing."""
    suite = shop(tmp_path)
    play(suite)
    write(tmp_path, s__late_yaml=SCRIPT.replace("conversation:", "  - user: hello again\nconversation:"))
    assert play(suite).cassette == "cassette tape.jsonl: 1 recorded"
    when = "  - user: hello again\n    when: {rules: [nobody-wants-this]}\nconversation:"
    write(tmp_path, s__late_yaml=SCRIPT.replace("conversation:", when).replace("nobody-wants-this", "late"))
    assert play(suite).cassette == "cassette tape.jsonl: 1 replayed"
    write(tmp_path, s__late_yaml=SCRIPT.replace("conversation:", when).replace("nobody-wants-this", "hello"))
    shorter = play(suite)
    assert (
        shorter.cassette == "cassette tape.jsonl: 1 replayed"
    )  # the turn might have been sent; its stored messages are unknown
    assert "messages" not in next(line for line in journal(shorter) if line["t"] == "attempt")
    assert play(suite, "record").cassette == "cassette tape.jsonl: 1 recorded"
    assert [len(talk["turns"]) for talk in tape(tmp_path / "tape.jsonl")] == [2]
    assert play(suite).cassette == "cassette tape.jsonl: 1 replayed"


def test_variants_params_and_repeats_are_conversations_of_their_own(tmp_path: Path) -> None:
    """Each case of a script has its recording; the first of several repeats is the one that was alone."""
    script = """\
params: {order: [A-7, 'B-8, which is a name that is longer than forty characters 1', 'B-8, which is a name that is longer than forty characters 2']}
turns:
  - user: ['my parcel is late, order {{ order }}', 'late: order {{ order }}']
    expect: {rules: [late]}
"""  # noqa: E501  # one line of YAML
    suite = shop(tmp_path, s__late_yaml=script, more="variants: all\n")
    assert play(suite).cassette == "cassette tape.jsonl: 6 recorded"
    assert len({talk["key"] for talk in tape(tmp_path / "tape.jsonl")}) == 6
    assert play(suite, "replay").exit_code == 0
    twice = play(suite, repeats=2)
    assert twice.cassette == "cassette tape.jsonl: 6 replayed, 6 recorded"  # the second of each has another seed
    assert play(suite, "replay", repeats=2).cassette == "cassette tape.jsonl: 12 replayed"
    assert play(suite, "replay").exit_code == 0


def test_a_conversation_that_begins_otherwise_is_a_miss_that_says_how(tmp_path: Path) -> None:
    """Variables, channel, seed and what stubs answer are part of what was asked."""
    script = "given: {variables: {tier: gold}}\ntools: {track: {returns: {days: 3}}}\n" + SCRIPT
    suite = shop(tmp_path, s__late_yaml=script)
    play(suite)
    assert play(suite, "replay").exit_code == 0
    changes = (
        (script.replace("gold", "silver"), "variables.tier: [-gold-] {+silver+}"),
        (script.replace("days: 3", "days: 4"), "stubs.track.0.returns.days: [-3-] {+4+}"),
        ("channel: voice\n" + script, "channel: [-api-] {+voice+}"),
        (script.replace("tools: {track: {returns: {days: 3}}}\n", ""), 'stubs: [-{"track":[{"returns":{"days":3}}]}-]'),
    )
    for changed, said in changes:
        write(tmp_path, s__late_yaml=changed)
        (fault,) = faults(play(suite, "replay"))
        assert fault["message"] == "the recording 'late' in tape.jsonl began otherwise than the script does"
        assert fault["detail"] == said
    write(tmp_path, s__late_yaml=script)
    suite.write_text(suite.read_text(encoding="utf-8") + "seed: 4\n", encoding="utf-8")
    assert faults(play(suite, "replay"))[0]["detail"] == "seed: [-0-] {+4+}"


def test_what_was_never_recorded_is_a_miss_that_names_the_nearest(tmp_path: Path) -> None:
    """The detail names the recorded conversation that begins most alike."""
    suite = shop(tmp_path)
    play(suite)
    write(tmp_path, s__new_yaml="turns: [{user: hello there, expect: {rules: [hello]}}]\n")
    result = play(suite, "replay")
    assert verdicts(result) == {"late": "passed", "new": "errored"}
    (fault,) = faults(result)
    assert fault["message"] == "tape.jsonl holds no conversation 'new'"
    assert fault["detail"] == "nearest recorded beginning: 'late', 62% alike\nhello {+there+}"
    assert result.exit_code == 3


def test_a_miss_in_the_middle_shows_the_words(tmp_path: Path) -> None:
    """The turns before it are replayed and judged; the miss says what the recording holds there."""
    suite = shop(tmp_path)
    play(suite)
    write(tmp_path, s__late_yaml=SCRIPT.replace("my parcel", "my blue parcel"))
    result = play(suite, "replay")
    assert [line["results"][0]["outcome"] for line in journal(result) if line["t"] == "turn"] == ["passed", "skipped"]
    assert faults(result)[0]["detail"].endswith("my {+blue+} parcel is late, order A-7")
    assert result.cassette == "cassette tape.jsonl: 1 missed"


def test_a_changed_agent_is_warned_of_where_its_recording_is_replayed(tmp_path: Path) -> None:
    """Nobody asks the new agent, so the run says that it heard the old one."""
    suite = shop(tmp_path)
    play(suite)
    write(tmp_path, agent_yaml=(tmp_path / "agent.yaml").read_text().replace("Hello!", "Welcome!"))
    (warning,) = play(suite, "replay").warnings
    assert (warning.code, warning.severity, warning.span.line) == ("cassette-stale", "warning", 2)
    assert "since 1 of 1 conversations in tape.jsonl were recorded" in warning.message


def test_off_leaves_the_cassette_alone(tmp_path: Path) -> None:
    """Neither read nor written."""
    suite = shop(tmp_path)
    assert play(suite, "off").cassette is None
    write(tmp_path, tape_jsonl="no cassette")
    assert play(suite, "off").exit_code == 0
    assert (tmp_path / "tape.jsonl").read_text() == "no cassette"


def test_a_folder_holds_one_cassette_a_script(tmp_path: Path) -> None:
    """A file name that ends in a slash is a folder; the files are named like the scripts."""
    suite = shop(tmp_path, "cassette: tapes/", s__more__other_yaml=SCRIPT)
    play(suite)
    assert sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "tapes").rglob("*.*")) == [
        "tapes/late.jsonl",
        "tapes/more/other.jsonl",
    ]
    assert play(suite, "replay").cassette == "cassette tapes/: 2 replayed"


def test_an_imported_cassette_is_replayed_before_any_engine(tmp_path: Path) -> None:
    """It says neither the engine nor how conversations began; its words are enough."""
    suite = shop(tmp_path)
    play(suite)
    lines = [json.loads(line) for line in (tmp_path / "tape.jsonl").read_text().splitlines()]
    del lines[0]["engine"], lines[1]["start"], lines[1]["agent"]
    write(tmp_path, tape_jsonl="\n".join(map(json.dumps, lines)))
    assert play(suite, "replay").exit_code == 0
    assert play(suite).cassette == "cassette tape.jsonl: 1 replayed"


@pytest.mark.parametrize(
    ("cassette", "mode", "request_more", "said"),
    [
        ("", "replay", {}, "--cassette replay: the engine has no cassette; name one with --cassette-file FILE"),
        ("cassette: t.jsonl", "rply", {}, "'rply' is no mode; did you mean 'replay'?"),
        ("cassette: t.jsonl", "never", {}, "'never' is no mode; known here: off, record, replay, replay-else-record"),
    ],
)
def test_a_mode_that_cannot_be_is_refused(
    cassette: str, mode: str, request_more: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """Before anything is run."""
    with pytest.raises(UsageError) as caught:
        play(shop(tmp_path, cassette), mode, **request_more)
    assert said in str(caught.value)


def test_a_replay_without_a_cassette_is_refused(tmp_path: Path) -> None:
    """The place is the suite's entry, the fix is how to record it."""
    with pytest.raises(Refused) as caught:
        play(shop(tmp_path), "replay")
    assert str(caught.value.diagnostics[0]).endswith(
        "suite.yaml:2:55: error[cassette-unreadable]: there is no cassette tape.jsonl; record it with --cassette record"
    )


def test_another_engines_cassette_is_refused(tmp_path: Path) -> None:
    """Two engines that share a cassette would replay each other."""
    suite = shop(tmp_path)
    play(suite)
    write(tmp_path, bot_py="def answer(message, talk):\n    return 'x'\n")
    text = suite.read_text().replace("kind: embedded, agent: agent.yaml", "kind: callable, target: bot.py:answer")
    suite.write_text(text)
    with pytest.raises(Refused) as caught:
        play(suite)
    (found,) = caught.value.diagnostics
    assert found.code == "cassette-engine"
    assert found.message == "the cassette tape.jsonl was recorded from the engine 'embedded'; this one is 'callable'"


def test_the_run_tells_its_cassette(tmp_path: Path) -> None:
    """The header of the journal and the way to run it again name file and mode."""
    result = play(shop(tmp_path), "record")
    header = json.loads((Path(result.model.folder) / "run.json").read_text())
    assert header["engine"]["cassette"] == {"file": "tape.jsonl", "layers": {"turns": "record"}}
    assert header["options"]["again"]["options"] == ["--cassette", "record"]


def test_the_same_conversations_give_the_same_bytes(tmp_path: Path) -> None:
    """However many are held at the same time and whichever ends first."""
    more = {f"s__case{number}_yaml": SCRIPT for number in range(12)}
    suite = shop(tmp_path, **more)
    written = []
    for concurrency in (1, 16):
        (tmp_path / "tape.jsonl").unlink(missing_ok=True)
        play(suite, "record", clock=fixed_clock(), concurrency=concurrency)
        written.append((tmp_path / "tape.jsonl").read_bytes())
    assert written[0] == written[1]
    assert len(written[0].splitlines()) == 14
    play(suite, "replay-else-record", clock=fixed_clock())
    assert (tmp_path / "tape.jsonl").read_bytes() == written[0]
    assert list(tmp_path.glob("tape.jsonl.*")) == []
