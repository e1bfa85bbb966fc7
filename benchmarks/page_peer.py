"""Playwright's own html report on as many results, made once and kept in the work folder, and opened the way a reader would."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from peers_environment import NPM_INSTALL, Peers, install_python, npm, run_quietly

SOURCES = Path(__file__).resolve().parent / "peers" / "playwright_html"
MAKING_LIMIT_S = 3600
SEEN = ".test-file-test, .chip:visible"  # its list: tests, or files that hold them


def version() -> str:
    """The release that is compared with."""
    wanted = json.loads((SOURCES / "package.json").read_text())
    return str(wanted["devDependencies"]["@playwright/test"])


def report(peers: Peers, cases: int, turns: int) -> tuple[Path | None, str]:
    """The folder of its report, made where there is none of this size yet; or None and why there is none."""
    folder = peers.work / "playwright_html"
    stamp = folder / "made.json"
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(SOURCES.iterdir())}
    made = {"cases": cases, "turns": turns, "sources": digests}
    if stamp.exists() and json.loads(stamp.read_text()) == made and (folder / "report" / "index.html").exists():
        return folder / "report", ""
    program = npm(peers)
    if program is None:
        reason = install_python(peers)  # node is in there
        program = npm(peers)
        if program is None:
            return None, reason or "there is no node for this machine, neither here nor on the Python package index"
    stamp.unlink(missing_ok=True)
    shutil.copytree(SOURCES, folder, dirs_exist_ok=True)
    environment = {"PATH": peers.path(), "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1"}
    reason = run_quietly([*program, *NPM_INSTALL], folder, environment)
    if reason is None:
        reason = _played(folder, {**environment, "CASES": str(cases), "TURNS": str(turns)})
    if reason is not None:
        return None, reason
    stamp.write_text(json.dumps(made))
    return folder / "report", ""


def _played(folder: Path, environment: dict[str, str]) -> str | None:
    node = shutil.which("node", path=environment["PATH"])
    assert node is not None
    program = folder / "node_modules" / "@playwright" / "test" / "cli.js"
    try:
        done = subprocess.run(
            [node, str(program), "test", "--reporter=html"],
            cwd=folder,
            env={**os.environ, **environment, "PLAYWRIGHT_HTML_OPEN": "never", "PLAYWRIGHT_HTML_OUTPUT_DIR": "report"},
            capture_output=True,
            text=True,
            check=False,
            timeout=MAKING_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return f"its report was not made within {MAKING_LIMIT_S} s"
    if (folder / "report" / "index.html").exists() and done.returncode == 0:
        return None
    lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    return lines[-1][:200] if lines else f"exit code {done.returncode}"


_TYPED = """async (text) => {
  const search = document.querySelector('.subnav-search-input');
  const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set; // its library watches the property
  let slowest = 0;
  for (let length = 1; length <= text.length; length += 1) {
    const begun = performance.now();
    set.call(search, text.slice(0, length));
    search.dispatchEvent(new Event('input', { bubbles: true }));
    document.body.getBoundingClientRect();
    slowest = Math.max(slowest, performance.now() - begun);
    await new Promise((resolve) => requestAnimationFrame(resolve));
    await new Promise((resolve) => setTimeout(resolve));
  }
  return slowest;
}"""
_OPENED = """async () => {
  const begun = performance.now();
  document.querySelector('.test-file-test a').click();
  while (!document.querySelector('.test-case-column')) await new Promise((resolve) => setTimeout(resolve, 1));
  return performance.now() - begun;
}"""


def used(page: Any) -> dict[str, float]:
    """A filter typed letter by letter, twice, and one of the tests it leaves opened."""
    query = "s:passed kettle"
    slowest = max(page.evaluate(_TYPED, query) for _ in range(2))
    if page.locator(".test-file-test").count() == 0:
        page.locator(".chip-header").first.click()  # a file of so many tests begins folded
    page.wait_for_selector(".test-file-test a", timeout=120_000)
    return {"keystroke_ms": slowest, "conversation_ms": page.evaluate(_OPENED)}
