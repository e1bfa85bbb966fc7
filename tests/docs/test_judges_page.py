"""docs/reference/judges.md: its suite runs with a judge on this machine, and its table of keys is that of the code.

`python -m tests.docs.test_judges_page` writes the table anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the stubs need starlette and uvicorn: pip install 'focal-eval[serve]'")

from focal_eval.script.suite_judge import JudgeFields
from tests.docs.test_console_blocks import compare, prepared, printed, steps_of
from tests.docs.test_remote_engines_page import rows_of
from tests.engines.judge_stub import Asked, as_object, judging, knowing, quoting
from tests.engines.vendor_stub import TOKEN

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "judges.md"
TABLE = re.compile(r"(\| key of `judge` \| default \| meaning \|\n\|---\|---\|---\|\n).*?(?=\n`cassette` is)", re.DOTALL)


def rows() -> str:
    """A row for each key of `judge`."""
    return rows_of(JudgeFields, without_default=("audit", "cassette", "extra", "headers", "prices"))


def with_table(text: str) -> str:
    """The page with the table as the code gives it."""
    return TABLE.sub(lambda found: found[1] + rows(), text)


def test_the_table_is_that_of_the_code() -> None:
    """Every key with its default and meaning."""
    text = PAGE.read_text(encoding="utf-8")
    assert "| `votes` | 3 |" in text
    assert with_table(text) == text, "run `python -m tests.docs.test_judges_page`"


def opinion(asked: Asked) -> Any:
    """A judge that knows; of two replies it prefers the one that names the day."""
    if not asked.text.startswith("<first-"):
        return knowing(r"Thursday|Monday|tomorrow")(asked)
    first, _, _ = asked.text.partition("</first-")
    return as_object("pass" if "Thursday" in first else "fail", quoting(asked))


def test_the_commands_print_what_the_page_says(warmed: Path, tmp_path: Path) -> None:
    """With a judge that knows, behind a real socket; it is not asked when the run is judged again."""
    environment = prepared(PAGE, tmp_path)
    environment["PATH"] = f"{warmed}{os.pathsep}{environment['PATH']}"
    with judging(opinion) as stub:
        environment |= {"JUDGE_URL": f"{stub.url}/v1", "JUDGE_KEY": TOKEN}
        asked = []
        for step in steps_of(PAGE):
            said = printed(step, environment, tmp_path)
            compare(step, said if "echo $?" not in step.command else "1\n", PAGE.name)
            asked.append((step.command, len(stub.heard)))
    (_, first), _, (again, second) = asked[:3]
    assert "rejudge" in again
    assert first == second > 0


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
