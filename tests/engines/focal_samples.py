"""Captured traffic of a real Focal, where sample data lies beside the checkout; FOCAL_EVAL_SAMPLES names another place."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_BESIDE = Path(__file__).resolve().parents[3] / "shared"
FOLDER = Path(os.environ.get("FOCAL_EVAL_SAMPLES") or _BESIDE) / "wire" / "focal"

needs_samples = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"there is no sample data in {FOLDER}")


def exchange(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Request and response of one captured exchange."""
    data = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return data["request"], data["response"]


def body(name: str) -> Any:
    """What the server answered."""
    return exchange(name)[1]["body"]


def names(pattern: str) -> list[str]:
    """The captured exchanges whose name fits, sorted; none where there is no sample data."""
    return sorted(path.stem for path in FOLDER.glob(f"{pattern}.json"))


def events(name: str) -> Iterator[tuple[str, Any]]:
    """The events of a captured stream, comments left out."""
    text = (FOLDER / f"{name}.txt").read_bytes().decode("utf-8")
    for block in text.split("\r\n\r\n"):
        lines = [line.partition(": ") for line in block.split("\r\n") if line and not line.startswith(":")]
        if lines:
            found = {key: value for key, _, value in lines}
            yield found["event"], json.loads(found["data"])
