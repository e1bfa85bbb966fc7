"""A recorded run as `impact` looks back at it: what it says of each case, and what its records show of the edits."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from focal_eval.compare import agent_edits
from focal_eval.compare.agent_file import agent_in
from focal_eval.compare.model import Edit
from focal_eval.errors import StorageError
from focal_eval.evaluate.coverage_gate import why_partial
from focal_eval.evaluate.covered_agents import told_agent
from focal_eval.evaluate.versions import Version
from focal_eval.experiment.changes import Change
from focal_eval.experiment.impact import Choice
from focal_eval.experiment.impact_recorded import RecordedEdits, Seen
from focal_eval.importers.conversations_draft import Misshapen
from focal_eval.importers.conversations_rules import recorded_case
from focal_eval.records.codec import Misfit, turn_from_json
from focal_eval.records.conversation import Conversation, exchange_of
from focal_eval.report.model import Case, ReportModel
from focal_eval.runner.plan import Case as Planned

_WELL = frozenset({"passed", "xfailed", "skipped"})


class LookedBack:
    """A run by the names of its cases, repeats together."""

    def __init__(self, model: ReportModel) -> None:
        self.model = model
        self.whole = why_partial(model) is None  # else a case that it lacks need not be new
        self._cases: dict[str, list[Case]] = defaultdict(list)
        for case in model.cases:
            self._cases[re.sub(r"#\d+$", "", case.name)].append(case)

    @property
    def id(self) -> str:
        return str(self.model.header.get("id") or self.model.folder.name)

    @property
    def played_here(self) -> bool:
        """Whether the embedded engine made it, which can be played again."""
        return (self.model.header.get("engine") or {}).get("kind") == "embedded"

    def of(self, name: str) -> Sequence[Case]:
        """The repeats of a case; none where the run does not have it."""
        return self._cases.get(name, ())

    def known(self, cases: Iterable[Planned]) -> dict[str, tuple[str, ...]]:
        """Cases to choose whatever the edit is, with why: new, failed, edited."""
        out: dict[str, tuple[str, ...]] = {}
        for planned in cases:
            then = self.of(planned.name)
            if not then:
                if self.whole:
                    out[planned.name] = ("new",)
                continue
            why = ("failed",) if any(case.verdict not in _WELL for case in then) else ()
            digest = self.model.document(then[0].place).get("digest")
            if digest and digest != planned.script.digest:
                why = (*why, "edited")
            if why:
                out[planned.name] = why
        return out

    def notes(self, old: Version) -> tuple[str, ...]:
        """What limits what its records tell of an edit of that agent."""
        agent = told_agent(self.model)
        if agent is None or agent.get("digest") == old.document.digest:
            return ()
        return (f"run {self.id} was played by another version of the agent than {old.document.file}",)


class Records:
    """What a run's records show of the edits between two versions of the agent."""

    def __init__(self, back: LookedBack, old: Version, new: Version, changes: Sequence[Change]) -> None:
        self._back = back
        self._edits = RecordedEdits(old.playable, new.playable, changes, _edits(old, new))

    def of(self, name: str) -> Seen | None:
        """Why the edits can touch a case; of several repeats the first that shows it tells. Raises StorageError."""
        return next((seen for case in self._back.of(name) if (seen := self._seen(case)) is not None), None)

    def _seen(self, case: Case) -> Seen | None:
        model, last = self._back.model, case.last
        try:
            closing = {} if last.end is None else model.document(last.end)
            before = [turn_from_json(turn) for turn in closing.get("before") or ()]
            sent = [turn for turn in (turn_from_json(model.document(place)) for place in last.turns) if turn.skipped is None]
            began = recorded_case(case.name, model.document(case.place))
        except (ValueError, KeyError, TypeError, AttributeError, Misfit, Misshapen) as problem:
            raise StorageError(f"the journal of {model.folder} is damaged at case {case.name}: {problem}") from None
        turns = (*before, *sent)
        conversation = Conversation(
            case.name,
            "run",
            str(model.folder),
            1,
            tuple(map(exchange_of, turns)),
            began.start,
            () if before else began.history,
            began.scenario,
            began.metadata,
        )
        return self._edits.of(conversation, turns, len(before))


def _edits(old: Version, new: Version) -> tuple[Edit, ...]:
    here, there = agent_in(old.document), agent_in(new.document)
    assert here is not None
    assert there is not None
    return agent_edits(here.data, there.data)


def chosen_by(case: Planned, seen: Seen | None, why: Sequence[str] = ()) -> Choice | None:
    """The choice of a case by its record and for other reasons; None where there is none."""
    if seen is None:
        return Choice(case.name, case.script.file, tuple(why)) if why else None
    words = tuple(dict.fromkeys((*seen.why, *why)))
    return Choice(case.name, case.script.file, words, seen.edits, seen.message, seen.user, seen.differs)
