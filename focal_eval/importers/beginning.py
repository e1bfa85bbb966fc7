"""The suite of an import whose scripts ask a judge or compare meanings: it can be checked and run before a model is named.

Nobody is asked anything until the user names a model: `judge: skip` skips what a judge would decide, and likeness of words
stands in where no sentence encoder is installed; a warning before each run tells both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from focal_eval.importers.write import yaml_text
from focal_eval.registry import find
from focal_eval.script.model import Expectation, Script
from focal_eval.script.names import expectations_of
from focal_eval.text import counted

NAME = "suite.yaml"
_ENGINE = """\

# ENGINE: your agent. Here `answer(message, conversation)` of a file agent.py beside this one gives each reply, a text at least;
# engines that are asked over a network have other kinds. What the engine does not report is skipped.
engine:
  kind: callable
  target: agent.py:answer
  speaks_first: true
  seeds: [history, scenario, variables]
  stubs: true
unreported: skip
"""
_JUDGE = """\

# JUDGE: {what} for a model to judge. Nobody is asked here: they are skipped, and a warning says so. To have them judged:
# judge: {{url: "${{JUDGE_URL}}", model: gpt-4.1-mini, key: "${{JUDGE_KEY}}"}}
judge: skip
"""
_MEANS = """\

# MEANING: {what} of what is meant, compared by the encoder of focal-eval[semantic], which asks no network.
# Where it is not installed likeness of words stands in; without this line such a run is refused.
semantic: {{fallback: lexical}}
"""


def with_aids(suites: Mapping[str, str], scripts: Iterable[Script], format: str, paths: Iterable[str]) -> dict[str, str]:
    """The suites with the place where a judge is named; where there are none and one is needed, one to begin with."""
    needed = Counter(aid for script in scripts for item in expectations_of(script) if (aid := _aid(item)) is not None)
    parts = [form.format(what=counted(needed[aid], "expectation")) for aid, form in _PARTS.items() if needed[aid]]
    if not parts:
        return dict(suites)
    aids = "".join(parts)
    if suites:
        return {name: text + aids for name, text in suites.items()}
    folders = sorted({path.split("/", 1)[0] for path in paths})
    head = {"title": f"Imported from {format}", "scripts": [f"{folder}/**/*.yaml" for folder in folders]}
    return {NAME: yaml_text(head) + _ENGINE + aids}


_PARTS = {"judge": _JUDGE, "semantic": _MEANS}


def _aid(item: Expectation) -> str | None:
    made = item.check if item.check is not None else find("checks", item.key)
    aid: str | None = None if made is None else made.aid
    return aid
