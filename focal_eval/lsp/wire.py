"""Values of this package as the protocol has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsprotocol import converters, types
from pygls.exceptions import JsonRpcException

from focal_eval.document.splicing import Edit
from focal_eval.errors import Diagnostic
from focal_eval.lsp.completion import Suggestion
from focal_eval.lsp.outline import Symbol
from focal_eval.lsp.positions import Lines, Units
from focal_eval.source import Span

_ITEMS = {
    "key": types.CompletionItemKind.Property,
    "word": types.CompletionItemKind.EnumMember,
    "snippet": types.CompletionItemKind.Snippet,
    "file": types.CompletionItemKind.File,
    "rule": types.CompletionItemKind.Event,
    "tool": types.CompletionItemKind.Function,
    "argument": types.CompletionItemKind.Field,
    "scenario": types.CompletionItemKind.Module,
    "step": types.CompletionItemKind.Method,
    "template": types.CompletionItemKind.Text,
    "variable": types.CompletionItemKind.Variable,
    "trigger": types.CompletionItemKind.Interface,
}
_SYMBOLS = {
    "mapping": types.SymbolKind.Object,
    "list": types.SymbolKind.Array,
    "value": types.SymbolKind.String,
}


def units(encoding: str | None) -> Units:
    """The code units that were agreed on."""
    return "utf-8" if encoding == "utf-8" else "utf-32" if encoding == "utf-32" else "utf-16"


def place_of(position: types.Position, lines: Lines) -> tuple[int, int]:
    """Line and column in characters, from 0."""
    return position.line, lines.from_units(position.line, position.character)


def range_of(span: Span, lines: Lines) -> types.Range:
    """A span, of at least one character where there is one."""
    start, end = lines.offsets(span)
    return between(start, end, lines)


def between(start: int, end: int, lines: Lines) -> types.Range:
    """The range between two offsets."""
    places = [lines.place(offset) for offset in (start, end)]
    return types.Range(*(types.Position(line, lines.to_units(line, column)) for line, column in places))


def meet(one: types.Range, other: types.Range) -> bool:
    """Whether two ranges touch."""
    return not (one.end < other.start or other.end < one.start)


def diagnostic(problem: Diagnostic, lines: Lines, where: Callable[[Span], types.Location]) -> types.Diagnostic:
    """A problem with its code, its advice at the end of the message, and its labels as related places."""
    severe = types.DiagnosticSeverity.Error if problem.severity == "error" else types.DiagnosticSeverity.Warning
    related = [types.DiagnosticRelatedInformation(where(label.span), label.text) for label in problem.labels]
    message = f"{problem.message}; {problem.help}" if problem.help else problem.message
    return types.Diagnostic(
        range_of(problem.span, lines),
        message,
        severity=severe,
        code=problem.code,
        source="focal-eval",
        related_information=related or None,
    )


def edit(one: Edit, lines: Lines) -> types.TextEdit:
    """An edit in characters as one in ranges."""
    return types.TextEdit(between(one.start, one.end, lines), one.text)


def item(made: Suggestion, lines: Lines) -> types.CompletionItem:
    """A suggestion; names come before words, words before keys."""
    doc = types.MarkupContent(types.MarkupKind.Markdown, made.doc) if made.doc else None
    form = types.InsertTextFormat.Snippet if made.snippet else types.InsertTextFormat.PlainText
    return types.CompletionItem(
        made.label,
        kind=_ITEMS.get(made.kind, types.CompletionItemKind.Value),
        detail=made.detail or None,
        documentation=doc,
        sort_text=f"{made.order}{made.label}",
        filter_text=made.label,
        insert_text_format=form,
        text_edit=types.TextEdit(range_of(made.span, lines), made.text),
    )


def symbol(found: Symbol, lines: Lines) -> types.DocumentSymbol:
    """A part of the outline with the parts in it."""
    name = range_of(found.name_span, lines)
    whole = range_of(found.span, lines)
    if not (whole.start <= name.start and name.end <= whole.end):
        whole = name
    children = [symbol(child, lines) for child in found.children]
    return types.DocumentSymbol(found.name, _SYMBOLS[found.kind], whole, name, found.detail or None, children=children)


def plain(places: list[types.Location]) -> Any:
    """Locations as plain data, for a command's arguments."""
    return converters.get_converter().unstructure(places)


def location(data: Any) -> types.Location:
    """A location out of a command's arguments."""
    if isinstance(data, types.Location):
        return data
    get = data.get if isinstance(data, dict) else lambda name: getattr(data, name)
    return converters.get_converter().structure(_dict(get), types.Location)


def _dict(get: Callable[[str], Any]) -> dict[str, Any]:
    return {"uri": get("uri"), "range": _plain(get("range"))}


def _plain(held: Any) -> Any:
    """Nested objects that pygls makes of a command's arguments, as mappings again."""
    if isinstance(held, dict):
        return {name: _plain(value) for name, value in held.items()}
    if hasattr(held, "_asdict"):
        return {name: _plain(value) for name, value in held._asdict().items()}
    return held


def refused(message: str) -> JsonRpcException:
    """The answer to a request that cannot be done, with the reason the editor shows."""
    return JsonRpcException(message=message, code=types.LSPErrorCodes.RequestFailed.value)
