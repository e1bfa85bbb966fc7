"""`python`: functions of the suite's own, and the walls around them; judging as such."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from focal_eval.checks import Conversation, ConversationCheck, Moment, TurnCheck, judge_check
from focal_eval.checks.judging import Judged
from focal_eval.records import Finding, Outcome
from tests.checks.judged import check, conversation, moment, reading, turn

SOURCE = """
from dataclasses import dataclass

@dataclass
class Seen:
    words: int

def polite(seen):
    return "please" in seen.reply.response

def short(seen, limit=3):
    number = len(seen.reply.response.split())
    return None if number <= limit else f"{number} words are more than {limit}"

def many(seen):
    return ["first", "second"]

def asserting(seen):
    assert Seen(2).words == len(seen.reply.response), "not two characters"

def crashing(seen):
    return 1 / 0

def odd(seen):
    return {"ok": True}

async def later(seen):
    return True

def turns(seen):
    return len(seen.turns) == 2
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "refund.py").write_text(SOURCE)
    (tmp_path / "checks" / "broken.py").write_text("import nothing_of_this_name\n")
    return tmp_path


def judged(function: str, root: Path | None, text: str = "a b c d", extra: str = "") -> Judged:
    seen = replace(moment(response=text), root=root)
    return judge_check(check("python", f"{{call: 'checks/{function}'{extra}}}"), seen)


def test_what_a_function_returns_is_the_verdict(root: Path) -> None:
    """True and None pass; False, a sentence and a list of sentences fail."""
    assert judged("refund.py:polite", root, "please")[0] is Outcome.PASSED
    outcome, findings, _ = judged("refund.py:polite", root)
    assert (outcome, findings) == (Outcome.FAILED, (Finding("checks/refund.py:polite says no", path=("call",)),))
    assert judged("refund.py:short", root, "a b")[0] is Outcome.PASSED
    assert judged("refund.py:short", root)[1][0].message == "4 words are more than 3"
    assert judged("refund.py:short", root, extra=", with: {limit: 4}")[0] is Outcome.PASSED
    assert [item.message for item in judged("refund.py:many", root)[1]] == ["first", "second"]


def test_a_failed_assertion_is_a_finding_not_a_crash(root: Path) -> None:
    """An assertion's message is what the check has to say."""
    outcome, findings, _ = judged("refund.py:asserting", root)
    assert outcome is Outcome.FAILED
    assert findings[0].message.startswith("not two characters")
    assert judged("refund.py:asserting", root, "ab")[0] is Outcome.PASSED


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("refund.py:crashing", "the check crashed: ZeroDivisionError: division by zero"),
        ("refund.py:odd", "checks/refund.py:odd returned dict; return True, False, None, a sentence or a list of sentences"),
        ("refund.py:later", "'later' in 'checks/refund.py' is not a plain function"),
        ("refund.py:polit", "'checks/refund.py' has no function 'polit'; did you mean 'polite'?"),
        ("refund.py:Seen", "the check crashed: "),
        ("gone.py:polite", "there is no file 'checks/gone.py' below "),
        ("broken.py:x", "'broken.py' cannot be loaded: ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("../../etc/passwd.py:x", "lies outside the suite's root"),
    ],
)
def test_what_goes_wrong_in_local_python_is_an_error_of_the_check(root: Path, function: str, reason: str) -> None:
    """A crash, a wrong answer, a missing function or file is errored, with the reason in words."""
    outcome, findings, said = judged(function, root)
    if function.endswith(":Seen"):  # a class is callable: what it gives is no verdict
        assert said is not None
        assert "returned Seen" in said
        return
    assert (outcome, findings) == (Outcome.ERRORED, ())
    assert said is not None
    assert reason in said


def test_a_link_out_of_the_root_is_not_followed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The wall stands after links are resolved."""
    outside = tmp_path_factory.mktemp("outside") / "evil.py"
    outside.write_text("def x(seen):\n    return True\n")
    (root / "checks" / "evil.py").symlink_to(outside)
    outcome, _, reason = judged("evil.py:x", root)
    assert outcome is Outcome.ERRORED
    assert reason is not None
    assert "lies outside the suite's root" in reason


def test_local_python_can_be_switched_off() -> None:
    """Without a root nothing is run, and the reason says so."""
    outcome, _, reason = judged("refund.py:polite", None)
    assert outcome is Outcome.ERRORED
    assert reason == "'checks/refund.py:polite' is local Python, which is switched off for this run"


def test_a_changed_file_is_read_anew(root: Path) -> None:
    """A file is run once as long as it does not change."""
    file = root / "checks" / "live.py"
    file.write_text("def x(seen):\n    return 'old'\n")
    assert judged("live.py:x", root)[1][0].message == "old"
    file.write_text("def x(seen):\n    return 'newer'\n")
    import os

    os.utime(file, ns=(1, 1))
    assert judged("live.py:x", root)[1][0].message == "newer"


def test_a_conversation_is_judged_by_local_python_too(root: Path) -> None:
    """Under `conversation` the function gets the whole conversation."""
    both = check("conversation.python", "checks/refund.py:turns")
    assert judge_check(both, conversation(turn(0, response="a"), turn(1, response="b"), root=root))[0] is Outcome.PASSED
    assert judge_check(both, conversation(turn(0, response="a"), root=root))[0] is Outcome.FAILED


@pytest.mark.parametrize("yaml", ["refund.py", "refund:polite", "refund.py:not a name"])
def test_a_call_that_names_no_function_is_refused(yaml: str) -> None:
    """The form is checked while reading."""
    _, problems = reading("python", f"'{yaml}'")
    assert "names no function; write file.py:function" in problems[0]


@dataclass(frozen=True, slots=True)
class Crashing(TurnCheck):
    """A check that always crashes."""

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        raise KeyError("missing\nsecond line")


@dataclass(frozen=True, slots=True)
class Interrupted(ConversationCheck):
    """A check during which the user stops the run."""

    def judge(self, seen: Conversation) -> tuple[Finding, ...]:
        raise KeyboardInterrupt


def test_a_crash_of_a_check_is_a_value() -> None:
    """A crash is errored with the exception in one line; it never ends the run."""
    assert judge_check(Crashing(), moment(response="x")) == (
        Outcome.ERRORED,
        (),
        "the check crashed: KeyError: 'missing\\nsecond line'",
    )


def test_an_interrupt_is_not_swallowed() -> None:
    """The user's interrupt passes through."""
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        judge_check(Interrupted(), conversation())


@pytest.mark.parametrize("line", ["import sys; sys.exit(0)", "import pytest; pytest.fail('not nice')", "raise Mute()"])
def test_a_check_that_exits_is_errored(tmp_path: Path, line: str) -> None:
    """A local check that calls `sys.exit(0)` or `pytest.fail()` has crashed: it ends no run and passes nothing."""
    mute = "class Mute(Exception):\n    def __str__(self): raise ValueError\n"
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "own.py").write_text(f"{mute}def leaves(seen):\n    {line}\n")
    outcome, _, reason = judged("own.py:leaves", tmp_path)
    assert outcome is Outcome.ERRORED
    assert (reason or "").startswith("the check crashed: ")
