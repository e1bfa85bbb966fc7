"""Recordings of any length go through in the same memory."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.experiment.told_kiosk import agent_file
from tests.peaks import peak_of

SAID = (
    "hello",
    "a refund for L-{0}",
    "I send back L-{0}",
    "yes",
    "late, and my parcel?",
    "my mail is u{0}@example.org",
    "thanks",
)


def peak_mib(folder: Path, conversations: int) -> tuple[float, int]:
    """The largest memory of a process that goes through so many conversations, and the turns that changed."""
    path = folder / "told.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        for number in range(conversations):
            rows = [{"conversation": str(number), "user": text.format(number), "agent": "…"} for text in SAID]
            stream.writelines(json.dumps(row) + "\n" for row in rows)
    words = ["whatif", str(path), "--agent", str(folder / "agent.yaml"), "--candidate", str(folder / "new.yaml")]
    memory, printed = peak_of([*words, "--workers", "1", "--json"], folder)
    found = json.loads(printed)
    assert found["turns"] == conversations * len(SAID)
    return memory / 2**20, found["changed"]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is told by Linux alone")
def test_a_hundred_thousand_turns_take_the_memory_of_a_thousand(tmp_path: Path) -> None:
    """Two of seven turns change, so that clusters, figures and examples have their share of it."""
    agent_file(tmp_path)
    agent_file(tmp_path, ("[return*, send back]", "[return*, refund*]"), name="new.yaml")
    few, changed = peak_mib(tmp_path, 150)
    many, changed_too = peak_mib(tmp_path, 15_000)
    assert (changed, changed_too) == (2 * 150, 2 * 15_000)
    assert many < few + 12, f"{few:.0f} MiB became {many:.0f} MiB"
