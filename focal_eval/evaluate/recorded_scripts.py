"""Recorded cases of a run as ordinary scripts: what `focal-eval record --from` writes.

A script says what the user said, expects what was observed, and begins as its case began. What tools answer comes from the
case's own script while that is what the run played, else from the recorded calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from focal_eval.document import Reader, read_text
from focal_eval.errors import Diagnostic, Problems, Refused, StorageError, UsageError
from focal_eval.evaluate.folders import find_run
from focal_eval.evaluate.listing import find_case
from focal_eval.evaluate.recorded_cases import script_digest
from focal_eval.evaluate.recording import drafted
from focal_eval.evaluate.recordings import Recording, open_recording
from focal_eval.evaluate.unreviewed import TAG, unreviewed_text, write_all
from focal_eval.experiment.scripted import tools_of
from focal_eval.importers.recorded_stubs import stubs_of
from focal_eval.importers.write import data_said, said
from focal_eval.records import UNKNOWN, Json, Reply, TurnRecord
from focal_eval.records.codec import turn_from_json
from focal_eval.report.journal import list_run
from focal_eval.report.model import Attempt, Case, ReportModel
from focal_eval.runner.plan import Case as PlannedCase
from focal_eval.runner.redact import MARK
from focal_eval.script.load import shown
from focal_eval.script.read import read_script
from focal_eval.text import shorten
from focal_eval.value import value

FOLDER = "recorded"
"""Where scripts go unless a place is named: a folder in the run's."""

_SUFFIXES = (".yaml", ".yml")
_NOT_IN_NAMES = re.compile(r"[^\w.-]+")
_LONGEST = 100  # characters of a file's name
_NOTE = "Recorded from the run {run} by focal-eval record. The expectations are a draft: keep what matters, drop the rest."


@value
class FromRunRequest:
    """Which cases of a run become scripts, and where those are written."""

    run: str
    cases: tuple[str, ...]  # names, ids, words that one name holds, or patterns with * and ?
    runs: Path = Path("reports")
    out: Path | None = None  # a script's file, or a folder; else a folder in the run's
    attempt: int | None = None  # else the last one
    title: str | None = None
    suite: Path | None = None  # of the run's scripts, where the run does not say it
    allow_python: bool = True
    cache: Path | None = None


@value
class CaseScript:
    """One case as a script."""

    case: str
    attempt: int
    verdict: str  # in that run
    file: Path
    turns: int
    tools: str | None  # where the answers of tools come from: script | record; None where there are none
    notes: tuple[str, ...]
    text: str

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; its keys are described in docs/reference/commands.md."""
        return {
            "case": self.case,
            "attempt": self.attempt,
            "verdict": self.verdict,
            "file": str(self.file),
            "turns": self.turns,
            "tools": self.tools,
            "notes": list(self.notes),
            "text": self.text,
        }


@value
class FromRun:
    """What was written."""

    run: str
    scripts: tuple[CaseScript, ...]
    replay: tuple[str, ...]  # the words of a command line that plays all of them

    def as_json(self) -> dict[str, Any]:
        return {"format": 1, "run": self.run, "scripts": [one.as_json() for one in self.scripts], "replay": list(self.replay)}


def record_from(request: FromRunRequest) -> FromRun:
    """Writes the cases as scripts, all of them or none.

    Raises UsageError for a run, case or attempt that is not there, where nothing was said and where a file is there already;
    StorageError for a damaged journal and a disk's no.
    """
    model = list_run(find_run(request.run, request.runs))
    cases = _chosen(model, request.cases)
    files = _files(model, cases, request)
    setups = _Setups(model, request)
    scripts = tuple([_script(model, case, file, setups, request) for case, file in zip(cases, files, strict=True)])
    write_all({one.file: one.text for one in scripts})
    return FromRun(str(model.header.get("id") or model.folder.name), scripts, _replay(model, files, request))


def _chosen(model: ReportModel, words: Sequence[str]) -> list[Case]:
    """The cases that are named, each once, in the run's order. Raises UsageError where one of the words fits none."""
    found: dict[str, Case] = {}
    for word in words:
        exact = [case for case in model.cases if word in (case.id, case.name)]
        if not exact and ("*" in word or "?" in word):
            pattern = word.replace("[", "[[]")  # a case's name has brackets of its own
            exact = [case for case in model.cases if fnmatchcase(case.name, pattern)]
            if not exact:
                raise UsageError(f"no case of the run {model.header.get('id')} fits '{word}'")
        found |= {case.id: case for case in exact or [find_case(model, word)]}
    return [case for case in model.cases if case.id in found]


def _files(model: ReportModel, cases: Sequence[Case], request: FromRunRequest) -> list[Path]:
    """The file of each case's script: below a folder as its own script lies below its own."""
    out = request.out
    if out is not None and out.suffix in _SUFFIXES:
        if len(cases) > 1:
            raise UsageError(f"{len(cases):,} cases become scripts; --out names a folder for them, and {out} is a file")
        return [out]
    if out is not None and out.exists() and not out.is_dir():
        raise UsageError(f"{out} is no folder; --out names a folder, or a script to be written, a file that ends in .yaml")
    if request.title is not None and len(cases) > 1:
        raise UsageError(f"--title is of one script; {len(cases):,} cases become scripts")
    taken: set[str] = set()
    return [_file(case, out or model.folder / FOLDER, request.attempt, taken) for case in cases]


def _file(case: Case, folder: Path, attempt: int | None, taken: set[str]) -> Path:
    *above, stem = (_NOT_IN_NAMES.sub("-", part).strip("-.") for part in case.script.split("/"))
    label = _NOT_IN_NAMES.sub("-", case.name.removeprefix(case.script)).strip("-.")
    wanted = "-".join(part for part in (stem, label, f"attempt-{attempt}" if attempt else "") if part)
    name, number = wanted[:_LONGEST].rstrip("-.") or "case", 1
    base = folder.joinpath(*(part[:_LONGEST] for part in above if part))
    while (place := str(base / name).casefold()) in taken:
        number += 1
        name = f"{wanted[:_LONGEST].rstrip('-.') or 'case'}-{number}"
    taken.add(place)
    return base / f"{name}.yaml"


class _Setups:
    """How recorded cases began: as today's scripts say it, as long as those are what the run played."""

    def __init__(self, model: ReportModel, request: FromRunRequest) -> None:
        self._model = model
        self._recording: Recording | None = None
        self._why: str | None = None  # today's scripts cannot be read
        try:
            self._recording = open_recording(model, suite=request.suite, allow_python=request.allow_python, cache=request.cache)
        except (Refused, StorageError) as problem:
            if request.suite is not None:
                raise
            first = problem.diagnostics[0] if isinstance(problem, Refused) and problem.diagnostics else problem
            self._why = f"today's scripts cannot be read ({first.message if isinstance(first, Diagnostic) else first})"

    def of(self, case: Case) -> tuple[PlannedCase | None, str | None]:
        """The case as the run played it; None, and why not, where today's scripts have another one or none."""
        if self._recording is None:
            return None, self._why
        today = self._recording.today(case)
        if today is None:
            return None, f"{case.file} has no such case any more"
        today = today.opened()
        if today.script.digest != script_digest(self._model, case):
            return None, f"{case.file} was edited since the run"
        return today, None


def _script(model: ReportModel, case: Case, file: Path, setups: _Setups, request: FromRunRequest) -> CaseScript:
    attempt = _attempt(case, request.attempt)
    records = [_record(model, case, model.document(place)) for place in attempt.turns]
    sent = [(record, name) for record, name in records if record.skipped is None]
    if not sent:
        raise UsageError(f"nothing was said in {case.name}" + (f": {why}" if (why := case.message) else ""))
    today, why = setups.of(case)
    tools, source = _tools([record for record, _ in sent], today)
    notes = list(_notes(case, attempt, [record for record, _ in sent], why if source == "record" else None))
    head = _head(model, case, attempt, today, request.title)
    if tools:
        head["tools"] = tools
    note = "\n".join([_NOTE.format(run=_word(model.header.get("id"))), *(f"{one[:1].upper()}{one[1:]}." for one in notes)])
    text = unreviewed_text(head, _turns(sent, today), "\n".join(map(_one_line, note.splitlines())))
    _prove(text, file)
    return CaseScript(case.name, attempt.number, attempt.verdict or "not_run", file, len(sent), source, tuple(notes), text)


def _attempt(case: Case, number: int | None) -> Attempt:
    if number is None:
        return case.last
    found = next((attempt for attempt in case.attempts if attempt.number == number), None)
    if found is None:
        known = ", ".join(str(attempt.number) for attempt in case.attempts) or "none"
        raise UsageError(f"{case.name} has no attempt {number}; it has {known}")
    return found


def _record(model: ReportModel, case: Case, line: Mapping[str, Any]) -> tuple[TurnRecord, str | None]:
    """A turn and its name. Raises StorageError where the line is not what a run writes."""
    try:
        record = turn_from_json(line)
        if (record.reply is None) + (record.fault is None) + (record.skipped is None) != 2:
            raise ValueError("a turn has a reply, or a fault, or was skipped")
        if not all(isinstance(text, (str, type(None))) for text in (record.user, line.get("name"), record.skipped)):
            raise ValueError("what is said is text")
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise StorageError(f"the journal of {model.folder} is damaged in {case.name}: {problem}") from None
    return record, line.get("name")


def _tools(records: Sequence[TurnRecord], today: PlannedCase | None) -> tuple[dict[str, Any], str | None]:
    """What tools answer, and where that is from."""
    if today is not None:
        tools = {tool: answers[0] if len(answers) == 1 else answers for tool, answers in tools_of(today, said).items()}
        return tools, "script" if tools else None
    calls = (call for one in records if one.reply is not None and one.reply.tools is not UNKNOWN for call in one.reply.tools)
    tools = stubs_of(calls)
    return tools, "record" if tools else None


def _notes(case: Case, attempt: Attempt, records: Sequence[TurnRecord], why: str | None) -> Iterator[str]:
    """What a person has to know before the script is used."""
    if attempt.verdict is None:
        yield f"the run was cut off in this conversation, after {len(records)} of {case.planned} turns"
    elif attempt.verdict not in ("passed", "skipped"):
        told = attempt.message or attempt.reason
        yield (
            f"it {attempt.verdict} in that run"
            + (f" ({shorten(told, 160)})" if told else "")
            + "; what was observed is expected"
        )
    for number, one in enumerate(records, 1):
        if one.fault is not None:
            yield f"turn {number} has no reply ({one.fault.kind}: {shorten(one.fault.message, 160)}); nothing is expected there"
        if one.user is not None and MARK in one.user:
            yield f"turn {number} says '{MARK}' where a secret was"
    if why is not None:
        yield f"{why}: what tools answer is what they answered in the run"


def _head(model: ReportModel, case: Case, attempt: Attempt, today: PlannedCase | None, title: str | None) -> dict[str, Any]:
    """The script's keys before its turns."""
    head: dict[str, Any] = {
        "title": said(title or case.title),
        "tags": list(dict.fromkeys([*(said(tag) for tag in case.tags), "recorded", TAG])),
    }
    if case.channel is not None and (today is None or today.script.channel is not None):
        head["channel"] = said(case.channel)
    try:
        head |= _start(model.document(case.place).get("given") or {})
    except (ValueError, TypeError, AttributeError):
        raise StorageError(f"the journal of {model.folder} is damaged: it does not say how {case.name} began") from None
    if today is not None and today.script.timeout_s is not None:
        head["timeout_s"] = today.script.timeout_s
    run = {"run": _word(model.header.get("id")), "case": case.name, "script": case.file, "attempt": attempt.number}
    head["origin"] = {"recorded": data_said(run)}
    return head


def _start(given: Mapping[str, Any]) -> dict[str, Any]:
    """Where the conversation began, as the journal tells it: with its templates filled in."""
    start: dict[str, Any] = {}
    if variables := given.get("variables"):
        start["variables"] = data_said(variables)
    if history := given.get("history"):
        pairs = (zip(("user", "agent"), pair, strict=True) for pair in history)
        start["history"] = [{who: said(text) for who, text in pair if text is not None} for pair in pairs]
    if scenario := given.get("scenario"):
        start["scenario"] = scenario
    metadata = {"metadata": data_said(given["metadata"])} if given.get("metadata") else {}
    return metadata | ({"given": start} if start else {})


def _turns(sent: Sequence[tuple[TurnRecord, str | None]], today: PlannedCase | None) -> list[dict[str, Json]]:
    """The turns as a script has them; one that broke says what was said and expects nothing."""
    drafts = drafted([(one.user, Reply() if one.reply is None else _told(one.reply)) for one, _ in sent])
    out = []
    for (one, name), draft in zip(sent, drafts, strict=True):
        turn: dict[str, Json] = {"user": draft.pop("user")} if "user" in draft else {}
        if name is not None:
            turn["name"] = name
        authored = None if today is None or one.index >= len(today.script.turns) else today.script.turns[one.index]
        if authored is not None and authored.timeout_s is not None:
            turn["timeout_s"] = authored.timeout_s
        turn |= draft
        out.append(turn or {"name": "the agent speaks first"})
    return out


def _told(reply: Reply) -> Reply:
    """The reply without texts and arguments in which a secret was blotted out: nothing can be expected to say them again."""
    if reply.response is not UNKNOWN and MARK in reply.response:
        reply = replace(reply, response=UNKNOWN)
    if reply.tools is not UNKNOWN and any(MARK in repr(call.arguments) for call in reply.tools):
        calls = (replace(call, arguments=UNKNOWN) if MARK in repr(call.arguments) else call for call in reply.tools)
        reply = replace(reply, tools=tuple(calls))
    return reply


def _prove(text: str, file: Path) -> None:
    """Raises Refused where our own reader finds fault with the script: then nothing is written."""
    document = read_text(text, shown(file))
    read_script(document, file.stem, Reader(document))
    if document.problems.errors:
        problems = Problems()
        for found in document.problems.errors:
            problems.error("import-unwritable", f"the script would not read back: {found.message}", found.span, help=found.help)
        raise Refused("nothing was written", problems)


def _replay(model: ReportModel, files: Sequence[Path], request: FromRunRequest) -> tuple[str, ...]:
    """The command line that plays the scripts on the engine of the run."""
    options = model.header.get("options")
    again = (options.get("again") if isinstance(options, dict) else None) or {}
    words = [str(word) for word in again.get("options") or ()]
    kept = [word for at, word in enumerate(words) if word in _KEPT or (at and words[at - 1] in _KEPT)]
    kept += [word for word in words if word == "--no-python"]
    suite = request.suite or (model.header.get("suite") or {}).get("file")
    named = [] if suite is None or "--suite" in kept else ["--suite", shown(Path(suite))]
    place = request.out or model.folder / FOLDER if len(files) > 1 else files[0]
    return ("focal-eval", "run", shown(place), *named, *kept)


_KEPT = frozenset({"--suite", "--agent", "--engine"})


def _word(found: object) -> str:
    return "" if found is None else str(found)


def _one_line(text: str) -> str:
    return " ".join(text.split())
