"""An editor for tests: a client library's end of the protocol, talking to the real verb over its standard streams."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from lsprotocol import types
from pygls.lsp.client import LanguageClient

ROOT = Path(__file__).resolve().parent.parent.parent
WAIT_S = 20


class Editor:
    """One session: the files it has open, and the problems it was told."""

    def __init__(self, client: LanguageClient, folder: Path) -> None:
        self.client, self.folder = client, folder
        self.told: dict[str, list[types.Diagnostic]] = {}
        self.shown: list[types.ShowDocumentParams] = []
        self.heard = asyncio.Event()
        self.texts: dict[str, str] = {}
        self.version = 1

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri()

    def document(self, name: str) -> types.TextDocumentIdentifier:
        return types.TextDocumentIdentifier(self.uri(name))

    def open(self, name: str, text: str | None = None) -> None:
        """Opens a file, with the text on disk or another one."""
        said = (self.folder / name).read_bytes().decode() if text is None else text
        self.texts[name] = said
        self.client.text_document_did_open(
            types.DidOpenTextDocumentParams(types.TextDocumentItem(self.uri(name), "yaml", self.version, said))
        )

    def type(self, name: str, text: str) -> None:
        """Has the whole text of an open file be another one."""
        self.version += 1
        self.texts[name] = text
        at = types.VersionedTextDocumentIdentifier(self.version, self.uri(name))
        change = types.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(at, [change]))

    def place(self, name: str, marked: str) -> types.Position:
        """The place of `|` in a piece of the file's text, in UTF-16 units."""
        before, _, after = marked.partition("|")
        text = self.texts[name].replace("\r\n", "\n")
        at = text.index(before + after) + len(before)
        line = text.count("\n", 0, at)
        head = text[text.rfind("\n", 0, at) + 1 : at]
        return types.Position(line, len(head.encode("utf-16-le")) // 2)

    async def problems(self, name: str, *codes: str) -> list[types.Diagnostic]:
        """The problems of a file once their codes are these."""
        wanted = sorted(codes)

        async def told() -> list[types.Diagnostic]:
            while sorted(str(one.code) for one in self.told.get(self.uri(name), [])) != wanted:
                self.heard.clear()
                await self.heard.wait()
            return self.told.get(self.uri(name), [])

        try:
            return await asyncio.wait_for(told(), WAIT_S)
        except TimeoutError:
            raise AssertionError(f"{name}: {self.told.get(self.uri(name))} instead of {wanted}") from None

    async def labels(self, name: str, marked: str) -> list[str]:
        """What is suggested at a place, in the editor's order."""
        found = await self.client.text_document_completion_async(
            types.CompletionParams(self.document(name), self.place(name, marked))
        )
        items = found.items if isinstance(found, types.CompletionList) else found or []
        return [item.label for item in sorted(items, key=lambda item: item.sort_text or item.label)]

    async def hover(self, name: str, marked: str) -> str:
        """What is shown over a place; empty where nothing is."""
        found = await self.client.text_document_hover_async(types.HoverParams(self.document(name), self.place(name, marked)))
        return found.contents.value if found is not None and isinstance(found.contents, types.MarkupContent) else ""

    async def definition(self, name: str, marked: str) -> list[str]:
        """Places a name leads to, as `file:line:column`, from 1."""
        found = await self.client.text_document_definition_async(
            types.DefinitionParams(self.document(name), self.place(name, marked))
        )
        return [self.told_place(one) for one in found or [] if isinstance(one, types.Location)]  # type: ignore[union-attr]  # a list

    async def references(self, name: str, marked: str) -> list[str]:
        """Places that use a name, sorted."""
        context = types.ReferenceContext(include_declaration=True)
        found = await self.client.text_document_references_async(
            types.ReferenceParams(context, self.document(name), self.place(name, marked))
        )
        return sorted(self.told_place(one) for one in found or [])

    def told_place(self, place: types.Location) -> str:
        name = Path(place.uri.removeprefix("file://")).relative_to(self.folder)
        return f"{name}:{place.range.start.line + 1}:{place.range.start.character + 1}"

    async def rename(self, name: str, marked: str, new: str) -> list[str]:
        """Renames, writes the changed files, and gives their names."""
        made = await self.client.text_document_rename_async(
            types.RenameParams(self.document(name), self.place(name, marked), new)
        )
        assert made is not None
        return self.apply(made)

    def apply(self, change: types.WorkspaceEdit) -> list[str]:
        """Makes an edit in the files on disk, as an editor does."""
        changed = []
        for uri, edits in (change.changes or {}).items():
            path = Path(uri.removeprefix("file://"))
            name = str(path.relative_to(self.folder))
            text = self.texts.get(name) or path.read_bytes().decode()
            for one in sorted(edits, key=lambda one: (one.range.start.line, one.range.start.character), reverse=True):
                text = text[: _offset(text, one.range.start)] + one.new_text + text[_offset(text, one.range.end) :]
            path.write_bytes(text.encode())
            if name in self.texts:
                self.type(name, text)
            changed.append(name)
        return sorted(changed)

    async def fixes(self, name: str, problem: types.Diagnostic) -> list[types.CodeAction]:
        """The quick fixes of a problem."""
        context = types.CodeActionContext([problem])
        found = await self.client.text_document_code_action_async(
            types.CodeActionParams(self.document(name), problem.range, context)
        )
        return [one for one in found or [] if isinstance(one, types.CodeAction)]


def _offset(text: str, place: types.Position) -> int:
    lines = text.split("\n")
    head = lines[place.line].encode("utf-16-le")[: place.character * 2].decode("utf-16-le")
    return sum(len(line) + 1 for line in lines[: place.line]) + len(head)


@asynccontextmanager
async def editing(folder: Path, command: tuple[str, ...]) -> AsyncIterator[Editor]:
    """An editor that has a folder open and calls `focal-eval` like that; at its end the server has left by itself."""
    client = LanguageClient("tests", "1")
    editor = Editor(client, folder)

    def told(params: types.PublishDiagnosticsParams) -> None:
        editor.told[params.uri] = list(params.diagnostics)
        editor.heard.set()

    def show(params: types.ShowDocumentParams) -> types.ShowDocumentResult:
        editor.shown.append(params)
        return types.ShowDocumentResult(success=True)

    client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(told)
    client.feature(types.WINDOW_SHOW_DOCUMENT)(show)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    await client.start_io(*command, "lsp", cwd=str(folder), env=environment)
    uri = folder.as_uri()
    await client.initialize_async(
        types.InitializeParams(
            types.ClientCapabilities(), root_uri=uri, workspace_folders=[types.WorkspaceFolder(uri, folder.name)]
        )
    )
    client.initialized(types.InitializedParams())
    try:
        yield editor
        await asyncio.wait_for(client.shutdown_async(None), WAIT_S)
        client.exit(None)
    finally:
        process = client._server
        if process is not None and process.returncode is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 5)
            with suppress(ProcessLookupError):
                process.kill()  # where the test failed before the server was told to leave
        await client.stop()  # type: ignore[no-untyped-call]  # the library's own
