"""What the page shows of a case beside its run: its last runs in a store, and its quarantine."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest

from focal_eval.compare.keys import case_key
from focal_eval.report import read_run
from focal_eval.report.base import ReportOptions
from focal_eval.report.html import write
from focal_eval.store.answers import Strips
from focal_eval.testing import sample_run
from tests.report.reader import DESKTOP, PHONE, Readers

HOSTILE = "</script><img src=x onerror=window.pwned=1>"
STRIP = "pp~fe.xs"


def held_run(folder: Path) -> Path:
    """The hostile sample, of which the failed case is in quarantine."""
    run = sample_run(folder)
    entry = {"case": "folder/failed", "owner": HOSTILE, "expires": "2026-12-31", "reason": HOSTILE, "expired": False}
    lines = [orjson.loads(line) for line in (run / "journal.jsonl").read_bytes().splitlines()]
    lines[0]["quarantine"] = [{**entry, "cases": ["folder/failed"]}]
    (run / "journal.jsonl").write_bytes(b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines))
    return run


def strips_of(run: Path) -> Strips:
    names = [case_key(case.name, case.script, case.repeat) for case in read_run(run).cases]
    runs = tuple((f"run-{number}", f"2026-01-{number:02d}T08:00:00.000Z") for number in range(1, len(STRIP) + 1))
    return Strips(runs, dict.fromkeys(names, STRIP))


def columns(page: Path) -> list[str]:
    """The columns of a page's index."""
    found = re.search(r'"columns":(\[[^\]]*\])', page.read_text())
    assert found is not None
    return list(orjson.loads(found[1]))


def test_a_page_without_a_store_has_nothing_of_it(tmp_path: Path) -> None:
    """Neither a column nor a row of it: the page costs nothing."""
    page = write(read_run(sample_run(tmp_path / "run")), tmp_path / "report.html")
    assert not {"strip", "held"} & set(columns(page))


def test_one_run_is_no_history(tmp_path: Path) -> None:
    """A strip of this run alone says nothing that its verdict does not."""
    run = sample_run(tmp_path / "run")
    options = ReportOptions(history=Strips((("run-1", "2026-01-01T08:00:00.000Z"),), {"folder/failed": "f"}))
    assert "strip" not in columns(write(read_run(run), tmp_path / "report.html", options))


@pytest.mark.browser
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_reader_sees_the_last_runs_and_the_quarantine(readers: Readers, tmp_path: Path, size: tuple[int, int]) -> None:
    """In the list and on the case's page: a bar a run with words for those who do not see it; nothing said there is run."""
    run = held_run(tmp_path / "run")
    path = write(read_run(run), tmp_path / "report.html", ReportOptions(history=strips_of(run)))
    with readers.at(path.as_uri(), size) as reader:
        page = reader.page
        row = page.locator(".row", has=page.locator(".row-link", has_text="folder/failed"))
        assert row.locator(".badge.held").inner_text() == "quarantine"
        assert row.locator(".strip").is_visible() is (size == DESKTOP)
        assert row.locator(".of-run").count() == len(STRIP)
        row.locator(".row-link").click()
        page.wait_for_selector("#case-title")
        said = page.locator(".case-history").inner_text()
        assert (
            "The last 8 runs, this one at the end: 2 passed, 1 flaky, 1 failed, 1 errored, 1 failed as expected, 1 skipped"
            in said
        )
        assert "since 1 January 2026, 08:00:00 UTC" in said
        assert f"quarantine until 2026-12-31 ({HOSTILE}): {HOSTILE}" in page.locator(".case-mark").inner_text()
        assert page.evaluate("window.pwned") is None
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert reader.log == []
