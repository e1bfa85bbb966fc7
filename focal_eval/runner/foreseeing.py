"""What a simulated user would say after replies that were recorded, so that a recording tells whether it still fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from focal_eval.records import Reply
from focal_eval.runner.judge import CaseJudge, Policy, PreparedScript
from focal_eval.runner.plan import Case
from focal_eval.runner.simulating import user_of
from focal_eval.template import TemplateProblem


def says_after(case: Case, policy: Policy) -> Callable[[Sequence[Reply]], str | None]:
    """Gives for the replies so far the user's next message, None where they would say no more."""
    prepared = PreparedScript(case.script)

    def says(replies: Sequence[Reply]) -> str | None:
        judge = CaseJudge(case, prepared, policy, None)
        try:
            simulation = judge.simulate()
        except TemplateProblem:
            return None
        assert simulation is not None
        user = user_of(judge)
        turn = simulation.decided(user)
        for reply in replies:
            if turn is None:
                return None
            judge.answered(turn, (judge.user_of(turn), None), reply, None, None)
            turn = simulation.decided(user)
        return None if turn is None else judge.user_of(turn)

    return says
