"""Builds the documentation site into `build/site`: `make docs`.

The pages are the project's own Markdown where it lies, so that every link works on a code host, too. Here they are laid out
beside each other with what they link to, and pages are added for what no file says: the list of error codes and of decisions.
Needs the development tools (`pip install -e '.[dev]'`). Any warning of the builder, such as a link that leads nowhere, fails.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
CODES = "focal_eval/codes"

BEGIN = ("guide/first-suite", "guide/gate-in-ci", "guide/change-a-rule")
LOOK_UP_FIRST = ("commands", "scripts", "checks", "suites", "agents")
"""Which pages come first; all others of a folder follow by their titles."""


def main() -> int:
    """Builds the site; the exit code is the builder's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="the folder to write (build/site)")
    out = parser.parse_args().out.resolve()
    stage = out.parent / f".{out.name}-pages"
    shutil.rmtree(stage, ignore_errors=True)
    lay_out(stage)
    config = stage.parent / f".{out.name}.toml"
    config.write_text(settings(stage, out), encoding="utf-8")
    builder = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(config)]
    done = subprocess.run(builder, cwd=stage.parent, env={**os.environ, "NO_COLOR": "1"}, check=False)  # noqa: S603  # the builder itself
    if done.returncode == 0:
        print(f"the site is in {out}")
    return done.returncode


def pages() -> list[Path]:
    """Every page of the project that the site shows."""
    found = [path for path in (ROOT / "docs").rglob("*.md") if HERE not in path.parents]
    beside = [
        ROOT / name
        for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/README.md", "examples/ci/README.md")
    ]
    return [*beside, *sorted(found), *sorted((ROOT / CODES).glob("*.md"))]


def lay_out(stage: Path) -> None:
    """Copies the pages and all files they link to, each where it lies in the project, and writes the lists."""
    for page in pages():
        copy(page, stage)
        for target in linked(page):
            copy(target, stage)
    write(stage / CODES / "index.md", listing("Error codes", "What `focal-eval explain CODE` prints.", ROOT / CODES))
    write(stage / "docs/adr/index.md", listing("Decisions", "Why things are as they are.", ROOT / "docs" / "adr"))


def linked(page: Path) -> Iterator[Path]:
    """The files that a page links to."""
    for link in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        if "://" not in link and not link.startswith("#"):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.is_file() and target.suffix != ".md":
                yield target


def copy(path: Path, stage: Path) -> None:
    """A file, at the same place below the stage."""
    target = stage / path.relative_to(ROOT)
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".md":
        write(target, as_page(path))
    elif not target.exists():
        shutil.copyfile(path, target)


def as_page(path: Path) -> str:
    """The page with links to folders leading to the lists of what is in them."""
    text = path.read_text(encoding="utf-8")
    for folder in ("docs/adr", "adr"):
        text = text.replace(f"]({folder})", f"]({folder}/index.md)")
    return text


def write(path: Path, text: str) -> None:
    """Writes a page and the folders it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def title_of(page: Path) -> str:
    """A page's first heading."""
    found = TITLE.search(page.read_text(encoding="utf-8"))
    return found[1].replace("`", "") if found else page.stem


def listing(title: str, about: str, folder: Path) -> str:
    """A page that lists the pages of a folder by their titles."""
    lines = [f"- [{title_of(page)}]({page.name})" for page in sorted(folder.glob("*.md")) if page.name != "README.md"]
    return "\n".join((f"# {title}", "", about, "", *lines, ""))


def navigation() -> list[tuple[str, list[tuple[str, str]]]]:
    """The sections of the site with the titles and paths of their pages."""
    docs = ROOT / "docs"
    begin = [docs / f"{name}.md" for name in BEGIN]
    guides = by_title(set((docs / "guide").glob("*.md")) - set(begin))
    first = [docs / "reference" / f"{name}.md" for name in LOOK_UP_FIRST]
    rest = by_title(set((docs / "reference").glob("*.md")) - set(first))
    understand = by_title(set((docs / "explanation").glob("*.md")))
    return [
        ("Begin", [("focal-eval", "README.md"), *entries(begin)]),
        ("Do", entries([*guides, docs / "retail-policy.md"])),
        ("Look up", [*entries([*first, *rest]), ("Error codes", f"{CODES}/index.md")]),
        ("Understand", [*entries(understand), ("Benchmarks", "benchmarks/README.md"), ("Decisions", "docs/adr/index.md")]),
        ("Take part", [("Contributing", "CONTRIBUTING.md"), ("Changes", "CHANGELOG.md")]),
    ]


def by_title(found: set[Path]) -> list[Path]:
    """Pages in the order of their titles."""
    return sorted(found, key=lambda page: title_of(page).casefold())


def entries(found: list[Path]) -> list[tuple[str, str]]:
    """Titles and paths, as the navigation has them."""
    return [(title_of(page), page.relative_to(ROOT).as_posix()) for page in found]


def settings(stage: Path, out: Path) -> str:
    """The builder's settings, as TOML."""

    def text(said: str) -> str:
        return '"' + said.replace("\\", "\\\\").replace('"', '\\"') + '"'

    sections = []
    for name, found in navigation():
        inside = ", ".join(f"{{ {text(title)} = {text(path)} }}" for title, path in found)
        sections.append(f"  {{ {text(name)} = [{inside}] }},")
    values = {"docs_dir": stage.name, "site_dir": os.path.relpath(out, stage.parent)}
    here = "\n".join(f"{name} = {text(said)}" for name, said in values.items())
    nav = "\n".join(("nav = [", *sections, "]"))
    return (HERE / "zensical.toml").read_text(encoding="utf-8").replace("# pages", f"{here}\n{nav}")


if __name__ == "__main__":
    sys.exit(main())
