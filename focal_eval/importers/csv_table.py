"""Tables of conversations: a row is a message (`role` and `text`) or an exchange (`user` and `agent`), as CSV in any dialect.

Columns are known by their headers, or named by `--columns user=Question,agent=Answer,session=Chat`; of a table without
headers by number, `--columns user=1,agent=2`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from typing import Any, ClassVar

from focal_eval.errors import Problems
from focal_eval.importers.base import Imported, option
from focal_eval.importers.conversations_draft import Draft, Misshapen, Origin, names_of, place_of
from focal_eval.importers.conversations_rules import plain_call
from focal_eval.importers.foreign import Source
from focal_eval.importers.losses import Losses
from focal_eval.importers.recorded import SENTENCES, Heard, Recorded, left_of, with_more_losses
from focal_eval.importers.recorded_script import APPROXIMATED, Writing, at
from focal_eval.records.conversation import Conversation
from focal_eval.registry import did_you_mean
from focal_eval.source import whole_file

MAX_CONVERSATIONS = 50_000  # of one file
_SAMPLE = 8_192  # characters from which the dialect is told
_SPLIT = re.compile(r"[;|,\n]")

_HEADERS = {
    "session": "session sessionid conversation conversationid convid chat chatid dialog dialogid dialogue dialogueid thread "
    "threadid call callid ticket ticketid",
    "turn": "turn turnid turnno turnnumber turnindex index order sequence seq position messageindex timestamp time datetime "
    "createdat sentat",
    "user": "user userinput usermessage usertext userutterance question query customer customermessage prompt input request",
    "agent": "agent agentresponse agentmessage bot botresponse botmessage assistant assistantresponse response answer reply "
    "output completion",
    "role": "role speaker author sender from participant who actor",
    "text": "text message content utterance body",
    "tools": "tools toolcalls toolscalled functions actions",
    "rules": "rules matchedrules guidelines",
    "scenario": "scenario scenarioafter",
}
HEADERS: dict[str, frozenset[str]] = {part: frozenset(words.split()) for part, words in _HEADERS.items()}
"""By part of a conversation: the headers it is known by, in lower case and without what is no letter or digit."""

ROLES: dict[str, str] = {
    **dict.fromkeys(["user", "customer", "human", "client", "caller", "visitor", "enduser", "guest", "consumer", "me"], "user"),
    **dict.fromkeys(["agent", "assistant", "bot", "ai", "model", "chatbot", "virtualagent", "operator", "support"], "agent"),
}
"""Who speaks in a row, by the word in its `role`."""


def columns(text: str) -> dict[str, str]:
    """`user=Question,agent=Answer` as a mapping from part to column."""
    out: dict[str, str] = {}
    for item in text.split(","):
        part, equals, column = (word.strip() for word in item.partition("="))
        if part not in HEADERS:
            raise ValueError(f"'{part}' is no part of a conversation; {did_you_mean(part, HEADERS)}")
        if not equals or not column:
            raise ValueError(f"'{item.strip()}' names no column; say {part}=COLUMN")
        out[part] = column
    return out


@dataclass(frozen=True, slots=True)
class Table(Recorded):
    """Conversations in a table."""

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv")
    format: ClassVar[str] = "csv"
    columns: Mapping[str, str] | None = option(columns, doc="which column is what: user=Question,agent=Answer,session=Chat")

    def read(self, sources: Sequence[Source], problems: Problems) -> Imported:
        losses = Losses(SENTENCES, APPROXIMATED)
        writing = Writing(self.format, losses, self.golden, self.stubs)
        heard = Heard()
        for source in sources:
            count = 0
            for found in self._table(source, losses, heard, problems):
                writing.take(self._without_names(found, losses))
                count += 1
            if not count and source.named and not problems.errors:
                problems.error("import-nothing", "the table holds no conversation", whole_file(source.file))
        return with_more_losses(writing.imported(), heard.losses())

    def _table(self, source: Source, losses: Losses, heard: Heard, problems: Problems) -> Iterator[Conversation]:
        rows = _rows(source, problems)
        first = next(rows, None)
        if first is None:
            if not problems.errors:
                problems.error("import-shape", "the table is empty", whole_file(source.file))
            return
        numbered = self.columns is not None and all(column.isdecimal() for column in self.columns.values())
        places = self._numbered(len(first[1])) if numbered else self._places(first[1])
        if not ({"user"} <= set(places) or {"role", "text"} <= set(places)):
            self._refuse_table(source, first[1], losses, problems)
            return
        if not numbered:
            for index, name in enumerate(first[1]):
                if name.strip() and index not in places.values():
                    losses.add("other-column", at(source.file, first[0]))
        origin = Origin(self.format, source.file, heard, left_of(losses, source))
        rest = _chained(first, rows) if numbered else rows
        yield from _Sheet(origin, places, losses, width=len(first[1])).conversations(rest)

    def _places(self, headers: Sequence[str]) -> dict[str, int]:
        """Which column holds which part."""
        if self.columns is not None:
            by_name = {name.strip().casefold(): index for index, name in reversed(list(enumerate(headers)))}
            wanted = {part: by_name.get(name.casefold()) for part, name in self.columns.items()}
            return {} if None in wanted.values() else {part: index for part, index in wanted.items() if index is not None}
        out: dict[str, int] = {}
        for index, header in enumerate(headers):
            bare = re.sub(r"[^a-z0-9]", "", header.casefold())
            part = next((part for part, known in HEADERS.items() if bare in known), None)
            if part is not None:
                out.setdefault(part, index)
        return out

    def _numbered(self, width: int) -> dict[str, int]:
        given = {part: int(column[:6]) - 1 for part, column in (self.columns or {}).items()}
        return given if all(0 <= index < width for index in given.values()) else {}

    def _refuse_table(self, source: Source, headers: Sequence[str], losses: Losses, problems: Problems) -> None:
        if not source.named:
            losses.add("other-file", whole_file(source.file))
            return
        shown = ", ".join(name.strip()[:40] for name in headers[:12])
        if self.columns is None:
            said, fix = (
                f"no column is what the user says; the columns are {shown}",
                "say which: --columns user=…,agent=…,session=…",
            )
        else:
            known = [name.strip() for name in headers]
            missing = [name for name in self.columns.values() if name.casefold() not in [one.casefold() for one in known]]
            said = f"there is no column '{missing[0]}'" if missing else "a conversation needs 'user', or 'role' and 'text'"
            fix = (did_you_mean(missing[0], known) if missing else None) or f"the columns are {shown}"
        problems.error("import-shape", said, at(source.file, 1), help=fix)


def _chained(first: tuple[int, list[str]], rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from rows


def _rows(source: Source, problems: Problems) -> Iterator[tuple[int, list[str]]]:
    """The rows that hold something, each with the line it ends on."""
    wide = source.data[:2] in (b"\xff\xfe", b"\xfe\xff")  # what spreadsheets call Unicode text
    stream = TextIOWrapper(BytesIO(source.data), encoding="utf-16" if wide else "utf-8-sig", newline="")
    try:
        sample = stream.read(_SAMPLE)
        stream.seek(0)
        reader = csv.reader(stream, _dialect(sample))
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except UnicodeDecodeError as problem:
        if wide or source.text(problems) is not None:
            problems.error("import-encoding", f"the file is not text: {problem.reason}", whole_file(source.file))
    except csv.Error as problem:
        problems.error("import-shape", f"the row cannot be read: {problem}", at(source.file, max(1, reader.line_num)))


def _dialect(sample: str) -> type[csv.Dialect]:
    """The dialect of a table; where it cannot be told, the delimiter that the first line holds most of."""
    first = sample.partition("\n")[0]

    class Told(csv.excel):
        delimiter = max(",;\t|", key=first.count)

    try:
        found = csv.Sniffer().sniff(sample[: sample.rfind("\n") + 1] or sample, delimiters=",;\t|")
    except csv.Error:
        return Told
    if found.delimiter in first:
        Told.delimiter = found.delimiter
    if found.quotechar == "'" and first.lstrip().startswith("'"):
        Told.quotechar = found.quotechar
    return Told


class _Sheet:
    """The rows of a table as conversations."""

    def __init__(self, origin: Origin, places: Mapping[str, int], losses: Losses, *, width: int) -> None:
        self._origin, self._places, self._losses, self._width = origin, places, losses, width

    def conversations(self, rows: Iterator[tuple[int, list[str]]]) -> Iterator[Conversation]:
        """The conversations in the order of their first rows; of an exchange a row without a session each row is one."""
        talks: dict[str, list[tuple[int, list[str]]]] = {}
        last = ""
        for number, (line, row) in enumerate(rows, 1):
            if len(row) > self._width:
                self._losses.add("extra-cell", at(self._origin.file, line))
            if "session" in self._places:
                last = self._cell(row, "session").strip() or last or "#1"
            else:
                last = "#1" if "role" in self._places and "text" in self._places else f"#{number}"
            if last not in talks and len(talks) >= MAX_CONVERSATIONS:
                self._origin.told(f"a table has more than {MAX_CONVERSATIONS:,} conversations: the rest was not read", line)
                break
            talks.setdefault(last, []).append((line, row))
        for name, members in talks.items():
            made = self._conversation(name, members)
            if made is not None:
                yield made

    def _conversation(self, id: str, rows: list[tuple[int, list[str]]]) -> Conversation | None:
        draft = Draft(self._origin, id[:200], rows[0][0], tools_known="tools" in self._places)
        for line, row in self._ordered(rows):
            try:
                self._add(draft, row, line)
            except Misshapen as problem:
                self._origin.told(str(problem), line)
        return draft.done()

    def _ordered(self, rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
        """By the turn where each row has a number, else by its text where all are equally long, as points in time are."""
        turns = [self._cell(row, "turn").strip() for _, row in rows]
        if not all(turns):
            return rows
        if all(turn.isdecimal() and len(turn) < 20 for turn in turns):
            keys: list[Any] = [int(turn) for turn in turns]
        elif len({len(turn) for turn in turns}) == 1 and all(turn[:4].isdecimal() for turn in turns):
            keys = list(turns)
        else:
            return rows
        return [rows[index] for index in sorted(range(len(rows)), key=lambda index: keys[index])]

    def _cell(self, row: Sequence[str], part: str) -> str:
        index = self._places.get(part)
        return "" if index is None or index >= len(row) else row[index]

    def _add(self, draft: Draft, row: Sequence[str], line: int) -> None:
        if "role" in self._places and "text" in self._places:
            role = re.sub(r"[^a-z]", "", self._cell(row, "role").casefold())
            who = ROLES.get(role)
            if who == "user":
                draft.user(self._cell(row, "text"), line)
            elif who == "agent":
                draft.agent(self._cell(row, "text"), line)
            else:
                self._origin.left("system-prompt" if role in ("system", "developer") else "unknown-role", line)
                return
        else:
            draft.user(self._cell(row, "user"), line)
            draft.agent(self._cell(row, "agent"), line)
        for item in _listed(self._cell(row, "tools")):
            draft.call(plain_call(item), line)
        known: dict[str, Any] = {}
        if "rules" in self._places:
            known["rules"] = names_of(_listed(self._cell(row, "rules")), "rules")
        if scenario := self._cell(row, "scenario").strip():
            known["scenario"] = place_of(scenario)
        if known:
            draft.know(**known)


def _listed(cell: str) -> list[Any]:
    """A cell's items: a JSON list, or words with `;`, `|`, `,` or line ends between them. Raises Misshapen."""
    import orjson

    if cell.strip().startswith(("[", "{")):
        try:
            data = orjson.loads(cell)
        except orjson.JSONDecodeError:
            raise Misshapen("a cell begins like JSON and is none") from None
        return data if isinstance(data, list) else [data]
    return [word.strip() for word in _SPLIT.split(cell) if word.strip()]
