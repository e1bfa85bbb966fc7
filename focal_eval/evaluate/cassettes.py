"""Which cassette a run's engine has, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from focal_eval.engines import Setting
from focal_eval.errors import Diagnostic, Problems, Refused, UsageError
from focal_eval.evaluate.connecting import engine_of
from focal_eval.evaluate.request import RunRequest
from focal_eval.registry import did_you_mean
from focal_eval.runner.redact import Redactor
from focal_eval.script.suite_cassette import MODES, CassetteUse, Layer, Mode
from focal_eval.script.suite_engines import Engine as EngineEntry
from focal_eval.value import value

if TYPE_CHECKING:
    from focal_eval.engines.recorded import Recorder
    from focal_eval.engines.tape import Shelf


@value
class Used:
    """A cassette as one run uses it; the file's path starts at `root`, and no layer is off."""

    file: str
    root: Path
    modes: Mapping[Layer, Mode]

    @property
    def asks_nobody(self) -> bool:
        """Whether the engine itself is not needed."""
        return self.modes.get("turns") == "replay"


def cassette_of(entry: EngineEntry, folder: Path, request: RunRequest) -> Used | None:
    """What a run does with cassettes, None where nothing. Raises UsageError where it is told what cannot be."""
    mode = _mode(request.cassette)
    use, root = entry.cassette, folder
    if request.cassette_file is not None:
        if entry.kind == "cassette":
            raise UsageError("--cassette-file: the engine is a cassette itself; it is not recorded again")
        layers = use.layers if use is not None else (("turns", None),)
        use, root = CassetteUse(str(request.cassette_file), layers=layers), Path.cwd()
    if use is None:
        if mode in (None, "off"):
            return None
        fix = "name one with --cassette-file FILE, or in the suite with 'cassette: FILE'"
        raise UsageError(f"--cassette {mode}: the engine has no cassette; {fix}")
    modes = {} if mode == "off" else use.modes(mode)
    return Used(use.file, root, modes) if modes else None


def _mode(word: str | None) -> Mode | None:
    if word is not None and word not in MODES:
        raise UsageError(f"--cassette: '{word}' is no mode; {did_you_mean(word, MODES, list_up_to=len(MODES))}")
    return cast("Mode | None", word)


def recorder_of(used: Used, entry: EngineEntry, setting: Setting, agent: str | None) -> Recorder:
    """The engine with its cassette before it; it is connected only where it may be asked.

    Raises Refused where a cassette cannot be read or is another engine's, UsageError where it cannot be written.
    """
    from focal_eval.engines.credentials import cleaner
    from focal_eval.engines.recorded import Recorder
    from focal_eval.engines.tape import Shelf

    @lru_cache(maxsize=2)
    def redactor(*secrets: str) -> Redactor:
        return Redactor(secrets)

    def redact(data: bytes) -> bytes:
        return redactor(*entry.secrets, *setting.secrets)(data)  # an engine may learn more of them as it goes

    shelf = Shelf(used.root, used.file, cleaner(redact))
    problems = Problems()
    problems.extend(_problems(used, shelf, entry))
    if problems.errors:
        raise Refused("nothing was run", problems)
    live = None if used.asks_nobody else engine_of(entry, setting)
    if any(mode != "replay" for mode in used.modes.values()):
        for tape in shelf:
            tape.check_writable()
    modes = {layer: mode for layer, mode in used.modes.items() if mode != "off"}
    return Recorder(live, shelf, modes, kind=entry.kind, agent=agent, clock=setting.clock)


def _problems(used: Used, shelf: Shelf, entry: EngineEntry) -> Iterator[Diagnostic]:
    place = entry.spans.get("cassette", entry.span)
    some = False
    for tape in shelf:
        some = some or bool(tape.conversations) or tape.path.exists()
        told = tape.recording.engine
        if told is not None and told.kind != entry.kind:
            said = f"the cassette {tape.shown} was recorded from the engine '{told.kind}'; this one is '{entry.kind}'"
            yield Diagnostic("cassette-engine", said, place, help="give each engine a cassette of its own")
    if used.asks_nobody and not some:
        yield Diagnostic(
            "cassette-unreadable", f"there is no cassette {used.file}", place, help="record it with --cassette record"
        )


def stale(used: Used, recorder: Recorder, entry: EngineEntry, agent: str | None) -> Iterator[Diagnostic]:
    """A warning where what is replayed was said by another version of the agent."""
    if agent is None or not used.asks_nobody:
        return
    told = [talk.agent for tape in recorder.shelf for talk in tape.conversations.values() if talk.agent is not None]
    others = sum(digest != agent for digest in told)
    if others:
        said = f"the agent file has changed since {others} of {len(told)} conversations in {used.file} were recorded"
        fix = "record them again with --cassette record, or run them with --cassette off"
        place = entry.spans.get("cassette", entry.span)
        yield Diagnostic("cassette-stale", said, place, severity="warning", help=fix)
