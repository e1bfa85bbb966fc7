"""Whether a baseline still speaks of today's scripts and agent, and whether its approvals still hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from focal_eval.compare.baseline_model import Approval, BaselineFile, short
from focal_eval.text import counted, listed
from focal_eval.value import value


@value
class Staleness:
    """The names of the cases of a baseline that are out of date, each list sorted; a case may stand in several."""

    cases: int  # those that were looked at
    script: tuple[str, ...] = ()  # their script changed since they were approved
    agent: tuple[str, ...] = ()  # the agent did
    expired: tuple[str, ...] = ()  # they were approved up to a day that is over

    @property
    def stale(self) -> tuple[str, ...]:
        """Cases whose script or agent changed, each once."""
        return tuple(sorted({*self.script, *self.agent}))

    def figures(self) -> dict[str, float]:
        """What the gates `stale` and `expired` measure."""
        return {"stale": float(len(self.stale)), "expired": float(len(self.expired))}

    def as_json(self) -> dict[str, Any]:
        """The names by what is wrong with them."""
        return {"cases": self.cases, "script": list(self.script), "agent": list(self.agent), "expired": list(self.expired)}

    def lines(self) -> list[str]:
        """What there is to say, a sentence each; empty where all is up to date."""
        said = (
            (self.script, "was approved of another version of its script", "were approved of other versions of their scripts"),
            (self.agent, "was approved of another version of the agent", "were approved of another version of the agent"),
            (self.expired, "has an approval that is over", "have approvals that are over"),
        )
        out = []
        for names, one, many in said:
            if names:
                what = f"of {counted(self.cases, 'case')} of the baseline {one if len(names) == 1 else many}"
                out.append(f"{len(names)} {what}: {listed(names, most=3)}")
        return out


def stale(files: Iterable[BaselineFile], scripts: Mapping[str, str], agent: str | None, today: date) -> Staleness:
    """What is out of date in a baseline, of the scripts given by id with their digests; others are not looked at.

    `agent` is the digest of the agent that is compared with it; where it or the approved one is not known, nothing is said.
    """
    found: dict[str, list[str]] = {"script": [], "agent": [], "expired": []}
    cases = 0
    for file in files:
        digest = scripts.get(file.script)
        if digest is None:
            continue
        for kept in file.cases:
            cases += 1
            for kind in _wrong(kept.approval, digest, agent, today):
                found[kind].append(kept.case.name)
    return Staleness(cases, **{kind: tuple(sorted(names)) for kind, names in found.items()})


def _wrong(approval: Approval, script: str, agent: str | None, today: date) -> Iterable[str]:
    if script and approval.script != short(script):
        yield "script"
    if agent is not None and approval.agent is not None and approval.agent != short(agent):
        yield "agent"
    if is_over(approval, today):
        yield "expired"


def is_over(approval: Approval, today: date) -> bool:
    """Whether the last day of an approval has passed."""
    return approval.expires is not None and approval.expires < today.isoformat()
