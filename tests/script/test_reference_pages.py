"""The reference of scripts and suites is right: its files are read without a problem, its tables are complete."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from focal_eval.document import record_of
from focal_eval.evaluate import check_paths
from focal_eval.registry import BUILTIN
from focal_eval.script.gates import WRITTEN
from focal_eval.script.names import SAVE_SOURCES
from focal_eval.script.read import ScriptFields, TurnFields
from focal_eval.script.stubs import _Answer
from focal_eval.script.suite import TOLERABLE, SuiteFields

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = {name: (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8") for name in ("scripts", "suites")}
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# (\S+\.yaml)\n")


def files_of(page: str) -> dict[str, str]:
    """The files a page shows, by the path in their first line."""
    out: dict[str, str] = {}
    for text in BLOCK.findall(PAGES[page]):
        name = NAMED.match(text)
        assert name, f"this example does not say where it stands: {text[:80]}"
        assert name[1] not in out
        out[name[1]] = text
    return out


@pytest.mark.parametrize("page", PAGES)
def test_every_file_of_a_page_has_no_problems(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is put where it says it stands, and checked as a user would: no error, no warning."""
    for folder in ("evals", "scenarios"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    written = []
    for name, text in files_of(page).items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        assert not path.exists()
        path.write_text(text, encoding="utf-8")
        written.append(path)
    assert len(written) >= 4
    assert [str(item) for item in check_paths(written).problems] == []


def table(page: str, heading: str) -> str:
    """The first table after a heading or a sentence."""
    _, _, rest = PAGES[page].partition(heading)
    return rest.partition("|---")[2].partition("\n\n")[0]


def keys_in(text: str) -> set[str]:
    """The code words in the first column of a table."""
    return {word for line in text.split("\n") for word in re.findall(r"`([\w-]+)(?:: \w+)?`", line.split(" | ")[0])}


@pytest.mark.parametrize(
    ("page", "heading", "known"),
    [
        ("scripts", "## Keys of a script", set(record_of(ScriptFields).entries)),
        ("scripts", "## Tools", set(record_of(_Answer).entries)),
        ("scripts", "**`save`**", set(SAVE_SOURCES)),
        ("suites", "## Keys of a suite", set(record_of(SuiteFields).entries)),
        ("suites", "## Gates", set(WRITTEN)),
        ("suites", "| finding | meaning", set(TOLERABLE)),
        ("suites", "## Engines", set(BUILTIN["engines"])),
    ],
)
def test_a_table_has_every_key_and_no_other(page: str, heading: str, known: set[str]) -> None:
    """What the code reads and what the page says are the same."""
    assert keys_in(table(page, heading)) == known


def test_the_page_shows_every_key_of_a_turn() -> None:
    """Nothing a turn can hold is left to be guessed."""
    text = "\n".join(files_of("scripts").values())
    assert {key for key in (*record_of(TurnFields).entries, "include") if f"{key}:" not in text} == set()


def test_the_page_names_every_filter() -> None:
    """The filters of templates are those of the sandbox."""
    from focal_eval.template.compiled import _environment

    sentence = PAGES["scripts"].partition("with the filters ")[2].partition(".")[0]
    assert set(re.findall(r"`(\w+)`", sentence)) == set(_environment().filters)
