"""What real Focal stores wrongly: each hole is a finding with a name, which a suite may live with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.engines.focal_talks import TENANT
from tests.engines.four_ways import observed, play

HOLES = ("scenario-start-not-stored", "turn-number-wrong", "scenario-not-stored", "tools-not-in-reply")


def test_the_page_has_a_paragraph_for_every_hole() -> None:
    """What a suite may tolerate of real Focal is described, and the suite shown there tolerates just that."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "focal.md").read_text(encoding="utf-8")
    part = page.partition("## What is stored wrongly")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\*\*`([a-z-]+)`\.\*\*", part, re.MULTILINE)) == sorted(HOLES)
    assert f"tolerate: [{', '.join(sorted(HOLES))}]" in part


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("missing", [None, *HOLES])
def test_a_suite_tolerates_the_holes_by_their_names(real_shop: str, tmp_path: Path, missing: str | None, stream: bool) -> None:
    """Each hole of real Focal is a finding with a name; a suite that lives with all of them passes, with all but one fails."""
    script = """\
turns:
  - {user: thanks, expect: {rules: {includes: [thanks]}, tools: {none: true}}}
  - {user: it is broken, expect: {scenario: refund/which, tools: [lookup]}}
  - {user: A-1, expect: {scenario: refund/sure, response: {contains: sure}}}
  - {user: it is broken again, expect: {tools: [lookup]}}
conversation: [records: consistent]
"""
    tolerate = f"tolerate: [{', '.join(name for name in HOLES if name != missing)}]\nunreported: skip\n"
    failed = 0 if missing is None else 1
    keys = f"tenant: {TENANT}, stream: {str(stream).lower()}, reads: [turns, session]"
    (tmp_path / "talk.yaml").write_text(script, encoding="utf-8")
    suite = f"scripts: [talk.yaml]\nengine: {{kind: focal, url: '{real_shop}', {keys}}}\n{tolerate}"
    (tmp_path / "suite.yaml").write_text(suite, encoding="utf-8")
    result = play(tmp_path / "suite.yaml", tmp_path / "run", None)
    assert result.model.counts["failed"] == failed
    (case,) = observed(tmp_path / "run").values()
    assert [one["outcome"] for one in case["turns"][1]["results"]] == ["passed", "skipped"], "its tools are not known"
    found = [(finding["name"], finding.get("tolerated", False)) for one in case["results"] for finding in one["findings"]]
    assert {name for name, _ in found} == set(HOLES)
    assert {name for name, lives in found if not lives} == ({missing} if missing else set())
