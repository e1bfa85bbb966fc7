"""A script that was moved, or whose parameters got other names, keeps its baseline: `compare` and `approve` find it again."""

from __future__ import annotations

import html
from pathlib import Path

import pytest

from focal_eval.cli import main
from focal_eval.compare import baseline
from focal_eval.evaluate.approval_units import Category
from focal_eval.evaluate.comparing import CompareRequest, compare
from focal_eval.evaluate.decisions import Decision
from focal_eval.source import Span
from tests.evaluate.approved_shop import GREET, LEAVE, Shop, decisions, told

HELLO = "  - user: hello\n    expect: {rules: [greet]}\n"
ROWS = "params:\n  rows:\n    - {word: hello}\n    - {word: hello there}\n"
MUGS = ROWS + "turns:\n" + HELLO.replace("hello", "'{{ word }}'")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop whose first run is approved."""
    monkeypatch.chdir(tmp_path)
    made = Shop(tmp_path)
    made.approve(made.run())
    return made


def move(shop: Shop) -> str:
    """The script `leave` goes into a folder, under another name; a run of the suite after that."""
    (shop.folder / "scripts/moved").mkdir()
    (shop.folder / "scripts/leave.yaml").rename(shop.folder / "scripts/moved/goodbye.yaml")
    shop.edit("evals.yaml", "scripts/*.yaml", "scripts/**/*.yaml")
    return shop.run()


def test_a_moved_script_is_compared_with_what_it_was(shop: Shop) -> None:
    """Against the baseline and against a run: no case is new, none gone, one has another name."""
    moved = move(shop)
    for before in ("baseline", "runs/1"):
        found = compare(CompareRequest(before, moved)).comparison
        assert found.renamed == (("leave", "moved/goodbye"),)
        assert {change: count for change, count in found.counts.items() if count} == {"same": 2}


def test_a_moved_script_that_answers_otherwise_has_changed(shop: Shop) -> None:
    """A rename hides no difference: the conversation is compared, and its cause told."""
    shop.edit("agent.yaml", "Goodbye.", "See you.")
    found = compare(CompareRequest("baseline", move(shop))).comparison
    change = next(case for case in found.cases if case.before_name)
    assert (change.name, change.change, change.cause and change.cause.key) == ("moved/goodbye", "changed", "response:~bye")


def test_a_rename_is_told_to_people(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """On the terminal, in the document and on the page."""
    moved = move(shop)
    assert main(["compare", "baseline", moved, "--html", "page.html"]) == 0
    assert "renamed: leave → moved/goodbye" in capsys.readouterr().out
    assert "Renamed: leave → moved/goodbye." in html.unescape(Path("page.html").read_text(encoding="ascii"))
    main(["compare", "baseline", moved, "--json"])
    assert '"renamed":[{"before":"leave","after":"moved/goodbye"}]' in capsys.readouterr().out.replace("\n", "").replace(
        " ", ""
    )


def test_the_file_moves_with_its_script(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """By default it is left; `reformatted` moves it with whose approval it was, and then all is as approved."""
    before, moved = shop.files(), move(shop)
    left = shop.approve(moved)
    assert [(item.category, item.renamed, item.case, item.approved) for item in left.items] == [
        ("reformatted", "leave", "moved/goodbye", False)
    ]
    assert shop.files() == before
    assert main(["approve", moved, "--only", "reformatted"]) == 0
    out = capsys.readouterr().out
    assert "approved 1 reformatted\n  leave → moved/goodbye\n" in out
    assert "1 file was written, 1 removed in baselines/evals" in out
    after = shop.files()
    assert sorted(after) == ["agent.yml", "greet.yaml", "moved/goodbye.yaml"]
    old, new = before["leave.yaml"].splitlines(), after["moved/goodbye.yaml"].splitlines()
    differs = [(one, other) for one, other in zip(old, new, strict=True) if one != other]
    assert differs == [
        ("script: leave", "script: moved/goodbye"),
        ("title: Leave", "title: Goodbye"),
        ("file: scripts/leave.yaml", "file: scripts/moved/goodbye.yaml"),
        ("  - case: leave", "  - case: moved/goodbye"),
    ]
    again = shop.approve(moved, *Category)
    assert (again.items, again.written) == ((), ())


def test_a_moved_script_that_changed_moves_when_the_change_is_approved(shop: Shop) -> None:
    """Approving what is wrong in it writes the file where the script is now, and takes the old one away."""
    shop.edit("agent.yaml", "Goodbye.", "See you.")
    moved = move(shop)
    done = shop.approve(moved, Category.WRONG, scripts=("moved/goodbye",))
    assert ("wrong", "moved/goodbye", True) in told(done)
    assert ([path.name for path in done.written], [path.name for path in done.removed]) == (["goodbye.yaml"], ["leave.yaml"])
    kept = {case.name: case for case in baseline.read(shop.folder / "baselines/evals")}
    assert sorted(kept) == ["greet", "moved/goodbye"]


def test_two_scripts_that_say_the_same_are_no_rename(shop: Shop) -> None:
    """Of two equal ones that went and one that came nobody can say which it was: they stay gone and new."""
    shop.write("scripts/twin.yaml", LEAVE)
    shop.approve(shop.run())
    (shop.folder / "scripts/twin.yaml").unlink()
    found = compare(CompareRequest("baseline", move(shop))).comparison
    assert found.renamed == ()
    assert (found.counts["gone"], found.counts["new"]) == (2, 1)  # type: ignore[index]  # a StrEnum is its text


def test_other_names_of_parameters_are_found(shop: Shop) -> None:
    """Rows that got other names are the same cases as long as the user says the same; what is left alone keeps its name."""
    shop.write("scripts/rows.yaml", MUGS)
    shop.approve(shop.run())
    shop.edit("scripts/rows.yaml", "word", "greeting")
    renamed = shop.run()
    pairs = (
        ("rows[word=hello there]", "rows[greeting=hello there]"),
        ("rows[word=hello]", "rows[greeting=hello]"),
    )
    assert compare(CompareRequest("baseline", renamed)).comparison.renamed == pairs
    before = shop.files()
    assert [(item.renamed, item.category) for item in shop.approve(renamed).items if item.renamed] == [
        (old, "reformatted") for old, _ in pairs
    ]
    assert shop.files() == before
    shop.approve(renamed, Category.REFORMATTED)
    assert [case.name for case in baseline.read(shop.folder / "baselines/evals") if case.script == "rows"] == [
        new for _, new in pairs
    ]


def test_a_selection_renames_nothing(shop: Shop) -> None:
    """A run of one script cannot know that another one went."""
    move(shop)
    part = shop.run("scripts/moved/goodbye.yaml")
    assert [(item.category, item.case) for item in shop.approve(part, Category.UNUSED).items] == [("new", "moved/goodbye")]
    assert compare(CompareRequest("runs/1", shop.run("scripts/greet.yaml"))).comparison.renamed == ()


def test_decisions_twice_are_approved_already(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """The same file again says what it had approved, changes nothing, and is no mistake."""
    shop.edit("agent.yaml", "Goodbye.", "See you.")
    both = shop.run()
    cause = next(item.cause for item in shop.approve(both).items if item.cause)
    file = decisions(shop, both, {"accept": True, "cause": cause, "reason": "nicer"})
    words = ["approve", both, "--decisions", str(file)]
    assert main(words) == 0
    first = shop.files()
    capsys.readouterr()
    assert main(words) == 0
    assert capsys.readouterr().out == (
        "already approved: cause response:~bye\n2 cases are as approved\nnothing was written to baselines/evals\n"
    )
    assert main([*words, "--dry-run"]) == 0
    assert shop.files() == first


def test_cases_and_turns_decided_twice_are_approved_already(shop: Shop) -> None:
    """A case, and a turn of a case of which another was rejected; a word that never fitted is refused as ever."""
    shop.edit("agent.yaml", "Hello!", "Hi!")
    shop.edit("agent.yaml", "Goodbye.", "See you.")
    both = shop.run()
    file = decisions(
        shop,
        both,
        {"accept": True, "case": "leave", "reason": "nicer"},
        {"accept": True, "case": "greet", "turn": 2, "reason": "nicer"},
        {"accept": False, "case": "greet", "turn": 1},
    )
    assert [(item.case, item.turns) for item in shop.approve(both, decisions=file).items] == [("greet", (2,)), ("leave", ())]
    again = shop.approve(both, decisions=file)
    assert again.already == ("case leave", "turn 2 of case greet")
    assert again.written == ()
    assert main(["approve", both, "--decisions", str(decisions(shop, both, {"accept": True, "case": "x", "reason": "y"}))]) == 2


def test_a_turn_that_was_taken_out_is_approved_alone(shop: Shop) -> None:
    """`before:N` counts the turns of the baseline: that one goes, what else changed stays as it was approved."""
    shop.write("scripts/greet.yaml", GREET + "  - user: hello\n    expect: {rules: [greet]}\n")
    shop.approve(shop.run(), Category.WRONG)
    shop.edit("agent.yaml", "Hello!", "Hi!")
    shop.write("scripts/greet.yaml", "turns:\n" + HELLO + HELLO)
    shorter = shop.run()
    assert main(["approve", shorter, "--script", "greet", "--turn", "before:2", "--author", "Ada", "--reason", "x"]) == 0
    kept = {case.name: case for case in baseline.read(shop.folder / "baselines/evals")}["greet"]
    assert [(turn.user, turn.reply and turn.reply["response"]) for turn in kept.turns] == [("hello", "Hello!")] * 2


def test_a_decision_about_a_turn_that_was_taken_out(shop: Shop) -> None:
    """`before_turn` in a decisions file is the same; rejected, the turn stays."""
    shop.write("scripts/greet.yaml", "turns:\n  - user: hello\n    expect: {rules: [greet]}\n")
    shorter = shop.run()
    accept = {"accept": True, "case": "greet", "reason": "said once"}
    assert shop.approve(shorter, decisions=decisions(shop, shorter, accept | {"before_turn": 2}), dry_run=True).as_json()[
        "items"
    ][0]["turns"] == ["before:2"]
    kept = decisions(shop, shorter, accept, {"accept": False, "case": "greet", "before_turn": 2})
    assert shop.approve(shorter, decisions=kept).items[0].left == "none of these turns changed"
    assert Decision(True, Span("x", 1, 1, 1, 1), case="greet").about == "case greet"


def test_a_turn_is_named_once(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Both keys in one decision, or a word that is no number, are refused."""
    again = shop.run()
    file = decisions(shop, again, {"accept": True, "case": "greet", "turn": 1, "before_turn": 1, "reason": "x"})
    assert main(["approve", again, "--decisions", str(file)]) == 2
    assert main(["approve", again, "--script", "greet", "--turn", "before:0"]) == 2
    assert "the first one is 1, one that was taken out before:1" in capsys.readouterr().err
