"""Brains that mean harm: each costs its own turn, within the limit, and nobody else's."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import pytest

from focal_eval.engines import SessionStart, Setting, rivescript_brain, rivescript_process
from focal_eval.engines.rivescript import RiveScript
from focal_eval.errors import EngineError, EngineTimeout, Refused, UsageError

BACKTRACKING = "+ * a * a * a * a * a * a b\n- x\n"
MESSAGE = "a " * 400


def written(folder: Path, text: str) -> Path:
    (folder / "b.rive").write_text("+ hello\n- Hello.\n\n" + text, encoding="utf-8")
    return folder


async def beside(folder: Path, message: str, **options: Any) -> tuple[BaseException | str, str, float]:
    """What a message comes to, what a good one comes to in a conversation beside it, and how long the first took."""
    engine = RiveScript("b.rive", **{"turn_limit_s": 1.0, **options}).connect(Setting(folder))
    bad, good = await engine.open(SessionStart("bad")), await engine.open(SessionStart("good"))
    began = time.perf_counter()

    async def first() -> tuple[BaseException | str, float]:
        try:
            return str((await bad.send(message)).response), time.perf_counter() - began
        except EngineError as problem:
            return problem, time.perf_counter() - began

    async def second() -> str:
        await asyncio.sleep(0.1)
        return str((await good.send("hello")).response)

    (came_to, took), answered = await asyncio.gather(first(), second())
    assert str((await good.send("hello")).response) == "Hello."
    assert str((await bad.send("hello")).response) == "Hello.", "the conversation itself can go on"
    await engine.close()
    return came_to, answered, took


@pytest.mark.parametrize(
    ("text", "message", "kind", "problem"),
    [
        pytest.param(BACKTRACKING, MESSAGE, EngineTimeout, "did not answer within 1 s", id="a pattern that backtracks"),
        pytest.param("! var x = <bot x>\n+ go\n- <bot x>\n", "go", EngineTimeout, "within 1 s", id="a tag that becomes itself"),
        pytest.param("+ go\n@ run\n+ run\n@ go\n", "go", EngineError, "redirects in a circle", id="a circle"),
        pytest.param(
            "! global depth = 1000000\n+ go\n@ run\n+ run\n@ go\n", "go", EngineError, "too deep", id="a circle, deeper"
        ),
        pytest.param("+ go\n- a{weight=9999999999}\n", "go", EngineError, "memory|within", id="a weight without end"),
        pytest.param("+ go *\n@ go <star><star>\n", "go aaaaaaaaaa", EngineError, "memory|within|circle", id="doubling"),
        pytest.param("+ go\n- <set x>\n", "go", EngineError, "the interpreter raised IndexError", id="a broken tag"),
        pytest.param("+ go *\n- <star>{random}|{/random}\n", "go " + "a" * 1_100_000, EngineError, "characters", id="a flood"),
    ],
)
def test_a_hostile_brain_costs_its_own_turn(tmp_path: Path, text: str, message: str, kind: type, problem: str) -> None:
    """It is an error with its reason, soon after the limit at the latest; the conversation beside it never waits."""
    came_to, answered, took = asyncio.run(beside(written(tmp_path, text), message, memory_mb=256))
    assert isinstance(came_to, kind)
    assert re.search(problem, str(came_to))
    assert answered == "Hello."
    assert took < 8


MACROS = {
    "it ends the process": ("import os; os._exit(3)", "the interpreter's process died (exit status 3)"),
    "it never returns": ("\n    while True: pass", "did not answer within 1 s"),
    "it eats memory": ("x = bytearray(10**10)", "MemoryError"),
    "it leaves what is no data": ("rs.set_uservar(rs.current_user(), 'x', object())", "no plain data"),
}


@pytest.mark.parametrize("name", MACROS)
def test_a_trusted_macro_that_misbehaves_costs_its_own_turn(tmp_path: Path, name: str) -> None:
    """Trust is to run, not to stop a run."""
    code, problem = MACROS[name]
    text = f"+ go\n- <call>bad</call>\n> object bad python\n    {code}\n< object\n"
    came_to, answered, took = asyncio.run(beside(written(tmp_path, text), "go", trust=("bad",), memory_mb=256))
    if problem == "MemoryError":
        assert came_to == "[ERR: Error when executing Python object]"
    else:
        assert problem in str(came_to)
    assert answered == "Hello."
    assert took < 8


@pytest.mark.parametrize("code", ["print('{}')", "import sys; sys.exit(1)", "input()", "import os; os.write(1, b'{}\\n')"])
def test_what_a_macro_prints_or_asks_for_is_nobodys_answer(tmp_path: Path, code: str) -> None:
    """The lines between the processes are out of its reach."""
    text = f"+ go\n- Well<call>bad</call>\n> object bad python\n    {code}\n< object\n"
    came_to, answered, _ = asyncio.run(beside(written(tmp_path, text), "go", trust=("bad",)))
    assert str(came_to).startswith("Well")
    assert answered == "Hello."


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("! global depth = deep\n", "invalid literal"),
        ("+ open [the (door\n- x\n", "rackets"),
        ("+ a (|)\n- x\n", "blank entries"),
        ("> topic a includes b\n+ x\n- x\n< topic\n> topic b includes a\n+ y\n- y\n< topic\n", "in a circle"),
    ],
)
def test_a_brain_that_breaks_the_library_is_a_diagnostic(tmp_path: Path, text: str, problem: str) -> None:
    """Whatever the library raises while it reads, the file and its line are named."""
    written(tmp_path, text)
    with pytest.raises(Refused, match=r"b\.rive cannot be played") as refused:
        RiveScript("b.rive").connect(Setting(tmp_path))
    (found, *_) = refused.value.diagnostics
    assert problem in found.message
    assert found.span.file.endswith("b.rive")


def test_a_brain_that_takes_for_ever_to_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's parser backtracks too; reading has a limit of its own."""
    monkeypatch.setattr(rivescript_process, "READING_S", 0.5)
    written(tmp_path, "! " + "a " * 200_000 + "\n")
    with pytest.raises(UsageError, match=r"the brain cannot be read: the brain did not answer within 0\.5 s"):
        RiveScript("b.rive").connect(Setting(tmp_path))


def test_a_brain_has_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is too large, or a folder of too many, is refused before it is read whole."""
    monkeypatch.setattr(rivescript_brain, "MOST_BYTES", 2**20)
    written(tmp_path, "// " + "x" * 2**20)
    with pytest.raises(UsageError, match=r"the brain has more than 1 MiB, at b\.rive"):
        RiveScript("b.rive").connect(Setting(tmp_path))
    monkeypatch.setattr(rivescript_brain, "MOST_FILES", 3)
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.rive").write_text("+ a\n- b\n", encoding="utf-8")
    with pytest.raises(UsageError, match="the brain many has more than 3 files"):
        RiveScript("many").connect(Setting(tmp_path))


def test_no_process_outlives_the_engine(tmp_path: Path) -> None:
    """Closing ends them all, one that is stuck in a turn too; so does giving a turn up."""
    written(tmp_path, BACKTRACKING)

    async def left() -> list[Any]:
        engine = RiveScript("b.rive", turn_limit_s=30).connect(Setting(tmp_path))
        made: list[Any] = []
        original = rivescript_process.Interpreter.__init__

        def noted(self: Any, terms: Any) -> None:
            original(self, terms)
            made.append(self._process)

        rivescript_process.Interpreter.__init__ = noted  # type: ignore[method-assign]  # to see the processes
        try:
            idle, stuck = await engine.open(SessionStart("idle")), await engine.open(SessionStart("stuck"))
            await idle.send("hello")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(stuck.send(MESSAGE), 0.5)
            await idle.send("hello")
            await engine.close()
        finally:
            rivescript_process.Interpreter.__init__ = original  # type: ignore[method-assign]
        return [process.wait(timeout=5) for process in made]

    assert asyncio.run(left()) == [-9, -9]
