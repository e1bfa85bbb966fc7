"""`report.html` as a file: what it may do, what it holds, that it is always the same."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from lxml import html as lxml_html

from focal_eval.report import ReportModel, comparison, read_run
from focal_eval.report.html import CHUNK_CASES, COVERAGE, LIVE, SCRIPTS, STYLES, display_order, json_for_script, write
from tests.report.sample_cases import rich_cases
from tests.report.sample_odd_cases import hostile_case
from tests.report.sample_run import case_lines, write_run
from tests.report.sample_volume import volume_cases


def page_of(run: ReportModel, folder: Path) -> tuple[str, Any]:
    """The file's text, and the parsed page."""
    text = write(run, folder).read_text("utf-8")
    return text, lxml_html.fromstring(text)


def index_of(page: Any) -> dict[str, Any]:
    """The index in the page."""
    found: dict[str, Any] = orjson.loads(page.get_element_by_id("index").text)
    return found


def digest(text: str) -> str:
    """The digest as a policy names it."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def test_the_policy_lets_run_our_script_and_style_only(rich: ReportModel, tmp_path: Path) -> None:
    """The policy allows nothing by default, and one script and one style sheet by their digests."""
    _, page = page_of(rich, tmp_path)
    policy = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    scripts = [element for element in page.iter("script") if element.get("type") is None]
    styles = list(page.iter("style"))
    assert (len(scripts), len(styles)) == (1, 1)
    assert policy.split("; ") == [
        "default-src 'none'",
        f"script-src {digest(scripts[0].text)}",
        f"style-src {digest(styles[0].text)}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_nothing_comes_from_outside(rich: ReportModel, tmp_path: Path) -> None:
    """No element fetches anything: no source, no style sheet, no inline handler, no inline style."""
    _, page = page_of(rich, tmp_path)
    assert page.xpath("//*[@src]") == []
    assert page.xpath("//@style") == []
    assert [name for name in page.xpath("//@*") if str(name.attrname).startswith("on")] == []
    links = page.xpath("//link/@href | //a/@href | //use/@href")
    assert all(link.startswith(("#", "data:image/svg+xml,")) for link in links)


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    """No text of a run opens an element: the page has the same elements as with harmless texts, and no raw markup of theirs."""
    text, page = page_of(read_run(write_run(tmp_path / "run", [hostile_case()])), tmp_path)
    assert len(page.xpath("//script")) == 3  # the index, a chunk, the page's own
    assert page.xpath("//img") == []
    assert "<script>window.pwned" not in text
    assert "<img src=x" not in text


def test_the_index_cannot_close_its_element() -> None:
    """What could end a script element or a line of script is written as an escape, and reads back the same."""
    value = {"a": "</script><!-- \u2028\u2029 &amp;"}
    text = str(json_for_script(value))
    assert not re.search("[<>&\u2028\u2029]", text)
    assert orjson.loads(text) == value


def test_the_chunks_hold_the_journals_lines_as_they_are(rich: ReportModel, tmp_path: Path) -> None:
    """Each case finds its own lines in its chunk, byte for byte as the journal has them."""
    _, page = page_of(rich, tmp_path)
    index = index_of(page)
    chunk = gzip.decompress(base64.b64decode(page.get_element_by_id("chunk-0").text)).split(b"\n")
    column = {name: place for place, name in enumerate(index["columns"])}
    wanted = {case.name: [orjson.dumps(line) for line in case_lines(case)] for case in rich_cases()}
    for row in index["cases"]:
        first, count = row[column["first"]], row[column["lines"]]
        assert chunk[first : first + count] == wanted[row[column["name"]]]


def test_the_list_is_worst_first_with_scripts_together(rich: ReportModel) -> None:
    """Cases to look at stand first, the worst script before; the rest follows; a script's cases stay together."""
    names = [case.name for case in display_order(rich.cases)]
    assert names[:3] == ["billing/invoice-copy", "billing/vat", "orders/change-address"]
    assert names[6] == "loyalty/greeting"
    assert names[-12:] == [f"returns/damaged-mug[order=A-{number}]" for number in range(1001, 1013)]


def test_chunks_are_bounded_by_cases_and_by_bytes(tmp_path: Path) -> None:
    """A chunk holds at most so many cases, fewer where their conversations are long."""
    run = read_run(write_run(tmp_path / "many", volume_cases(CHUNK_CASES * 2 + 1, 1)))
    _, page = page_of(run, tmp_path)
    assert len(page.xpath("//script[starts-with(@id, 'chunk-')]")) == 3
    long = read_run(write_run(tmp_path / "long", volume_cases(4, 1_200)))
    _, page = page_of(long, tmp_path)
    assert len(page.xpath("//script[starts-with(@id, 'chunk-')]")) >= 2


def test_the_same_run_gives_the_same_bytes(rich_folder: Path, tmp_path: Path) -> None:
    """The report of a journal never changes, in whatever folder it lies."""
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "journal.jsonl").write_bytes((rich_folder / "journal.jsonl").read_bytes())
    first = write(read_run(rich_folder), tmp_path / "a.html").read_bytes()
    assert write(read_run(moved), tmp_path / "b.html").read_bytes() == first


def test_failures_can_be_read_without_script(rich: ReportModel, tmp_path: Path) -> None:
    """Where JavaScript is off, the cases to look at stand in the page as text, with their frames."""
    text, _ = page_of(rich, tmp_path)
    plain = text[text.index("<noscript>") : text.index("</noscript>")]
    assert plain.count('<article class="plain">') == 7
    assert "scenarios/returns/late-parcel.yaml:9:26: failed[rules]: rule &#39;offer-refund&#39; did not match" in plain


@pytest.mark.parametrize(
    ("kind", "words"), [("rich", "5 of 26 cases failed and 2 errored"), ("partial", "Cut off after 25 of 26 cases")]
)
def test_the_verdict_stands_in_the_page_itself(kind: str, words: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Title and heading tell the verdict in words, without any script."""
    _, page = page_of(request.getfixturevalue(kind), tmp_path)
    assert page.findtext(".//title").startswith(words)
    assert page.get_element_by_id("verdict").text_content().strip().startswith(words)
    assert bool(page.xpath("//p[@class='partial-note'][@role='note']")) == (kind == "partial")


def test_every_part_of_the_page_is_used() -> None:
    """Each script and style file beside the templates is part of a page: the report's or the comparison's."""
    assets = Path(write.__code__.co_filename).parent / "assets"
    assert {path.stem for path in (assets / "script").glob("*.js")} == {*SCRIPTS, COVERAGE, LIVE, *comparison.SCRIPTS}
    assert {path.stem for path in (assets / "style").glob("*.css")} == {*STYLES, COVERAGE, *comparison.STYLES}


def test_an_empty_run_has_a_page(tmp_path: Path) -> None:
    """A run without a single case still renders, and says so."""
    _, page = page_of(read_run(write_run(tmp_path / "run", [])), tmp_path)
    assert page.get_element_by_id("verdict").text_content().strip() == "No case was run"
    assert index_of(page)["cases"] == []
