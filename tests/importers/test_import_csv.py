"""Tables of conversations: any dialect, columns by header or by name, rows in any order."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focal_eval.errors import UsageError
from focal_eval.importers import make_importer
from focal_eval.testing import importer_conformance
from tests.importers.imports import imported, lost, only, passes, script, tried
from tests.thorough import examples

MESSAGES = (
    'Conversation ID;Speaker;Message;Mood\nc1;Customer;"Hi; there";good\nc1;Bot;"Hello\nworld";\nc2;me;bye;\nc2;Bot;Bye;\n'
)
PAIRS = (
    "session,turn,user,agent,rules,tools,scenario\n"
    "s,10,second,B,close,,none\n"
    's,9,first,A,"greet;ask","[{""name"":""f""}]",shop/ask\n'
)


def test_a_row_is_a_message() -> None:
    """Speakers of many names are user or agent; other columns are counted."""
    found = imported("csv", {"a.csv": MESSAGES})
    assert script(found, "scenarios/c1.yaml")["turns"] == [{"user": "Hi; there", "agent": "Hello\nworld"}]
    assert script(found, "scenarios/c2.yaml")["origin"]["line"] == 5
    assert lost(found) == {"other-column": 1, "tools-unreported": 2}


def test_a_row_is_an_exchange_with_what_was_observed() -> None:
    """Turns are put in the order of their numbers; rules, tools and the step are expected."""
    assert only(imported("csv", {"a.csv": PAIRS}))["turns"] == [
        {
            "user": "first",
            "agent": "A",
            "expect": {"rules": {"exactly": ["greet", "ask"]}, "tools": {"exactly": ["f"]}, "scenario": "shop/ask"},
        },
        {
            "user": "second",
            "agent": "B",
            "expect": {"rules": {"exactly": ["close"]}, "tools": {"none": True}, "scenario": "none"},
        },
    ]


def test_rows_are_ordered_by_points_in_time_or_left_as_they_stand() -> None:
    """Times of one form are compared; where a row has none the file's order stays."""

    def order(*times: str) -> list[str]:
        rows = "".join(f"s,{time},{number},x\n" for number, time in enumerate(times))
        return [turn["user"] for turn in only(imported("csv", {"a.csv": f"session,time,user,agent\n{rows}"}))["turns"]]

    assert order("2026-03-02T10:00", "2026-03-02T09:00") == ["1", "0"]
    assert order("2026-03-02T10:00", "") == ["0", "1"]
    assert order("b2", "a1") == ["0", "1"]


def test_without_a_session_each_exchange_is_a_conversation_and_messages_are_one() -> None:
    """Questions with answers stand alone; messages belong together. An empty session means the one above."""
    assert len(imported("csv", {"a.csv": "question,answer\na,b\nc,d\n"}).scripts) == 2
    assert len(imported("csv", {"a.csv": "role,text\nuser,a\nbot,b\nuser,c\nbot,d\n"}).scripts) == 1
    assert len(imported("csv", {"a.csv": "session,user,agent\ns,a,b\n,c,d\nt,e,f\n"}).scripts) == 2


def test_columns_are_named_where_headers_do_not_tell() -> None:
    """By header, whatever its case, or by number where there are none."""
    named = imported("csv", {"a.csv": "F,A,C\nhi,hello,1\n"}, columns="user=f,agent=A,session=c")
    assert only(named)["turns"] == [{"user": "hi", "agent": "hello"}]
    assert only(imported("csv", {"a.csv": "hi,hello\n"}, columns="user=1,agent=2"))["turns"] == [
        {"user": "hi", "agent": "hello"}
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "no column is what the user says; the columns are a, b; say which: --columns user=…,agent=…,session=…"),
        ({"columns": "user=c"}, "there is no column 'c'; known here: a, b"),
        ({"columns": "agent=a"}, "a conversation needs 'user', or 'role' and 'text'; the columns are a, b"),
        ({"columns": "user=9"}, "a conversation needs 'user', or 'role' and 'text'; the columns are a, b"),
    ],
)
def test_a_table_without_a_conversation_says_what_is_missing(options: dict[str, str], said: str) -> None:
    """And a folder's other tables are counted."""
    _, problems = tried("csv", {"a.csv": "a,b\n1,2\n"}, True, **options)
    if options.get("columns") == "user=9":
        said = "there is no column '9'; known here: a, b"
    assert problems == [f"a.csv:1:1: error[import-shape]: {said}"]
    assert lost(imported("csv", {"a.csv": "a,b\n1,2\n"}, False, **options)) == {"other-file": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("usr=1", "'usr' is no part of a conversation; did you mean 'user'?"),
        ("user", "'user' names no column; say user=COLUMN"),
    ],
)
def test_a_wrong_option_is_refused(text: str, said: str) -> None:
    """The nearest part is named."""
    with pytest.raises(UsageError, match=f"--columns: {said.replace('?', '.')}"):
        make_importer("csv", {"columns": text})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_dialects_and_encodings_of_spreadsheets_are_read(encoding: str, delimiter: str) -> None:
    """A byte order mark is no part of the first header."""
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter).writerows([["User", "Agent"], ["Grüße, a; b", 'he said "x"\nagain'], ["2", "3"]])
    found = imported("csv", {"a.csv": stream.getvalue().encode(encoding)})
    assert script(found, "scenarios/1.yaml")["turns"] == [{"user": "Grüße, a; b", "agent": 'he said "x"\nagain'}]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"user,agent\n\xff\xfe,x\n", "import-encoding"),
        (b"\xff\xfeu", "import-encoding"),
        (b"user,agent\n" + b"x" * 200_000 + b",y\n", "import-shape"),
        (b"", "import-shape"),
        (b"user,agent\n", "import-nothing"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(data: bytes, code: str) -> None:
    """Neither bytes nor fields without end are a traceback."""
    assert f"error[{code}]" in tried("csv", {"a.csv": data})[1][0]


def test_cells_that_do_not_fit_are_told() -> None:
    """A cell that begins like JSON and is none, an unknown speaker, and cells without a header."""
    found = imported("csv", {"a.csv": "role,text,tools\nuser,a,\nbot,b,[1\nnobody,c,\nbot,d,f,extra\n"})
    assert only(found)["turns"] == [{"user": "a", "agent": "b\n\nd", "expect": {"tools": {"exactly": ["f"]}}}]
    assert lost(found) == {"extra-cell": 1, "known-by-name": 1, "unknown-role": 1, "unreadable": 1}


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(str.strip)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5), st.sampled_from([",", ";", "\t"]))
def test_every_word_comes_over(pairs: list[tuple[str, str]], delimiter: str) -> None:
    """Whatever was said is said again, letter by letter, and answered so."""
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter).writerows([("session", "user", "agent"), *(("s", *pair) for pair in pairs)])
    found = imported("csv", {"a.csv": stream.getvalue()})
    talk = json.loads(found.cassettes["cassettes/recorded.jsonl"].splitlines()[1])
    assert [(turn["user"], turn["reply"]["response"]) for turn in talk["turns"]] == pairs
    assert len(only(found)["turns"]) == len(pairs)


def test_it_keeps_every_promise_of_an_importer(tmp_path: Path) -> None:
    """The conformance kit, and a suite that passes."""
    (tmp_path / "a.csv").write_text(MESSAGES, encoding="utf-8")
    (tmp_path / "b.csv").write_text(PAIRS, encoding="utf-8")
    importer_conformance(make_importer("csv"), [tmp_path])
    assert passes("csv", tmp_path, tmp_path / "out") == 3
