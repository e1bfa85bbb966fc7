"""The systems of other vendors, recorded over real sockets and replayed without them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.engines.glean_stub import Assistant
from tests.engines.mix_stub import MixServer
from tests.engines.openai_stub import PATH, complete
from tests.engines.pipeshub_stub import BASE, Hub
from tests.engines.vendor_stub import TOKEN, Stub, served
from tests.evaluate.cassette_runs import journal, play, verdicts, write

SCRIPT = """\
turns:
  - user: hello
    expect: {response: {contains: hello}, latency_ms: {max: 20000}, first_token_ms: 20000}
  - user: and now?
    expect: {response: {contains: and now}}
conversation: [records: consistent]
"""
STUBS: dict[str, Callable[[], AbstractContextManager[Stub]]] = {
    "openai": lambda: served({("POST", PATH): complete}, Stub()),
    "glean": lambda: served(Assistant().routes(), Stub()),
    "mix": lambda: served(MixServer().routes(), Stub(), token=None),
    "pipeshub": lambda: served(Hub().routes(), Stub()),
}
BELOW = {"openai": "/v1", "pipeshub": BASE}
MORE = {"openai": ", model: small-1, stream: true", "glean": ", stream: true", "pipeshub": ", stream: true"}


@pytest.mark.parametrize("kind", sorted(STUBS))
def test_a_vendors_system_is_replayed_without_it(kind: str, tmp_path: Path) -> None:
    """Verdicts, replies, times, first tokens and stored messages are those of the live run."""
    with STUBS[kind]() as stub:
        url = stub.url + BELOW.get(kind, "")
        engine = f"{{kind: {kind}, url: '{url}', token: {TOKEN}{MORE.get(kind, '')}, cassette: t.jsonl}}"
        suite = f"scripts: [talk.yaml]\nengine: {engine}\nunreported: skip\n"
        write(tmp_path, suite_yaml=suite, talk_yaml=SCRIPT)
        live = play(tmp_path / "suite.yaml", "record")
    replayed = play(tmp_path / "suite.yaml", "replay")
    assert (live.exit_code, verdicts(live)) == (0, {"talk": "passed"})
    assert journal(replayed) == journal(live)
    assert TOKEN not in (tmp_path / "t.jsonl").read_text(encoding="utf-8")
