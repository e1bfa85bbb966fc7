"""`summary.md` for a job's summary page."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from lxml import html
from markdown_it import MarkdownIt

from focal_eval.records import Finding, Reply, Verdict
from focal_eval.report import ReportModel, ReportOptions, read_run
from focal_eval.report.markdown import escape, fence, render, write
from tests.report.sample_cases import rules_case
from tests.report.sample_odd_cases import bot_first_case, hostile_case
from tests.report.sample_run import Attempt, Case, Turn, failed, write_run


def test_it_begins_with_the_verdict_and_the_counters(rich: ReportModel) -> None:
    """A reader sees verdict, facts, counters and gates before anything else."""
    lines = render(rich, ReportOptions()).splitlines()
    assert lines[0] == "## ✗ 5 of 26 cases failed and 2 errored · 17 passed, 1 failed as expected, 1 skipped"
    assert lines[2] == "Retail support · evals/retail.yaml · embedded · retail-support · evals/agents/retail.yaml · 3.2 s"
    assert lines[6] == "| 2 | 4 | 1 | 1 | 1 | 17 | 26 |"
    assert "| pass rate | ≥ 1 | 0.72 | ✗ **missed** |" in lines


def test_a_failure_is_folded_with_its_frame(tmp_path: Path) -> None:
    """A case is one line that unfolds to the words said and the frames."""
    text = render(read_run(write_run(tmp_path, [rules_case()])), ReportOptions())
    assert (
        "<details><summary>✗ <b>returns/late-parcel</b> failed: rule &#x27;offer-refund&#x27; did not match</summary>" in text
    )
    assert "Turn 1, user: My parcel is ten days late and I want my money back\\!<br>agent: I am sorry" in text
    assert "```text\nscenarios/returns/late-parcel.yaml:9:26: failed[rules]" in text
    assert text.count("<details>") == text.count("</details>") == 1


def test_failures_shown_are_bounded(rich: ReportModel) -> None:
    """No more than `max_failures` cases are unfolded; the rest is counted."""
    text = render(rich, ReportOptions(max_failures=3))
    assert text.count("<details>") == 3
    assert "…and 4 more; the HTML report shows them all." in text


def test_a_partial_run_says_so(partial: ReportModel) -> None:
    """The note stands above the counters."""
    assert "> Partial run: it was killed or is still running; only what was recorded is shown." in render(
        partial, ReportOptions()
    )


def test_nothing_of_a_reply_acts(tmp_path: Path) -> None:
    """Read as Markdown with HTML allowed, no element, link, image, heading or mention comes from an engine's text."""
    case = hostile_case()
    case.script = "@everyone/<img src=x onerror=alert(1)>"
    text = render(read_run(write_run(tmp_path, [case])), ReportOptions())
    page = html.fromstring(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
    found = Counter(element.tag for element in page.iter() if isinstance(element.tag, str))
    assert set(found) <= {
        "div",
        "h2",
        "h3",
        "p",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "strong",
        "b",
        "br",
        "details",
        "summary",
        "pre",
        "code",
    }
    assert (found["h2"], found["h3"], found["details"], found["table"]) == (1, 1, 1, 2)
    assert "@everyone" not in text


def test_escape_keeps_words_and_one_line() -> None:
    """What Markdown would read is escaped, a line break becomes a space."""
    assert escape("a|b *c* `d`\n# <e> @f [g](h)") == "a\\|b \\*c\\* \\`d\\` \\# &lt;e&gt; &#64;f \\[g\\](h)"


def test_a_fence_outlasts_backticks() -> None:
    """A code block cannot be closed by the text in it."""
    assert fence("a ```` b").splitlines() == ["`````text", "a ```` b", "`````"]


def test_it_stays_under_a_mebibyte(tmp_path: Path) -> None:
    """However many long failures there are, the summary is one GitHub takes, and says what it leaves out."""
    words = "word " * 4_000
    results = [
        failed("response.contains", words, "a.yaml", 3 + n, Finding(words, words, words, words), because=words)
        for n in range(9)
    ]
    turns = [Turn(words, Reply(response=words), tuple(results)) for _ in range(20)]
    cases = [Case(f"s/{number}", words, [Attempt(turns, Verdict.FAILED)]) for number in range(20)]
    path = write(read_run(write_run(tmp_path / "run", cases)), tmp_path, ReportOptions(max_failures=1_000))
    assert 500_000 < path.stat().st_size < 1_048_576
    assert "more; the HTML report shows them all" in path.read_text("utf-8")


def test_a_good_run_names_no_failure(tmp_path: Path) -> None:
    """A run without failures has no such part."""
    text = render(read_run(write_run(tmp_path, [bot_first_case()])), ReportOptions())
    assert text.startswith("## ✓ The case passed\n")
    assert "What went wrong" not in text
