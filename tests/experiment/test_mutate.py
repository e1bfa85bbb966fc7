"""Trying mutants of an agent: who notices which, what survivors say, and the same result however it is worked out."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from focal_eval.agent.placed import Placed
from focal_eval.agent.spellings import TextByLanguage
from focal_eval.experiment.agent_mutants import AgentMutant, agent_mutants
from focal_eval.experiment.lab import Lab
from focal_eval.experiment.mutants import Fate, Tried, score
from focal_eval.experiment.mutate import try_mutant, try_naively
from focal_eval.experiment.mutate_pool import Trials
from focal_eval.experiment.reach import Reach
from tests.experiment.kiosk import AGENT, SCRIPTS, lab_of, write_kiosk


def made(lab: Lab) -> tuple[AgentMutant, ...]:
    return agent_mutants(lab.agent, "agent.yaml")


def tried(reach: Reach, operator: str, what: str, words: str = "") -> Tried:
    """What becomes of the one mutant that fits."""
    fits = [one for one in made(reach.lab) if one.mutant.operator == operator and one.mutant.what == what]
    return try_mutant(reach, next(one for one in fits if words in one.mutant.text))


@pytest.fixture(scope="module")
def kiosk(tmp_path_factory: pytest.TempPathFactory) -> Reach:
    return Reach(lab_of(write_kiosk(tmp_path_factory.mktemp("kiosk"))))


def test_a_killed_mutant_names_the_expectation_that_noticed(kiosk: Reach) -> None:
    """The case, its turn, and the expectation in words."""
    found = tried(kiosk, "delete-rule", "rule:greet")
    assert found.fate is Fate.KILLED
    assert found.killer is not None
    assert (found.killer.case, found.killer.turn) == ("greeting", 0)
    assert "greet" in found.killer.expectation


def test_a_survivor_shows_what_nobody_looked_at_and_what_would_notice_it(kiosk: Reach, tmp_path: Path) -> None:
    """Put into the script, the proposed expectation kills the mutant and holds on the agent."""
    found = tried(kiosk, "drop-sentence", "template:hello", "What can I do?")
    assert (found.fate, found.covered) == (Fate.SURVIVED, ("greeting",))
    assert found.weak is not None
    assert "greeting, turn 1, response changed: 'Hello. What can I do?' → 'Hello.'" in found.weak
    assert found.proposal == "expect:\n  response: {contains: 'What can I do?'}"
    better = SCRIPTS | {"greeting": "turns:\n  - user: hello\n    expect: {response: {contains: What can I do?}}\n"}
    reach = Reach(lab_of(write_kiosk(tmp_path, scripts=better)))
    assert all(case.replay.good for case in reach.cases)
    assert tried(reach, "drop-sentence", "template:hello", "What can I do?").fate is Fate.KILLED


def test_what_no_script_plays_is_not_covered(kiosk: Reach) -> None:
    """A word that nobody says is told apart from one that nobody looks at; both count against the score."""
    found = tried(kiosk, "narrow-trigger", "rule:greet", "'hi'")
    assert (found.fate, found.probes, found.covered) == (Fate.NOT_COVERED, 0, ())
    assert score([found]).value == 0.0


@pytest.mark.parametrize(
    ("operator", "what", "reason"),
    [
        ("flip-switch", "transition:buying/pay → done", "the step collects nothing"),
        ("change-mode", "template:pay", "no rule says it"),
    ],
)
def test_equivalent_mutants_have_a_proof(kiosk: Reach, operator: str, what: str, reason: str) -> None:
    """They are not counted, and say why no conversation can tell them apart."""
    found = tried(kiosk, operator, what)
    assert found.fate is Fate.EQUIVALENT
    assert reason in (found.weak or "")
    assert score([found]).tried == 0


def test_a_word_that_stands_twice_is_equivalent(tmp_path: Path) -> None:
    """Without one of them the trigger is the same; another word's loss is not."""
    reach = Reach(lab_of(write_kiosk(tmp_path, AGENT.replace("[hello, hi]", "[hello, hi, Hello]"))))
    assert tried(reach, "narrow-trigger", "rule:greet", "'Hello'").fate is Fate.EQUIVALENT
    assert tried(reach, "narrow-trigger", "rule:greet", "'hi'").fate is Fate.NOT_COVERED


def test_the_plain_way_comes_to_the_same_fates(kiosk: Reach) -> None:
    """Every mutant, with every case played in full: killed, survived and not covered are the same ones."""
    for one in made(kiosk.lab):
        found, plain = try_mutant(kiosk, one).fate, try_naively(kiosk.lab, one)
        assert plain is (Fate.NOT_COVERED if found is Fate.EQUIVALENT else found), one.mutant


def test_any_number_of_workers_gives_the_same_results(tmp_path: Path) -> None:
    """In the same order, with the same killers and the same words."""
    suite = write_kiosk(tmp_path)
    reach = Reach(lab_of(suite))
    mutants = made(reach.lab)
    one, three = (Trials(reach, partial(lab_of, suite), count).run(mutants).tried for count in (1, 3))
    assert one == three
    assert [item.mutant for item in one] == [item.mutant for item in mutants]


def test_an_interrupt_keeps_what_is_known(tmp_path: Path) -> None:
    """The mutants that were tried by then, and the word that it was interrupted."""
    suite = write_kiosk(tmp_path)
    reach = Reach(lab_of(suite))

    def stop(done: int, _: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    trial = Trials(reach, partial(lab_of, suite), 2).run(made(reach.lab), stop)
    assert (trial.interrupted, len(trial.tried)) == (True, 5)


HANGING = """\
def pay_back(amount=None):
    while amount is None:
        pass
    return {"ok": True}
"""


ABANDONED = """
import os, signal, sys
from pathlib import Path
from functools import partial
from focal_eval.experiment.agent_mutants import agent_mutants
from focal_eval.experiment.mutate_pool import Trials
from focal_eval.experiment.reach import Reach
from tests.experiment.kiosk import lab_of

suite = Path(sys.argv[1])
reach = Reach(lab_of(suite))
Trials(reach, partial(lab_of, suite), workers=3).run(
    agent_mutants(reach.lab.agent, "agent.yaml"), lambda done, _: os.kill(os.getpid(), signal.SIGKILL) if done == 20 else None
)
"""


def test_workers_end_with_the_process_that_hired_them(tmp_path: Path) -> None:
    """Killed, it leaves nobody behind who holds its output open."""
    suite = write_kiosk(tmp_path)
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", ABANDONED, str(suite)], capture_output=True, timeout=60, cwd=root, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


@pytest.mark.slow
def test_a_mutant_that_never_ends_is_cut_off(tmp_path: Path) -> None:
    """A tool that hangs without its argument: that mutant is a timeout, and the others have their fates."""
    (tmp_path / "shop.py").write_text(HANGING, encoding="utf-8")
    agent = AGENT.replace(
        "{args: {amount: amount}, returns: {ok: true}}", '{args: {amount: amount}, python: "shop.py:pay_back"}'
    )
    suite = write_kiosk(tmp_path, agent)
    reach = Reach(lab_of(suite))
    mutants = [one for one in made(reach.lab) if one.mutant.operator in ("drop-argument", "delete-rule")]
    trial = Trials(reach, partial(lab_of, suite), 2, budget_s=8.0).run(mutants)
    fates = {item.mutant.text: item.fate for item in trial.tried}
    assert fates["'amount' is not passed"] is Fate.TIMEOUT
    assert len(trial.tried) == len(mutants)
    assert [item.fate for item in trial.tried].count(Fate.TIMEOUT) == 1


def test_a_text_that_is_no_template_any_more_is_broken(kiosk: Reach) -> None:
    """It is told and not counted."""
    one = next(one for one in made(kiosk.lab) if one.mutant.operator == "drop-placeholder")

    text = TextByLanguage(((Placed(""), Placed("{{ amount ")),))
    bad = replace(one, altered=replace(one.altered, held=replace(one.altered.held, text=text)))
    found = try_mutant(kiosk, bad)
    assert found.fate is Fate.BROKEN
    assert score([found]).broken == 1
