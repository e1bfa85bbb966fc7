"""The `rivescript` engine: what a turn of a brain comes to, what a macro may do, and what scripts are checked against."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from focal_eval.engines import HistoryTurn, SessionStart, Setting, ToolAnswer
from focal_eval.engines.rivescript import RiveScript
from focal_eval.errors import EngineError, EngineProtocol, Refused, UsageError
from focal_eval.records import UNKNOWN, Json, Reply, RuleMatch, ScenarioState, ToolCall, Transition
from focal_eval.testing import engine_conformance

DESK = """\
! version = 2.0
! var name = Wren
! array day = monday|tuesday

+ hello
- Hello.

+ hi [*]
@ hello

+ i am *
- <set who=<star>>{@hello}

+ who am i
- You are <get who>.

+ call me *
- <bot name=<star>>Done.

+ who are you
- <bot name>

+ flip
- heads
- tails{weight=2}
- {random}edge|lost{/random}

+ open on (@day)
- Yes, on <star>.

+ book
- {topic=booking}Which day?

+ look up *
- Found: <call>find <star></call>

+ shout
- <call>absent</call>

+ silent
* <get x> == 1 => never

+ yes
% which day
- Not a day.

> topic booking includes ways-out
    + @day{weight=10}
    - {topic=random}Booked.
< topic

> topic ways-out
    + stop
    - {topic=random}Stopped.
< topic
"""

FIND = """
> object find python
    if args == ["nothing"]:
        raise LookupError("nothing is not there")
    return {"title": " ".join(args)}
< object
"""


def brain(folder: Path, text: str = DESK + FIND, **options: Any) -> tuple[RiveScript, Setting]:
    """An engine's configuration over one file, and the setting it stands in."""
    (folder / "desk.rive").write_text(text, encoding="utf-8")
    return RiveScript("desk.rive", **options), Setting(folder)


def talk(made: tuple[RiveScript, Setting], *messages: str, **start: Any) -> list[Reply]:
    """The replies to messages of one conversation."""

    async def converse() -> list[Reply]:
        engine = made[0].connect(made[1])
        session = await engine.open(SessionStart("case", **start))
        try:
            return [await session.send(message) for message in messages]
        finally:
            await engine.close()

    return asyncio.run(converse())


def rules(reply: Reply) -> list[str]:
    assert reply.rules is not UNKNOWN
    return [match.name for match in reply.rules]


def calls(reply: Reply) -> tuple[ToolCall, ...]:
    assert reply.tools is not UNKNOWN
    return reply.tools


def test_a_trigger_is_a_rule_by_its_text_and_by_its_place(tmp_path: Path) -> None:
    """The rule's name is what its author wrote; its id is the file and the line."""
    (reply,) = talk(brain(tmp_path), "Hello!")
    assert reply.response == "Hello."
    assert reply.rules == (RuleMatch("hello", id="desk.rive:5"),)
    assert reply.outcome == "resolved"


@pytest.mark.parametrize(("message", "names"), [("hi there", ["hi [*]", "hello"]), ("i am bo", ["i am *", "hello"])])
def test_a_redirect_is_followed(tmp_path: Path, message: str, names: list[str]) -> None:
    """What the message matched stands first, then what that led to, by `@` and by a tag."""
    (reply,) = talk(brain(tmp_path), message)
    assert rules(reply) == names


def test_a_trigger_in_a_topic_and_one_after_a_question_have_names_of_their_own(tmp_path: Path) -> None:
    """The topic stands before the text, the question behind it; a weight is no part of a name."""
    replies = talk(brain(tmp_path), "book", "monday", "book", "stop", "book")
    assert [rules(reply) for reply in replies] == [["book"], ["booking/@day"], ["book"], ["ways-out/stop"], ["book"]]
    (last,) = talk(brain(tmp_path), "yes", history=(HistoryTurn("book", "Which day?"),))
    assert rules(last) == ["yes % which day"]


def test_the_line_is_right_where_the_library_keeps_only_one(tmp_path: Path) -> None:
    """The same text in two files, two topics and behind two questions: each match tells its own place."""
    folder = tmp_path / "brain"
    folder.mkdir()
    (folder / "a.rive").write_text("+ ask\n- One?\n+ go\n- Two?\n/* + no\n- no */\n+ yes\n% one\n- first\n", encoding="utf-8")
    (folder / "b.rive").write_text(
        "+ yes\n% two\n- second\n\n+ yes\n- plain\n> topic t\n+ yes\n- inside\n< topic\n", encoding="utf-8"
    )
    made = RiveScript("brain"), Setting(tmp_path)
    replies = talk(made, "yes", "ask", "yes", "go", "yes") + talk(made, "yes", scenario="brain/t")
    ids = [reply.rules[-1].id for reply in replies if reply.rules is not UNKNOWN]
    assert ids == ["b.rive:5", "a.rive:1", "a.rive:7", "a.rive:3", "b.rive:1", "b.rive:8"]


def test_a_topic_is_a_step_and_the_default_one_is_none(tmp_path: Path) -> None:
    """The scenario is named as the brain; entering and leaving it are transitions."""
    first, second = talk(brain(tmp_path), "book", "tuesday")
    assert first.scenario == ScenarioState("desk", "booking")
    assert first.transitions == (Transition("start", None, "booking", "desk"),)
    assert second.scenario is None
    assert second.transitions == (Transition("exit", "booking", None, "desk"),)


def test_no_match_is_said_as_the_library_says_it(tmp_path: Path) -> None:
    """A brain without a catch-all answers with RiveScript's own words; no rule matched, and that is a fallback."""
    (reply,) = talk(brain(tmp_path), "what is the meaning of life")
    assert (reply.response, reply.rules, reply.outcome) == ("[ERR: No Reply Matched]", (), "fallback")
    (reply,) = talk(brain(tmp_path), "silent")
    assert (reply.response, rules(reply), reply.outcome) == ("[ERR: No Reply Found]", ["silent"], "fallback")


def test_a_trusted_macro_runs_and_is_a_tool_call(tmp_path: Path) -> None:
    """Its words are its arguments, what it returns is its result, what it raises its error."""
    replies = talk(brain(tmp_path, trust=("find",)), "look up emma woodhouse", "look up nothing", "who am i")
    assert calls(replies[0]) == (ToolCall("find", {"words": "emma woodhouse"}, {"title": "emma woodhouse"}),)
    assert replies[0].response == 'Found: {"title": "emma woodhouse"}'
    assert calls(replies[1]) == (ToolCall("find", {"words": "nothing"}, error="LookupError: nothing is not there"),)
    assert replies[1].response == "Found: [ERR: Error when executing Python object]"
    assert calls(replies[2]) == ()


def test_a_file_may_be_trusted_as_a_whole(tmp_path: Path) -> None:
    """`trust` takes the names of files too."""
    (reply,) = talk(brain(tmp_path, trust=("desk.rive",)), "look up emma")
    assert calls(reply)[0].result == {"title": "emma"}


def test_a_macro_that_nobody_trusts_is_not_run(tmp_path: Path) -> None:
    """Neither when the brain is read nor when it is called; the call is seen all the same, and why it came to nothing."""
    mark = tmp_path / "it-ran"
    made = f"> object find python\n\x0copen({str(mark)!r}, 'w')\n    open({str(mark)!r}, 'w')\n< object\n"
    (reply,) = talk(brain(tmp_path, DESK + made), "look up emma")
    assert not mark.exists()
    assert reply.response == "Found: [ERR: No Object Handler]"
    (call,) = calls(reply)
    assert (call.error, call.status, call.result) == ("not run: the suite does not trust it", "blocked", UNKNOWN)


def test_a_macro_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    """A call of an object that the brain does not define is a failed call."""
    (reply,) = talk(brain(tmp_path), "shout")
    assert calls(reply)[0].error == "the brain has no object of this name"


@pytest.mark.parametrize("trust", [(), ("find",)])
def test_the_scripts_stub_comes_first(tmp_path: Path, trust: tuple[str, ...]) -> None:
    """A stub answers whether the macro is trusted or not, with a result or an error."""

    def stub(name: str, arguments: Mapping[str, Json]) -> ToolAnswer | None:
        if arguments["words"] == "emma":
            return ToolAnswer(result="a stub for " + name, delay_ms=20)
        return ToolAnswer(error="down") if arguments["words"] == "dracula" else None

    first, second = talk(brain(tmp_path, trust=trust), "look up emma", "look up dracula", stubs=stub)
    assert calls(first) == (ToolCall("find", {"words": "emma"}, "a stub for find", duration_ms=20),)
    assert first.response == "Found: a stub for find"
    assert calls(second)[0].error == "down"


def test_local_python_can_be_refused(tmp_path: Path) -> None:
    """With --no-python a suite that trusts a macro is refused; one that trusts none runs."""
    config, _ = brain(tmp_path, trust=("find",))
    with pytest.raises(UsageError, match=r"'trust' \(find\) means local Python, which is switched off by --no-python"):
        config.connect(Setting(tmp_path, allow_python=False))
    assert RiveScript("desk.rive").connect(Setting(tmp_path, allow_python=False)).abilities.deterministic


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("> object find python\n    retrun 1\n< object\n", "the macro 'find' is not Python: SyntaxError"),
        ("> object find javascript\n    return 1\n< object\n", "is written in javascript; only Python is run"),
        (FIND + FIND, "the macro 'find' is trusted, but stands in desk.rive:2 too"),
    ],
)
def test_trust_is_in_one_macro_that_can_run(tmp_path: Path, text: str, problem: str) -> None:
    """What is trusted by name must be Python and stand there once: another file cannot slip its own under the name."""
    config, setting = brain(tmp_path, text, trust=("find",))
    with pytest.raises(Refused, match=r"the brain desk\.rive cannot be played") as refused:
        config.connect(setting)
    assert problem in refused.value.diagnostics[0].message


def test_a_misspelt_trust_is_refused(tmp_path: Path) -> None:
    """The nearest macro is named."""
    config, setting = brain(tmp_path, trust=("fnd",))
    with pytest.raises(UsageError, match=r"has no object 'fnd' to trust; did you mean 'find'\?"):
        config.connect(setting)


def test_a_conversation_can_start_in_the_middle(tmp_path: Path) -> None:
    """With variables, in a topic, after turns that were said before."""
    (reply,) = talk(brain(tmp_path), "who am i", variables={"who": "ada", "n": 3, "old": True})
    assert reply.response == "You are ada."
    assert reply.variables == {"who": "ada", "n": 3, "old": "true"}
    (reply,) = talk(brain(tmp_path), "monday", scenario="desk/booking")
    assert rules(reply) == ["booking/@day"]


@pytest.mark.parametrize(
    ("start", "problem"),
    [
        ({"scenario": "desk/boking"}, r"no topic 'desk/boking'; did you mean 'desk/booking'\?"),
        ({"variables": {"who": ["ada"]}}, "the variable 'who' is a list; RiveScript's variables are texts"),
        ({"variables": {"topic": "booking"}}, "the variable 'topic' is RiveScript's own"),
    ],
)
def test_a_start_that_cannot_be_is_refused(tmp_path: Path, start: dict[str, Any], problem: str) -> None:
    """With the nearest topic, or why RiveScript cannot take it."""
    with pytest.raises(EngineError, match=problem):
        talk(brain(tmp_path), "hello", **start)


def test_what_is_never_asked_is_refused(tmp_path: Path) -> None:
    """RiveScript says nothing unasked, and nothing after the end."""

    async def tried() -> None:
        config, setting = brain(tmp_path)
        engine = config.connect(setting)
        session = await engine.open(SessionStart("case"))
        with pytest.raises(EngineError, match="says nothing unasked"):
            await session.send(None)
        await session.close()
        with pytest.raises(EngineProtocol, match="the session is closed"):
            await session.send("hello")
        await engine.close()
        with pytest.raises(EngineProtocol, match="the engine is closed"):
            await (await engine.open(SessionStart("case"))).send("hello")

    asyncio.run(tried())


def test_chance_is_the_same_each_time_and_another_by_seed(tmp_path: Path) -> None:
    """A case's replies depend on its seed and nothing else."""
    made = brain(tmp_path)
    said = [[reply.response for reply in talk(made, *["flip"] * 12, seed=seed)] for seed in (0, 0, 1)]
    assert said[0] == said[1]
    assert said[0] != said[2]
    assert len(set(map(str, said[0]))) > 1


def test_a_bots_own_variable_changes_for_one_conversation_alone(tmp_path: Path) -> None:
    """The library shares them between all users; here a case never sees what another one did."""

    async def told() -> list[Any]:
        config, setting = brain(tmp_path)
        engine = config.connect(setting)
        one, other = await engine.open(SessionStart("one")), await engine.open(SessionStart("other"))
        said = [await one.send("call me otis"), await one.send("who are you"), await other.send("who are you")]
        await engine.close()
        return [reply.response for reply in said]

    assert asyncio.run(told()) == ["Done.", "otis", "Wren"]


def test_letters_beyond_ascii_are_kept_on_demand(tmp_path: Path) -> None:
    """Without `utf8` RiveScript drops them."""
    text = "+ hola señor\n- Con ñ.\n\n+ hola seor\n- Sin ñ.\n"
    with pytest.raises(Refused, match="cannot be played"):
        talk(brain(tmp_path, text), "hola")
    (reply,) = talk(brain(tmp_path, text, utf8=True), "Hola Señor")
    assert reply.response == "Con ñ."


def test_the_names_of_a_brain_are_known(tmp_path: Path) -> None:
    """Rules by text and by place, topics as steps, macros as tools."""
    config, setting = brain(tmp_path)
    names = config.known_names(setting)
    assert {"hello", "booking/@day", "yes % which day", "desk.rive:5"} <= names.rules
    assert names.scenarios == {"desk": frozenset({"booking", "ways-out"})}
    assert names.tools == {"find": frozenset({"words"})}
    assert config.agent_file(setting) is None


def test_every_problem_of_every_file_is_told_with_its_place(tmp_path: Path) -> None:
    """One error a file, as the parser stops there, and every warning."""
    folder = tmp_path / "brain"
    folder.mkdir()
    (folder / "a.rive").write_text("+ Hello\n- Hi.\n", encoding="utf-8")
    (folder / "b.rive").write_text("- early\n+ fine\n- Good.\n? odd\n+ fine\n- Late.\n", encoding="utf-8")
    (folder / "c.rive").write_text("+ open (the door\n- No.\n", encoding="utf-8")
    names = RiveScript("brain").known_names(Setting(tmp_path))
    told = {(Path(one.span.file).name, one.span.line, one.code) for one in names.problems}
    assert told == {
        ("a.rive", 1, "brain-syntax"),
        ("b.rive", 1, "brain-warning"),
        ("b.rive", 4, "brain-warning"),
        ("b.rive", 5, "brain-warning"),
        ("c.rive", 1, "brain-syntax"),
    }


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("dsk.rive", r"there is no brain dsk\.rive; did you mean 'desk\.rive'\?"),
        ("empty", r"the brain empty holds no file named \*\.rive or \*\.rs"),
        ("latin.rive", r"latin\.rive of the brain is not UTF-8, at byte 5"),
    ],
)
def test_a_brain_that_cannot_be_had(tmp_path: Path, name: str, problem: str) -> None:
    """Is refused with the reason before anything is run."""
    brain(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin.rive").write_bytes(b"+ hol\xe9\n- x\n")
    with pytest.raises(UsageError, match=problem):
        RiveScript(name).connect(Setting(tmp_path))


def test_without_the_extra_the_way_to_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is read or run."""
    config, setting = brain(tmp_path)
    monkeypatch.setattr("focal_eval.engines.rivescript.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"install it with: pip install 'focal-eval\[rivescript\]'"):
        config.connect(setting)


def test_it_keeps_the_contract_of_engines(tmp_path: Path) -> None:
    """The conformance kit finds nothing, with chance in the replies and a flow in the messages."""
    config, setting = brain(tmp_path)
    engine_conformance(config, messages=("flip", "book", "monday", "look up emma", "flip"), setting=setting)
