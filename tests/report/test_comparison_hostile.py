"""The regression report against hostile texts in every field that an engine or a script controls."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from focal_eval.compare.model import Edit, RecordedCase
from focal_eval.report.comparison import ComparisonView, write
from tests.report.hostile import payloads
from tests.report.reader import Readers
from tests.report.sample_comparison import case, turn, view_of

pytestmark = pytest.mark.browser


def _reply(text: str, other: str) -> dict[str, Any]:
    """A reply whose every text is hostile."""
    return {
        "response": text,
        "messages": [text, text],
        "rules": [{"name": text, "score": 0.5, "id": text}],
        "candidates": [{"name": other, "score": 0.1, "suppressed": text, "by": text, "reason": text}],
        "tools": [
            {
                "name": text,
                "arguments": {text: text, "deep": {text: [text]}},
                "result": {text: text},
                "type": text,
                "status": text,
                "parent": text,
            },
            {"name": other, "arguments": text, "error": text},
        ],
        "scenario": {"id": text, "step": other},
        "transitions": [{"kind": text, "source": text, "target": other, "scenario": text, "reason": text}],
        "template": other,
        "outcome": other,
        "enforcement": [{"rule": text, "action": other, "violation": text}],
        "citations": [{"text": text, "source": text, "url": text}],
        "follow_ups": [other],
        "variables": {text: other},
        "metadata": {text: other},
        "type": other,
        "format": other,
        "model": other,
        "finish_reason": other,
        "raw": {text: text},
    }


def _result(text: str, outcome: str) -> dict[str, Any]:
    finding = {"message": text, "expected": text, "observed": text, "near": text, "name": text}
    return {
        "key": text,
        "text": text,
        "outcome": outcome,
        "at": [text, 2, 1, 2, 5],
        "findings": [finding],
        "because": text,
        "reason": text,
        "excerpt": [[1, text], [2, text]],
    }


def _case(number: int, text: str, *, after: bool) -> RecordedCase:
    other = f"{text} {'now' if after else 'then'}"
    outcome = "failed" if after else "passed"
    fault = {"kind": text, "message": other, "detail": text}
    turns = (
        turn(0, text, _reply(text, other), _result(text, outcome), name=text),
        turn(1, other, None, fault=fault) if after else turn(1, other, _reply(other, text)),
        turn(2, other, None, skipped=other),
    )
    stored = ({"role": text, "text": other, "rules": [{"name": other}], "metadata": {text: other}},)
    return case(
        f"{number}/{text}",
        outcome,
        turns,
        title=text,
        file=text,
        tags=(text, other),
        reason=text,
        messages=stored,
        results=(_result(text, outcome),),
    )


def _hostile(texts: list[str]) -> ComparisonView:
    pairs = [([_case(n, text, after=False)], [_case(n, text, after=True)]) for n, text in enumerate(texts)]
    first = texts[0]
    edits = tuple(
        Edit(text, text, text, ((text, text, f"{text}!"), (text, [text], [])), 1, (f"rule:{text}",)) for text in texts[:40]
    )
    header = {
        "id": first,
        "started_at": first,
        "suite": {"title": first, "file": first},
        "engine": {"kind": "focal", "agent": {"id": first, "digest": first}},
    }
    gates = [{"name": text, "limit": {"max": 1}, "observed": text, "passed": False, "message": text} for text in texts[:40]]
    return view_of(pairs, edits=edits, gates=gates, before_header=header, after_header=header, title=first, more={first: first})


_FOREIGN = ", ".join(
    f"#detail {one}"
    for one in (
        *("img", "image", "script", "iframe", "object", "embed", "base", "link", "meta", "style", "video", "audio"),
        *("form:not(.decide-form)", "a[href^=javascript]", "[style]", "[onerror]", "[onload]", "[onclick]"),
    )
)
_OPEN = """async ([wanted, foreign]) => {
  location.hash = `#case=${encodeURIComponent(wanted)}`;
  const begin = wanted.slice(0, wanted.indexOf('/') + 1);
  for (let tries = 0; tries < 400; tries += 1) {
    const name = document.querySelector('#detail .case-name code');
    if (name && name.textContent.startsWith(begin) && document.querySelector('#detail .pair')) break;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  for (let round = 0; round < 3; round += 1) {
    for (const fold of document.querySelectorAll('#detail details:not([open])')) fold.open = true;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  const pairs = document.querySelectorAll('#detail .pair').length;
  return [pairs, window.pwned === undefined, document.querySelectorAll(foreign).length];
}"""


def _names(page: Path) -> list[str]:
    index = re.search(r'<script type="application/json" id="index">(.*?)</script>', page.read_text(encoding="ascii"))
    assert index is not None
    names: list[str] = json.loads(index[1])["columns"]["name"]
    return names


def _open_all(readers: Readers, written: Path, count: int) -> None:
    url, names = written.as_uri(), _names(written)
    assert len(names) == count
    with readers.at(url) as reader:
        page = reader.page
        for tab in ("causes", "conversations", "rules", "steps", "figures"):
            page.evaluate("tab => { location.hash = `#tab=${tab}`; }", tab)
            page.wait_for_selector(f"#view-{tab}:not([hidden])")
        for name in names:
            pairs, safe, foreign = page.evaluate(_OPEN, [name, _FOREIGN])
            assert pairs >= 2, name
            assert safe, name
            assert foreign == 0, name
        assert page.evaluate("window.pwned") is None
        assert {address.split("#")[0] for address in reader.asked} == {url}
        assert reader.log == []


def test_hostile_texts_do_not_act(readers: Readers, tmp_path: Path) -> None:
    """A handful of the corpus in every field: nothing runs, nothing is asked for, nothing becomes markup."""
    texts = list(payloads())[::13]
    _open_all(readers, write(_hostile(texts), tmp_path), len(texts))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_whole_corpus_does_not_act(readers: Readers, tmp_path: Path) -> None:
    """Each of at least 200 hostile texts in every field an engine or a script controls: zero executions, zero requests."""
    texts = list(payloads())
    assert len(set(texts)) >= 200
    _open_all(readers, write(_hostile(texts), tmp_path), len(texts))
