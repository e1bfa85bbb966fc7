"""Every remote engine against servers that misbehave, over real sockets; the tables in docs/reference/faults.md come from here.

`python -m tests.engines.test_hostile_engines` writes them anew.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from focal_eval.errors import EngineError
from focal_eval.evaluate import RunRequest, run
from focal_eval.testing.hostile_server import hostile_server
from focal_eval.testing.misdeeds import MISDEEDS, Misdeed
from tests.engines.four_ways import Silent, observed
from tests.engines.hostile_stubs import TRIALS, Trial
from tests.engines.vendor_stub import TOKEN

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "faults.md"
BEGIN, END = "<!-- made by tests/engines/test_hostile_engines.py -->\n", "<!-- end -->"
WORDED = ("focal", "focal, streamed")
ABOUT = {
    "refuses": "refuses the connection",
    "no-tls": "speaks no TLS where the URL is https",
    **{name: deed.about for name, deed in MISDEEDS.items()},
}
Found = Mapping[str, EngineError]


def fits(trial: Trial, deed: Misdeed) -> bool:
    """Whether a misdeed can be done to replies of this manner."""
    return deed.of == "any" or (deed.of == "stream") == trial.streams


def kind_cell(trial: Trial, name: str, problem: EngineError | None) -> str:
    """What a misdeed came to, in a word."""
    if problem is not None:
        return problem.kind.removeprefix("engine-")
    return "not noticed" if name in trial.unnoticed else "–"


def word_cell(problem: EngineError | None) -> str:
    """What a misdeed came to, in the words of its error."""
    if problem is None:
        return "–"
    text = re.sub(r"127\.0\.0\.1:\d+", "host", str(problem)).replace("|", "\\|")
    text = re.sub(r"(not JSON|no TLS|damaged): .*", r"\1", text)  # the rest is a library's, and changes with its version
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22,26}", "…", text)  # an id that is made
    return f"`{problem.kind}`: {text}"


def table(heads: list[str], rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (heads, ["---"] * len(heads), *rows))


def tables(found: Mapping[str, Found]) -> str:
    """The Markdown of both tables, and of what goes unnoticed."""
    kinds = [
        [f"`{name}`", about, *(kind_cell(trial, name, found[trial.name].get(name)) for trial in TRIALS.values())]
        for name, about in ABOUT.items()
    ]
    words = [[f"`{name}`", *(word_cell(found[one].get(name)) for one in WORDED)] for name in ABOUT]
    reasons: dict[str, list[str]] = {}
    for trial in TRIALS.values():
        for name, why in trial.unnoticed.items():
            reasons.setdefault(why, []).append(f"`{name}` by {trial.name}")
    missed = "".join(f"- {'; '.join(names)}: {why}.\n" for why, names in reasons.items())
    return (
        table(["misdeed", "the server", *TRIALS], kinds)
        + "\nNot noticed, as the protocol gives no way to:\n\n"
        + missed
        + "\nIn the words of the `focal` engine:\n\n"
        + table(["misdeed", "whole reply", "streamed reply"], words)
    )


def shown(found: Mapping[str, Found]) -> set[str]:
    """The cells of the tables that these engines fill: `trial / misdeed / what it came to`."""
    cells = set()
    for name in ABOUT:
        cells |= {f"{one} / {name} / {kind_cell(TRIALS[one], name, problems.get(name))}" for one, problems in found.items()}
        cells |= {f"{one} / {name} / {word_cell(found[one].get(name))}" for one in WORDED if one in found}
    return cells


def documented(page: str, one: str) -> set[str]:
    """The same cells as the page has them, for one engine."""
    cells = set()
    for part in page.partition(BEGIN)[2].partition(END)[0].split("\n\n"):
        if not part.startswith("| misdeed"):
            continue
        heads, _, *rows = [re.split(r"(?<!\\) \| ", line[2:-2]) for line in part.strip().split("\n")]
        column = heads.index(one) if one in heads else heads.index("whole reply") + WORDED.index(one) if one in WORDED else None
        if column is not None:
            cells |= {f"{one} / {row[0].strip('`')} / {row[column]}" for row in rows}
    return cells


@pytest.mark.parametrize("trial", TRIALS.values(), ids=TRIALS)
def test_every_misdeed_is_an_error_with_a_name(trial: Trial) -> None:
    """In time, without harm to conversations beside it, and as the page on faults says."""
    found = trial.suffered()
    assert set(found) | set(trial.unnoticed) == {"refuses", "no-tls"} | {
        name for name, deed in MISDEEDS.items() if fits(trial, deed)
    }
    stale = sorted(set(found) & set(trial.unnoticed))
    assert not stale, f"these are noticed, so they need no excuse: {', '.join(stale)}"
    assert shown({trial.name: found}) == documented(PAGE.read_text(encoding="utf-8"), trial.name), (
        "run `python -m tests.engines.test_hostile_engines`"
    )


def test_the_page_names_every_misdeed_and_every_excuse() -> None:
    """No row is missing or left over, and what goes unnoticed is said with its reason."""
    made = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    kinds = made.split("\n\n")[0].split("\n")[2:]
    assert [tuple(line[2:-2].split(" | ")[:2]) for line in kinds] == [(f"`{name}`", about) for name, about in ABOUT.items()]
    for trial in TRIALS.values():
        for name, why in trial.unnoticed.items():
            assert re.search(rf"^- .*`{name}` by {trial.name}.*: {re.escape(why)}\.$", made, re.M), (trial.name, name)


ENTRIES = {
    "focal": "kind: focal, url: '{url}', tenant: 550e8400-e29b-41d4-a716-446655440000",
    "focal, streamed": "kind: focal, url: '{url}', tenant: 550e8400-e29b-41d4-a716-446655440000, stream: true",
    "openai": "kind: openai, url: '{url}/v1', model: small, token: {token}",
    "openai, streamed": "kind: openai, url: '{url}/v1', model: small, token: {token}, stream: true",
    "glean": "kind: glean, url: '{url}', token: {token}",
    "glean, lines": "kind: glean, url: '{url}', token: {token}, stream: true",
    "mix": "kind: mix, url: '{url}', token: {token}",
    "pipeshub": "kind: pipeshub, url: '{url}/api/v1', token: {token}",
    "pipeshub, streamed": "kind: pipeshub, url: '{url}/api/v1', token: {token}, stream: true",
}


@pytest.mark.parametrize("name", ENTRIES)
def test_a_run_loses_nothing_to_a_hostile_server(name: str, tmp_path: Path) -> None:
    """Each misdeed's case is errored, with its place and reason in the journal; all other cases pass; every case is there."""
    trial = TRIALS[name]
    deeds = [deed for deed in MISDEEDS.values() if fits(trial, deed) and not deed.blind]
    scripts = {f"bad-{deed.name}": ["hello", f"hostile:{deed.name}!", "never sent"] for deed in deeds}
    scripts |= {f"good-{number}": ["hello", "and now?"] for number in range(40)}
    for script, said in scripts.items():
        turns = "".join(f"  - {{user: '{text}', expect: {{response: {{contains: '{text}'}}}}}}\n" for text in said)
        (tmp_path / f"{script}.yaml").write_text(f"turns:\n{turns}", encoding="utf-8")
    acts = {deed.name: deed.act for deed in MISDEEDS.values()}
    began = time.monotonic()
    with hostile_server(trial.server(), acts) as server:
        entry = ENTRIES[name].format(url=server.url, token=TOKEN)
        suite = f"scripts: ['*-*.yaml']\nconcurrency: 20\ntimeout_s: 2\nengine: {{{entry}}}\n"
        (tmp_path / "suite.yaml").write_text(suite, encoding="utf-8")
        result = run(RunRequest(paths=(tmp_path / "suite.yaml",), out=tmp_path / "run", reports=()), Silent())
    assert time.monotonic() - began < 30
    assert result.model.header["state"] == "finished"
    assert (result.model.counts["errored"], result.model.counts["passed"]) == (len(deeds), 40)
    reasons = {case.name: case.last.reason or "" for case in result.model.cases}
    broken_ones = 0
    for case_id, case in observed(tmp_path / "run").items():
        if "bad-" in case_id:
            assert case["verdict"] == "errored", case_id
            first, broken, skipped = case["turns"]
            assert first["results"][0]["outcome"] == "passed"
            assert broken["fault"]["kind"].startswith("engine-"), broken
            assert broken["fault"]["message"] in reasons[case_id]
            assert skipped["results"][0]["reason"] == "not sent: the engine broke before"
            broken_ones += 1
    assert broken_ones == len(deeds)


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    made = tables({name: trial.suffered() for name, trial in TRIALS.items()})
    PAGE.write_text(before + BEGIN + made + END + rest.partition(END)[2], encoding="utf-8")
