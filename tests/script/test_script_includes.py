"""Fragments: turns and stubs that scripts splice in."""

# ruff: noqa: E501  # whole lines of output are compared

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.errors import Diagnostic
from focal_eval.evaluate import check_paths
from focal_eval.script.load import Loaded, Loader, is_fragment


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, in which messages are relative."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios").mkdir()
    return tmp_path / "scenarios"


def put(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / (name.replace("__", "/") + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def load(folder: Path, *names: str) -> Loaded:
    return Loader(folder).load([(folder / f"{name}.yaml", name) for name in names])


def lines(found: list[Diagnostic]) -> list[str]:
    return [str(item) for item in found]


def test_turns_are_spliced_in_with_their_own_places(here: Path) -> None:
    """The turns of a fragment stand where `include` stood, numbered through, each pointing into its own file."""
    put(
        here,
        a="turns:\n  - hello\n  - include: fragments/login.yaml\n  - bye\n",
        fragments__login="turns: [my name, my mail]\n",
    )
    loaded = load(here, "a")
    (script,) = loaded.scripts
    assert [turn.user[0].text for turn in script.turns] == ["hello", "my name", "my mail", "bye"]
    assert [turn.index for turn in script.turns] == [0, 1, 2, 3]
    assert [str(turn.user[0].span) for turn in script.turns] == [
        "scenarios/a.yaml:2:5", "scenarios/fragments/login.yaml:1:9", "scenarios/fragments/login.yaml:1:18", "scenarios/a.yaml:4:5",
    ]  # fmt: skip
    assert sorted(script.texts) == ["scenarios/a.yaml", "scenarios/fragments/login.yaml"]


def test_fragments_in_fragments(here: Path) -> None:
    """A path starts from the file that includes."""
    put(
        here,
        a="turns: [include: deep/fragments/one.yaml]\n",
        deep__fragments__one="turns: [one, include: ../../fragments/two.yaml]\n",
        fragments__two="turns: [two]\n",
    )
    (script,) = load(here, "a").scripts
    assert [turn.user[0].text for turn in script.turns] == ["one", "two"]


def test_a_script_changes_when_its_fragment_does(here: Path) -> None:
    """The digest by which runs are compared covers what was spliced in."""
    put(here, a="turns: [include: fragments/f.yaml]\n", fragments__f="turns: [one]\n")
    before = load(here, "a").scripts[0].digest
    put(here, fragments__f="turns: [two]\n")
    assert load(here, "a").scripts[0].digest != before


def test_stubs_come_along_and_the_scripts_own_win(here: Path) -> None:
    """A fragment brings what its tools answer."""
    put(
        here,
        a="turns: [include: fragments/f.yaml]\ntools: {t: {returns: own}}\n",
        fragments__f="turns: [one]\ntools: {t: {returns: theirs}, u: {returns: more}}\n",
    )
    (script,) = load(here, "a").scripts
    assert {stub.tool: stub.answers[0].steps[0].returns for stub in script.stubs} == {"t": "own", "u": "more"}


def test_names_go_both_ways(here: Path) -> None:
    """A fragment uses its script's params and saves for its script's later turns."""
    put(
        here,
        a="params: {email: [mia@example.com]}\nturns: [include: fragments/f.yaml, '{{ customer }}']\n",
        fragments__f="turns: [{user: '{{ email }}', save: {customer: response.text}}]\n",
    )
    assert lines(load(here, "a").problems) == []


def test_a_name_the_script_does_not_give_is_reported_in_the_fragment(here: Path) -> None:
    """The place is the use; scripts that do give the name are not touched."""
    put(
        here,
        a="turns: [include: fragments/f.yaml]\n",
        b="params: {email: [mia@example.com]}\nturns: [include: fragments/f.yaml]\n",
        fragments__f="turns: ['{{ email }}']\n",
    )
    loaded = load(here, "a", "b")
    assert lines(loaded.problems) == ["scenarios/fragments/f.yaml:1:9: error[undefined-name]: 'email' has no value here"]
    assert [script.id for script in loaded.scripts] == ["b"]


def test_a_broken_fragment_is_reported_once(here: Path) -> None:
    """Its own errors stand once, however many scripts include it; each of those says so at its include."""
    put(
        here,
        a="turns: [include: fragments/f.yaml]\n",
        b="turns: [hello, include: fragments/f.yaml, include: fragments/f.yaml]\n",
        fragments__f="turns: [{uesr: a}]\n",
    )
    assert lines(check_paths([here]).problems) == [
        "scenarios/a.yaml:1:18: error[broken-include]: scenarios/fragments/f.yaml has errors of its own",
        "scenarios/b.yaml:1:25: error[broken-include]: scenarios/fragments/f.yaml has errors of its own",
        "scenarios/b.yaml:1:52: error[broken-include]: scenarios/fragments/f.yaml has errors of its own",
        "scenarios/fragments/f.yaml:1:10: error[unknown-key]: no key is named 'uesr' here; did you mean 'user'?",
    ]


def test_a_cycle_is_refused(here: Path) -> None:
    """Files that include each other are named in a row."""
    put(
        here,
        a="turns: [include: fragments/one.yaml]\n",
        fragments__one="turns: [include: two.yaml]\n",
        fragments__two="turns: [include: one.yaml]\n",
    )
    chain = "scenarios/fragments/one.yaml → scenarios/fragments/two.yaml → scenarios/fragments/one.yaml"
    assert f"scenarios/fragments/two.yaml:1:18: error[include-cycle]: this file includes itself: {chain}" in lines(
        load(here, "a").problems
    )


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("fragments/logn.yaml", "missing-include]: there is no file scenarios/fragments/logn.yaml; did you mean 'login.yaml'?"),
        ("fragments", "missing-include]: there is no file scenarios/fragments"),
        ("../../etc/passwd", "include-outside]: '../../etc/passwd' lies outside scenarios"),
        ("/etc/passwd", "include-outside]: '/etc/passwd' lies outside scenarios"),
        ('"a\\0b"', "bad-include]: this is not a path"),
        ("x" * 300, "bad-include]: this is not a path"),
        ("a.yaml", "include-cycle]: this file includes itself: scenarios/a.yaml"),
        ("''", "empty-text]: this text must not be empty"),
        ("5", 'wrong-type]: expected text, found the number 5; to say it as text, write "5"'),
    ],
)
def test_a_wrong_include_is_said_so(here: Path, target: str, line: str) -> None:
    """A path that leads nowhere, out of the project or back is an error at the path."""
    put(here, a=f"turns:\n  - include: {target}\n", fragments__login="turns: [a]\n")
    assert lines(load(here, "a").problems) == [f"scenarios/a.yaml:2:14: error[{line}"]


def test_a_link_out_of_the_project_is_no_way_out(here: Path) -> None:
    """What counts is where a path really leads."""
    (here.parent / "secret.yaml").write_text("turns: [secret]\n")
    (here / "link.yaml").symlink_to(here.parent / "secret.yaml")
    put(here, a="turns: [include: link.yaml]\n")
    assert [item.code for item in load(here, "a").problems] == ["include-outside"]


def test_a_fragment_holds_turns_and_stubs_only(here: Path) -> None:
    """Params and expectations of the whole conversation are a script's."""
    put(here, fragments__f="params: {a: [1]}\nturns: ['{{ a }}']\nconversation: []\n")
    found = lines(check_paths([here]).problems)
    assert [line.partition(": ")[2] for line in found] == [
        "error[unknown-key]: no key is named 'params' here; known here: description, title, tools, turns",
        "error[unknown-key]: no key is named 'conversation' here; known here: description, title, tools, turns",
    ]


@pytest.mark.parametrize(
    ("path", "fragment"),
    [
        ("fragments/a.yaml", True),
        ("a.fragment.yaml", True),
        ("x/fragments/y/a.yml", True),
        ("fragments.yaml", False),
        ("a.yaml", False),
    ],
)
def test_which_files_are_fragments(path: str, fragment: bool) -> None:
    """By folder or by name, never by content."""
    assert is_fragment(Path(path)) is fragment


def test_many_turns_by_few_fragments_are_refused_in_time(here: Path) -> None:
    """Fragments that multiply each other end at the limit of turns."""
    put(
        here,
        a="turns: [" + ", ".join(["include: fragments/b.yaml"] * 50) + "]\n",
        fragments__b="turns: [" + ", ".join(["include: c.yaml"] * 50) + "]\n",
        fragments__c="turns: [" + ", ".join(["x"] * 50) + "]\n",
    )
    assert [item.code for item in load(here, "a").problems] == ["too-many-turns"]
