"""Which items of a recorded case an expectation would miss: today's scripts judge the recording with an item taken out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from focal_eval.coverage.matrix import Checked
from focal_eval.errors import Refused, StorageError
from focal_eval.evaluate.recorded_cases import script_digest
from focal_eval.evaluate.recordings import Recording, Rejudging, open_recording
from focal_eval.experiment.asserted import asserted_in, refuted_in
from focal_eval.records import Verdict
from focal_eval.report.model import Case, ReportModel
from focal_eval.runner.rejudge import Judged
from focal_eval.runner.standing import Standing

AS_IT_WAS = Judged(Verdict.PASSED, None, ())
"""What became of a case that passed and whose script is the same: judging it once more would say so again."""


class Asserting:
    """Judges the cases of one run; `why` counts those it could not judge, by the reason in words."""

    def __init__(
        self,
        model: ReportModel,
        names: Mapping[str, Collection[str]],
        *,
        allow_python: bool = True,
        cache: Path | None = None,
    ) -> None:
        """`names` are the agent's rules and tools, by kind: what a turn may be without."""
        self._model, self._names = model, names
        self.why: Counter[str] = Counter()
        self._recording: Recording | None = None
        self._refused = ""
        try:
            self._recording = open_recording(model, allow_python=allow_python, cache=cache)
        except (Refused, StorageError) as problem:
            self._refused = str(problem)
        self._rejudging = None if self._recording is None else Rejudging(self._recording)

    def __call__(self, case: Case) -> tuple[Checked, Checked] | None:
        """For each item the turns in which an expectation misses it, and those in which one notices that it is not there.

        None where the case cannot be judged again: its script is gone, says other things now, or the case was cut off.
        """
        if self._recording is None or self._rejudging is None:
            return self._not(self._refused)
        today = self._recording.today(case)
        if today is None:
            return self._not("the scripts do not have it now")
        if not case.last.over:
            return self._not("it was cut off")
        rejudge = self._rejudging.of(today)
        same = script_digest(self._model, case) == today.script.digest and case.verdict == Verdict.PASSED.value
        standing = Standing(rejudge, self._recording.read(case), AS_IT_WAS if same else None)
        if standing.judged.verdict is Verdict.ERRORED:
            errored = case.verdict == Verdict.ERRORED.value
            return self._not("it errored" if errored else "its script would have another conversation now")
        return asserted_in(standing), refuted_in(standing, self._names)

    def _not(self, why: str) -> tuple[Checked, Checked] | None:
        self.why[why] += 1
        return None
