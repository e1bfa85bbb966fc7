"""Every error code has a page, and the page tells the truth: its wrong example gives that code, its right one nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from focal_eval.checks.base import RefKind
from focal_eval.evaluate import check_paths
from tests.sources import nodes_of, parsed_once

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "focal_eval"
PAGES = {page.stem: page for page in sorted((PACKAGE / "codes").glob("*.md"))}

CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+\Z")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# file: ([\w-]+\.yaml)\n")
RAISING = {"error": 0, "warning": 0, "Diagnostic": 0}  # the place of the code among the arguments

# What a suite's page may point at.
SCRIPT = "title: Hello\nturns:\n  - user: hello\n    expect:\n      response: {contains: hello}\n"
AGENT = (
    "agent: greeter\nrules:\n  - id: greet\n    when: the customer greets\n    match: {any_words: [hello]}\n    then: greet\n"
)


def texts(node: ast.AST) -> Iterator[str]:
    """The texts an expression can be: constants, and both arms of a condition."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from texts(node.body)
        yield from texts(node.orelse)
    elif isinstance(node, ast.JoinedStr) and ast.unparse(node) == "f'unknown-{kind}'":
        yield from (f"unknown-{kind}" for kind in get_args(RefKind))


def raised_in(file: Path) -> Iterator[str]:
    """The codes a module gives to a diagnostic, also through a function of its own that takes a `code`."""
    raising = dict(RAISING)
    for node in nodes_of(file):
        if isinstance(node, ast.FunctionDef):
            names = [argument.arg for argument in node.args.args if argument.arg not in {"self", "cls"}]
            raising |= {node.name: names.index("code")} if "code" in names else {}
    for node in nodes_of(file):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in raising:
                given = node.args[raising[name] : raising[name] + 1]
                given += [keyword.value for keyword in node.keywords if keyword.arg == "code"]
                yield from (text for value in given for text in texts(value) if CODE.match(text))


def written_in(file: Path) -> set[str]:
    """Every text of a module that could be a code, for those that come from tables."""
    return {
        node.value
        for node in nodes_of(file)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.match(node.value)
    }


def blocks(page: Path) -> list[tuple[str, str]]:
    """The page's first two examples: (language, text), wrong and right."""
    return [(found[1], found[2]) for found in BLOCK.finditer(page.read_text(encoding="utf-8"))][:2]


def codes_of(example: str, folder: Path) -> list[str]:
    """The codes that checking an example gives, in a folder where a suite finds a script and an agent."""
    named = FILE.match(example)
    name = named[1] if named else "scripts/example.yaml"
    (folder / "scripts").mkdir(parents=True)
    (folder / "scripts" / "hello.yaml").write_text(SCRIPT)
    (folder / "agent.yaml").write_text(AGENT)
    (folder / name).write_text(example, encoding="utf-8")
    return [problem.code for problem in check_paths([folder / name]).problems]


@parsed_once
def test_every_code_raised_has_a_page() -> None:
    """`focal-eval explain` has an answer for whatever an error line shows."""
    missing = {
        f"{code} ({file.relative_to(ROOT)})" for file in PACKAGE.rglob("*.py") for code in raised_in(file) if code not in PAGES
    }
    assert not missing, "\n".join(sorted(missing))


@parsed_once
def test_every_page_has_a_code() -> None:
    """No page outlives the check it explains."""
    known = {code for file in PACKAGE.rglob("*.py") for code in (*written_in(file), *raised_in(file))}
    assert sorted(set(PAGES) - known) == []


@pytest.mark.parametrize("code", PAGES)
def test_a_page_has_its_form(code: str) -> None:
    """Its title is the code, words stand before the examples, and there are two of them."""
    text = PAGES[code].read_text(encoding="utf-8")
    title, _, rest = text.partition("\n\n")
    assert title == f"# {code}"
    (wrong,), (right,) = (re.findall(rf"^{word}\b.*:$", rest, re.MULTILINE) for word in ("Wrong", "Right"))
    assert len(rest.partition(wrong)[0].split()) > 5
    assert [language for language, _ in blocks(PAGES[code])] in (["yaml", "yaml"], ["text", "text"])
    assert rest.index(f"\n{wrong}\n") < rest.index(f"\n{right}\n")


@pytest.mark.parametrize("code", [code for code, page in PAGES.items() if blocks(page)[0][0] == "yaml"])
def test_a_page_tells_the_truth(code: str, tmp_path: Path) -> None:
    """The wrong example gives exactly its code and the right one no problem at all."""
    (_, wrong), (_, right) = blocks(PAGES[code])
    assert set(codes_of(wrong, tmp_path / "wrong")) == {code}
    assert codes_of(right, tmp_path / "right") == []
