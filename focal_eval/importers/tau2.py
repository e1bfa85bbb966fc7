"""τ²-bench: tasks become scripts that wait for a simulated user, results of runs become scripts with their recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

from focal_eval.errors import Problems
from focal_eval.importers import recorded, tau2_task
from focal_eval.importers.base import Imported, option
from focal_eval.importers.foreign import Placed, Source, conform
from focal_eval.importers.losses import Losses
from focal_eval.importers.places import lines_of_items
from focal_eval.importers.recorded import Heard, Recorded, with_more_losses
from focal_eval.importers.recorded_script import APPROXIMATED, Names, Writing, at
from focal_eval.importers.tau2_task import Task, answer_key, script_of
from focal_eval.importers.write import said, yaml_text
from focal_eval.records.conversation import Conversation
from focal_eval.source import whole_file

SENTENCES = {**recorded.SENTENCES, **tau2_task.SENTENCES}


def players(text: str) -> bool:
    """Whether tasks are run although nobody plays their user: `later` or `opening`."""
    if text not in ("later", "opening"):
        raise ValueError(f"'{text}' is neither later nor opening")
    return text == "opening"


@dataclass(frozen=True, slots=True)
class _Reward:
    reward: float | None = None


@dataclass(frozen=True, slots=True)
class _Simulation:
    """What a result tells of a run besides its messages."""

    task_id: str | int
    messages: list[Any]
    trial: int | None = None
    reward_info: _Reward | None = None
    termination_reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Results:
    simulations: list[_Simulation]
    tasks: list[Task] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tau2(Recorded):
    """Tasks and results of τ²-bench."""

    suffixes: ClassVar[tuple[str, ...]] = (".json",)
    format: ClassVar[str] = "tau2"
    user: bool = option(players, doc="the user of tasks: played later (they are skipped), or opening alone", default=False)

    def read(self, sources: Sequence[Source], problems: Problems) -> Imported:
        losses = Losses(SENTENCES, APPROXIMATED | tau2_task.APPROXIMATED)
        writing = Writing(self.format, losses, self.golden, self.stubs)
        heard = Heard()
        tasks: dict[str, str] = {}
        names = Names()
        for source in sources:
            data = _data(source)
            if isinstance(data, Mapping) and "simulations" in data:
                self._results(source, data, writing, heard, problems)
            elif (found := _tasks(data)) is not None:
                tasks |= self._scripts(source, found, names, losses, problems)
            else:
                _refuse(source, data, losses, problems)
        recordings = writing.imported()
        scripts = {**tasks, **recordings.scripts}
        count = len(tasks) + recordings.conversations
        out = replace(recordings, scripts=scripts, conversations=count, turns=len(tasks) + recordings.turns)
        return with_more_losses(replace(out, losses=losses.listed(), kept=losses.kept()), heard.losses())

    def _scripts(self, source: Source, found: Any, names: Names, losses: Losses, problems: Problems) -> dict[str, str]:
        """The scripts of a file of tasks, by their path."""
        data, path = found
        placed = Placed(source.file, source.data.decode("utf-8-sig"))
        tasks: list[Task] | None = conform(data, list[Task], placed, problems)
        lines = [1] if path is None else lines_of_items(placed.text, path)
        out: dict[str, str] = {}
        seen: set[str] = set()
        for index, (task, line) in enumerate(zip(tasks or (), lines, strict=False)):
            place = placed.at if path is None else partial(placed.at, *path, index)
            for key in data[index]:
                if key not in tau2_task.KNOWN and data[index][key]:
                    losses.add("task-field", place(key))
            if str(task.id) in seen:
                losses.add("repeated-task", place())
                continue
            seen.add(str(task.id))
            script = script_of(task, source.file, line, place, losses, play=self.user)
            if script is not None:
                out[f"tasks/{names.of(f'task-{task.id}', 'task')}.yaml"] = yaml_text(_ordered(script))
        return out

    def _results(self, source: Source, data: Any, writing: Writing, heard: Heard, problems: Problems) -> None:
        placed = Placed(source.file, source.data.decode("utf-8-sig"))
        results: _Results | None = conform(data, _Results, placed, problems)
        if results is None:
            return
        reading = self.reading((source,), writing.losses, problems)
        tasks = {str(task.id): (index, task) for index, task in enumerate(results.tasks)}
        runs = {(str(run.task_id), run.trial or 0): run for run in results.simulations}
        for found in self.conversations(source, reading.reader, writing.losses, heard, problems):
            task = str(found.metadata["task"])
            more = _more(found, runs[(task, found.metadata["trial"])])
            if task in tasks:
                index, known = tasks[task]
                key = answer_key(known.evaluation_criteria, partial(placed.at, "tasks", index), writing.losses)
                more |= {"conversation": [{**one, "soft": True} for one in key]} if key else {}
            writing.take(self._without_names(found, writing.losses), more)


def _more(found: Conversation, run: _Simulation) -> dict[str, Any]:
    """Whether the run solved its task; the agent may have failed, so that the answer key is soft."""
    reward = None if run.reward_info is None else run.reward_info.reward
    verdict = [] if reward is None else ["solved" if reward >= 1 else "unsolved"]
    origin: dict[str, Any] = {"format": "tau2", "file": said(found.file.replace("\\", "/").rpartition("/")[2])}
    origin |= {"task": said(str(run.task_id)), "trial": run.trial or 0, "reward": reward, "ended": run.termination_reason}
    return {
        "tags": ["tau2", *verdict],
        "origin": {name: value for name, value in origin.items() if value is not None},
    }


_ORDER = ("title", "description", "tags", "metadata", "origin", "given", "skip", "turns", "conversation")


def _ordered(script: Mapping[str, Any]) -> dict[str, Any]:
    return {key: script[key] for key in _ORDER if key in script}


_BROKEN = object()


def _data(source: Source) -> Any:
    import orjson

    try:
        return orjson.loads(source.data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return _BROKEN


def _tasks(data: Any) -> tuple[list[dict[str, Any]], tuple[str, ...] | None] | None:
    """The tasks in a file and where their list stands: at the top, under `tasks`, or nowhere, as the file is one task."""
    if isinstance(data, Mapping) and isinstance(data.get("tasks"), list):
        return (data["tasks"], ("tasks",)) if _is_task(data["tasks"]) else None
    if isinstance(data, Mapping) and _is_task([data]):
        return [dict(data)], None
    return (data, ()) if _is_task(data) else None


def _is_task(data: Any) -> bool:
    if not isinstance(data, list) or not data or not all(isinstance(item, Mapping) for item in data):
        return False
    return "id" in data[0] and not {"user_scenario", "evaluation_criteria"}.isdisjoint(data[0])


def _refuse(source: Source, data: Any, losses: Losses, problems: Problems) -> None:
    if not source.named:
        losses.add("other-file", whole_file(source.file))
    elif data is _BROKEN:
        from focal_eval.importers.foreign import read_json

        read_json(source, Any, problems)  # which says where it is broken
    else:
        said = "the file holds neither tasks (id, user_scenario, evaluation_criteria) nor results (simulations)"
        problems.error("import-shape", said, at(source.file, 1))
