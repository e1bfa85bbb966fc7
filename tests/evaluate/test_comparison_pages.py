"""`write_page` puts a comparison into one file: where it is told to, with what it was told, the same bytes each time."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest

from focal_eval.errors import ExitCode, StorageError
from focal_eval.evaluate import CompareRequest, RunRequest, compare, run
from focal_eval.evaluate.approving import ApproveRequest, approve
from focal_eval.evaluate.comparing import Compared
from focal_eval.evaluate.comparison_page import of_baseline, of_run, write_page
from focal_eval.report.progress import Silence
from tests.cli.shop import build


def play(out: str) -> ExitCode:
    return run(RunRequest((Path("suite.yaml"),), out=Path(out), reports=()), Silence()).exit_code


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a run, its baseline, and a run after the refund rule forgot its tool."""
    build(tmp_path)
    monkeypatch.chdir(tmp_path)
    play("before")
    approve(ApproveRequest("before", author="Ada"))
    text = Path("agent.yaml").read_text(encoding="utf-8")
    Path("agent.yaml").write_text(text.replace("tools: [lookup_order]", "tools: []"), encoding="utf-8")
    play("after")
    return tmp_path


def runs() -> Compared:
    return compare(CompareRequest("before", "after"))


def test_a_folder_gets_a_file_of_the_usual_name(shop: Path) -> None:
    """In a folder the page is `comparison.html`; a path that ends in a file's name is that file."""
    (shop / "pages").mkdir()
    assert write_page(runs(), Path("pages")) == Path("pages/comparison.html")
    assert write_page(runs(), Path("pages/mine.html")) == Path("pages/mine.html")
    assert (shop / "pages/comparison.html").read_bytes() == (shop / "pages/mine.html").read_bytes()


def test_the_page_tells_what_the_comparison_is(shop: Path) -> None:
    """Headline, cause, the gate on the comparison, and the candidate's own gates under a heading of their own."""
    page = html.unescape(write_page(runs(), Path("page.html")).read_text(encoding="ascii"))
    assert "Failed: 2 of 3 conversations regressed" in page
    assert "tool lookup_order is no longer called" in page
    on_it, _, own = page.partition("The candidate’s own gates")
    assert '<span class="gate-name">regressions</span>' in on_it
    assert '<span class="gate-name">pass rate</span>' in own.partition("</ul>")[0]


def test_a_baseline_is_one_side_too(shop: Path) -> None:
    """The page of a run against its baseline says what is out of date in it."""
    compared = compare(CompareRequest("baseline", "after"))
    page = write_page(compared, Path("page.html")).read_text(encoding="utf-8")
    assert "3 of 3 cases of the baseline were approved of another version of the agent" in page
    assert "tool lookup_order is no longer called" in page


def test_the_wrong_way_round_is_noted(shop: Path) -> None:
    """A first run that is newer than the second one stands among the notes."""
    header = json.loads(Path("after/run.json").read_text(encoding="utf-8")) | {"started_at": "2099-01-01T00:00:00+00:00"}
    Path("after/run.json").write_text(json.dumps(header), encoding="utf-8")
    page = write_page(compare(CompareRequest("after", "before")), Path("page.html")).read_text(encoding="utf-8")
    assert "is newer than" in page
    assert "is newer than" not in write_page(compare(CompareRequest("before", "after")), Path("page.html")).read_text("utf-8")


def test_each_side_is_read_by_its_own_name(shop: Path) -> None:
    """A case is found on both sides; one that a side does not have is empty there."""
    compared = compare(CompareRequest("baseline", "after"))
    assert compared.before is None
    change = next(case for case in compared.comparison.cases if case.name.startswith("money/refund"))
    kept, now = of_baseline(Path(compared.comparison.before.name))(change), of_run(compared.after)(change)
    assert [[call["name"] for call in side[0].turns[0].reply["tools"]] for side in (kept, now) if side[0].turns[0].reply] == [
        ["lookup_order"],
        [],
    ]


def test_a_place_that_cannot_be_written_is_told(shop: Path) -> None:
    """A file where a folder is asked for: the path and why."""
    (shop / "taken").write_text("a file", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot make the folder taken"):
        write_page(runs(), Path("taken/page.html"))
