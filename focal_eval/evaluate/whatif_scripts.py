"""One script a cause: its shortest conversation that shows the change, played on both agents before it is written."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from focal_eval.agent import Playable
from focal_eval.errors import Problems, StorageError
from focal_eval.evaluate.laboratory import open_lab
from focal_eval.evaluate.request import RunRequest
from focal_eval.evaluate.whatif import WhatIfResult
from focal_eval.experiment.whatif_tally import Cluster, Example
from focal_eval.importers.base import Imported
from focal_eval.importers.run import prove
from focal_eval.importers.write import call, data_said, literal, said, yaml_text
from focal_eval.records import UNKNOWN, Json, Verdict
from focal_eval.records.conversation import RecordedExchange
from focal_eval.text import shorten

NOTE = "# Written by focal-eval whatif"
_NAME = re.compile(r"[^A-Za-z0-9]+")
HISTORY = 6  # turns before the one that changes, where a script begins in the middle


@dataclass(frozen=True, slots=True)
class _Draft:
    """A script that may show a cluster's change."""

    cluster: Cluster
    text: str


def write_scripts(result: WhatIfResult, folder: Path, *, expected: str) -> dict[str, dict[str, Json]]:
    """Writes a script for each cause; where and what it promises by the cause's key, or why there is none.

    With `expected` as "agent" a script passes on the agent that held the conversations and fails on the candidate: a guard
    against the change. With "candidate" it is the other way round. Raises StorageError.
    """
    names = _names(result.tally.ranked())
    waiting = {key: list(_drafts(cluster, result, expected)) for key, cluster in result.tally.clusters.items()}
    out: dict[str, dict[str, Json]] = {}
    while any(waiting.values()):
        trial = {key: drafts.pop(0) for key, drafts in waiting.items() if drafts}
        for key in _shown_by(trial, result, expected):
            waiting[key] = []
            path = folder / f"{names[key]}.yaml"
            _write(path, trial[key].text)
            out[key] = {"file": str(path), "passes_on": expected, "fails_on": _other(expected)}
    for key in result.tally.clusters:
        out.setdefault(key, {"file": None, "why": "no script that begins anew shows the change with replaced personal data"})
    return out


def _other(side: str) -> str:
    return "candidate" if side == "agent" else "agent"


def _names(clusters: Sequence[Cluster]) -> dict[str, str]:
    """File names from keys: `rules:+offer-refund` becomes `rules-gain-offer-refund`."""
    out: dict[str, str] = {}
    for cluster in clusters:
        lane, _, what = cluster.cause.key.partition(":")
        what = {"+": "gain ", "-": "lose ", "~": "", ">": "move "}.get(what[:1], what[:1]) + what[1:]
        name = base = _NAME.sub("-", f"{lane} {what.replace('>', ' to ')}").strip("-").lower()[:80] or "change"
        count = 2
        while name in out.values():
            name, count = f"{base}-{count}", count + 1
        out[cluster.cause.key] = name
    return out


def _drafts(cluster: Cluster, result: WhatIfResult, expected: str) -> Iterator[_Draft]:
    """Scripts to be tried, the shortest conversation first: from its beginning, else from the middle with what was known."""
    for example in cluster.examples:
        expect = dict(_expect(example, result, expected))
        if not expect:
            continue
        for begin in (_from_the_beginning, _from_the_middle):
            script = _script(cluster, example, expected) | begin(example, result, expected)
            script["turns"] = [*script["turns"], {**_user(example.conversation.turns[-1]), "expect": expect}]
            text = f"{NOTE} from {example.place}.\n" + yaml_text(script)
            if _reads_back(text):
                yield _Draft(cluster, text)


def _script(cluster: Cluster, example: Example, expected: str) -> dict[str, Any]:
    conversation = example.conversation
    whose = "the agent that held the conversation" if expected == "agent" else "the candidate"
    return {
        "title": said(shorten(cluster.cause.text, 100)),
        "description": said(f"What {whose} does in turn {example.turn + 1} of {conversation.id}."),
        "tags": ["what-if"],
        "origin": {
            "format": conversation.format,
            "place": said(example.place),
            "cause": said(cluster.cause.key),
            "expects": expected,
        },
    }


def _user(turn: RecordedExchange) -> dict[str, Json]:
    return {} if turn.user is None else {"user": said(turn.user)}


def _from_the_beginning(example: Example, result: WhatIfResult, expected: str) -> dict[str, Any]:
    whole = example.conversation
    turns = list(whole.turns)
    given: dict[str, Any] = {}
    if whole.start:
        given["variables"] = data_said(whole.start)
    history = [_pair(*pair) for pair in whole.history]
    greeting = turns[0].agent
    if turns[0].user is None and len(turns) > 1 and greeting is not UNKNOWN:
        history.append({"agent": said(greeting)})
        del turns[0]
    if history := [turn for turn in history if turn]:
        given["history"] = history
    if whole.scenario is not None:
        given["scenario"] = whole.scenario
    out: dict[str, Any] = {"given": given} if given else {}
    if stubs := _stubs(example, _playable(result, expected)):
        out["tools"] = stubs
    return {**out, "turns": [said(turn.user) if turn.user is not None else {} for turn in turns[:-1]]}


def _pair(user: str | None, agent: str | None) -> dict[str, Json]:
    return {name: said(text) for name, text in (("user", user), ("agent", agent)) if text is not None}


def _from_the_middle(example: Example, result: WhatIfResult, expected: str) -> dict[str, Any]:
    """One turn, with variables, results and the last words before it."""
    known = _playable(result, expected).file.names()
    variables: dict[str, Any] = {name: item for name, item in example.state["variables"].items() if name in known.variables}
    if results := {name: item for name, item in example.state["results"].items() if name in known.tools}:
        variables["result"] = results
    given: dict[str, Any] = {"variables": data_said(variables)}
    before = example.conversation.turns[:-1][-HISTORY:]
    history = [{**_user(turn), **({} if turn.agent is UNKNOWN else {"agent": said(turn.agent)})} for turn in before]
    if history := [turn for turn in history if turn]:
        given["history"] = history
    if example.state["scenario"] is not None:
        given["scenario"] = example.state["scenario"]
    out: dict[str, Any] = {"given": given}
    if stubs := _stubs(example, _playable(result, expected)):
        out["tools"] = stubs
    return {**out, "turns": []}


def _playable(result: WhatIfResult, side: str) -> Playable:
    return result.agents.get(side) or result.agents["candidate"]


def _stubs(example: Example, agent: Playable) -> dict[str, Any]:
    """What the recorded calls answered, for the tools that the agent has; of equal calls the last."""
    out: dict[str, dict[str, Any]] = {}
    for turn in example.conversation.turns:
        for made in () if turn.tools is UNKNOWN else turn.tools:
            if made.name not in agent.tools or (made.error is None and made.result is UNKNOWN):
                continue
            answer: dict[str, Any] = (
                {"fails": said(made.error)} if made.error is not None else {"returns": data_said(made.result)}
            )
            given = {} if made.arguments is UNKNOWN else made.arguments
            when = {"when": {str(name): literal(item) for name, item in given.items()}} if given else {}
            answers = out.setdefault(made.name, {})
            answers.pop(repr(when), None)
            answers[repr(when)] = {**when, **answer}
    return {name: sorted(answers.values(), key=lambda answer: "when" not in answer) for name, answers in out.items()}


def _expect(example: Example, result: WhatIfResult, expected: str) -> Iterator[tuple[str, Json]]:
    """What differs, as the expected side has it; what only the other side knows by name is told by what must be there alone."""
    mine, theirs = (example.before, example.after) if expected == "agent" else (example.after, example.before)
    known = _playable(result, expected).file.names()
    if mine.get("rules") != theirs.get("rules") and "rules" in mine and "rules" in theirs:
        yield "rules", _expected_rules(mine["rules"], theirs["rules"], known.rules)
    if mine.get("scenario") != theirs.get("scenario") and "scenario" in mine:
        yield "scenario", mine["scenario"] or "none"
    if "tools" in mine and _calls(mine) != _calls(theirs):
        yield "tools", {"exactly": _calls(mine)} if mine["tools"] else {"none": True}
    if mine.get("template") != theirs.get("template") and mine.get("template") is not None:
        yield "template", mine["template"]
    same = all(mine.get(key) == theirs.get(key) for key in ("rules", "scenario", "tools", "template"))
    if same and mine.get("response") and mine.get("response") != theirs.get("response"):
        yield "response", {"equals": said(mine["response"])}


def _expected_rules(mine: Sequence[str], theirs: Sequence[str], known: frozenset[str]) -> Json:
    gone = [name for name in theirs if name not in mine]
    here = [name for name in mine if name not in theirs]
    if not here and not gone:
        return {"exactly": list(mine), "order": "strict"}
    if any(name not in known for name in gone):
        return {"exactly": list(mine)}
    return {**({"includes": here} if here else {}), **({"excludes": gone} if gone else {})}


def _calls(side: Mapping[str, Json]) -> list[Json]:
    return [call(one["name"], one.get("arguments")) for one in side.get("tools") or ()]


def _reads_back(text: str) -> bool:
    problems = Problems()
    prove(Imported({"script.yaml": text}), problems)
    return not problems.errors


def _shown_by(drafts: Mapping[str, _Draft], result: WhatIfResult, expected: str) -> Iterator[str]:
    """The keys of drafts that pass on the expected agent and fail on the other; beside a record there is only one of them."""
    request = result.request
    home = request.agent if expected == "agent" and request.agent is not None else request.candidate
    with tempfile.TemporaryDirectory(prefix="focal-eval-") as scratch:
        files = {f"draft-{place}": key for place, key in enumerate(drafts)}
        for name, key in files.items():
            Path(scratch, f"{name}.yaml").write_text(drafts[key].text, encoding="utf-8")
        lab = open_lab(RunRequest((Path(scratch),), agent=home)).lab
        versions = {name: lab.on(agent) for name, agent in result.agents.items()}
        for place, case in enumerate(lab.cases):
            verdicts = {name: version.play(place).verdict for name, version in versions.items()}
            mine, theirs = verdicts.get(expected), verdicts.get(_other(expected))
            if mine in (None, Verdict.PASSED) and theirs in (None, Verdict.FAILED):
                yield files[case.script.id.rpartition("/")[2]]


def _write(path: Path, text: str) -> None:
    try:
        if path.exists() and not path.read_text(encoding="utf-8").startswith(NOTE):
            raise StorageError(f"{path} is there already and was not written by whatif; name another folder with --scripts")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise StorageError(f"the script {path} cannot be written: {getattr(problem, 'strerror', None) or problem}") from None
