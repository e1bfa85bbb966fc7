"""Times of replayed conversations are those of the recording: a comparison says so and calls none of them worse."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from focal_eval.cli import main
from focal_eval.evaluate import CompareRequest, compare
from focal_eval.evaluate.comparison_page import write_page
from tests.evaluate.cassette_runs import play, shop


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A recorded run, a live one, and replays of the first one in both modes."""
    monkeypatch.chdir(tmp_path)
    suite = shop(tmp_path)
    modes = {"recorded": "record", "live": "off", "replayed": "replay", "either": "replay-else-record"}
    return {name: str(play(suite, mode).model.folder) for name, mode in modes.items()}


def why(before: str, *after: str) -> str | None:
    return compare(CompareRequest(before, after[0], more=after[1:])).statistics.uncompared.get("latency_ms")


def test_times_of_live_runs_are_compared(runs: dict[str, str]) -> None:
    """Recording does not alter what a run measures."""
    statistics = compare(CompareRequest(runs["recorded"], runs["live"])).statistics
    assert not statistics.uncompared
    assert [row.share for row in statistics.latency] == [0.5, 0.95]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("recorded", "replayed", r"the turns of \S+ were replayed from cassette tape\.jsonl"),
        ("replayed", "live", r"the turns of \S+ were replayed from cassette tape\.jsonl"),
        ("live", "either", r"the turns of \S+ may have been replayed from cassette tape\.jsonl"),
        (
            "either",
            "replayed",
            r"the turns of \S+ may have been replayed from cassette tape\.jsonl and the turns of \S+ were replayed from .*",
        ),
    ],
)
def test_times_of_a_replay_are_not_compared(runs: dict[str, str], before: str, after: str, said: str) -> None:
    """On either side; where it is not known whether all turns were asked anew, that is the word."""
    assert re.fullmatch(said, why(runs[before], runs[after]) or "")
    assert compare(CompareRequest(runs[before], runs[after])).statistics.latency == ()


def test_one_replay_among_several_runs_is_enough(runs: dict[str, str]) -> None:
    """Several runs read as one are looked at one by one."""
    assert why(runs["recorded"], runs["live"]) is None
    assert "were replayed" in (why(runs["recorded"], runs["live"], runs["replayed"]) or "")


def test_every_reader_is_told(runs: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """The terminal, the document, and the page, which draws no times either; tokens and rates are compared as ever."""
    sides = runs["recorded"], runs["replayed"]
    assert main(["compare", *sides]) == 0
    said = capsys.readouterr().out
    assert re.search(r"latency of a turn: not compared, since the turns of \S+ were replayed from cassette tape\.jsonl", said)
    assert "median" not in said
    assert main(["compare", *sides, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["statistics"]
    assert figures["latency_ms"] == []
    assert "were replayed" in figures["uncompared"]["latency_ms"]
    assert figures["paired"]["cases"] == 1
    page = html.unescape(write_page(compare(CompareRequest(*sides)), Path("page.html")).read_text())
    tile = re.search(r'<div class="tile [^"]*"><dt>Latency of a turn</dt>.*?</div>', page)
    assert tile is not None
    assert "not compared" in tile[0]
    assert "since the turns of" in tile[0]
    assert "tile-word" not in tile[0]
    assert "How long turns took" not in page
    assert "How long turns took" in html.unescape(
        write_page(compare(CompareRequest(runs["recorded"], runs["live"])), Path("page.html")).read_text()
    )
