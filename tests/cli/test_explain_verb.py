"""`focal-eval explain`: the page of a code, or all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from focal_eval.cli import main

CODES = Path(__file__).resolve().parent.parent.parent / "focal_eval" / "codes"


def explain(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["explain", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_code_is_explained_with_a_wrong_and_a_right_example(capsys: pytest.CaptureFixture[str]) -> None:
    """The page is printed as it stands; brackets copied along with the code do no harm."""
    page = (CODES / "undefined-name.md").read_text(encoding="utf-8").rstrip() + "\n"
    assert explain(capsys, "undefined-name") == (0, page, "")
    assert explain(capsys, "[undefined-name]") == (0, page, "")


def test_a_page_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Tools get the code and its text."""
    code, out, _ = explain(capsys, "undefined-name", "--json")
    document = json.loads(out)
    assert (code, document["code"], set(document)) == (0, "undefined-name", {"code", "text"})
    assert document["text"].startswith("# undefined-name\n")


def test_all_codes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a code: every one with its first sentence, in order, one a line."""
    code, out, _ = explain(capsys)
    listed = [line.split()[0] for line in out.splitlines()]
    assert code == 0
    assert listed == sorted(page.stem for page in CODES.glob("*.md"))
    assert all(re.fullmatch(r"[a-z0-9-]+  +\S.{10,}", line) for line in out.splitlines())
    _, document, _ = explain(capsys, "--json")
    assert list(json.loads(document)) == listed


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("undefined-nam", "no error has the code 'undefined-nam'; did you mean 'undefined-name'?"),
        ("unknown_key", "no error has the code 'unknown_key'; did you mean 'unknown-key'?"),
        ("qqq", "no error has the code 'qqq'; `focal-eval explain` lists all"),
        ("../errors", "no error has the code '../errors'; `focal-eval explain` lists all"),
    ],
)
def test_an_unknown_code_is_refused(capsys: pytest.CaptureFixture[str], word: str, message: str) -> None:
    """Exit code 2 and the nearest code; a path is no code."""
    code, out, err = explain(capsys, word)
    assert (code, out) == (2, "")
    assert message in err


def test_every_code_of_the_corpus_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """What a user of the broken files would ask for is there."""
    broken = CODES.parent.parent / "tests" / "script" / "broken"
    heads = re.compile(r"^# expect: \d+:\d+ (?:warning )?([a-z0-9-]+)", re.MULTILINE)
    asked = {code for path in broken.rglob("*.yaml") for code in heads.findall(path.read_text(encoding="utf-8"))}
    assert len(asked) > 40
    assert {code for code in asked if explain(capsys, code)[0] != 0} == set()
