"""Makes the pictures of the report in this folder: `make pictures`.

The example suite is replayed on an agent whose rule `refund-limit` was deleted, so that a few cases fail; for the picture of
coverage its scripts in other languages are left out, so that a few rules are missed.
Needs Chromium and the development tools (`pip install -e '.[dev]'`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Locator, Page, sync_playwright
from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WIDTH, HEIGHT = 1440, 1000
MOST_BYTES = 250_000
CASE = "refunds/above-fifty-a-supervisor"
ITEM = "rule:other-language"  # of the Coverage view
TYPED = (
    ("run", "evals/retail.yaml", "-k", "fifty-is-the-limit", "--out", "reports/now", "--report", "html"),
    ("run", "evals/retail.yaml", "--baseline", "evals/baselines/retail", "-q", "--report", "none"),
)
COLUMNS, LINES = 124, 34
SCREEN = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 22px 26px; display: inline-block; background: {background}; color: {foreground} }}
pre {{ margin: 0; font: 15px/1.42 "DejaVu Sans Mono", monospace }}
{stylesheet}</style><pre>{code}</pre>"""
RULE = re.compile(r"(?m)^  - id: refund-limit\n(?:    .*\n|\n)*")


def main() -> int:
    """Writes the six pictures; 1 where one is too big."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        print("no Chromium here: apt-get install -y --no-install-recommends chromium fonts-dejavu-core", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        page, covered = report_below(Path(folder) / "failing"), coverage_below(Path(folder) / "covered")
        window = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        view = window.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", device_scale_factor=1)
        view.goto(page.as_uri())
        sizes = [picture(view, "report.png")]
        view.fill("#search", CASE)
        view.click(".row-link >> nth=0")
        view.wait_for_selector("#case-title")
        view.locator("section.turn.v-failed").first.evaluate("turn => scrollTo(0, turn.offsetTop - 16)")
        sizes.append(picture(view, "case.png"))
        view.goto((ROOT / "reports" / "example" / "comparison.html").as_uri())
        view.wait_for_selector("article.cause")
        sizes.append(picture(view, "comparison.png"))
        view.click("article.cause .cause-names a >> nth=0")
        view.wait_for_selector("section.pair")
        sizes.append(picture(view, "conversation.png"))
        view.goto(f"{covered.as_uri()}#coverage=&item={quote(ITEM, safe='')}")
        view.wait_for_selector("#cov-list li")
        sizes.append(picture(view, "coverage.png"))
        view.goto(terminal_below(Path(folder) / "terminal").as_uri())
        sizes.append(picture(view.locator("body"), "terminal.png"))
        window.close()
    return int(max(sizes) > MOST_BYTES)


def report_below(folder: Path) -> Path:
    """The page of a run in which the deleted rule is missed."""
    _copy(folder)
    agent = folder / "evals" / "agents" / "retail.yaml"
    text = agent.read_text(encoding="utf-8")
    assert RULE.search(text), f"{agent.name} has no rule 'refund-limit' to delete"
    agent.write_text(RULE.sub("", text), encoding="utf-8")
    _call(folder, "run", "evals/retail.yaml", "--out", "run", "--report", "html", code=1)
    return folder / "run" / "report.html"


def coverage_below(folder: Path) -> Path:
    """The page of a run in which nobody spoke another language, with its Coverage view."""
    _copy(folder)
    shutil.rmtree(folder / "scenarios" / "retail" / "languages")
    _call(folder, "run", "evals/retail.yaml", "--out", "run", "--report", "none")
    _call(folder, "coverage", "run", "--html", "coverage.html")
    return folder / "coverage.html"


def terminal_below(folder: Path) -> Path:
    """A page that shows a terminal in which the deleted rule is missed: the commands, and what they print in colour."""
    _copy(folder)
    agent = folder / "evals" / "agents" / "retail.yaml"
    agent.write_text(RULE.sub("", agent.read_text(encoding="utf-8")), encoding="utf-8")
    shown = Text()
    for words in TYPED:
        shown.append("$ ", "bold green").append(" ".join(["focal-eval", *words]) + "\n", "bold")
        printed = _printed(folder, *words)
        shown.append(Text.from_ansi("\n".join(printed[-LINES:]))).append("\n\n")
    console = Console(record=True, width=COLUMNS, file=StringIO(), color_system="truecolor", force_terminal=True)
    console.print(shown, end="")
    html = console.export_html(code_format=SCREEN, inline_styles=True, theme=SVG_EXPORT_THEME)
    path = folder / "terminal.html"
    path.write_text(html, encoding="utf-8")
    return path


def _printed(folder: Path, *words: str) -> list[str]:
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "focal_eval", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  # ours
    return done.stdout.rstrip("\n").split("\n")


def _copy(folder: Path) -> None:
    for name in ("evals", "scenarios"):
        shutil.copytree(ROOT / name, folder / name)


def _call(folder: Path, *words: str, code: int = 0) -> None:
    done = subprocess.run([sys.executable, "-m", "focal_eval", *words, "--quiet"], cwd=folder, check=False)  # noqa: S603  # ours
    assert done.returncode == code, f"focal-eval {words[0]} gave exit code {done.returncode}, not {code}"


def picture(view: Page | Locator, name: str) -> int:
    """The size in bytes of the picture it wrote."""
    if isinstance(view, Page):
        view.mouse.move(0, 0)
    data = view.screenshot(path=HERE / name)
    print(f"docs/images/{name}: {len(data):,} bytes")
    return len(data)


if __name__ == "__main__":
    raise SystemExit(main())
