"""`run --update-expectations` writes what was observed where an expectation failed, and touches nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.clock import fixed_clock
from focal_eval.evaluate import RunRequest, RunResult, run
from focal_eval.evaluate.updating import Updated, update_expectations

AGENT = """
agent: shop
rules:
  - {id: greet, when: they greet, match: {any_words: [hello]}, then: greet, template: hello}
  - {id: polite, when: they say please, match: {any_words: [please]}, then: be polite, template: sure}
  - {id: refund, when: they want a refund, match: {any_words: [refund]}, then: offer it, template: lines}
templates:
  hello: Hello! How can I help? It's “fine”.
  sure: Sure.
  lines: "First line\\nsecond: line"
"""


class Silent:
    """Nobody watches."""

    def started(self, cases: int, turns: int) -> None: ...
    def case_done(self, name: str, verdict: str) -> None: ...
    def finished(self) -> None: ...


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an agent, where scripts are run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agent.yaml").write_text(AGENT, encoding="utf-8")
    return tmp_path


def played(*paths: str, number: list[int] = [0]) -> RunResult:  # noqa: B006  # counts the folders of one process
    number[0] += 1
    request = RunRequest(tuple(map(Path, paths)), agent=Path("agent.yaml"), out=Path(f"runs/{number[0]}"), reports=())
    return run(request, Silent(), fixed_clock())


def updated(text: str, folder: Path, *, fragments: bool = False) -> tuple[str, Updated]:
    """A script's bytes after an update, as text, and what was said of it."""
    path = folder / "a.yaml"
    path.write_bytes(text.encode("utf-8"))
    done = update_expectations(played("a.yaml").model, fragments=fragments)
    return path.read_bytes().decode("utf-8"), done


def turn(expect: str, user: str = "hello") -> str:
    return f"turns:\n  - user: {user}\n    expect:\n{expect}\n"


SAID = "Hello! How can I help? It's “fine”."
DOUBLED = SAID.replace("'", "''")
CHANGED = {
    "rules in one line": ("      rules: [wrong]  # why", "      rules: [greet]  # why"),
    "what still matches stays": ("      rules: [ greet ,wrong ]", "      rules: [ greet ]"),
    "a scalar": ("      rules: wrong", "      rules: greet"),
    "exactly": ("      rules: {exactly: [wrong, 'other']}", "      rules: {exactly: [greet]}"),
    "a block with comments": (
        "      rules:   # these\n        # first\n        - wrong   # not so\n        - greet  # kept\n        - other",
        None,
    ),
    "quotes": ("      template: 'wrong'", None),
    "response": ("      response:\n        equals: wrong   # said", f"      response:\n        equals: {SAID}   # said"),
    "response in quotes": ("      response: {equals: 'wrong'}", f"      response: {{equals: '{DOUBLED}'}}"),
    "response in double quotes": ('      response: {equals: "wrong"}', f'      response: {{equals: "{SAID}"}}'),
    "scenario": ("      scenario: returns/confirm", "      scenario: none"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGED)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_observed_value_takes_the_place_of_the_expected(folder: Path, name: str, newline: str) -> None:
    """Only the value changes, byte for byte, whatever the line breaks; and the script passes then."""
    before, after = CHANGED[name]
    head = "# Ünicode — a comment that is longer than any line should be " + "x" * 200 + "\ntitle:   'A  title'\n"
    text = (head + turn(before)).replace("\n", newline)
    got, done = updated(text, folder)
    if after is not None:
        assert got == (head + turn(after)).replace("\n", newline)
    assert done.updated == 1, done.left
    assert played("a.yaml").exit_code == 0
    changed = [line for line in text.splitlines(keepends=True) if line not in got.splitlines(keepends=True)]
    assert all("wrong" in line or "other" in line or "confirm" in line for line in changed)


def test_a_block_list_keeps_its_comments(folder: Path) -> None:
    """A name that goes takes its own line; a new one takes the place of one that went."""
    text = turn(
        "      rules:   # these\n        # first\n        - wrong   # not so\n        - greet  # kept\n        - other",
        "hello please",
    )
    got, _ = updated(text, folder)
    assert got == turn(
        "      rules:   # these\n        # first\n        - polite   # not so\n        - greet  # kept", "hello please"
    )


def test_a_text_of_several_lines_stays_a_block(folder: Path) -> None:
    """A block scalar is written as one, in its own indentation."""
    text = turn("      response:\n        equals: |-\n            wrong\n            text\n      # after", "refund")
    got, _ = updated(text, folder)
    assert got == turn(
        "      response:\n        equals: |-\n            First line\n            second: line\n      # after", "refund"
    )
    assert played("a.yaml").exit_code == 0


LEFT = {
    "excludes": ("      rules: {excludes: [greet]}", "only what is to be observed is updated"),
    "contains": ("      response: {contains: wrong}", "'response.contains' is for a person to change"),
    "nothing observed": ("      tools: [refund]", "nothing was observed"),
    "not": ("      not: {rules: [greet]}", "'not' is for a person to change"),
    "a template": ('      rules: ["{{ rule }}"]', "it holds a template"),
    "several for one": ("      rules: wrong", "one name stands there"),
    "an anchor": ("      rules: &a [wrong]", "an anchor shares it"),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_for_a_person_to_say_is_left_alone(folder: Path, name: str) -> None:
    """What forbids, says a part, is templated or shared is not overwritten, and it is said why."""
    expect, why = LEFT[name]
    head = "params:\n  rows:\n    - rule: polite\n" if "{{" in expect else ""
    text = head + turn(expect, "hello please" if name == "several for one" else "hello")
    got, done = updated(text, folder)
    assert got == text
    assert done.changes == {}
    assert [why in item.why for item in done.left] == [True]


def test_a_shared_anchor_is_left_alone(folder: Path) -> None:
    """What an alias repeats is not changed through one of its places."""
    text = "turns:\n  - user: hello\n    expect: &same\n      rules: [wrong]\n  - user: hello again\n    expect: *same\n"
    got, done = updated(text, folder)
    assert got == text
    assert ["anchor" in item.why for item in done.left] == [True]


def test_cases_must_agree(folder: Path) -> None:
    """An expectation that two rows share is updated where both observed the same, and left where they did not."""
    head = "params:\n  rows:\n    - {{word: hello}}\n    - {{word: {}}}\n"
    text = head.format("refund") + turn("      rules: [wrong]", '"{{ word }}"')
    got, done = updated(text, folder)
    assert got == text
    assert "observed different things" in done.left[0].why
    text = head.format("hello there") + turn("      rules: [wrong]", '"{{ word }}"')
    assert "rules: [greet]" in updated(text, folder)[0]


def test_fragments_only_where_asked(folder: Path) -> None:
    """A file that other scripts include is not changed by the way."""
    fragment = folder / "start.fragment.yaml"
    fragment.write_text(turn("      rules: [wrong]"), encoding="utf-8")
    text = "turns:\n  - include: start.fragment.yaml\n  - user: please\n    expect: {rules: [no]}\n"
    got, done = updated(text, folder)
    assert got == text.replace("[no]", "[polite]")
    assert "fragment" in done.left[0].why
    updated(text, folder, fragments=True)
    assert fragment.read_text(encoding="utf-8") == turn("      rules: [greet]")


def test_a_passing_or_soft_expectation_is_not_touched(folder: Path) -> None:
    """What holds stays as it is written, and what fails nothing too."""
    text = turn("      rules: [greet]\n      soft: true\n      response: {equals: wrong}")
    got, done = updated(text, folder)
    assert got == text
    assert (done.updated, done.left) == (0, ())


def test_a_byte_order_mark_stays_and_the_diff_says_all(folder: Path) -> None:
    """The mark of an editor is kept; the diff names the file and both lines."""
    got, done = updated("\ufeff" + turn("      rules: [wrong]"), folder)
    assert got == "\ufeff" + turn("      rules: [greet]")
    assert "--- a/a.yaml\n+++ b/a.yaml\n" in done.diff()
    assert "-      rules: [wrong]\n+      rules: [greet]\n" in done.diff()
