"""What a run does once, done before its first turn: else the first conversations would take longer than those that follow."""

from __future__ import annotations

import contextlib

from focal_eval.errors import FocalEvalError
from focal_eval.records import Reply, RuleMatch, ToolCall
from focal_eval.records.codec import reply_to_json
from focal_eval.registry import find
from focal_eval.runner.judge import PreparedScript
from focal_eval.runner.plan import Plan
from focal_eval.script.facts import loads_of
from focal_eval.script.shelf import Filed

MANY = 200
"""Of so many turns one fails by its text sooner or later, and is told with the closest passage. The library that finds it loads
in ten milliseconds: little beside so many turns, too much for a run of a few that passes without it."""


def warm(plan: Plan) -> None:
    """Loads the checks of a run's first script, what checks of any script load, and of a long run what words failures."""
    if not plan.cases:
        return
    reply_to_json(Reply(response="", rules=(RuleMatch(""),), tools=(ToolCall(""),)))  # how records are made is compiled once
    with contextlib.suppress(FocalEvalError):  # a script that was changed is told when it is its turn
        PreparedScript(plan.cases[0].opened().script)
        for key in _loads(plan):
            find("checks", key).load()
    if plan.turns >= MANY:
        import difflib  # noqa: F401  # for its side effect: the next import of it finds it loaded

        import rapidfuzz.fuzz  # noqa: F401  # the same


def _loads(plan: Plan) -> list[str]:
    """The keys of checks that have something to load; of scripts that are not held in memory where it is known without them."""
    found: set[str] = set()
    for script in {id(case.script): case.script for case in plan.cases}.values():
        if not isinstance(script, Filed):
            found.update(loads_of(script))
        elif script.facts is not None:
            found.update(script.facts.loads)
    return sorted(found)
