"""A whole session of an editor with `focal-eval lsp`, over real standard streams."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from focal_eval.evaluate.checking import check_paths
from tests.lsp.editor import ROOT, Editor, editing
from tests.lsp.shop import AGENT, HELLO, REFUND, make_shop

SCRIPT, AGENT_FILE, LONG = "scenarios/hello.yaml", "evals/agents/shop.yaml", "scenarios/refund.yaml"


def session(warmed: Path | None, folder: Path, act: Callable[[Editor], Awaitable[None]]) -> None:
    """Runs a session in the shop, with a `focal-eval` that is quick to start where there is one."""
    command = (str(warmed / "focal-eval"),) if warmed else (sys.executable, "-m", "focal_eval")

    async def run() -> None:
        async with editing(make_shop(folder), command) as editor:
            await act(editor)

    asyncio.run(run())


def test_typing_is_diagnosed_completed_and_fixed(tmp_path: Path) -> None:
    """A misspelt rule is told with the code and advice of `check`; a quick fix writes the right one, and all is well."""

    async def act(editor: Editor) -> None:
        editor.open(SCRIPT)
        editor.type(SCRIPT, HELLO.replace("[greet]", "[greeet]"))
        (problem,) = await editor.problems(SCRIPT, "unknown-rule")
        assert problem.message.endswith("did you mean 'greet'?")
        assert editor.place(SCRIPT, "[|greeet]") == problem.range.start
        (fix,) = await editor.fixes(SCRIPT, problem)
        assert fix.title == "Change 'greeet' to 'greet'"
        assert fix.edit is not None
        editor.apply(fix.edit)
        assert await editor.problems(SCRIPT) == []
        assert editor.texts[SCRIPT] == HELLO
        editor.type(SCRIPT, HELLO + "  - user: next\n    expect:\n      rules: {includes: [refund, \n")
        assert await editor.labels(SCRIPT, "[refund, |\n") == ["goodbye", "greet", "refund"]
        assert "greet the user" in await editor.hover(SCRIPT, "rules: [gr|eet]")

    session(None, tmp_path, act)


def test_half_typed_and_hostile_texts_are_answered(tmp_path: Path, warmed: Path) -> None:
    """Whatever is typed, every question has an answer, and the file's own problems are told."""
    texts = ["", "turns:\n  - ", "turns: [", "\x00", "a: &a [*a]", "- " * 3000, "[" * 5000, "{{{{", "turns:\n\t- x"]

    async def act(editor: Editor) -> None:
        editor.open(SCRIPT)
        for text in texts:
            editor.type(SCRIPT, text)
            at = types.Position(text.count("\n"), len(text.rpartition("\n")[2]))
            where = (editor.document(SCRIPT), at)
            await editor.client.text_document_completion_async(types.CompletionParams(*where))
            await editor.client.text_document_hover_async(types.HoverParams(*where))
            await editor.client.text_document_definition_async(types.DefinitionParams(*where))
            await editor.client.text_document_document_symbol_async(types.DocumentSymbolParams(where[0]))
            await editor.client.text_document_code_lens_async(types.CodeLensParams(where[0]))
        editor.type(SCRIPT, "turns: [")
        await editor.problems(SCRIPT, "yaml-syntax")
        editor.type(SCRIPT, HELLO)
        assert await editor.problems(SCRIPT) == []

    session(warmed, tmp_path, act)


def test_an_agents_edit_is_told_in_its_scripts(tmp_path: Path, warmed: Path) -> None:
    """A rule renamed in the agent's unsaved text is missed by scripts that nobody has open, and found again on undo."""

    async def act(editor: Editor) -> None:
        editor.open(AGENT_FILE)
        editor.type(AGENT_FILE, AGENT.replace("  greet:\n", "  greets:\n").replace("excludes: [greet]", "excludes: [greets]"))
        (problem,) = await editor.problems(SCRIPT, "unknown-rule")
        assert "'greets'" in problem.message
        editor.type(AGENT_FILE, AGENT)
        await editor.problems(SCRIPT)

    session(warmed, tmp_path, act)


def test_names_lead_to_their_places(tmp_path: Path, warmed: Path) -> None:
    """Definitions of rules, steps, tools, params and fragments; references over scripts and the agent."""

    async def act(editor: Editor) -> None:
        for name in (SCRIPT, LONG, AGENT_FILE):
            editor.open(name)
        assert await editor.definition(SCRIPT, "[gr|eet]") == [f"{AGENT_FILE}:5:3"]
        assert await editor.definition(LONG, "returns/a|sk\n") == [f"{AGENT_FILE}:23:7"]
        assert await editor.definition(LONG, "find_or|der:") == [f"{AGENT_FILE}:34:3"]
        assert await editor.definition(LONG, "{{ wan|ted") == [f"{LONG}:3:3"]
        assert await editor.definition(LONG, "fragments/or|der") == ["scenarios/fragments/order.yaml:1:1"]
        assert await editor.references(AGENT_FILE, "  gre|et:") == [
            f"{AGENT_FILE}:18:16",
            f"{AGENT_FILE}:5:3",
            f"{SCRIPT}:4:22",
        ]

    session(warmed, tmp_path, act)


ORDER = "scenarios/fragments/order.yaml"
RENAMES = [
    ("  ref|und:", "money-back", [AGENT_FILE, LONG]),
    ("  gre|et:", "welcome-in", [AGENT_FILE, SCRIPT]),
    ("  find_or|der:", "look_up", [AGENT_FILE, ORDER, LONG]),
    ("  retur|ns:", "sent-back", [AGENT_FILE, LONG]),
    ("      as|k:", "question", [AGENT_FILE, LONG]),
    ("  which-or|der: Which", "order-please", [AGENT_FILE]),
    ("{v|ip: false}", "friend", [AGENT_FILE]),
    ("  or|der: {pattern", "order_no", [AGENT_FILE]),
    ("{num|ber: order}", "no", [AGENT_FILE, ORDER, LONG]),
]


def test_a_rename_is_whole(tmp_path: Path, warmed: Path) -> None:
    """Every place of a name is changed, also in a fragment, a param, an expression and a template; `check` is still green."""

    async def act(editor: Editor) -> None:
        editor.open(AGENT_FILE)
        for at, new, files in RENAMES:
            assert await editor.rename(AGENT_FILE, at, new) == sorted(files)
            assert check_paths([tmp_path]).problems == []
            assert new in (tmp_path / AGENT_FILE).read_text()
            make_shop(tmp_path)
            editor.type(AGENT_FILE, AGENT)

    session(warmed, tmp_path, act)


def test_a_rename_that_cannot_be_whole_is_refused(tmp_path: Path, warmed: Path) -> None:
    """A name that is taken, or that no expression could say, changes nothing and says why."""

    async def act(editor: Editor) -> None:
        editor.open(AGENT_FILE)
        with pytest.raises(JsonRpcException, match="a rule named 'refund' is there already"):
            await editor.rename(AGENT_FILE, "  gre|et:", "refund")
        with pytest.raises(JsonRpcException, match="use letters, digits and underscores"):
            await editor.rename(AGENT_FILE, "{v|ip: false}", "not-a-name")
        assert (tmp_path / AGENT_FILE).read_text() == AGENT

    session(warmed, tmp_path, act)


def test_lines_over_rules_say_who_holds_them(tmp_path: Path, warmed: Path) -> None:
    """One script covers a rule, none another; the command opens the script at its expectation."""

    async def act(editor: Editor) -> None:
        editor.open(AGENT_FILE)
        found = await editor.client.text_document_code_lens_async(types.CodeLensParams(editor.document(AGENT_FILE)))
        said = {lens.range.start.line + 1: lens.command for lens in found or [] if lens.command is not None}
        assert [command.title for command in said.values()] == [
            "1 script covers this rule",
            "1 script covers this rule",
            "no script protects this rule",
        ]
        command = said[5]
        await editor.client.workspace_execute_command_async(
            types.ExecuteCommandParams(command.command, arguments=command.arguments)
        )
        assert [shown.uri for shown in editor.shown] == [editor.uri(SCRIPT)]

    session(warmed, tmp_path, act)


def test_places_count_as_editors_do(tmp_path: Path, warmed: Path) -> None:
    """After an emoji and with CR LF line ends a place is the one the editor means."""
    text = REFUND.replace("please", "\N{WAVING HAND SIGN} please").replace("visits: [returns/ask]", "visits: [returns/aks]")

    async def act(editor: Editor) -> None:
        crlf = text.replace("{rule: goodbye}", "{text: \N{WAVING HAND SIGN}\N{WAVING HAND SIGN}, rulez: goodbye}").replace(
            "\n", "\r\n"
        )
        editor.open(LONG, crlf)
        problem = (await editor.problems(LONG, "unknown-key"))[0]
        assert problem.range.start == editor.place(LONG, "\N{WAVING HAND SIGN}, |rulez")
        editor.type(LONG, text.replace("\n", "\r\n"))
        problem = (await editor.problems(LONG, "unknown-step"))[0]
        (fix,) = await editor.fixes(LONG, problem)
        assert fix.edit is not None
        editor.apply(fix.edit)
        await editor.problems(LONG)
        assert editor.texts[LONG] == text.replace("aks", "ask").replace("\n", "\r\n")

    session(warmed, tmp_path, act)


def test_the_outline_has_the_parts(tmp_path: Path, warmed: Path) -> None:
    """Rules by name, turns by what the user says."""

    async def act(editor: Editor) -> None:
        editor.open(SCRIPT)
        found = await editor.client.text_document_document_symbol_async(types.DocumentSymbolParams(editor.document(SCRIPT)))
        names = [one.name for one in found or [] if isinstance(one, types.DocumentSymbol)]
        assert names == ["title", "turns"]
        turns = [one for one in found or [] if isinstance(one, types.DocumentSymbol)][1]
        assert [child.name for child in turns.children or []] == ["hello \N{WAVING HAND SIGN}"]

    session(warmed, tmp_path, act)


def test_a_hover_tells_what_the_last_run_saw(tmp_path: Path, warmed: Path) -> None:
    """Over a rule: where it matched in the newest run of the suite, and that another one did not match."""
    make_shop(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "focal_eval", "run", "evals/shop.yaml", "-q"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    async def act(editor: Editor) -> None:
        editor.open(AGENT_FILE)
        assert "matched in 1 turn of 1 case; all of them passed" in await editor.hover(AGENT_FILE, "  gre|et:")
        assert "the rule did not match" in await editor.hover(AGENT_FILE, "  good|bye:")
        assert await editor.hover(AGENT_FILE, "pri|ority: 3") == (
            "**priority**: Higher ones come first in the reply and survive max_rules."
        )

    session(warmed, tmp_path, act)
