"""The committed example of a regression report."""

from __future__ import annotations

import base64
import gzip
import html
import re
import runpy
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "reports" / "example"
CHUNK = re.compile(rb'(<script type="application/octet-stream" id="(?:chunk|said)-\d+">)([A-Za-z0-9+/=]+)(</script>)')


def unpacked(page: bytes) -> bytes:
    """The page with its chunks as text: builds of zlib pack the same bytes differently."""
    return CHUNK.sub(lambda found: found[1] + gzip.decompress(base64.b64decode(found[2])) + found[3], page)


def test_the_example_is_what_the_code_writes() -> None:
    """Built again it is the same byte for byte; `python reports/example/make.py` brings it up to date."""
    built = runpy.run_path(str(EXAMPLE / "make.py"))["example"]()
    assert unpacked(built) == unpacked((EXAMPLE / "comparison.html").read_bytes())


def test_the_example_names_three_causes_and_one_that_fails() -> None:
    """Of its three edits one breaks two conversations, the others break none; the page says so without JavaScript."""
    page = html.unescape((EXAMPLE / "comparison.html").read_text(encoding="ascii"))
    shown = page[page.index("<noscript>") : page.index("</noscript>")]
    assert re.findall(r"<p>([^<]*(?:regressed|changed)[^<·]*)", shown)[:1] == ["2 regressed, 3 changed "]
    assert shown.count("<article") == 3
    assert shown.count("regressed") == 1
