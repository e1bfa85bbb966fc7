"""Conversations of Botium in text files."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.cli import main
from focal_eval.errors import UsageError
from focal_eval.importers import import_files
from tests.importers.foreign_files import DATA, came, imported


def convo(*sections: str) -> str:
    return "\n\n".join(("the convo", *sections)) + "\n"


def turns(tmp_path: Path, *sections: str, **files: str) -> list[dict[str, object]]:
    """The turns of one conversation beside other files, whose names end with their keys."""
    given = {"a.convo.txt": convo(*sections), **{name.replace("_", ".") + ".txt": text for name, text in files.items()}}
    found: list[dict[str, object]] = came("botium", tmp_path, given).only["turns"]
    return found


def test_text_is_contained_or_not_and_optional_steps_judge_nothing(tmp_path: Path) -> None:
    """`!` negates, `?` is optional, both doubled are themselves; messages in a row are one reply."""
    found = came(
        "botium",
        tmp_path,
        {
            "a.convo.txt": convo(
                "#me\nhello {{ x }}", "#bot\nHi!", "#bot\nHow are you", "#me\nno", "#bot\n!Hugo", "#me\nx", "#bot\n?perhaps",
                "#me\ny", "#bot\n??what", "#me\nz", "#bot",
            )
        },
    )  # fmt: skip
    assert found.only["title"] == "the convo"
    assert found.only["turns"] == [
        {"user": 'hello {{ "{{" }} x }}', "expect": {"response": {"contains": ["Hi!", "How are you"]}}},
        {"user": "no", "expect": {"response": {"excludes": "Hugo"}}},
        {"user": "x"},
        {"user": "y", "expect": {"response": {"contains": "?what"}}},
        {"user": "z", "expect": {"response": {"min_chars": 1}}},
    ]
    assert found.losses == {"joined-replies": 1, "optional-step": 1}


def test_memory_is_kept_and_said_again(tmp_path: Path) -> None:
    """A name in the bot's words gets its value there; one that is set is written out; one without is left."""
    assert turns(
        tmp_path,
        "#begin\nSET_SCRIPTING_MEMORY city|Rome (old)",
        "#me\nhotels in $city", "#bot\nI found $count hotels in $city.",
        "#me\nthe $count th, for $price", "#bot\nHotel $count it is",
    ) == [
        {
            "user": "hotels in Rome (old)",
            "expect": {"response": {"matches": r"(?i)I found (?P<count>\S+) hotels in Rome \(old\)\."}},
            "save": {"count": "response.count"},
        },
        {"user": "the {{ count }} th, for $price", "expect": {"response": {"contains": "Hotel {{ count }} it is"}}},
    ]  # fmt: skip


def test_a_table_of_memory_becomes_params(tmp_path: Path) -> None:
    """One case a row; columns that the conversation does not say are left out."""
    table = "     |$product|$year|$other\ncase1|bread|2001|x\ncase2|beer|2002|y\n"
    files = {"a.convo.txt": convo("#me\nbuy $product of $year"), "t.scriptingmemory.txt": table}
    found = came("botium", tmp_path, files)
    assert found.only["params"] == {"rows": [{"product": "bread", "year": "2001"}, {"product": "beer", "year": "2002"}]}
    assert found.only["turns"] == [{"user": "buy {{ product }} of {{ year }}"}]


def test_utterances_are_variants_and_alternatives(tmp_path: Path) -> None:
    """A name stands for all its texts."""
    utterances = "UTT_HELLO\nhello\nhi there\n"
    assert turns(tmp_path, "#me\nUTT_HELLO", "#bot\nUTT_HELLO", "#me\nx", "#bot\n!UTT_HELLO", u_utterances=utterances) == [
        {
            "user": ["hello", "hi there"],
            "expect": {"any_of": [{"response": {"contains": "hello"}}, {"response": {"contains": "hi there"}}]},
        },
        {"user": "x", "expect": [{"response": {"excludes": "hello"}}, {"response": {"excludes": "hi there"}}]},
    ]


def test_partial_conversations_are_written_out(tmp_path: Path) -> None:
    """Also within each other; one that includes itself, is not there or is used by nobody is told."""
    files = {
        "a.convo.txt": convo("#me\nstart\nINCLUDE login", "#bot\nend", "#include\ngone"),
        "login.pconvo.txt": "login\n\n#bot\nPassword?\n\n#me\n123\nINCLUDE sub\n",
        "sub.pconvo.txt": "sub\n\n#bot\nok\nINCLUDE login\n",
        "idle.pconvo.txt": "idle\n\n#me\nx\n",
    }
    found = came("botium", tmp_path, files)
    assert found.only["turns"] == [
        {"user": "start", "expect": {"response": {"contains": "Password?"}}},
        {"user": "123", "expect": {"response": {"contains": ["ok", "end"]}}},
    ]
    assert found.losses == {
        "partial": 2, "circular-partial": 1, "missing-partial": 1, "unused-partial": 1, "joined-replies": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asserter", "expected"),
    [
        ("BUTTONS a\\|1|b", {"follow_ups": {"contains": ["a|1", "b"]}}),
        ("!BUTTONS a", {"follow_ups": {"excludes": ["a"]}}),
        ("BUTTONS", {"follow_ups": {"count": {"min": 1}}}),
        ("BUTTONS_COUNT >=2", {"follow_ups": {"count": {"min": 2}}}),
        ("!BUTTONS_COUNT 2", {"not": {"follow_ups": {"count": {"min": 2, "max": 2}}}}),
        ("TEXT_CONTAINS_ALL_IC a|b", [{"response": {"contains": "a"}}, {"response": {"contains": "b"}}]),
        ("TEXT_CONTAINS_ANY A", {"response": {"contains": {"text": ["A"], "case": "strict"}}}),
        ("!TEXT_EQUALS_IC a", {"not": {"any_of": [{"response": {"equals": "a"}}]}}),
        ("TEXT_REGEXP_ANY ^\\d+", {"response": {"matches": "^\\d+"}}),
        ("TEXT_WILDCARDEXACT_ANY_IC a*b", {"response": {"matches": "(?i)\\Aa.*b\\Z"}}),
        ("RESPONSE_LENGTH 20", {"response": {"max_chars": 20}}),
        ("INTENT_CONFIDENCE 70", {"confidence": {"at_least": 0.7}}),
    ],
)
def test_asserters_become_checks(tmp_path: Path, asserter: str, expected: object) -> None:
    """Those that a conversation of texts can hold."""
    assert turns(tmp_path, "#me\nhi", f"#bot\n{asserter}")[0]["expect"] == expected


@pytest.mark.parametrize(
    ("asserter", "kind"),
    [
        ("INTENT greet", "intent"), ("MEDIA a.png", "other-asserter"), ("JSON_PATH $.a|b", "other-asserter"),
        ("MY_OWN x", "own-word"), ("PAUSE 10", "pause"), ("CONVO_STEP_PARAMETERS {}", "hook"),
        ("RESPONSE_LENGTH", "bad-argument"), ("BUTTONS_COUNT many", "bad-argument"), ("TEXT_REGEXP_ANY (", "bad-pattern"),
    ],
)  # fmt: skip
def test_other_words_are_told(tmp_path: Path, asserter: str, kind: str) -> None:
    """None of them vanishes without a word."""
    found = came("botium", tmp_path, {"a.convo.txt": convo("#me\nhi", f"#bot\nHello\n{asserter}")})
    assert found.losses == {kind: 1}
    assert found.only["turns"] == [{"user": "hi", "expect": {"response": {"contains": "Hello"}}}]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("include", {"contains": {"text": ["A*.b"], "case": "strict"}}),
        ("equals", {"equals": {"text": "A*.b", "case": "strict"}}),
        ("equalsIgnoreCase", {"equals": "A*.b"}),
        ("regexp", {"matches": "A*.b"}),
        ("wildcardIgnoreCase", {"matches": r"(?i)A.*\.b"}),
    ],
)
def test_the_matching_mode_is_the_projects(tmp_path: Path, mode: str, expected: object) -> None:
    """It stands in a file of Botium that is no conversation, so it is an option here."""
    found = came("botium", tmp_path, {"a.convo.txt": convo("#me\nhi", "#bot\nA*.b")}, matching=mode)
    assert found.only["turns"][0]["expect"] == {"response": expected}


def test_an_unknown_matching_mode_is_refused(tmp_path: Path) -> None:
    """The known ones are named."""
    with pytest.raises(UsageError, match="'fuzzy' is none of includeIgnoreCase, include"):
        import_files("botium", [tmp_path], tmp_path / "out", {"matching": "fuzzy"})


def test_what_the_user_does_otherwise_is_said(tmp_path: Path) -> None:
    """Buttons, forms, media and JSON are said as text; a step without anything is left out with its answer."""
    found = came(
        "botium",
        tmp_path,
        {
            "a.convo.txt": convo(
                "#me\nBUTTON PAYLOAD|Yes", "#me\nFORM name|Mia", "#me\nMEDIA a.jpg",
                '#me\n{"a": 1}', '#bot\n{"b": 2}', "#me", "#bot\nHi",
                "#user\nx",
            )
        },
    )  # fmt: skip
    assert [turn["user"] for turn in found.only["turns"]] == ["Yes", "name: Mia", "a.jpg", '{"a": 1}']
    assert found.only["turns"][-1]["expect"] == {"response": {"json": {"equals": {"equals": {"b": 2}}}}}
    assert found.losses == {
        "button": 1, "form": 1, "media": 1, "json-message": 1, "json-reply": 1, "silent-step": 1, "strange-section": 1,
    }  # fmt: skip


ANSWERS = """\
def answer(message, session):
    if message.startswith("find"):
        return "Great! I have found 7 hotels for you."
    return "Hotel " + message + " is booked."
"""


def test_an_imported_conversation_is_played(tmp_path: Path) -> None:
    """What the bot said is said back to it; the suite passes on a bot that plays along and fails on one that does not."""
    came(
        "botium", tmp_path, {"a.convo.txt": convo("#me\nfind hotels", "#bot\nfound $n hotels", "#me\n$n", "#bot\nHotel $n is")}
    )
    (tmp_path / "out" / "bot.py").write_text(ANSWERS, encoding="utf-8")
    suite = tmp_path / "out" / "suite.yaml"
    suite.write_text("scripts: [scenarios]\nengine: {kind: callable, target: bot.py:answer}\n", encoding="utf-8")
    assert main(["run", str(suite), "--out", str(tmp_path / "good")]) == 0
    (tmp_path / "out" / "bot.py").write_text(ANSWERS.replace("+ message +", "+ '8' +"), encoding="utf-8")
    assert main(["run", str(suite), "--out", str(tmp_path / "bad")]) == 1


@pytest.mark.skipif(not DATA.is_dir(), reason="no sample data beside the checkout")
def test_the_conversations_of_botium_come_over(tmp_path: Path) -> None:
    """Every file of the folder is a script, a partial one, utterances, or told to be empty."""
    found = imported("botium", DATA / "botium-convos", tmp_path / "out")
    files = list((DATA / "botium-convos").glob("*.convo.txt"))
    assert len(found.scripts) + found.losses["empty-convo"] == len(files) == 47
