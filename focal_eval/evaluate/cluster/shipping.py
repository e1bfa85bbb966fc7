"""What goes to a cluster's workers: texts, and the ids of cases. No object of ours, and no secret of the engine's.

The texts that every batch needs, the suite with all that its engine names and long scripts, go to a worker once; those of
other scripts go with each batch that has cases of them.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import orjson

from focal_eval.clock import content_id
from focal_eval.errors import UsageError
from focal_eval.evaluate.cluster.probe import Wanted, code_digest, plugins, plugins_of
from focal_eval.evaluate.preparing import Prepared
from focal_eval.evaluate.request import RunRequest
from focal_eval.runner.plan import Case
from focal_eval.script.load import real, shown
from focal_eval.script.model import Script
from focal_eval.script.names import expectations_of
from focal_eval.script.shelf import Filed
from focal_eval.script.suite_engines import Engine as EngineEntry
from focal_eval.value import value

MOST_FILES = 2_000
MOST_BYTES = 64 * 2**20
LONG = 32 * 1024  # characters of a script that does not go with every batch
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)")
_SECRET_FILES = ("token_file",)  # keys of an engine's entry
_LEFT_OUT = frozenset({"__pycache__", "node_modules", "site-packages"})


@value
class Shipment:
    """What every batch of a run needs."""

    base: bytes  # JSON
    digest: str
    token: str
    scripts: frozenset[str]  # ids of those that are in `base`
    wanted: Wanted


def shipment_of(prepared: Prepared, request: RunRequest, run: str, *, token: str, slots: int) -> Shipment:
    """What workers need to play cases of a run, `slots` of them at the same time. Raises UsageError where it is too much.

    The token is another one each time a run is gone on with: workers may still know that it was stopped before.
    """
    target, entry, suite = prepared.target, prepared.target.entry, prepared.target.suite
    folder = Path.cwd() if suite is None else suite.folder
    secret = tuple(str(folder / name) for key in _SECRET_FILES if (name := getattr(entry.config, key, None)))
    long = {case.script.id: case.script for case in prepared.plan.cases if _size(case.script) > LONG}
    files = _contents(_files(prepared, request, folder), leave={str(real(Path(name))) for name in secret})
    base = orjson.dumps(
        {
            "run": run,
            "token": token,
            "code": code_digest(),
            "suite": None if suite is None else {"path": str(suite.path), "file": suite.file},
            "agent": _path(request.agent),
            "engine": request.engine,
            "cassette": request.cassette,
            "cassette_file": _path(request.cassette_file),
            "repeats": request.repeats,
            "timeout_s": request.timeout_s,
            "allow_python": request.allow_python,
            "folder": str(folder.resolve()),
            "root": str(target.root.resolve()),
            "concurrency": max(1, prepared.fields.concurrency // slots),
            "files": files,
            "scripts": [script_json(script) for script in long.values()],
            "linked": list(secret),
        }
    )
    return Shipment(base, content_id(base, length=32), token, frozenset(long), _wanted(prepared, secret))


def texts_of(script: Script) -> Mapping[str, str]:
    """A script's file and the fragments that are spliced into it; of a script that is not held the file is enough."""
    if isinstance(script, Filed):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            data = Path(script.file).read_bytes()
            if content_id(data, length=64) == script.digest:
                return {script.file: data.decode()}
    return script.texts


def script_json(script: Script) -> dict[str, Any]:
    """The script as text."""
    texts = {file: [str(real(Path(file))), text] for file, text in texts_of(script).items()}
    return {"id": script.id, "digest": script.digest, "file": script.file, "texts": texts}


def _size(script: Script) -> int:
    if isinstance(script, Filed):
        with contextlib.suppress(OSError):
            return Path(script.file).stat().st_size
    return sum(map(len, script.texts.values()))


def task_of(shipment: Shipment, cases: Iterable[Case], lane: tuple[int, int] = (0, 1), *, whole: bool = False) -> bytes:
    """A batch as it travels, to be asked for in this lane of several; `whole` with what every batch needs."""
    batch = list(cases)
    scripts = {case.script.id: case.script for case in batch}
    rows = {name: {id(row): number for number, row in enumerate(script.rows)} for name, script in scripts.items()}
    task = {
        "base": shipment.digest,
        "lane": lane,
        "scripts": [script_json(script) for name, script in scripts.items() if name not in shipment.scripts],
        "cases": [
            [case.id, case.name, case.script.id, rows[case.script.id][id(case.row)], case.pick, case.repeat] for case in batch
        ],
    }
    told = orjson.dumps(task)
    return told[:-1] + b',"files":' + shipment.base + b"}" if whole else told


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path.resolve())


def check_sendable(prepared: Prepared) -> None:
    """Raises UsageError where workers cannot have what the engine needs, whatever is installed there."""
    _check_cassette(prepared)
    _check_literals(prepared)


def _check_cassette(prepared: Prepared) -> None:
    """Raises UsageError where workers would have to write: what they record would stay there."""
    recorder = prepared.target.recorder
    if recorder is not None and any(mode != "replay" for mode in recorder.modes.values()):
        raise UsageError("--cluster: a cassette is recorded on one machine; replay it, or run with --cassette off")


def _check_literals(prepared: Prepared) -> None:
    """Raises UsageError where the suite's own text holds a secret."""
    suite, target = prepared.target.suite, prepared.target
    if suite is None:
        return
    entries = (suite.fields.engine, *suite.fields.engines.values())
    from_environment = {secret for entry in entries for secret in entry.secrets}
    hidden = {text for entry in entries for text in _strings(entry.config, hidden=True)} | set(target.secrets)
    if any(len(text) >= 6 and text in suite.text for text in hidden - from_environment):
        raise UsageError(
            f"--cluster: {suite.file} holds a secret, and its text goes to the workers; write ${{NAME}} instead, "
            "and set that variable there and here"
        )


def _strings(config: object, *, hidden: bool = False) -> Iterator[str]:
    """Every text in an engine's configuration; with `hidden` only those that it does not show."""
    if not is_dataclass(config):
        return
    for field in fields(config):
        found = getattr(config, field.name)
        if is_dataclass(found):
            yield from _strings(found, hidden=hidden)
        elif field.name not in _SECRET_FILES and (not hidden or not field.repr):
            values = found.values() if isinstance(found, Mapping) else found if isinstance(found, (tuple, list)) else (found,)
            yield from (text for text in values if isinstance(text, str))


def _files(prepared: Prepared, request: RunRequest, folder: Path) -> Iterator[Path]:
    """Every file that a worker needs beside scripts."""
    target = prepared.target
    if target.suite is not None:
        yield target.suite.path
    named = [folder / text for text in _strings(target.entry.config) if _may_be_path(text)]
    named += [folder / text.rpartition(":")[0] for text in _strings(target.entry.config) if ".py:" in text]
    if target.entry.cassette is not None:
        named.append(folder / target.entry.cassette.file)
    named += [path for path in (request.agent, request.cassette_file) if path is not None]
    for path in named:
        yield from _below(path)
    if request.allow_python and _wants_python(prepared):
        yield from _below(folder, ".py")
        for place in {place for script in _that_say(prepared, "python") for place in _checked_by(script)}:
            yield from _below(target.root / place)


def _may_be_path(text: str) -> bool:
    return 0 < len(text) < 1024 and "\n" not in text and "\0" not in text and text not in (".", "..", "/")


def _below(path: Path, suffix: str = "") -> Iterator[Path]:
    try:
        if path.is_file():
            yield path
        elif path.is_dir():
            for found in sorted(path.iterdir()):
                if not found.name.startswith(".") and found.name not in _LEFT_OUT:
                    yield from (() if suffix and found.is_file() and found.suffix != suffix else _below(found, suffix))
    except OSError:  # a name that no system takes, a folder that is not for us: it is none of the engine's files
        return


def _wants_python(prepared: Prepared) -> bool:
    target = prepared.target
    agent = "" if target.agent is None else target.agent.text or ""
    return (
        "python:" in agent
        or any(":" in text and "//" not in text for text in _strings(target.entry.config))
        or any(next(_checked_by(script), None) for script in _that_say(prepared, "python"))
    )


def _that_say(prepared: Prepared, *words: str) -> Iterator[Script]:
    """The scripts in which one of these words may stand; those that are not held are opened only for that."""
    for script in prepared.target.scripts.planned if words else ():
        if not isinstance(script, Filed):
            yield script
        elif any(word in text for text in texts_of(script).values() for word in (*words, "include")):
            yield script.load()


def _checked_by(script: Script) -> Iterator[str]:
    """The files of Python that judge a script."""
    for item in expectations_of(script):
        if item.key.rsplit(".", 1)[-1] == "python" and item.check is not None:
            yield item.check.call.rpartition(":")[0]


def _contents(paths: Iterable[Path], leave: set[str]) -> dict[str, Any]:
    """The files' texts by absolute path; what is not UTF-8 as base64 in a list."""
    out: dict[str, Any] = {}
    size = 0
    for path in paths:
        name = str(path.resolve() if not path.is_symlink() else path.absolute())
        if name in out or str(real(path)) in leave:
            continue
        try:
            data = path.read_bytes()
        except OSError as problem:
            raise UsageError(f"--cluster: {shown(path)} cannot be read: {problem.strerror or problem}") from None
        size += len(data)
        if len(out) >= MOST_FILES or size > MOST_BYTES:
            most = f"{MOST_FILES:,} files or {MOST_BYTES // 2**20} MiB"
            raise UsageError(f"--cluster: the engine's files and the Python beside the suite are more than {most}")
        try:
            out[name] = data.decode()
        except UnicodeDecodeError:
            out[name] = [base64.b64encode(data).decode()]
    return out


def _wanted(prepared: Prepared, secret: tuple[str, ...]) -> Wanted:
    """What a worker must have of its own."""
    target, entry = prepared.target, prepared.target.entry
    added = plugins("checks")
    scripts = _that_say(prepared, *(name.rpartition(".")[2] for name in added))
    checks = {item.key for script in scripts for item in expectations_of(script)}
    used = (name for name in added if name in checks or name.removeprefix("conversation.") in checks)
    asks_nobody = target.recorder is not None and target.recorder.live is None
    names = () if asks_nobody else sorted({*_variables(prepared), *_named_variables(entry)})
    return Wanted(plugins_of(entry.kind, used), tuple(names), () if asks_nobody else secret)


def _variables(prepared: Prepared) -> Iterator[str]:
    """The variables that the text of the engine's entry names."""
    suite, span = prepared.target.suite, prepared.target.entry.span
    if suite is None or span.file != suite.file:
        return
    for line in suite.text.splitlines()[span.line - 1 : span.end_line]:
        yield from _VARIABLE.findall(line)


def _named_variables(entry: EngineEntry) -> Iterator[str]:
    config = entry.config
    if is_dataclass(config):
        for field in fields(config):
            if field.name.endswith("_env") and isinstance(name := getattr(config, field.name), str):
                yield name
