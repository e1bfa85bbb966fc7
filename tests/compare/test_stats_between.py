"""What two sides say of each other."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from focal_eval.clock import seeded
from focal_eval.compare.keys import case_key
from focal_eval.compare.model import RecordedCase, RecordedTurn
from focal_eval.compare.stats import Measured, Statistics, measured, statistics_of
from focal_eval.compare.stats.bootstrap import quantile_differences


def side(rates: dict[str, str], latencies: tuple[float, ...] = ()) -> Iterator[Measured]:
    """Cases by their repeats: `+` passed, `-` failed, `!` errored."""
    words = {"+": "passed", "-": "failed", "!": "errored"}
    for key, outcomes in rates.items():
        for number, outcome in enumerate(outcomes, 1):
            yield Measured(key, words[outcome], number, latencies)


def compared(before: dict[str, str], after: dict[str, str], **more: object) -> Statistics:
    return statistics_of(side(before), side(after), **more)  # type: ignore[arg-type]


def test_cases_tried_once_make_the_paired_test() -> None:
    """Two got worse and none better, of five judged on both sides: p = 0.5, and no case can stand alone."""
    before = {"a": "+", "b": "+", "c": "+", "d": "-", "e": "+", "gone": "+"}
    after = {"a": "-", "b": "-", "c": "+", "d": "-", "e": "+", "new": "-", "f": "!"}
    found = compared(before, after)
    assert (found.paired.cases, found.paired.worse, found.paired.better, found.paired.p) == (5, 2, 0, 0.5)
    assert found.paired.rates == (0.8, 0.4)
    assert (found.unpaired, found.errored) == ((1, 1), (0, 1))
    assert [(test.key, test.p, test.q) for test in found.tests] == [("a", 0.5, None), ("b", 0.5, None)]
    assert found.worsened() == ()


def test_a_deterministic_engine_needs_no_test() -> None:
    """One repeat says it all: what fell, fell; what rose does not count."""
    found = compared({"a": "+", "b": "-"}, {"a": "-", "b": "+"}, deterministic=True)
    assert [test.key for test in found.worsened(min_effect=1.0)] == ["a"]


def test_a_case_that_broke_is_found_among_a_hundred_stable_ones() -> None:
    """Cases that came out the same on both sides could not have been significant, and do not dilute the one that fell."""
    stable = {f"s{number}": "+++++" for number in range(100)}
    found = compared({**stable, "broken": "+++++"}, {**stable, "broken": "-----"})
    assert found.tested == (1, 1)
    assert not found.set_is_worse
    (worse,) = found.worsened(min_effect=0.1)
    assert (worse.key, worse.before, worse.after, worse.effect) == ("broken", (5, 5), (0, 5), -1.0)
    assert worse.p == worse.q == pytest.approx(1 / 252)


def test_many_small_falls_make_the_set_worse() -> None:
    """Ten cases tried once fall, none rises: none is significant alone, all of them together are."""
    before, after = {f"c{n}": "+" for n in range(12)}, {f"c{n}": "-" if n < 10 else "+" for n in range(12)}
    found = compared(before, after)
    assert found.set_is_worse
    assert found.paired.p == pytest.approx(2 / 1024)
    assert len(found.worsened()) == 10


def test_an_effect_that_is_too_small_does_not_count() -> None:
    """A fall by a twentieth is no regression where a tenth is asked for."""
    before = {f"c{n}": "+" * 20 for n in range(10)}
    after = {f"c{n}": "+" * 19 + "-" for n in range(10)}
    found = compared(before, after)
    assert found.set_is_worse
    assert len(found.worsened(min_effect=0.05)) == 10
    assert found.worsened(min_effect=0.1) == ()


def test_pairs_are_of_equal_length() -> None:
    """More repeats on one side alone make no case better or worse: the first ones are paired."""
    found = compared({"a": "+"}, {"a": "+" + "-" * 9}, alpha=0.05)
    assert (found.paired.worse, found.paired.rates) == (0, (1.0, 1.0))
    assert found.tests[0].after == (1, 10)


def test_the_document_holds_every_figure_with_its_number() -> None:
    """It is plain JSON, the same each time, and says how many cases and repeats each figure is from."""
    before, after = {f"c{n:02}": "++-" for n in range(12)}, {f"c{n:02}": "+--" for n in range(12)}

    def document() -> bytes:
        low, high = side(before, (10.0, 20.0)), side(after, (11.0, 25.0))
        return orjson.dumps(statistics_of(low, high).as_json())

    assert document() == document()
    data = orjson.loads(document())
    assert (data["paired"]["cases"], data["paired"]["worse"]) == (12, 12)
    assert data["cases"][0]["before"]["judged"] == 3
    assert [(row["quantile"], row["difference"], row["cases"], row["turns"]) for row in data["latency_ms"]] == [
        (0.5, 1.0, 12, [72, 72]),
        (0.95, 5.0, 12, [72, 72]),
    ]
    assert data["tokens"] == []


def test_figures_come_from_what_is_recorded() -> None:
    """Unknown latencies and tokens are left out, never zero; turns that broke are no measurement."""
    turns = (
        RecordedTurn(0, "a", {"response": "b", "tokens": {"total": 7}}, elapsed_ms=12.5),
        RecordedTurn(1, "a", {"response": "b", "tokens": {"prompt": 3, "completion": 2}}),
        RecordedTurn(2, "a", {"response": "b"}, elapsed_ms=1.0),
        RecordedTurn(3, "a", fault={"kind": "engine-timeout"}, elapsed_ms=30_000.0),
    )
    case = RecordedCase("mug[n=1]#2", "mug", "failed", turns, repeat=2)
    assert measured(case) == Measured("mug[n=1]", "failed", 2, (12.5, 1.0), (7.0, 5.0))


@pytest.mark.parametrize(
    ("name", "script", "repeat", "key"),
    [("mug", "mug", 1, "mug"), ("mug#2", "mug", 2, "mug"), ("mug#1", "mug#1", 1, "mug#1"), ("a[x=#1]", "a", 1, "a[x=#1]")],
)
def test_the_repeats_of_a_case_have_one_key(name: str, script: str, repeat: int, key: str) -> None:
    """Only the repeat's own number is taken off; a script may be named like one."""
    assert case_key(name, script, repeat) == key


def test_a_difference_has_no_interval_from_a_few_cases() -> None:
    """Below ten cases the figures stand alone; the order of the cases does not matter."""
    before, after = [[1.0, 2.0, 3.0]] * 9, [[2.0, 3.0, 4.0]] * 9
    (median,) = quantile_differences(before, after, (0.5,))
    assert (median.before, median.after, median.difference, median.interval, median.draws) == (2.0, 3.0, 1.0, None, 0)
    (median,) = quantile_differences(before * 2, after * 2, (0.5,))
    assert median.interval == (1.0, 1.0)
    assert (median.cases, median.values, median.draws) == (18, (54, 54), 1_999)


def test_a_pair_without_a_value_is_refused() -> None:
    """The caller pairs; a case that was measured on one side only does not belong here."""
    with pytest.raises(ValueError, match="each case needs a value on both sides"):
        quantile_differences([[1.0], []], [[1.0], [2.0]])


@pytest.mark.slow
def test_the_bootstrap_covers_the_true_difference() -> None:
    """The interval of the median holds the true shift in some 95 % of 300 samples of 60 cases whose turns go together."""
    chance = seeded(17)
    covered = 0
    for _ in range(300):
        own = [chance.gauss(100, 15) for _ in range(60)]
        before = [[level + chance.gauss(0, 5) for _ in range(4)] for level in own]
        after = [[level + 4 + chance.gauss(0, 5) for _ in range(4)] for level in own]
        (median,) = quantile_differences(before, after, (0.5,), seed=chance.randrange(1 << 30))
        assert median.interval is not None
        covered += median.interval.low <= 4 <= median.interval.high
    assert 0.91 <= covered / 300 <= 1.0


@pytest.mark.slow
@pytest.mark.parametrize("repeats", [1, 5, 12])
def test_nothing_changed_raises_a_false_alarm_in_a_share_alpha(repeats: int) -> None:
    """Of 400 comparisons of an unchanged, flaky agent with itself at most 5 % say that a case got worse."""
    chance = seeded(23)
    rates = [chance.choice((0.3, 0.5, 0.7, 0.9, 0.95, 1.0)) for _ in range(40)]

    def once() -> dict[str, str]:
        return {
            f"c{n}": "".join("+" if chance.random() < rate else "-" for _ in range(repeats)) for n, rate in enumerate(rates)
        }

    alarms = sum(bool(compared(once(), once()).worsened()) for _ in range(400))
    assert alarms / 400 <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5
