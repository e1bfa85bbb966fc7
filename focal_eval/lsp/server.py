"""The language server: requests of an editor answered from a project, problems told as files change.

Everything runs on one thread, so that no request sees half a change; long work (a project's scripts after a change of their
agent) is done one file at a time, and requests are answered in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path

from focal_eval import __version__
from focal_eval.errors import FocalEvalError, UsageError
from focal_eval.lsp import wire
from focal_eval.lsp.asking import defining, local_at, name_at
from focal_eval.lsp.completion import complete
from focal_eval.lsp.diagnosing import Diagnosing
from focal_eval.lsp.fixing import fix_of
from focal_eval.lsp.hovering import hover
from focal_eval.lsp.last_run import LastRuns
from focal_eval.lsp.linked import linked_file
from focal_eval.lsp.outline import lenses, symbols
from focal_eval.lsp.project import Project
from focal_eval.lsp.renaming import rename
from focal_eval.script.load import real
from focal_eval.source import Span

QUIET_S = 0.15  # after the last key before problems are looked for
SHOW = "focal-eval.show"
F = TypeVar("F", bound=Callable[..., Any])
_log = logging.getLogger(__name__)


class Server(LanguageServer):
    """One editor's server."""

    def __init__(self) -> None:
        super().__init__("focal-eval", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)
        self.begin(())

    def begin(self, roots: tuple[Path, ...]) -> None:
        """Starts with these folders."""
        self.project = Project(roots)
        self.diagnosing = Diagnosing(self.project)
        self.runs = LastRuns(tuple(root / "reports" for root in roots or (Path.cwd(),)))
        self.uris: dict[Path, str] = {}  # as the editor writes them
        self.due: dict[Path, None] = {}
        self.published: dict[Path, list[types.Diagnostic]] = {}
        self._worker: asyncio.Task[None] | None = None
        self._since = 0.0

    def uri(self, path: Path) -> str:
        return self.uris.get(path) or from_fs_path(str(path)) or ""

    def path(self, uri: str) -> Path | None:
        """The real path of a document; None for one that is no file."""
        found = to_fs_path(uri) if uri.startswith("file:") else None
        return None if not found else real(Path(found))

    def location(self, path: Path, span: Span) -> types.Location:
        return types.Location(self.uri(path), wire.range_of(span, self.project.files.lines(path)))

    # --- problems

    def later(self, paths: Iterable[Path], *, first: bool = False) -> None:
        """Has files looked at once nothing was typed for a moment; what is waiting already waits on."""
        fresh = dict.fromkeys(paths)
        self.due = {**fresh, **self.due} if first else {**self.due, **fresh}
        loop = asyncio.get_running_loop()
        self._since = loop.time()
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work())

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self.due:
            wait = self._since + QUIET_S - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
                continue
            path = next(iter(self.due))
            del self.due[path]
            with contextlib.suppress(FocalEvalError):
                self.look(path)
            await asyncio.sleep(0)

    def look(self, path: Path) -> None:
        """Looks at one file, and tells what changed of any."""
        for file, problems in self.diagnosing.look(path).items():
            lines = self.project.files.lines(file)
            told = [wire.diagnostic(problem, lines, self._related) for problem in problems]
            if told != self.published.get(file, []):
                self.published[file] = told
                self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(self.uri(file), told))

    def _related(self, span: Span) -> types.Location:
        return self.location(self.project.path_of(span.file), span)

    def changed(self, path: Path) -> None:
        """A file's text is not what it was."""
        self.later([path], first=True)
        due = self.diagnosing.due(path)
        self.project.changed(path)
        after = self.diagnosing.due(path)
        self.later([other for other in dict.fromkeys([*due, *after]) if other != path])

    def report_server_error(self, error: Exception, source: Any) -> None:
        """What went wrong inside goes to the log, and nobody's typing is interrupted by it."""
        _log.error("%s: %s", type(error).__name__, error)


def asked(server: Server, feature: str, empty: Any, options: Any = None) -> Callable[[F], F]:
    """Registers the answer to a question about a file: `empty` where the document is no file, or where something goes wrong,
    as an editor's text may be anything.
    """

    def registered(call: F) -> F:
        def answer(params: Any) -> Any:
            try:
                path = server.path(params.text_document.uri)
                return empty if path is None else call(params, path)
            except JsonRpcException:
                raise
            except Exception as problem:
                server.report_server_error(problem, None)
                return empty

        server.feature(feature, options)(answer)
        return call

    return registered


def make_server() -> Server:
    """The server with all that it answers."""
    server = Server()
    _documents(server)
    _questions(server)
    _changes(server)
    return server


def _documents(server: Server) -> None:
    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        folders = [folder.uri for folder in params.workspace_folders or ()] or ([params.root_uri] if params.root_uri else [])
        server.begin(tuple(path for uri in folders if (path := server.path(uri)) is not None))

    @server.feature(types.INITIALIZED)
    def initialized(_: types.InitializedParams) -> None:
        server.project.files.units = wire.units(server.workspace.position_encoding)
        dynamic = server.client_capabilities.workspace
        watched = None if dynamic is None else dynamic.did_change_watched_files
        if watched is not None and watched.dynamic_registration:
            wanted = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher("**/*.{yaml,yml}")])
            entry = types.Registration("focal-eval-files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, wanted)
            server.client_register_capability(types.RegistrationParams([entry]))
        if server.project.roots:
            server.later(server.diagnosing.everything())

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        path = server.path(params.text_document.uri)
        if path is not None:
            server.uris[path] = params.text_document.uri
            server.project.files.put(path, params.text_document.text)
            server.changed(path)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def typed(params: types.DidChangeTextDocumentParams) -> None:
        path = server.path(params.text_document.uri)
        if path is not None and params.content_changes:
            server.project.files.put(path, params.content_changes[-1].text)
            server.changed(path)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(params: types.DidSaveTextDocumentParams) -> None:
        _outside([params.text_document.uri])

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        path = server.path(params.text_document.uri)
        if path is not None:
            server.project.files.drop(path)
            server.changed(path)

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def watched(params: types.DidChangeWatchedFilesParams) -> None:
        _outside([change.uri for change in params.changes])

    def _outside(uris: list[str]) -> None:
        """Files changed on disk, came or went."""
        before = set(server.diagnosing.everything())
        server.project.rescan()
        paths = [path for uri in uris if (path := server.path(uri)) is not None]
        for path in paths:
            server.changed(path)
        server.later(sorted(before ^ set(server.diagnosing.everything())))


def _questions(server: Server) -> None:
    @asked(
        server, types.TEXT_DOCUMENT_COMPLETION, None, types.CompletionOptions(trigger_characters=[" ", "[", "{", "/", ".", "-"])
    )
    def completion(params: types.CompletionParams, path: Path) -> types.CompletionList:
        lines = server.project.files.lines(path)
        line, column = wire.place_of(params.position, lines)
        found = complete(server.project, path, line, column)
        return types.CompletionList(is_incomplete=False, items=[wire.item(made, lines) for made in found])

    @asked(server, types.TEXT_DOCUMENT_HOVER, None)
    def hovered(params: types.HoverParams, path: Path) -> types.Hover | None:
        lines = server.project.files.lines(path)
        found = hover(server.project, path, *wire.place_of(params.position, lines), server.runs)
        if found is None:
            return None
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, found.text), wire.range_of(found.span, lines))

    @asked(server, types.TEXT_DOCUMENT_DEFINITION, [])
    def definition(params: types.DefinitionParams, path: Path) -> list[types.Location]:
        project = server.project
        line, column = wire.place_of(params.position, project.files.lines(path))
        if (file := linked_file(project, path, line, column)) is not None:
            return [types.Location(server.uri(file), types.Range(types.Position(0, 0), types.Position(0, 0)))]
        if (local := local_at(project, path, line, column)) is not None:
            return [server.location(project.path_of(local.file), local)]
        named = name_at(project, path, line, column)
        found = [] if named is None else defining(project, path, named)
        return [server.location(project.path_of(mention.span.file), mention.span) for mention in found]

    @asked(server, types.TEXT_DOCUMENT_REFERENCES, [])
    def references(params: types.ReferenceParams, path: Path) -> list[types.Location]:
        project = server.project
        named = name_at(project, path, *wire.place_of(params.position, project.files.lines(path)))
        agent = project.agent_file(path)
        if named is None or agent is None:
            return []
        declared = params.context.include_declaration
        found = [
            (file, mention.span)
            for file, mention in project.everywhere(agent)
            if mention.key in named.keys and (declared or not mention.defines)
        ]
        return [server.location(file, span) for file, span in dict.fromkeys(found)]

    @asked(server, types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, [])
    def outline(_: types.DocumentSymbolParams, path: Path) -> list[types.DocumentSymbol]:
        lines = server.project.files.lines(path)
        return [wire.symbol(found, lines) for found in symbols(server.project, path)]

    @asked(server, types.TEXT_DOCUMENT_CODE_LENS, [])
    def lens(_: types.CodeLensParams, path: Path) -> list[types.CodeLens]:
        lines = server.project.files.lines(path)
        out = []
        for found in lenses(server.project, path):
            places = [server.location(file, span) for file, span in found.places]
            command = types.Command(found.text, SHOW if places else "", arguments=[wire.plain(places)])
            out.append(types.CodeLens(wire.range_of(found.span, lines), command))
        return out


def _changes(server: Server) -> None:
    @asked(server, types.TEXT_DOCUMENT_PREPARE_RENAME, None)
    def prepared(params: types.PrepareRenameParams, path: Path) -> types.Range | None:
        lines = server.project.files.lines(path)
        named = name_at(server.project, path, *wire.place_of(params.position, lines))
        return None if named is None or not defining(server.project, path, named) else wire.range_of(named.span, lines)

    @asked(server, types.TEXT_DOCUMENT_RENAME, None, types.RenameOptions(prepare_provider=True))
    def renamed(params: types.RenameParams, path: Path) -> types.WorkspaceEdit | None:
        project = server.project
        named = name_at(project, path, *wire.place_of(params.position, project.files.lines(path)))
        if named is None:
            raise wire.refused("there is no name of the agent here")
        try:
            edits = rename(server.diagnosing, path, named, params.new_name)
        except UsageError as problem:
            raise wire.refused(str(problem)) from None
        changes = {
            server.uri(file): [wire.edit(one, project.files.lines(file)) for one in found] for file, found in edits.items()
        }
        return types.WorkspaceEdit(changes=changes)

    @asked(server, types.TEXT_DOCUMENT_CODE_ACTION, [], types.CodeActionOptions([types.CodeActionKind.QuickFix]))
    def fixes(params: types.CodeActionParams, path: Path) -> list[types.CodeAction]:
        lines = server.project.files.lines(path)
        server.look(path)
        out = []
        for problem in server.diagnosing.problems(path):
            place = wire.range_of(problem.span, lines)
            found = fix_of(problem, lines) if wire.meet(place, params.range) else None
            if found is not None:
                told = wire.diagnostic(problem, lines, server._related)
                change = types.WorkspaceEdit(changes={params.text_document.uri: [wire.edit(found[1], lines)]})
                out.append(types.CodeAction(found[0], types.CodeActionKind.QuickFix, [told], is_preferred=True, edit=change))
        return out

    @server.command(SHOW)
    def show(places: list[Any]) -> None:
        """Opens the first of the places in the editor."""
        if places:
            first = wire.location(places[0])
            server.window_show_document(types.ShowDocumentParams(first.uri, take_focus=True, selection=first.range))
