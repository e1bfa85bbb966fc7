from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from focal_eval.clock import fixed_clock
from focal_eval.document import Reader, read_text, record_of
from focal_eval.engines.base import Engine, HistoryTurn, SessionStart, Setting, ToolAnswer
from focal_eval.engines.callable import CallableEngine, LocalCallable
from focal_eval.errors import EngineError, EngineProtocol, UsageError
from focal_eval.records import UNKNOWN, Reply, RuleMatch, ScenarioState, Tokens, ToolCall
from focal_eval.registry import find

BOT = """\
from focal_eval.records import Reply

def echo(message, conversation):
    return f"you said {message}"

async def later(message, conversation):
    return f"later {message}"

def awaited(message, conversation):
    return later(message, conversation)

def counts(message, conversation):
    conversation.data["n"] = conversation.data.get("n", 0) + 1
    return f"{conversation.data['n']} {len(conversation.turns)} {conversation.turns[-1:]}"

def full(message, conversation):
    return {
        "response": "ok",
        "rules": ["greet", {"name": "offer", "score": 0.5}],
        "tools": [{"name": "lookup", "arguments": {"id": message}, "result": {"n": 1}}],
        "scenario": "returns/confirm",
        "tokens": 12,
    }

def reply(message, conversation):
    return Reply(response="whole", scenario=None)

def given(message, conversation):
    c = conversation
    answer = c.stub("lookup", {"id": 1})
    return f"{c.channel} {dict(c.metadata)} {dict(c.variables)} {c.history[0].user} {c.scenario} {c.seed} {answer.result}"

def unasked(message, conversation):
    return "hello" if message is None else "hm"

def broken(message, conversation):
    raise LookupError("no such thing")

def returns(message, conversation):
    return {"response": "ok"} | RETURNED

class Bot:
    def __init__(self):
        self.name = "bot"
    def answer(self, message, conversation):
        return self.name

bot = Bot()
number = 7
RETURNED = {}
"""


def engine_of(folder: Path, target: str, **config: Any) -> CallableEngine:
    (folder / "bot.py").write_text(BOT)
    engine = LocalCallable(target, **config).connect(Setting(folder, fixed_clock()))
    assert isinstance(engine, CallableEngine)
    return engine


def talk(engine: Engine, *messages: str | None, **start: Any) -> list[Reply]:
    async def run() -> list[Reply]:
        session = await engine.open(SessionStart(**{"case": "c1", **start}))
        replies = [await session.send(message) for message in messages]
        assert await session.stored() is UNKNOWN
        await session.close()
        await engine.close()
        return replies

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "said"), [("echo", "you said hi"), ("later", "later hi"), ("awaited", "later hi"), ("bot.answer", "bot")]
)
def test_plain_and_async_functions_and_methods_answer(tmp_path: Path, name: str, said: str) -> None:
    """Whatever can be called with a message and a conversation is an engine."""
    assert talk(engine_of(tmp_path, f"bot.py:{name}"), "hi") == [Reply(response=said)]


def test_a_module_beside_the_suite_is_found(tmp_path: Path) -> None:
    """`module:name` works for modules in the suite's folder and for installed ones."""
    (tmp_path / "own_module_for_test.py").write_text("def f(message, conversation):\n    return 'from module'\n")
    assert talk(LocalCallable("own_module_for_test:f").connect(Setting(tmp_path)), "hi")[0].response == "from module"


def test_a_changed_file_is_imported_anew(tmp_path: Path) -> None:
    """One process that runs again after an edit sees the edit."""
    for said in ("before", "after"):
        (tmp_path / "edited.py").write_text(f"def f(message, conversation):\n    return '{said}'\n")
        assert talk(LocalCallable("edited.py:f").connect(Setting(tmp_path)), "hi")[0].response == said


def test_a_conversation_keeps_its_own_data(tmp_path: Path) -> None:
    """`data` and what was said belong to one conversation."""
    engine = engine_of(tmp_path, "bot.py:counts")
    assert [reply.response for reply in talk(engine, "a", "b")] == ["1 0 []", "2 1 [('a', '1 0 []')]"]
    assert talk(engine, "a", case="c2")[0].response == "1 0 []"


def test_a_mapping_has_the_keys_of_a_reply(tmp_path: Path) -> None:
    """Rules may be names, the scenario a path, tokens a number; nested records are as in the journal."""
    reports = ("response", "rules", "tools", "scenario", "tokens")
    (reply,) = talk(engine_of(tmp_path, "bot.py:full", reports=reports), "A-1")
    assert reply == Reply(
        response="ok",
        rules=(RuleMatch("greet"), RuleMatch("offer", 0.5)),
        tools=(ToolCall("lookup", {"id": "A-1"}, {"n": 1}),),
        scenario=ScenarioState("returns", "confirm"),
        tokens=Tokens(12),
    )


def test_a_whole_reply_may_be_given(tmp_path: Path) -> None:
    """A Reply is taken as it is; None as scenario is known to be none."""
    (reply,) = talk(engine_of(tmp_path, "bot.py:reply", reports=("response", "scenario")), "x")
    assert reply == Reply(response="whole", scenario=None)


def test_what_a_script_gives_reaches_the_function(tmp_path: Path) -> None:
    """Channel, metadata, variables, history, place, seed and stubs."""
    engine = engine_of(tmp_path, "bot.py:given", seeds=("variables", "history", "scenario"), stubs=True)
    assert engine.abilities.seeds == {"variables", "history", "scenario"}
    assert engine.abilities.stubs
    (reply,) = talk(
        engine,
        "x",
        channel="web",
        metadata={"locale": "de"},
        variables={"tier": "gold"},
        history=(HistoryTurn("before", "yes"),),
        scenario="s/a",
        seed=3,
        stubs=lambda tool, arguments: ToolAnswer(f"{tool} {arguments['id']}"),
    )
    assert reply.response == "web {'locale': 'de'} {'tier': 'gold'} before s/a 3 lookup 1"


def test_a_function_may_speak_first(tmp_path: Path) -> None:
    """A turn without a message calls the function with None."""
    engine = engine_of(tmp_path, "bot.py:unasked", speaks_first=True)
    assert engine.abilities.speaks_first
    assert [reply.response for reply in talk(engine, None, "x")] == ["hello", "hm"]


def test_what_it_raises_is_the_engines_error(tmp_path: Path) -> None:
    """An exception of the function is no verdict, with the exception in the message."""
    with pytest.raises(EngineError, match=r"bot\.py:broken raised LookupError: no such thing"):
        talk(engine_of(tmp_path, "bot.py:broken"), "x")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"respnse": 1}, "gave the unknown key 'respnse'; did you mean 'response'?"),
        ({"rules": ["a"]}, "gave 'rules', which the engine's 'reports' does not list"),
        ({"tools": [{"nme": "x"}]}, r"gave the unknown key 'tools\[0\].nme'; did you mean 'name'?"),
        ({"tools": "lookup"}, "gave str as 'tools'; a list is expected"),
        ({"tools": [{"arguments": {}}]}, "gave a wrong 'tools.0.name'"),
        ({"response": 7}, "gave a wrong 'response"),
        ({"scenario": {"id": 7}}, "gave a wrong 'scenario"),
        ({"tokens": "many"}, "gave a wrong 'tokens"),
        ({}, "gave no 'tools', which the engine's 'reports' lists"),
    ],
)
def test_a_wrong_answer_is_a_protocol_error(tmp_path: Path, extra: dict[str, Any], message: str) -> None:
    """Unknown keys, wrong types, undeclared and missing fields are told apart, with the nearest key."""
    engine = engine_of(tmp_path, "bot.py:returns", reports=("response", "tools", "tokens", "scenario"))
    engine.function.__globals__["RETURNED"] = {"tools": [], "tokens": 1, "scenario": None, **extra} if extra else {"tokens": 1}
    with pytest.raises(EngineProtocol, match=message):
        talk(engine, "x")


def test_what_is_no_answer_at_all_is_a_protocol_error(tmp_path: Path) -> None:
    """Only text, mappings and replies are answers."""
    (tmp_path / "odd.py").write_text("def f(message, conversation):\n    return 7\n")
    with pytest.raises(EngineProtocol, match=r"odd\.py:f gave int; a text, a mapping or a Reply is expected"):
        talk(LocalCallable("odd.py:f").connect(Setting(tmp_path)), "x")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("bot", "is not of the form module:name or path/to/file.py:name"),
        (":echo", "is not of the form"),
        ("bot.py:ecko", r"bot\.py has no 'ecko'; did you mean 'echo'\?"),
        ("bot.py:number", "is int, not something to call"),
        ("none.py:echo", r"there is no file none\.py in the suite's folder"),
        ("../bot.py:echo", r"\.\./bot\.py lies outside the suite's folder"),
        ("no_such_module_here:echo", "no_such_module_here cannot be imported: ModuleNotFoundError"),
        ("crash.py:echo", r"crash\.py cannot be imported: ZeroDivisionError: division by zero"),
        ("exits.py:echo", r"exits\.py cannot be imported: SystemExit: 3"),
    ],
)
def test_a_target_that_cannot_be_had_is_refused(tmp_path: Path, target: str, message: str) -> None:
    """The reason and the nearest name stand in the message; nothing outside the suite's folder is run by path."""
    (tmp_path / "crash.py").write_text("1 / 0\n")
    (tmp_path / "exits.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(UsageError, match=message):
        engine_of(tmp_path, target)


def test_local_python_that_is_switched_off_is_refused(tmp_path: Path) -> None:
    """Without allow_python nothing is imported."""
    (tmp_path / "bot.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(UsageError, match=r"'bot\.py:echo' is local Python, which is switched off by --no-python"):
        LocalCallable("bot.py:echo").connect(Setting(tmp_path, fixed_clock(), allow_python=False))


def test_plain_functions_run_side_by_side(tmp_path: Path) -> None:
    """A function that blocks does not keep other conversations waiting."""
    engine = engine_of(tmp_path, "bot.py:echo")
    meet = threading.Barrier(2, timeout=5)

    def waits(message: str, conversation: Any) -> str:
        meet.wait()
        return message

    engine.function = waits

    async def run() -> list[Reply]:
        sessions = [await engine.open(SessionStart(case)) for case in ("one", "two")]
        return list(await asyncio.gather(*(session.send("x") for session in sessions)))

    assert [reply.response for reply in asyncio.run(run())] == ["x", "x"]


def test_the_configuration_is_read_from_the_suite(tmp_path: Path) -> None:
    """Keys are the dataclass's fields; an unknown reply field is an error with the nearest one."""
    assert find("engines", "callable") is LocalCallable
    document = read_text("{target: 'bot.py:echo', reports: [response, rule]}", "suite.yaml")
    assert document.root is not None
    record_of(LocalCallable).read(document.root, Reader(document))
    assert [problem.message for problem in document.problems] == ["'rule' is not a field of a reply; did you mean 'rules'?"]
    assert LocalCallable("bot.py:echo", agent="a.yaml").agent_file(Setting(tmp_path)) == tmp_path / "a.yaml"
    assert LocalCallable("bot.py:echo").agent_file(Setting(tmp_path)) is None
