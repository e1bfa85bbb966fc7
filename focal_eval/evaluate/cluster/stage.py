"""A worker's side of a run: the files as they were sent, the engine, and the conversations that are played here.

Every thread of a worker that plays has a stage of its own, with its own event loop and its own connections. A stage stays
until the run is over or another one needs the thread.
"""

from __future__ import annotations

import asyncio
import atexit
import base64
import shutil
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from focal_eval.clock import Clock
from focal_eval.document import read_bytes
from focal_eval.engines import Setting
from focal_eval.engines.wire_pace import share_pace
from focal_eval.errors import Problems, Refused
from focal_eval.evaluate.cassettes import cassette_of
from focal_eval.evaluate.golden import with_golden
from focal_eval.evaluate.preparing import Prepared, terms_of
from focal_eval.evaluate.request import RunRequest
from focal_eval.evaluate.target import Target, bare_fields, connected, entry_of, unset, with_overrides
from focal_eval.runner.plan import Case, Plan
from focal_eval.runner.played import Played, Worker
from focal_eval.runner.redact import Redactor
from focal_eval.script.load import Loader
from focal_eval.script.model import Script
from focal_eval.script.shelf import Shelf
from focal_eval.script.suite import Suite, read_suite

_KEPT = 64  # scripts that were read and may come again with the next batch


class Stage:
    """Plays batches of one run in one thread."""

    def __init__(self, base: Mapping[str, Any], digest: str) -> None:
        self.digest, self.token = digest, str(base["token"])
        self.folder = Path(tempfile.mkdtemp(prefix="focal-eval-")).resolve()
        self.runner = asyncio.Runner()
        self.stopped = False
        self._playing = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._scripts: dict[tuple[str, str], Script] = {}
        try:
            self._lay_out(base)
            self._prepare(base)
        except BaseException:
            self.remove()
            raise

    def _lay_out(self, base: Mapping[str, Any]) -> None:
        for name, content in base["files"].items():
            path = self.at(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else base64.b64decode(content[0]))
        for name in base["linked"]:
            path = self.at(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(name)

    def at(self, name: str) -> Path:
        """Where a file of the sender's machine lies here."""
        path = PurePath(name)
        return self.folder.joinpath(*path.relative_to(path.anchor).parts)

    def _prepare(self, base: Mapping[str, Any]) -> None:
        request = RunRequest(
            paths=(),
            agent=None if base["agent"] is None else self.at(base["agent"]),
            engine=base["engine"],
            cassette=base["cassette"],
            cassette_file=None if base["cassette_file"] is None else self.at(base["cassette_file"]),
            repeats=base["repeats"],
            timeout_s=base["timeout_s"],
            allow_python=base["allow_python"],
        )
        suite, problems = self._suite(base["suite"]), Problems()
        entry, name = entry_of(request, suite)
        folder = self.at(base["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        used = cassette_of(entry, folder, request)
        if used is None or not used.asks_nobody:
            problems.extend(unset(entry))
        if problems.errors:
            raise Refused("the engine cannot be asked", problems)
        setting = Setting(folder, Clock(), base["allow_python"])
        engine, recorder = connected(entry, setting, used, None, problems)
        fields = with_overrides(bare_fields() if suite is None else suite.fields, request)
        secrets = (*entry.secrets, *setting.secrets)
        root = self.at(base["root"])
        self._loader = _SentLoader(self)
        target = Target(
            fields, suite, Shelf(self._loader, lambda script: script), root, entry, name, engine, None, (), secrets, recorder
        )
        self.fields, self.engine, self.concurrency = fields, engine, int(base["concurrency"])
        self.terms = terms_of(Prepared(target, fields, Plan((), 0)), request, Clock(), str(base["run"]))
        self.redact = Redactor(secrets)
        self._long = {sent["id"]: self._read(sent) for sent in base["scripts"]}

    def _suite(self, told: Mapping[str, str] | None) -> Suite | None:
        if told is None:
            return None
        path = self.at(told["path"])
        document = read_bytes(path.read_bytes(), told["file"])
        suite = read_suite(document, path)
        if suite is None:
            raise Refused("the suite cannot be read", document.problems)
        return suite

    def play(self, task: Mapping[str, Any]) -> list[Played]:
        """Plays the cases of a batch; those that were not begun before `stop` are left out."""
        with self._playing:
            return [] if self.stopped else self._play(task)

    def _play(self, task: Mapping[str, Any]) -> list[Played]:
        found = self._cases(task["scripts"], task["cases"])
        played: list[Played] = []
        left = iter(found)

        async def coming() -> str | None:
            over = self.stopped or any(case.given_up is not None for case in played)  # others could only repeat that
            return None if over else next(left, None)

        async def all_of_them() -> None:
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
            share_pace(*task["lane"])
            try:
                await Worker(found, self.terms, self.redact, self.concurrency).play(coming, played.append)
            finally:
                self._loop = self._task = None

        try:
            self.runner.run(all_of_them())
        except asyncio.CancelledError:
            if not self.stopped:
                raise
        return played

    def _cases(self, scripts: list[dict[str, Any]], cases: list[list[Any]]) -> dict[str, Case]:
        found = self._long | {sent["id"]: self._script(sent) for sent in scripts}
        out: dict[str, Case] = {}
        for name, shown, script, row, pick, repeat in cases:
            out[name] = Case(name, shown, found[script], found[script].rows[row], pick, repeat)
        return out

    def _script(self, sent: dict[str, Any]) -> Script:
        key = (sent["id"], sent["digest"])
        script = self._scripts.get(key)
        if script is None:
            script = self._scripts[key] = self._read(sent)
            while len(self._scripts) > _KEPT:
                del self._scripts[next(iter(self._scripts))]
        return script

    def _read(self, sent: Mapping[str, Any]) -> Script:
        return with_golden(self._loader.sent(sent), self.fields.golden)

    def stop(self, *, at_once: bool) -> None:
        """Begins no further case; `at_once` cuts off those under way. Called from another thread."""
        self.stopped = True
        loop, task = self._loop, self._task
        if at_once and loop is not None and task is not None:
            loop.call_soon_threadsafe(task.cancel)

    def close(self) -> None:
        """Gives up the connections and the files, once nothing is playing."""
        with self._playing:
            try:
                self.runner.run(self.engine.close())
            finally:
                self.runner.close()
                self.remove()

    def remove(self) -> None:
        """Removes what was laid out."""
        shutil.rmtree(self.folder, ignore_errors=True)


class _SentLoader(Loader):
    """Reads scripts that were sent; their fragments are laid out like the other files."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.folder)
        self._stage = stage
        self._names: dict[Path, str] = {}

    def sent(self, sent: Mapping[str, Any]) -> Script:
        """The script. Raises Refused where it does not come out as it was."""
        for file, (path, text) in sent["texts"].items():
            here = self._stage.at(path)
            self._names[here] = file
            if file != sent["file"] and not here.exists():
                here.parent.mkdir(parents=True, exist_ok=True)
                here.write_text(text, encoding="utf-8", newline="")
        path, text = sent["texts"][sent["file"]]
        document = read_bytes(text.encode(), sent["file"])
        script = self.from_document(document, self._stage.at(path), sent["id"])
        if script is None:
            raise Refused(f"the script {sent['file']} cannot be read here", document.problems)
        if script.digest != sent["digest"]:
            raise Refused(f"the script {sent['file']} is not the one that was sent ({script.digest}, {sent['digest']})")
        return script

    def shown(self, path: Path) -> str:
        return self._names.get(path) or super().shown(path)


class Stages:
    """The stages of this process, one a thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_thread: dict[int, Stage] = {}
        self._over: set[str] = set()  # tokens of runs that were stopped
        atexit.register(self._clear)

    def of(self, digest: str, base: Mapping[str, Any] | None) -> Stage | None:
        """This thread's stage for a run, made of `base` where it is another run's; None where that did not come along."""
        thread = threading.get_ident()
        with self._lock:
            stage = self._by_thread.get(thread)
        if stage is not None and stage.digest == digest:
            return stage
        if base is None:
            return None
        made = Stage(base, digest)
        with self._lock:
            self._by_thread[thread] = made
            made.stopped = made.token in self._over
        if stage is not None:
            stage.close()
        return made

    def stop(self, token: str, *, at_once: bool) -> None:
        """Stops a run in all threads; `at_once` ends it, and what it laid out goes as soon as nothing plays there."""
        with self._lock:
            self._over.add(token)
            stages = {thread: stage for thread, stage in self._by_thread.items() if stage.token == token}
            for thread in stages if at_once else ():
                del self._by_thread[thread]
        for stage in stages.values():
            stage.stop(at_once=at_once)
            if at_once:
                threading.Thread(target=stage.close, name="focal-eval-close", daemon=True).start()

    def _clear(self) -> None:
        for stage in self._by_thread.values():
            stage.remove()
