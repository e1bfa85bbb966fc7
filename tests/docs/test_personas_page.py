"""docs/reference/simulated-personas.md: its suite runs with a model on this machine, and its table of keys is that of the code.

`python -m tests.docs.test_personas_page` writes the table anew.
"""

from __future__ import annotations

import re
from pathlib import Path

from focal_eval.script.suite_simulator import PersonaModel
from tests.docs.test_console_blocks import compare, prepared, printed, steps_of
from tests.docs.test_remote_engines_page import rows_of
from tests.engines.vendor_stub import TOKEN
from tests.evaluate.players import good, player

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "simulated-personas.md"
TABLE = re.compile(
    r"(\| key of `simulator` in a suite \| default \| meaning \|\n\|---\|---\|---\|\n).*?(?=<!-- end -->)", re.DOTALL
)


def rows() -> str:
    """A row for each key of `simulator`."""
    return rows_of(PersonaModel, without_default=("cassette", "extra", "headers", "prices"))


def with_table(text: str) -> str:
    """The page with the table as the code gives it."""
    return TABLE.sub(lambda found: found[1] + rows(), text)


def test_the_table_is_that_of_the_code() -> None:
    """Every key with its default and meaning."""
    text = PAGE.read_text(encoding="utf-8")
    assert "| `temperature` | 0.7 |" in text
    assert with_table(text) == text, "run `python -m tests.docs.test_personas_page`"


def test_the_commands_print_what_the_page_says(tmp_path: Path) -> None:
    """With a model behind a real socket, which is asked in the first run alone."""
    environment = prepared(PAGE, tmp_path)
    with player(good) as told:
        environment |= {"SIMULATOR_URL": told.url, "SIMULATOR_KEY": TOKEN}
        asked = []
        for step in steps_of(PAGE):
            said = printed(step, environment, tmp_path)
            compare(step, said, PAGE.name)
            asked.append(len(told.bodies))
    assert asked[0] == asked[-1] == 3


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
