"""What the pages link to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "benchmarks" / "README.md",
    ROOT / "examples" / "ci" / "README.md",
]
LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchor(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each link of a page leads to a file of the project, and to a heading of it where it names one."""
    for link in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        if link.startswith(("https://", "http://")):
            continue
        name, _, heading = link.partition("#")
        target = page if not name else (page.parent / name).resolve()
        assert target.exists(), f"{link} is not there"
        if heading:
            headings = HEADING.findall(re.sub(r"^```.*?^```$", "", target.read_text(encoding="utf-8"), flags=re.M | re.S))
            assert heading in {anchor(text) for text in headings}, f"{link}: no such heading"


def test_every_page_is_reached_from_the_readme() -> None:
    """A reader who follows links from the README comes to every guide, reference and explanation."""
    seen: set[Path] = set()
    todo = [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        text = CODE.sub("", page.read_text(encoding="utf-8"))
        todo += [(page.parent / link.partition("#")[0]).resolve() for link in LINK.findall(text) if "://" not in link]
    wanted = {page for folder in ("guide", "reference", "explanation") for page in (ROOT / "docs" / folder).glob("*.md")}
    assert {str(page.relative_to(ROOT)) for page in wanted - seen} == set()
