"""Reads a baseline's files: strict, bounded, every problem with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from focal_eval.compare.baseline_layout import NONE, Expansion
from focal_eval.compare.baseline_model import DIGEST, FORMAT, MESSAGE, REPLY, Approval, BaselineFile, Kept, path_of, said_again
from focal_eval.compare.model import RecordedCase, RecordedTurn
from focal_eval.document import INVALID, Document, Reader, Shape, plain, read_file, read_text, record_of
from focal_eval.document.reader import MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.document.shape import Choice, JsonSchema, ListOf, MapOf, Number, SchemaBuilder, Text
from focal_eval.errors import Refused
from focal_eval.records import Verdict
from focal_eval.records.codec import Misfit, message_from_json, reply_from_json
from focal_eval.registry import did_you_mean
from focal_eval.source import whole_file
from focal_eval.value import value

_DAY = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\Z")
_DIGEST = re.compile(rf"[0-9a-f]{{12,{DIGEST}}}\Z")


class _Fitting(Text):
    """A text of one form."""

    def __init__(self, form: re.Pattern[str], expected: str) -> None:
        super().__init__(may_be_empty=False)
        self.form, self.expected = form, expected

    def read(self, node: Node, reader: Reader) -> Any:
        text = super().read(node, reader)
        if text is INVALID or self.form.match(text):
            return text
        return reader.error("bad-value", f"expected {self.expected}, found '{text[:40]}'", node)


_A_DAY = _Fitting(_DAY, "a day such as '2026-11-21'")
_A_DIGEST = _Fitting(_DIGEST, f"a digest of 12 to {DIGEST} hex digits")
_SOMETHING = Text(may_be_empty=False)


@value
class _Approval:
    """Who approved, when and why."""

    by: Annotated[str, _SOMETHING]
    date: Annotated[str, _A_DAY]
    script: Annotated[str, _A_DIGEST]
    agent: Annotated[str | None, _A_DIGEST] = None
    why: Annotated[str | None, _SOMETHING] = None
    expires: Annotated[str | None, _A_DAY] = None


class _TurnShape(Shape):
    """A turn: its keys are checked here, what they hold where it becomes a reply."""

    expected = "a mapping"
    keys = ("name", "user", "skipped", "fault", *REPLY, "empty", "forgotten", "unreported")

    def read(self, node: Node, reader: Reader) -> Any:
        if not isinstance(node, MappingNode):
            return self.wrong(node, reader)
        data = plain(node, reader)
        if data is INVALID:
            return INVALID
        sound = True
        for name, key, _ in reader.pairs(node):
            if name not in self.keys:
                reader.error("unknown-key", f"no key is named '{name}' here", key, help=did_you_mean(name, self.keys))
                sound = False
        return (data, node) if sound else INVALID

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"type": "object", "properties": {key: {} for key in self.keys}, "additionalProperties": False}


class _MessagesShape(Shape):
    """Stored messages: a list of them, or `as_said`."""

    expected = "a list of messages, or as_said"

    def read(self, node: Node, reader: Reader) -> Any:
        if isinstance(node, SequenceNode):
            data = plain(node, reader)
            return INVALID if data is INVALID else (data, node)
        if isinstance(node, MappingNode):
            found = record_of(_AsSaid).read(node, reader)
            return INVALID if found is INVALID else (found, node)
        return self.wrong(node, reader)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"anyOf": [{"type": "array", "items": {"type": "object"}}, record_of(_AsSaid).schema(into)]}


@value
class _AsSaid:
    """The store holds the conversation as it was said, with these fields of each reply."""

    as_said: Annotated[
        tuple[str, ...], ListOf(Choice(tuple(key for key in MESSAGE if key not in ("role", "text"))), single=False)
    ]


class _Placed(Shape):
    """A text with its place."""

    expected = "text"

    def read(self, node: Node, reader: Reader) -> Any:
        text = _SOMETHING.read(node, reader)
        return INVALID if text is INVALID else (text, reader.span(node))

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return _SOMETHING.schema(into)


@value
class _Case:
    """A case."""

    case: Annotated[Any, _Placed()]
    approved: Annotated[Any, _Placed()]
    verdict: Annotated[str, Choice(tuple(verdict.value for verdict in Verdict))]
    turns: Annotated[Any, ListOf(_TurnShape(), single=False)]
    reason: str | None = None
    repeat: Annotated[int, Number(whole=True, minimum=1)] = 1
    messages: Annotated[Any, _MessagesShape()] = None


@value
class _File:
    """A baseline's file."""

    baseline: Annotated[int, Number(whole=True)]
    script: Annotated[Any, _Placed()]
    approvals: Annotated[Mapping[str, Any], MapOf(record_of(_Approval))]
    cases: Annotated[Any, ListOf(record_of(_Case), single=False)]
    title: str = ""
    file: str = ""
    tags: Annotated[tuple[str, ...], ListOf(Text(), single=False)] = ()
    reports: Annotated[tuple[str, ...], ListOf(Choice(tuple(NONE)), single=False)] = field(default=())


def baseline_files(folder: Path) -> Iterator[BaselineFile]:
    """The files of a folder in the order of their names. Raises Refused with the problems of the first broken one."""
    for path in paths_below(folder):
        document, file = from_file(path, folder)
        if file is None:
            raise Refused(f"the baseline {folder} cannot be read", document.problems)
        yield file


def paths_below(folder: Path) -> list[Path]:
    """The files of a baseline, sorted by their path."""
    if not folder.is_dir():
        return []
    from focal_eval.script.load import files_below

    return sorted(path for path in files_below(folder) if path.suffix == ".yaml")


def from_file(path: Path, folder: Path) -> tuple[Document, BaselineFile | None]:
    """One file; None where it has problems, which are in its document."""
    from focal_eval.script.load import shown

    document = read_file(path, shown(path))
    file = _file(document)
    if file is not None and (below := path_of(file.script)) is not None and folder / below != path:
        _misplaced(document, file.script, below)
        return document, None
    return document, file


def looks_like_baseline(root: Node | None) -> bool:
    """Whether a document is meant as a baseline's file."""
    entries = root.value if isinstance(root, MappingNode) else ()
    return "baseline" in {key.value for key, _ in entries if isinstance(key, ScalarNode)}


def check_baseline(document: Document, path: Path) -> None:
    """Reports the problems of a baseline's file to its document; where the baseline's folder begins is not known."""
    file = _file(document)
    if file is not None and (below := path_of(file.script)) is not None and not _ends_with(path, below):
        _misplaced(document, file.script, below)


def from_text(text: str, name: str) -> tuple[Document, BaselineFile | None]:
    """A file's text; None where it has problems, which are in its document."""
    document = read_text(text, name)
    return document, _file(document)


def _ends_with(path: Path, below: PurePosixPath) -> bool:
    return path.absolute().parts[-len(below.parts) :] == below.parts


def _misplaced(document: Document, script: str, below: PurePosixPath) -> None:
    root = document.root
    assert isinstance(root, MappingNode)
    place = document.place(next(item for key, item in root.value if key.value == "script"))
    fix = f"a baseline of '{script}' stands in {below}"
    document.problems.error("baseline-script", f"this file is not the one of '{script}'", place, help=fix)


def _file(document: Document) -> BaselineFile | None:
    if document.root is None:
        if not document.problems.errors:
            document.problems.error("empty-file", "the file is empty", whole_file(document.file))
        return None
    reader = Reader(document)
    if not _format_fits(document.root, reader):
        return None
    read = record_of(_File).read(document.root, reader)
    if read is INVALID or document.problems.errors:
        return None
    script, place = read.script
    if path_of(script) is None:
        document.problems.error("baseline-script", f"'{script}' is the name of no script", place)
        return None
    cases = _cases(read, script, reader)
    if document.problems.errors:
        return None
    return BaselineFile(script, cases, read.title, read.file, read.tags)


def _format_fits(root: Node, reader: Reader) -> bool:
    """Looks at the format first: of another one, nothing else can be said."""
    entries = root.value if isinstance(root, MappingNode) else ()
    found = next((item for key, item in entries if isinstance(key, ScalarNode) and key.value == "baseline"), None)
    if isinstance(found, ScalarNode) and found.value.isdigit() and found.value != str(FORMAT):
        fix = "update focal-eval, or approve these conversations again"
        reader.error(
            "baseline-format", f"this file has format {found.value}; this version reads format {FORMAT}", found, help=fix
        )
        return False
    return True


def _cases(read: _File, script: str, reader: Reader) -> tuple[Kept, ...]:
    expansion = Expansion(read.reports)
    out: dict[str, Kept] = {}
    for entry in read.cases:
        name, place = entry.case
        if name in out:
            reader.problems.error("baseline-twice", f"the case '{name}' stands here twice", place)
        approval = read.approvals.get(entry.approved[0])
        if approval is None:
            fix = did_you_mean(entry.approved[0], read.approvals)
            reader.problems.error(
                "baseline-approval", f"no approval is named '{entry.approved[0]}'", entry.approved[1], help=fix
            )
            continue
        expansion.begin()
        turns = tuple(_turn(index, data, node, expansion, reader) for index, (data, node) in enumerate(entry.turns))
        out[name] = Kept(
            RecordedCase(
                name=name,
                script=script,
                verdict=entry.verdict,
                turns=turns,
                title=read.title,
                file=read.file,
                tags=read.tags,
                repeat=entry.repeat,
                reason=entry.reason,
                messages=_messages(entry.messages, turns, reader),
            ),
            Approval(approval.by, approval.date, approval.script, approval.agent, approval.why, approval.expires),
        )
    return tuple(out.values())


def _turn(index: int, data: Mapping[str, Any], node: Node, expansion: Expansion, reader: Reader) -> RecordedTurn:
    kinds = [key for key in ("skipped", "fault", "response") if key in data]
    words = {key: data[key] for key in ("name", "user", "skipped") if key in data}
    wrong = next((key for key, item in words.items() if not isinstance(item, str)), None)
    if len(kinds) != 1:
        reader.error("baseline-turn", "a turn has exactly one of 'response', 'fault' and 'skipped'", node)
    elif wrong is not None:
        reader.error("baseline-turn", f"'{wrong}' is a text", node)
    elif kinds == ["fault"] and not _is_fault(data["fault"]):
        reader.error("baseline-turn", "a fault has a 'kind' and a 'message'", node)
    elif not all(_is_texts(data.get(key)) for key in ("empty", "forgotten", "unreported")):
        reader.error("baseline-turn", "'empty', 'forgotten' and 'unreported' are lists of names", node)
    else:
        reply = _reply(data, node, expansion, reader) if kinds == ["response"] else None
        return RecordedTurn(index, words.get("user"), reply, data.get("fault"), words.get("skipped"), name=words.get("name"))
    return RecordedTurn(index, None)


def _is_fault(found: Any) -> bool:
    return (
        isinstance(found, dict)
        and found.keys() == {"kind", "message"}
        and all(isinstance(item, str) for item in found.values())
    )


def _is_texts(found: Any) -> bool:
    return found is None or (isinstance(found, list) and all(isinstance(item, str) for item in found))


def _reply(data: Mapping[str, Any], node: Node, expansion: Expansion, reader: Reader) -> Mapping[str, Any] | None:
    try:
        if not isinstance(data.get("variables", {}), dict):
            raise Misfit("variables: a mapping is expected")
        reply = expansion.reply(data)
        reply_from_json({key: item for key, item in reply.items() if key != "response" or item is not None})
    except ValueError as problem:  # Misfit is one
        reader.error("baseline-turn", f"this is no reply: {problem}", node)
        return None
    return reply


def _messages(entry: Any, turns: tuple[RecordedTurn, ...], reader: Reader) -> tuple[Mapping[str, Any], ...] | None:
    if entry is None:
        return None
    found, node = entry
    if isinstance(found, _AsSaid):
        return said_again(turns, found.as_said)
    for place, message in enumerate(found):
        try:
            message_from_json(message)
            if unknown := next((key for key in message if key not in MESSAGE), None):
                raise Misfit(f"{unknown}: a baseline keeps no such thing")
        except Misfit as problem:
            reader.error("baseline-turn", f"message {place + 1} is no message: {problem}", node)
    return tuple(found)
