"""What one writes by hand: a parametrized pytest test a conversation, read from the same scripts; JUnit is its result.

The folder comes in the environment variable BENCH_FOLDER.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from engine import Desk

FILES = sorted((Path(os.environ["BENCH_FOLDER"]) / "scripts").iterdir())
desk = Desk()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_conversation(file: Path) -> None:
    told: Any = yaml.load(file.read_bytes(), yaml.CSafeLoader)
    for turn in told["turns"]:
        reply: Any = desk.reply(file.stem, turn["user"])
        expect = turn["expect"]
        assert expect["response"]["contains"] in reply["response"]
        assert expect["rules"][0] in reply["rules"]
        assert expect["tools"][0] in reply["tools"]
