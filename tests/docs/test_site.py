"""The documentation builds into a site, with every page in it and no link that leads nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: any warning of the builder is an error."""
    out = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, str(ROOT / "docs" / "site" / "make.py"), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return out


def test_every_page_is_in_the_site(site: Path) -> None:
    """Guides, references, explanations and error codes alike; and the navigation names all but the single codes."""
    front = (site / "index.html").read_text(encoding="utf-8")
    for folder in ("docs/guide", "docs/reference", "docs/explanation"):
        for page in (ROOT / folder).glob("*.md"):
            assert (site / folder / page.stem / "index.html").is_file(), page
            assert f'href="./{folder}/{page.stem}/"' in front, f"{page} is not in the navigation"
    codes = (site / "focal_eval" / "codes" / "index.html").read_text(encoding="utf-8")
    for page in (ROOT / "focal_eval" / "codes").glob("*.md"):
        assert f'href="{page.stem}/"' in codes


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    """The site works without a network: its scripts, styles and fonts are its own."""
    fetched = re.compile(r'<(?:script|img|link)[^>]+(?:src|href)="(https?:[^"]+)"')
    for page in ("index.html", "docs/reference/checks/index.html"):
        found = fetched.findall((site / page).read_text(encoding="utf-8"))
        assert [link for link in found if "canonical" not in link] == []
