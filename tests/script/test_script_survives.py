"""No file, however broken, ends in a traceback, a hang, or an error without a place."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from focal_eval.document.reader import STR, plain_tag
from focal_eval.template import has_template
from tests.script.file_reading import KINDS, Kind, out_of_bounds, problems_of, said
from tests.thorough import examples

ROOT = Path(__file__).resolve().parent.parent.parent
LIMIT_S = 2.0
BOUNDED = settings(
    derandomize=True, deadline=None, max_examples=examples(150), database=None, suppress_health_check=[HealthCheck.too_slow]
)
# The time of one example is held by `survives` itself: hypothesis would measure the start of heavy imports too.


def texts_of(*patterns: str) -> list[str]:
    found = sorted(path for pattern in patterns for path in ROOT.glob(pattern))
    return [path.read_text(encoding="utf-8") for path in found if path.stat().st_size < 20_000]


VALID: dict[Kind, list[str]] = {
    "script": texts_of("scenarios/retail/**/*.yaml")[::6],
    "suite": texts_of("evals/*.yaml", "tests/script/broken/suites/desk.yaml"),
    "agent": texts_of("tests/script/broken/agents/desk.yaml"),
}
AGENT = texts_of("tests/script/broken/agents/desk.yaml")[0]


def survives(kind: Kind, data: bytes) -> None:
    """Reads a file; whatever is wrong with it has a place in it, and is found in time."""
    start = time.process_time()
    found = problems_of(kind, data)
    elapsed = time.process_time() - start
    assert out_of_bounds(found, data) == []
    assert all(item.code and item.message for item in found)
    assert elapsed < LIMIT_S, f"{elapsed:.1f} s"


@pytest.mark.parametrize("kind", KINDS)
@BOUNDED
@given(data=st.binary(max_size=400) | st.text(max_size=400).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes(kind: Kind, data: bytes) -> None:
    """Bytes and texts that were never YAML."""
    survives(kind, data)


YAMLISH = st.text(alphabet=st.sampled_from("ab:- \n\t[]{},'\"#&*!|>%@`?<.{}\r\u2028\x85😀0é~=\\/1"), max_size=120)


@pytest.mark.parametrize("kind", KINDS)
@BOUNDED
@given(text=YAMLISH)
def test_any_text_of_yaml_signs(kind: Kind, text: str) -> None:
    """Texts made of what has a meaning in YAML."""
    survives(kind, text.encode())


@st.composite
def mutated(draw: st.DrawFn, kind: Kind) -> str:
    """A valid file after up to four clumsy edits."""
    text = draw(st.sampled_from(VALID[kind]))
    for _ in range(draw(st.integers(1, 4))):
        lines = text.split("\n")
        at = draw(st.integers(0, len(lines) - 1))
        edit = draw(st.sampled_from(["delete", "double", "swap", "insert", "cut", "indent", "value"]))
        if edit == "delete":
            del lines[at]
        elif edit == "double":
            lines.insert(at, lines[at])
        elif edit == "swap":
            other = draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other] = lines[other], lines[at]
        elif edit == "insert":
            column = draw(st.integers(0, len(lines[at])))
            lines[at] = lines[at][:column] + draw(YAMLISH.filter(len)) + lines[at][column:]
        elif edit == "indent":
            lines[at] = draw(st.sampled_from(["", " ", "  ", "\t"])) + lines[at].lstrip()
        elif edit == "value":
            key, colon, _ = lines[at].partition(": ")
            lines[at] = key + colon + draw(st.sampled_from(VALUES))
        else:
            lines = lines[:at] or [""]
        text = "\n".join(lines) or "\n"
    return text


VALUES = [
    "", "~", "5", "-0.0", "1e400", "true", "'{{ x }}'", "{{ x }}", "'{{'", "[]", "{}", "[[]]", "{a: {b: c}}", "&a [*a]",
    "!!int x", "\"\\0\"", "'(('", "'" + "a" * 300 + "'", "any", "absent", "{not: {not: any}}", "{<<: {a: b}}", "- -", "'*'",
    "'**x'", "/",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@BOUNDED
@given(data=st.data())
def test_clumsy_edits_of_valid_files(kind: Kind, data: st.DataObject) -> None:
    """Lines deleted, doubled, swapped, cut, set in wrongly, and characters put between."""
    survives(kind, data.draw(mutated(kind)).encode("utf-8", "replace"))


def keys_of(kind: Kind) -> list[str]:
    """Every key of a kind of file, from its own JSON Schema."""
    from focal_eval.evaluate.schemas import schemas

    found: set[str] = set()
    stack: list[Any] = [schemas()[kind]]
    while stack:
        here = stack.pop()
        if isinstance(here, dict):
            found.update(here.get("properties", {}))
            stack.extend(here.values())
        elif isinstance(here, list):
            stack.extend(here)
    return sorted(found)


SCALARS: st.SearchStrategy[Any] = st.sampled_from(
    ["", "x", "{{ x }}", "{{ response.text }}", "{{", "a/b", "any", "absent", "'", "(", "**", "../x.yaml", "yes", 0, 1, -1,
     2.5, 1e300, 10**40, True, False, None, "a" * 200, "\u2028", "embedded", "callable", "cassette", "hello", "[0", "a.b",
     "${X}", "${X:-5}"]
)  # fmt: skip


def structure(kind: Kind) -> st.SearchStrategy[Any]:
    """A file made of the language's own keys with anything as their values."""
    keys = st.sampled_from(keys_of(kind))
    inner = st.recursive(
        SCALARS,
        lambda child: st.lists(child, max_size=3) | st.dictionaries(keys | st.just("x"), child, max_size=4),
        max_leaves=14,
    )
    top = {"script": ("turns", "params", "conversation"), "suite": ("scripts", "engine"), "agent": ("agent", "rules")}[kind]
    return st.dictionaries(keys, inner, max_size=3).flatmap(
        lambda rest: st.fixed_dictionaries(dict.fromkeys(top, inner)).map(lambda first: {**first, **rest})
    )


STRUCTURES = {kind: structure(kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@BOUNDED
@given(data=st.data())
def test_keys_of_the_language_with_any_values(kind: Kind, data: st.DataObject) -> None:
    """Well-formed YAML in which every key is known somewhere and every value may be wrong."""
    made = data.draw(STRUCTURES[kind])
    survives(kind, yaml.safe_dump(made, allow_unicode=True, sort_keys=False).encode())


@BOUNDED
@given(data=st.data())
def test_any_value_of_any_expectation(data: st.DataObject) -> None:
    """Each check meets every value, in `expect` and in `conversation`, alone and in groups."""
    from focal_eval.registry import names

    name = data.draw(st.sampled_from(names("checks", installed=False)))
    value = data.draw(STRUCTURES["script"].map(lambda made: made["turns"]))
    room, _, key = name.rpartition(".")
    entry: Any = {key: data.draw(st.sampled_from([value, {"not": value}, {"any_of": [value, value], "soft": True}]))}
    made: dict[str, Any] = {"turns": [{"user": "hello"}]}
    if room == "conversation":
        made["conversation"] = [entry]
    else:
        made["turns"][0]["expect"] = {"response": entry} if room else entry
    survives("script", yaml.safe_dump(made, allow_unicode=True, sort_keys=False).encode())


WORDS = st.text(alphabet="abcdefgh ", min_size=1, max_size=12).map(str.strip).filter(len)
TEXTS = st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30).filter(
    lambda text: plain_tag(text) == STR and not has_template(text) and text.strip()  # PyYAML writes 0E0, our number, as text
)
NAMES = st.sampled_from(["greet", "apologise", "refund", "lookup_order", "returns/ask"])
LEAVES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"rules": st.lists(NAMES, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"rules": st.fixed_dictionaries({"exactly": st.lists(NAMES, max_size=2, unique=True)})}),
    st.fixed_dictionaries({"tools": st.lists(NAMES, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"tools": st.just({"none": True})}),
    st.fixed_dictionaries({"scenario": st.sampled_from(["returns/ask", "none", "returns/*"])}),
    st.fixed_dictionaries({"response": TEXTS}),
    st.fixed_dictionaries({"response": st.fixed_dictionaries({"excludes": TEXTS, "max_words": st.integers(1, 500)})}),
)
EXPECTS = st.recursive(
    LEAVES,
    lambda child: st.one_of(
        st.fixed_dictionaries({"any_of": st.lists(child, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"all_of": st.lists(child, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"not": child, "because": TEXTS}),
    ),
    max_leaves=5,
).flatmap(lambda made: st.sampled_from([made, {**made, "soft": True}]))
TURNS = st.one_of(
    TEXTS,
    st.fixed_dictionaries({"user": st.lists(TEXTS, min_size=1, max_size=3), "expect": EXPECTS}),
    st.fixed_dictionaries({"expect": EXPECTS}),
    st.fixed_dictionaries(
        {"user": TEXTS, "agent": TEXTS, "save": st.just({"kept": "response.text"}), "timeout_s": st.floats(1, 9)}
    ),
)
SCRIPTS = st.fixed_dictionaries(
    {"turns": st.lists(TURNS, min_size=1, max_size=4)},
    optional={
        "title": TEXTS,
        "tags": st.lists(WORDS, max_size=3),
        "metadata": st.dictionaries(WORDS, TEXTS | st.integers(-9, 9) | st.none(), max_size=2),
        "tools": st.just({"lookup_order": [{"when": {"order_id": "A-1"}, "returns": {"total": 1.5}}, {"fails": "not found"}]}),
        "given": st.just({"variables": {"tier": "gold"}, "history": [{"user": "hi", "agent": "Hello!"}]}),
        "xfail": TEXTS,
        "conversation": st.just([{"never": {"tool": "delete_account"}}]),
    },
)


@BOUNDED
@given(made=SCRIPTS, style=st.sampled_from([None, True, False]), width=st.sampled_from([20, 80, 10_000]))
def test_generated_scripts_have_no_problems(made: dict[str, Any], style: bool | None, width: int) -> None:
    """What the language allows is read without a word, however YAML writes it down."""
    text = yaml.safe_dump(made, allow_unicode=False, sort_keys=False, default_flow_style=style, width=width)
    assert said(text) == []
    again = yaml.safe_dump(yaml.safe_load(text), allow_unicode=True, sort_keys=True, default_flow_style=style)
    assert said(again) == [] or "\u2028" in again or "\u2029" in again or "\x85" in again
