"""A baseline's file gives back the cases it was made of, in the same bytes each time, and refuses what is not one."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focal_eval.compare import baseline
from focal_eval.compare.baseline import Approval, BaselineFile, Kept, content
from focal_eval.compare.baseline_model import path_of
from focal_eval.compare.baseline_reading import from_text
from focal_eval.compare.baseline_writing import save, text_of
from focal_eval.compare.model import RecordedCase, RecordedTurn
from focal_eval.errors import Refused, StorageError
from tests.thorough import examples

APPROVAL = Approval("Ada", "2026-11-21", "0" * 16, "1" * 16, "the first recording", "2027-01-31")

TEXTS = st.one_of(
    st.text(max_size=40),
    st.text(alphabet=string.printable + "\u2028\u0085\ufeff\U0001f600é'\"#:-{}[]&*!|>%@`~", max_size=30),
    st.sampled_from(
        [
            "yes",
            "on",
            "null",
            "~",
            "1e5",
            "007",
            "12:30",
            "2026-11-21",
            "<<",
            "- a",
            "a: b",
            " a",
            "a ",
            "a\n",
            "\na\n\n b",
            "=",
            "",
        ]
    ),
)
NUMBERS = st.one_of(st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False))
DATA = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)
MAPPINGS = st.dictionaries(TEXTS, DATA, max_size=4)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping with any of these keys."""
    return st.fixed_dictionaries({}, optional=fields)


def named(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping with a name and any of these keys."""
    return st.fixed_dictionaries({"name": TEXTS}, optional=fields)


RULES = st.lists(named(score=st.floats(0, 1), id=TEXTS), max_size=3)
TOOLS = st.lists(
    named(arguments=MAPPINGS, result=DATA, error=TEXTS, id=TEXTS, parent=TEXTS, group=st.integers(0, 9), duration_ms=NUMBERS),
    max_size=3,
)
STATES = st.one_of(st.none(), st.fixed_dictionaries({"id": TEXTS}, optional={"step": TEXTS}))
REPLIES = some(
    response=TEXTS,
    messages=st.lists(TEXTS, max_size=3),
    rules=RULES,
    candidates=st.lists(named(score=st.floats(0, 1), suppressed=TEXTS), max_size=3),
    tools=TOOLS,
    scenario=STATES,
    template=st.one_of(st.none(), TEXTS),
    outcome=TEXTS,
    variables=MAPPINGS,
    follow_ups=st.lists(TEXTS, max_size=2),
    citations=st.lists(some(text=TEXTS, url=TEXTS, id=TEXTS), max_size=2),
    transitions=st.lists(st.fixed_dictionaries({"kind": TEXTS}, optional={"target": TEXTS}), max_size=2),
    metadata=MAPPINGS,
    latency_ms=NUMBERS,
    session_id=TEXTS,
    raw=DATA,
)
USERS = st.one_of(st.none(), TEXTS)


@st.composite
def turns(draw: st.DrawFn) -> RecordedTurn:
    """A turn that was answered, broke or was left out."""
    kind = draw(st.sampled_from(["reply", "reply", "fault", "skipped"]))
    user, name = draw(USERS), draw(st.one_of(st.none(), TEXTS))
    if kind == "fault":
        return RecordedTurn(0, user, fault={"kind": draw(TEXTS), "message": draw(TEXTS), "detail": "x"}, name=name)
    if kind == "skipped":
        return RecordedTurn(0, user, skipped=draw(TEXTS), name=name)
    return RecordedTurn(0, user, draw(REPLIES), name=name, elapsed_ms=1.5)


MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant"]), "text": USERS}, optional={"rules": RULES, "tools": TOOLS, "id": TEXTS}
    ),
    max_size=3,
)


@st.composite
def cases(draw: st.DrawFn, name: str = "returns/mug") -> RecordedCase:
    """A case as a journal could hold it."""
    found = [
        RecordedTurn(index, *rest) for index, rest in enumerate([_rest(turn) for turn in draw(st.lists(turns(), max_size=4))])
    ]
    stored = draw(st.one_of(st.none(), MESSAGES))
    verdict = draw(st.sampled_from(["passed", "failed", "xfailed"]))
    messages = None if stored is None else tuple(stored)
    return RecordedCase(name, "returns/mug", verdict, tuple(found), "A mug", "s/mug.yaml", ("a", "b"), messages=messages)


def _rest(turn: RecordedTurn) -> tuple[Any, ...]:
    return turn.user, turn.reply, turn.fault, turn.skipped, (), turn.name, turn.elapsed_ms


def file_of(*found: RecordedCase) -> BaselineFile:
    """The baseline of these cases."""
    return BaselineFile("returns/mug", tuple(Kept(case, APPROVAL) for case in found), "A mug", "s/mug.yaml", ("a", "b"))


@settings(max_examples=examples(100), deadline=None)
@given(cases(), cases(name="returns/mug[item=cup]#2"))
def test_what_is_written_reads_back_as_what_is_kept(one: RecordedCase, other: RecordedCase) -> None:
    """Writing and reading gives the content of the cases and their approvals; writing that again gives the same bytes."""
    text = text_of(file_of(one, other))
    document, back = from_text(text, "a.yaml")
    assert back is not None, [str(problem) for problem in document.problems]
    assert [kept.case for kept in back.cases] == [content(one), content(other)]
    assert {kept.approval for kept in back.cases} == {APPROVAL}
    assert text_of(back) == text


@settings(max_examples=examples(60), deadline=None)
@given(cases())
def test_content_is_settled(case: RecordedCase) -> None:
    """What a baseline keeps of what it kept is the same."""
    assert content(content(case)) == content(case)


def talk(*replies: dict[str, Any], user: str = "Hi") -> RecordedCase:
    """A case of these replies."""
    return RecordedCase(
        "returns/mug", "returns/mug", "passed", tuple(RecordedTurn(i, user, reply) for i, reply in enumerate(replies))
    )


def test_nothing_volatile_is_kept() -> None:
    """Ids, times, tokens and raw payloads do not reach the file, and unicode does as it is."""
    reply = {
        "response": "Schön 😀",
        "rules": [{"name": "greet", "score": 0.123456789, "id": "r-77"}],
        "session_id": "s-77",
        "latency_ms": 7.7,
    }
    reply |= {
        "tokens": {"total": 77},
        "raw": {"x": 77},
        "created_at": "77",
        "tools": [{"name": "t", "id": "77", "duration_ms": 77.0}],
    }
    text = text_of(file_of(talk(reply)))
    assert "77" not in text.replace("77", "", 0).split("cases:")[1]
    assert "response: Schön 😀" in text
    assert "- {name: greet, score: 0.1235}" in text


def test_calls_keep_who_called_whom() -> None:
    """Ids of calls and groups become numbers, so that two runs give the same file."""
    first = {
        "response": "x",
        "tools": [{"name": "a", "id": "f3", "group": 9}, {"name": "b", "parent": "f3", "group": 9, "id": "zz"}],
    }
    again = {
        "response": "x",
        "tools": [{"name": "a", "id": "77", "group": 4}, {"name": "b", "parent": "77", "group": 4, "id": "y"}],
    }
    assert text_of(file_of(talk(first))) == text_of(file_of(talk(again)))
    assert content(talk(first)).turns[0].reply == {
        "response": "x",
        "tools": [{"name": "a", "group": 1, "id": "1"}, {"name": "b", "group": 1, "parent": "1"}],
    }


def test_a_change_of_the_conversation_is_a_change_of_few_lines() -> None:
    """One rule that no longer matches and one word that differs are two changed lines."""
    rules = [{"name": "greet", "score": 1.0}, {"name": "offer-refund", "score": 0.41}]
    before = text_of(file_of(talk({"response": "Here is your refund.\nBye.", "rules": rules, "tools": []}))).splitlines()
    after = text_of(file_of(talk({"response": "Here is your voucher.\nBye.", "rules": rules[:1], "tools": []}))).splitlines()
    assert [line.strip() for line in before if line not in after] == [
        "Here is your refund.",
        "- {name: offer-refund, score: 0.41}",
    ]
    assert [line.strip() for line in after if line not in before] == ["Here is your voucher."]


def test_unknown_is_not_none() -> None:
    """A turn in which nothing is known of tools comes back without them, beside one that called none."""
    case = talk(
        {"response": "a", "tools": [], "variables": {"x": 1}},
        {"response": "b"},
        {"response": None, "tools": [], "variables": {"y": None}},
    )
    _, back = from_text(text_of(file_of(case)), "a.yaml")
    assert back is not None
    assert [turn.reply for turn in back.cases[0].case.turns] == [turn.reply for turn in case.turns]


def test_a_store_that_repeats_the_conversation_is_one_line() -> None:
    """Messages as they were said are not written twice, and come back whole."""
    rules = [{"name": "greet"}]
    stored = (
        {"role": "user", "text": "Hi", "id": "7"},
        {"role": "assistant", "text": "Hello", "rules": rules, "created_at": "x"},
    )
    case = RecordedCase(
        "returns/mug", "returns/mug", "passed", (RecordedTurn(0, "Hi", {"response": "Hello", "rules": rules}),), messages=stored
    )
    text = text_of(file_of(case))
    assert "messages:\n      as_said: [rules]\n" in text
    _, back = from_text(text, "a.yaml")
    assert back is not None
    assert (
        back.cases[0].case.messages
        == content(case).messages
        == ({"role": "user", "text": "Hi"}, {"role": "assistant", "text": "Hello", "rules": rules})
    )


GOOD = text_of(file_of(talk({"response": "Hello", "rules": [{"name": "greet"}]})))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("baseline: 1", "baseline: 2", "baseline-format"),
        ("script: returns/mug", "script: ../mug", "baseline-script"),
        ("response: Hello", "skipped: a\n        response: Hello", "baseline-turn"),
        ("- {name: greet}", "- {nmae: greet}", "baseline-turn"),
        ("response: Hello", "response: Hello\n        empty: x", "baseline-turn"),
        ("response: Hello", "respnse: Hello", "unknown-key"),
        ("verdict: passed", "verdict: good", "unknown-word"),
        ("approved: a", "approved: b", "baseline-approval"),
        ("date: '2026-11-21'", "date: soon", "bad-value"),
        ("reports: [rules]", "reports: [rules, raw]", "unknown-word"),
        ("\n  - case:", "\n  - &a\n    case:", None),
        ("title: A mug", "title: [[[", "yaml-syntax"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused_with_its_place(tmp_path: Path, old: str, new: str, code: str | None) -> None:
    """Each mistake has its code and a line; nothing of the baseline is given out."""
    assert old in GOOD
    path = tmp_path / "returns" / "mug.yaml"
    path.parent.mkdir()
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    if code is None:
        assert len(list(baseline.read(tmp_path))) == 1
        return
    with pytest.raises(Refused, match="cannot be read") as caught:
        list(baseline.read(tmp_path))
    assert code in [item.code for item in caught.value.diagnostics]
    assert all(item.span.line > 1 for item in caught.value.diagnostics)


def test_a_case_stands_once(tmp_path: Path) -> None:
    """A case that a merge of branches left twice is refused."""
    head, _, case = GOOD.partition("cases:\n")
    _, back = from_text(head + "cases:\n" + case + case, "a.yaml")
    assert back is None


def test_a_file_stands_where_its_script_says(tmp_path: Path) -> None:
    """A copied or moved file is refused, so that no case is there twice."""
    (tmp_path / "other.yaml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(Refused, match="cannot be read") as caught:
        list(baseline.read(tmp_path))
    assert [(item.code, item.help) for item in caught.value.diagnostics] == [
        ("baseline-script", "a baseline of 'returns/mug' stands in returns/mug.yaml")
    ]


def test_variables_cannot_expand_without_end() -> None:
    """A file that says many variables and then many turns is refused before it fills the memory."""
    many = ", ".join(f"v{number}" for number in range(20_000))
    turn = "      - {response: a}\n"
    text = GOOD.replace("reports: [rules]", "reports: [variables]").split("    turns:")[0]
    _, back = from_text(f"{text}    turns:\n      - {{response: a, empty: [{many}]}}\n{turn * 500}", "a.yaml")
    assert back is None


@pytest.mark.parametrize("script", ["", "/etc/x", "../x", "a/../b", "a//b", "a\x00b", ".hidden", "a\\b", "a/.git/x"])
def test_a_script_cannot_lead_out_of_the_folder(script: str) -> None:
    """Ids come from journals, which anybody may have made."""
    assert path_of(script) is None


def test_what_cannot_be_read_back_is_not_written(tmp_path: Path) -> None:
    """A result nested deeper than any file may be is refused before anything is touched."""
    deep: Any = "x"
    for _ in range(80):
        deep = [deep]
    case = talk({"response": "a", "tools": [{"name": "t", "result": deep}]})
    with pytest.raises(StorageError, match="cannot be kept in a baseline: nested deeper"):
        baseline.write(tmp_path, [file_of(case)])
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_replaced_where_one_file_cannot_be_written(tmp_path: Path) -> None:
    """All texts are on the disk before the first file changes, and nothing is left over."""
    (tmp_path / "a.yaml").write_text("old", encoding="utf-8")
    (tmp_path / "b").write_text("a file, no folder", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot be written"):
        save({tmp_path / "a.yaml": "new", tmp_path / "b" / "c.yaml": "new"})
    assert (tmp_path / "a.yaml").read_text(encoding="utf-8") == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.yaml", "b"]
