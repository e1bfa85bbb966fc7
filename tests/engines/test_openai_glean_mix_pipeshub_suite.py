"""One suite, unchanged, on a model, Glean, Mix and PipesHub: from the script to the journal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from focal_eval.evaluate import RunRequest, run
from tests.engines.glean_stub import Assistant
from tests.engines.mix_stub import MixServer
from tests.engines.openai_stub import PATH, complete
from tests.engines.pipeshub_stub import BASE, Hub
from tests.engines.vendor_stub import TOKEN, Stub, served

SCRIPT = """\
turns:
  - user: hello
    expect:
      response: {contains: 'hello'}
      tools: {none: true}
      rules: {exactly: []}
      first_token_ms: 20000
      tokens: {min: 1}
  - user: and now?
    expect:
      response: {contains: 'and now'}
      follow_ups: {count: {min: 1}}
conversation: [records: consistent]
"""
SUITE = """\
scripts: [talk.yaml]
engine: &base {{kind: {kind}, url: '{url}', token: {token}}}
engines:
  streamed: {{<<: *base, stream: true}}
unreported: skip
"""
SKIPPED = {  # of the six expectations, what each system does not report
    "openai": {"rules", "follow_ups", "conversation.records"},
    "glean": {"rules", "tokens"},
    "mix": {"rules", "follow_ups"},
    "pipeshub": {"rules", "tokens"},
}


class Silent:
    """Says nothing of the run's progress."""

    def started(self, *about: Any) -> None:
        """A run began."""

    def case_done(self, *about: Any) -> None:
        """A case ended."""

    def finished(self) -> None:
        """The run ended."""


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    with (
        served({("POST", PATH): complete}, Stub()) as openai,
        served(Assistant().routes(), Stub()) as glean,
        served(MixServer().routes(), Stub()) as mix,
        served(Hub().routes(), Stub()) as pipeshub,
    ):
        yield {"openai": f"{openai.url}/v1", "glean": glean.url, "mix": mix.url, "pipeshub": f"{pipeshub.url}{BASE}"}


@pytest.mark.parametrize(
    ("kind", "streamed"), [(kind, way) for kind in sorted(SKIPPED) for way in (False, True) if (kind, way) != ("mix", True)]
)
def test_the_same_script_runs_on_every_system(urls: dict[str, str], tmp_path: Path, kind: str, streamed: bool) -> None:
    """What a system reports passes, what it does not is skipped with its reason; the first token is timed on streams alone."""
    text = SUITE.format(kind=kind, url=urls[kind], token=TOKEN)
    text = text.replace("{<<: *base, stream: true}", "*base") if kind == "mix" else text
    text = text.replace(f"token: {TOKEN}", f"token: {TOKEN}, model: small-1") if kind == "openai" else text
    (tmp_path / "suite.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "talk.yaml").write_text(SCRIPT, encoding="utf-8")
    request = RunRequest(
        paths=(tmp_path / "suite.yaml",), out=tmp_path / "out", reports=(), engine="streamed" if streamed else None
    )
    result = run(request, Silent())
    assert result.exit_code == 0
    lines = [json.loads(line) for line in (tmp_path / "out" / "journal.jsonl").read_text(encoding="utf-8").splitlines()]
    outcomes = {found["key"]: found["outcome"] for line in lines for found in line.get("results", ())}
    timed = streamed or kind == "mix"
    wanted = SKIPPED[kind] | (set() if timed else {"first_token_ms"})
    assert {key for key, outcome in outcomes.items() if outcome == "skipped"} == wanted
    assert {outcome for key, outcome in outcomes.items() if key not in wanted} == {"passed"}
    assert [("first_token_ms" in line) for line in lines if line["t"] == "turn"] == [timed, timed]
