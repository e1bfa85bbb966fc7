"""`approve` takes into the baseline what it is asked for, in somebody's name, and leaves everything else as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli import main
from focal_eval.compare import baseline
from focal_eval.errors import Refused, StorageError, UsageError
from focal_eval.evaluate.approval_units import Category
from focal_eval.evaluate.approving import ApproveRequest, approve
from focal_eval.evaluate.comparing import compare_baseline
from focal_eval.report.journal import read_run
from tests.evaluate.approved_shop import AGENT, CLOCK, GREET, LEAVE, Shop, decisions, told
from tests.resealing import reseal


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop whose first run is approved."""
    monkeypatch.chdir(tmp_path)
    made = Shop(tmp_path)
    made.approve(made.run())
    return made


def test_new_cases_are_taken_and_nothing_else(shop: Shop) -> None:
    """By default what differs and what is gone stays; a case without a baseline gets one."""
    shop.edit("agent.yaml", "Hello!", "Hi!")
    shop.write("scripts/again.yaml", GREET)
    (shop.folder / "scripts/leave.yaml").unlink()
    before = shop.files()
    done = shop.approve(shop.run())
    assert told(done) == [("new", "again", True), ("wrong", "greet", False), ("unused", "leave", False)]
    after = shop.files()
    assert {name: after[name] for name in before} == before
    assert sorted(after.keys() - before.keys()) == ["again.yaml"]


def test_approving_twice_changes_nothing(shop: Shop) -> None:
    """What was approved of a run is up to date for it and for the next one."""
    before = shop.files()
    done = shop.approve(shop.run(), *Category)
    assert (done.items, done.changes, done.up_to_date) == ((), False, 2)
    assert shop.files() == before


def test_wrong_ones_by_cause(shop: Shop) -> None:
    """Only the cases of that cause change, with author, day and reason, and the diff is the change."""
    shop.edit("agent.yaml", "Hello!", "Hi!")
    shop.edit("agent.yaml", "any_words: [bye]", "any_words: [goodbye]")
    shop.edit("scripts/leave.yaml", "user: bye\n    expect: {rules: [bye]}", "user: bye\n    expect: {rules: {exactly: []}}")
    shop.edit("scripts/greet.yaml", "expect: {rules: [bye]}", "expect: {rules: {exactly: []}}")
    first = shop.run()
    causes = {item.case: item.cause for item in shop.approve(first).items}
    assert causes["leave"] == "rules:-bye"
    before = shop.files()
    done = shop.approve(first, causes=("rules:-bye",), reason="they say goodbye now", expires="2027-01-31")
    assert ("wrong", "leave", True) in told(done)
    after = shop.files()
    assert [name for name in after if after[name] != before[name]] == ["leave.yaml"]
    assert "    why: they say goodbye now\n    expires: '2027-01-31'\n" in after["leave.yaml"]


def test_an_unknown_cause_is_refused(shop: Shop) -> None:
    """A key that nothing changed for is named with what there is."""
    shop.edit("agent.yaml", "Hello!", "Hi!")
    with pytest.raises(UsageError, match="nothing changed for the cause 'rules:-gret'"):
        shop.approve(shop.run(), causes=("rules:-gret",))


def test_a_failing_case_is_never_taken_by_the_way(shop: Shop) -> None:
    """What failed is left, and said; `failing` takes it with its verdict."""
    shop.edit("agent.yaml", "any_words: [hello]", "any_words: [hallo]")
    failing = shop.run()
    before = shop.files()
    done = shop.approve(failing, Category.WRONG)
    left = {item.case: item.left for item in done.items}
    assert left == {"greet": "failing (--failing takes it all the same)", "leave": "not asked for (--only reformatted)"}
    assert shop.files() == before
    shop.approve(failing, Category.WRONG, failing=True)
    assert "verdict: failed" in shop.files()["greet.yaml"]


def test_what_was_not_selected_is_never_unused(shop: Shop) -> None:
    """A run of one script, a run by keyword and a skipped script take nothing away."""
    before = shop.files()
    for part in (shop.run("scripts/greet.yaml"), shop.run(keyword="greet")):
        assert shop.approve(part, *Category).items == ()
    shop.edit("scripts/leave.yaml", "turns:", "skip: not now\nturns:")
    done = shop.approve(shop.run(), Category.UNUSED, Category.NEW, Category.WRONG)
    assert (done.items, done.unseen) == ((), 1)
    assert shop.files() == before


def test_a_run_that_was_cut_off_takes_nothing_away(shop: Shop) -> None:
    """Without its end a run does not know what there is."""
    (shop.folder / "scripts/leave.yaml").unlink()
    cut = Path(shop.run())
    lines = (cut / "journal.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (cut / "journal.jsonl").write_text("".join(line for line in lines if '"t":"end"' not in line), encoding="utf-8")
    assert told(shop.approve(str(cut), Category.UNUSED)) == []


def test_an_unused_file_goes_when_asked(shop: Shop) -> None:
    """The baseline of a script that is no longer there is removed, with a reason, and only then."""
    (shop.folder / "scripts/leave.yaml").unlink()
    gone = shop.run()
    with pytest.raises(UsageError, match="approved of unused ones needs --reason"):
        shop.approve(gone, Category.UNUSED, reason=None)
    done = shop.approve(gone, Category.UNUSED)
    assert [path.name for path in done.removed] == ["leave.yaml"]
    assert list(shop.files()) == ["agent.yml", "greet.yaml"]


def test_reformatted_carries_approvals_over(shop: Shop) -> None:
    """The same conversation under an edited script keeps who approved it and when; only the digest moves."""
    shop.edit("scripts/greet.yaml", "turns:", "# a remark\nturns:")
    before = shop.files()
    again = shop.run()
    assert told(shop.approve(again)) == [("reformatted", "greet", False)]
    done = approve(ApproveRequest(again, only=(Category.REFORMATTED,)), CLOCK)
    assert told(done) == [("reformatted", "greet", True)]
    old, new = before["greet.yaml"].splitlines(), shop.files()["greet.yaml"].splitlines()
    changed = [line.split(":")[0].strip() for line in old if line not in new]
    assert set(changed[:2]) <= {"script", "approved"} | {line.strip().rstrip(":") for line in old if line.startswith("  a")}
    assert "    by: Ada" in new


def test_a_layout_by_hand_is_reformatted(shop: Shop) -> None:
    """A file somebody reformatted reads the same; it is written anew only where that is asked for."""
    path = shop.folder / "baselines/evals/greet.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("cases:\n", "cases:\n\n\n"), encoding="utf-8")
    same = shop.run()
    assert shop.approve(same).layouts == ("greet",)
    shop.approve(same, Category.REFORMATTED)
    assert path.read_text(encoding="utf-8") == text


def test_one_turn_alone(shop: Shop) -> None:
    """The turn that is named is as observed from now on, the other as it was approved."""
    shop.edit("agent.yaml", "Hello!", "Hi!")
    shop.edit("agent.yaml", "Goodbye.", "See you.")
    both = shop.run()
    done = shop.approve(both, scripts=("greet",), turns=(2,))
    assert [(item.case, item.turns) for item in done.items if item.approved] == [("greet", (2,))]
    kept = {case.name: case for case in baseline.read(shop.folder / "baselines/evals")}["greet"]
    assert [turn.reply and turn.reply["response"] for turn in kept.turns] == ["Hello!", "See you."]
    with pytest.raises(UsageError, match="--turn needs --script"):
        shop.approve(both, turns=(1,))


def test_decisions_are_applied(shop: Shop) -> None:
    """The nearest word wins: a cause is accepted, one of its cases is not; the author is the file's."""
    shop.edit("agent.yaml", "Goodbye.", "See you.")
    both = shop.run()
    cause = shop.approve(both).items[0].cause
    file = decisions(
        shop, both, {"accept": True, "cause": cause, "reason": "nicer"}, {"accept": False, "case": "greet", "reason": "no"}
    )
    done = shop.approve(both, decisions=file)
    assert [(item.case, item.approved, item.left) for item in done.items] == [
        ("greet", False, "rejected: no"),
        ("leave", True, None),
    ]
    assert "by: Eve" in shop.files()["leave.yaml"]
    assert "See you" not in shop.files()["greet.yaml"]


def test_a_turn_is_rejected_out_of_an_accepted_case(shop: Shop) -> None:
    """A case is accepted but for one of its turns."""
    shop.edit("agent.yaml", "Hello!", "Hi!")
    shop.edit("agent.yaml", "Goodbye.", "See you.")
    both = shop.run()
    file = decisions(
        shop, both, {"accept": True, "case": "greet", "reason": "x"}, {"accept": False, "case": "greet", "turn": 1}
    )
    assert shop.approve(both, decisions=file).items[0].turns == (2,)
    kept = {case.name: case for case in baseline.read(shop.folder / "baselines/evals")}["greet"]
    assert [turn.reply and turn.reply["response"] for turn in kept.turns] == ["Hello!", "See you."]


@pytest.mark.parametrize(
    ("entry", "more", "code"),
    [
        ({"accept": True, "case": "gret", "reason": "x"}, {}, "decisions-unknown"),
        ({"accept": True, "cause": "rules:-nobody", "reason": "x"}, {}, "decisions-unknown"),
        ({"accept": True, "case": "greet"}, {}, "decisions-reason"),
        ({"accept": True, "case": "greet", "cause": "x", "reason": "x"}, {}, "bad-value"),
        ({"accept": True, "turn": 1, "cause": "x", "reason": "x"}, {}, "bad-value"),
        ({"accept": "yes", "case": "greet"}, {}, "wrong-type"),
        ({"acept": True, "case": "greet"}, {}, "unknown-key"),
        ({"accept": True, "case": "greet", "reason": "x"}, {"run": "another"}, "decisions-run"),
        ({"accept": True, "case": "greet", "reason": "x"}, {"format": 2}, "decisions-format"),
        ({"accept": True, "case": "greet", "reason": "x"}, {"kind": "shopping"}, "unknown-word"),
    ],
)  # fmt: skip
def test_decisions_that_fit_nothing_are_refused(shop: Shop, entry: dict[str, Any], more: dict[str, Any], code: str) -> None:
    """A mistake in the file, or a file about another run, writes nothing and says where."""
    shop.edit("agent.yaml", "Hello!", "Hi!")
    changed = shop.run()
    before = shop.files()
    with pytest.raises(Refused, match="nothing was approved") as caught:
        shop.approve(changed, decisions=decisions(shop, changed, entry, **more))
    assert code in [item.code for item in caught.value.diagnostics]
    assert shop.files() == before


def test_the_same_thing_twice_is_refused(shop: Shop) -> None:
    """Two decisions about one case leave it open which one counts."""
    shop.edit("agent.yaml", "Hello!", "Hi!")
    changed = shop.run()
    entry = {"accept": True, "case": "greet", "reason": "x"}
    with pytest.raises(Refused, match="nothing was approved") as caught:
        shop.approve(changed, decisions=decisions(shop, changed, entry, entry))
    assert [item.code for item in caught.value.diagnostics] == ["decisions-twice"]


def test_staleness_is_told(shop: Shop) -> None:
    """A changed script, a changed agent and an approval that is over are counted for the gates."""
    out = shop.run()
    assert compare_baseline(shop.folder / "baselines/evals", read_run(Path(out))).staleness == _fresh(2)
    shop.edit("scripts/greet.yaml", "turns:", "# a remark\nturns:")
    found = compare_baseline(shop.folder / "baselines/evals", read_run(Path(shop.run()))).staleness
    assert found is not None
    assert (found.script, found.agent, found.figures()) == (("greet",), (), {"stale": 1.0, "expired": 0.0})
    shop.edit("agent.yaml", "agent: shop", "# a remark\nagent: shop")
    found = compare_baseline(shop.folder / "baselines/evals", read_run(Path(shop.run()))).staleness
    assert found is not None
    assert (found.agent, len(found.lines())) == (("greet", "leave"), 2)
    path = shop.folder / "baselines/evals/leave.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("    script:", "    expires: '2026-11-20'\n    script:"), encoding="utf-8"
    )
    found = compare_baseline(shop.folder / "baselines/evals", read_run(Path(shop.run()))).staleness
    assert found is not None
    assert (found.expired, found.figures()["expired"]) == (("leave",), 1.0)
    assert "1 of 2 cases of the baseline has an approval that is over: leave" in found.lines()


def _fresh(cases: int) -> Any:
    from focal_eval.compare.staleness import Staleness

    return Staleness(cases)


def test_a_broken_baseline_stops_everything(shop: Shop) -> None:
    """One file that cannot be read, and nothing is written at all."""
    shop.write("scripts/again.yaml", LEAVE)
    path = shop.folder / "baselines/evals/leave.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "<<<<<<< HEAD\n", encoding="utf-8")
    before = shop.files()
    with pytest.raises(Refused, match="the baseline cannot be read"):
        shop.approve(shop.run())
    assert shop.files() == before


def test_a_file_without_cases_is_not_left(shop: Shop) -> None:
    """A script that lost a row loses that case alone."""
    rows = "params:\n  rows:\n    - {word: hello}\n    - {word: hello there}\n"
    shop.write("scripts/rows.yaml", rows + 'turns:\n  - user: "{{ word }}"\n    expect: {rules: [greet]}\n')
    shop.approve(shop.run())
    shop.edit("scripts/rows.yaml", "    - {word: hello there}\n", "")
    done = shop.approve(shop.run(), Category.UNUSED)
    assert told(done)[0] == ("unused", "rows[word=hello there]", True)
    assert [case.name for case in baseline.read(shop.folder / "baselines/evals") if case.script == "rows"] == [
        "rows[word=hello]"
    ]


def test_the_verb(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """A dry run writes nothing and says by its exit code that something would change; `--json` is one document."""
    shop.edit("agent.yaml", "Hello!", "Hi!")
    changed = shop.run()
    before = shop.files()
    words = ["approve", changed, "--only", "wrong", "--author", "Ada", "--reason", "shorter"]
    assert main([*words, "--dry-run"]) == 1
    assert "would approve 1 wrong" in capsys.readouterr().out
    assert shop.files() == before
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(item["case"], item["approved"]) for item in found["items"] if item["category"] == "wrong"] == [("greet", True)]
    assert main([*words, "--dry-run"]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "nwe"], "did you mean 'new'"),
        (["--script", "gret"], "did you mean 'greet'"),
        (["--turn", "0", "--script", "greet"], "not the number of a turn"),
        (["--expires", "soon"], "takes a day"),
        (["--expires", "2020-01-01"], "over already"),
        (["--cause", "x", "--only", "new"], "choose among what is wrong"),
        (["--decisions", "x.json", "--cause", "x"], "are not for it"),
    ],
)
def test_wrong_words_are_refused(shop: Shop, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    """Each mistake on the command line is a sentence and exit code 2."""
    assert main(["approve", shop.run(), "--author", "Ada", "--reason", "x", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_cause_has_the_words_of_the_comparison(shop: Shop) -> None:
    """A rule that was only looked at in one case and matched in another is one cause; its words are those of the match."""
    late = "  - {id: late, when: it is late, match: {any_words: [late]}, requires: [known], then: say so, template: bye}\n"
    shop.write("agent.yaml", AGENT.replace("templates:", late + "variables: {known: null}\ntemplates:"))
    said = "turns: [{user: it is late, expect: {rules: {excludes: [greet]}}}]\n"
    shop.write("scripts/alone.yaml", said)
    shop.write("scripts/zero.yaml", "given: {variables: {known: 1}}\n" + said)
    shop.approve(shop.run(), Category.NEW, Category.WRONG)
    shop.edit("agent.yaml", "any_words: [late]", "any_words: [soon]")
    found = {item.case: (item.cause, item.text) for item in shop.approve(shop.run()).items if item.cause is not None}
    assert found == dict.fromkeys(("alone", "zero"), ("rules:-late", "rule late no longer matches"))


def test_what_was_only_removed_is_told_as_that(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line counts files removed in words of their own, also where none was written."""
    (shop.folder / "scripts/leave.yaml").unlink()
    gone = shop.run()
    assert main(["approve", gone, "--only", "unused", "--reason", "gone", "--author", "Ada"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 file was removed in baselines/evals"
    assert main(["approve", gone, "--only", "unused", "--reason", "gone", "--author", "Ada"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "nothing was written to baselines/evals"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("cases:", "casez:", "no key is named 'casez' here; did you mean 'cases'?"),
        ("script: leave", "script: deep/leave", "a baseline of 'deep/leave' stands in deep/leave.yaml"),
    ],
)
def test_check_says_what_is_wrong_with_a_baseline(
    shop: Shop, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    """A baseline's file is known by its key `baseline` alone, and one at the wrong place is not sound."""
    path = shop.folder / "baselines/evals/leave.yaml"
    assert main(["check", str(path)]) == 0
    capsys.readouterr()
    path.write_text(path.read_text(encoding="utf-8").replace(f"\n{old}", f"\n{new}", 1), encoding="utf-8")
    assert main(["check", str(path)]) == 2
    out = capsys.readouterr().out
    assert said in out
    assert "1 error in 1 of 1 file; read 1 baseline" in out


def test_a_journal_of_another_shape_is_told_as_damaged(shop: Shop) -> None:
    """A journal may come from anywhere: rules that are no list are named, in approving and in comparing."""
    folder = shop.run()
    path = shop.folder / folder / "journal.jsonl"
    text = path.read_text(encoding="utf-8")
    assert '"rules":[' in text
    path.write_text(text.replace('"rules":[', '"rules":3,"rulez":['), encoding="utf-8")
    reseal(path)
    with pytest.raises(StorageError, match="is damaged: rules: a list is expected"):
        shop.approve(folder)
    with pytest.raises(StorageError, match="is damaged: rules: a list is expected"):
        compare_baseline(shop.folder / "baselines/evals", read_run(Path(folder)))


def test_the_agent_is_kept_once_all_is_approved_of_it(shop: Shop) -> None:
    """What was approved of tells the edits since; while one case is approved of the older agent, that one stays."""
    kept = shop.files()["agent.yml"]
    assert kept.splitlines()[0].startswith("# The agent these conversations were approved of.")
    assert kept.partition("\n")[2] == (shop.folder / "agent.yaml").read_text(encoding="utf-8")
    shop.edit("agent.yaml", "Hello!", "Hi!")
    shop.edit("agent.yaml", "Goodbye.", "See you.")
    both = shop.run()
    compared = compare_baseline(shop.folder / "baselines/evals", read_run(Path(both)))
    edits = compared.comparison.edits or ()
    assert [(edit.kind, edit.name, edit.change) for edit in edits] == [
        ("template", "hello", "edited"),
        ("template", "bye", "edited"),
    ]
    groups = {group.cause.key: [edits[at].name for at in group.edits] for group in compared.comparison.groups}
    assert groups == {"response:~hello": ["hello"], "response:~bye": ["bye"]}
    shop.approve(both, causes=("response:~hello",))
    assert shop.files()["agent.yml"] == kept
    done = shop.approve(both, Category.WRONG)
    assert "agent.yml" in {path.name for path in done.written}
    assert shop.files()["agent.yml"].partition("\n")[2] == (shop.folder / "agent.yaml").read_text(encoding="utf-8")
    assert compare_baseline(shop.folder / "baselines/evals", read_run(Path(both))).comparison.edits == ()


def test_a_kept_agent_holds_no_secret(shop: Shop) -> None:
    """It is the copy of the run's folder, from which secrets were taken out."""
    shop.edit("agent.yaml", "agent: shop", "agent: shop\ndescription: its key is sk-abcdefghijklmnopqrstuv")
    shop.approve(shop.run(), *Category)
    assert "description: its key is [redacted]\n" in shop.files()["agent.yml"]
    assert "sk-abc" not in shop.files()["agent.yml"]


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "this baseline keeps no agent"), ("agent: [", "agent.yml cannot be read")],
)
def test_a_baseline_without_its_agent_is_compared_without_edits(shop: Shop, text: str | None, said: str) -> None:
    """Baselines of before, or one that a merge damaged, are compared; why no edit is shown is said."""
    path = shop.folder / "baselines/evals/agent.yml"
    path.unlink()
    if text is not None:
        path.write_text(text, encoding="utf-8")
    compared = compare_baseline(shop.folder / "baselines/evals", read_run(Path(shop.run())))
    assert compared.comparison.edits is None
    assert said in (compared.agents or "")


def test_nothing_is_left_where_approving_is_refused(shop: Shop) -> None:
    """A choice that fits nothing is known only at the end: texts that waited on the disk go, and folders made for them."""
    shop.write("scripts/again.yaml", LEAVE)
    (shop.folder / "baselines").rename(shop.folder / "kept")
    with pytest.raises(UsageError, match="no script is named 'gret'"):
        shop.approve(shop.run(), scripts=("again", "gret"))
    assert not (shop.folder / "baselines").exists()
