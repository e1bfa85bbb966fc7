"""The focal engine against servers that misbehave, over real sockets; the table in docs/reference/faults.md comes from here."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from focal_eval.engines.base import Engine, Setting
from focal_eval.engines.focal import Focal
from focal_eval.engines.wire import Faults
from focal_eval.errors import EngineError
from focal_eval.evaluate import RunRequest, run
from focal_eval.testing import hostile_conformance
from focal_eval.testing.hostile_server import hostile_server
from focal_eval.testing.misdeeds import MISDEEDS
from tests.engines.focal_good import TENANT, GoodFocal
from tests.engines.four_ways import Silent, observed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "faults.md"
BEGIN, END = "<!-- made by tests/engines/test_hostile_focal.py -->\n", "<!-- end -->"


def engine_for(*, stream: bool) -> Callable[[str], Engine]:
    def connect(url: str) -> Engine:
        return Focal(url, tenant=TENANT, stream=stream, faults=Faults(attempts=2)).connect(Setting(Path()))

    return connect


def suffered(*, stream: bool) -> dict[str, EngineError]:
    return hostile_conformance(engine_for(stream=stream), GoodFocal(), streams=stream)


def cell(problem: EngineError | None) -> str:
    if problem is None:
        return "–"
    text = re.sub(r"127\.0\.0\.1:\d+", "host", str(problem)).replace("|", "\\|")
    text = re.sub(r"not JSON: .*", "not JSON", text)  # the rest is the parser's, and changes with its version
    return f"`{problem.kind}`: {text}"


def table(whole: dict[str, EngineError], streamed: dict[str, EngineError]) -> str:
    """The Markdown table of what each misdeed came to."""
    rows = [("refuses", "refuses the connection"), *((deed.name, deed.about) for deed in MISDEEDS.values())]
    lines = ["| misdeed | the server | whole reply | streamed reply |", "|---|---|---|---|"]
    lines += [f"| `{name}` | {about} | {cell(whole.get(name))} | {cell(streamed.get(name))} |" for name, about in rows]
    return "\n".join(lines) + "\n"


def test_every_misdeed_is_an_error_with_a_name() -> None:
    """In time, without harm to conversations beside it, and as the page on faults says, whatever carries the requests."""
    whole, streamed = suffered(stream=False), suffered(stream=True)
    assert set(whole) == {"refuses"} | {deed.name for deed in MISDEEDS.values() if deed.of != "stream"}
    assert set(streamed) == {"refuses", *MISDEEDS}
    made = table(whole, streamed)
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    assert made == rest.partition(END)[0], "run `python -m tests.engines.test_hostile_focal`"


def test_a_run_loses_nothing_to_a_hostile_server(tmp_path: Path) -> None:
    """Each misdeed's case is errored, with its place and reason in the journal; all other cases pass; every case is there."""
    deeds = [name for name, deed in MISDEEDS.items() if deed.of != "stream"]
    scripts = {f"bad-{name}": ["hello", f"hostile:{name}!", "never sent"] for name in deeds}
    scripts |= {f"good-{number}": ["hello", "and now?"] for number in range(40)}
    for name, said in scripts.items():
        turns = "".join(f"  - {{user: '{text}', expect: {{response: {{contains: '{text}'}}}}}}\n" for text in said)
        (tmp_path / f"{name}.yaml").write_text(f"turns:\n{turns}", encoding="utf-8")
    with hostile_server(GoodFocal(), {name: deed.act for name, deed in MISDEEDS.items()}) as server:
        suite = f"scripts: ['*-*.yaml']\nconcurrency: 20\ntimeout_s: 0.7\nengine: {{kind: focal, url: '{server.url}', tenant: {TENANT}}}\n"
        (tmp_path / "suite.yaml").write_text(suite, encoding="utf-8")
        result = run(RunRequest(paths=(tmp_path / "suite.yaml",), out=tmp_path / "run", reports=()), Silent())
    assert result.model.counts["errored"] == len(deeds)
    assert result.model.counts["passed"] == 40
    reasons = {case.name: case.last.reason or "" for case in result.model.cases}
    for id, case in observed(tmp_path / "run").items():
        if "bad-" in id:
            assert case["verdict"] == "errored", id
            first, broken, skipped = case["turns"]
            assert first["results"][0]["outcome"] == "passed"
            assert broken["fault"]["kind"].startswith("engine-"), broken
            assert broken["fault"]["message"] in reasons[id]
            print(broken)
            assert skipped["results"][0]["reason"] == "not sent: the engine broke before"


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    made = table(suffered(stream=False), suffered(stream=True))
    PAGE.write_text(before + BEGIN + made + END + rest.partition(END)[2], encoding="utf-8")
