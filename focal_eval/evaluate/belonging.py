"""Whether runs are the shards of one run: what they were made with, and which of them are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from focal_eval.errors import UsageError
from focal_eval.evaluate.folders import find_run
from focal_eval.evaluate.resuming import OPTIONS
from focal_eval.report.journal import list_run
from focal_eval.runner.shard import Shard
from focal_eval.value import value


@value
class Found:
    """A run that is a shard."""

    folder: Path
    header: Mapping[str, Any]
    shard: Shard

    @property
    def told(self) -> Mapping[str, Any]:
        """What its header says of the whole."""
        return self.header["shard"]  # type: ignore[no-any-return]

    def __str__(self) -> str:
        return f"shard {self.shard.index} of {self.shard.of} ({self.folder})"


def shards_of(refs: Sequence[str], runs: Path, *, anyway: bool) -> list[Found]:
    """The shards that are named, in order. Raises UsageError where they are no parts of one run, or one is there twice.

    `anyway` takes shards that were made with something else, as long as they are parts of the same plan.
    """
    found = sorted((_shard(find_run(ref, runs)) for ref in refs), key=lambda one: one.shard.index)
    first, seen = found[0], dict[int, Found]()
    for one in found:
        if one.shard.of != first.shard.of:
            raise UsageError(f"{one} and {first} are no parts of one run: it was cut in other numbers of shards")
        if (other := seen.get(one.shard.index)) is not None:
            same = "twice" if one.header.get("id") == other.header.get("id") else f"as {other.folder} and as {one.folder}"
            raise UsageError(f"shard {one.shard.index} of {one.shard.of} is there {same}; name each shard once")
        seen[one.shard.index] = one
        told = next(_differences(first, one, anyway=anyway), None)
        if told is not None:
            hint = "" if told.startswith("_") else "; --anyway merges them all the same"
            raise UsageError(f"{one} and {first} are no parts of one run: {told.removeprefix('_')}{hint}")
    return found


def _shard(folder: Path) -> Found:
    header = {key: found for key, found in list_run(folder).header.items() if key != "t"}
    told = header.get("shard")
    if not isinstance(told, Mapping):
        what = "is a merged run already" if header.get("merged") else "is no shard: it was run without --shard"
        raise UsageError(f"{folder} {what}; merge takes the runs of --shard 1/N to N/N")
    return Found(folder, header, Shard(int(told["index"]), int(told["of"])))


def _differences(first: Found, one: Found, *, anyway: bool) -> Iterator[str]:
    """What is not the same, in words; with `_` in front what nobody can merge."""
    there, here = first.header, one.header
    if not anyway:
        yield from _made_with(first, one)
    for name, keys in (("the cases that were planned differ", ("plan", "digest")), ("", ("cuts",))):
        if _at(first.told, *keys) != _at(one.told, *keys):
            by = f"they were balanced by other durations ({_by(one)} and {_by(first)})"
            yield f"_{name or by}"
    if there.get("format") != here.get("format"):
        yield f"_their journals have other formats, {here.get('format')} and {there.get('format')}"


def _by(one: Found) -> str:
    told = one.told
    return f"{told['recorded']} times of {told['durations']}" if told.get("durations") else "none"


def _made_with(first: Found, one: Found) -> Iterator[str]:
    there, here = first.header, one.header
    if there.get("focal_eval") != here.get("focal_eval"):
        yield f"focal-eval {here.get('focal_eval')} played it, and {there.get('focal_eval')} the other"
    for what, keys in (("suite", ("suite",)), ("agent", ("engine", "agent")), ("engine", ("engine",))):
        before, today = _at(there, *keys, "digest"), _at(here, *keys, "digest")
        if before != today:
            named = _at(here, *keys, "file") or _at(here, *keys, "kind") or ""
            yield f"the {what} {named} is another one (digest {_short(today)} and {_short(before)})"
    if _at(first.told, "scripts", "digest") != _at(one.told, "scripts", "digest"):
        yield _script(first, one) or "the scripts are others"
    for key in OPTIONS:
        before, today = _at(there, "options", key), _at(here, "options", key)
        if before != today:
            yield f"{key} is {today!r} and {before!r}"


def _script(first: Found, one: Found) -> str | None:
    """Which script both have played differs."""
    there = _digests(first.folder)
    for file, digest in sorted(_digests(one.folder).items()):
        if there.get(file, digest) != digest:
            return f"the script {file} is another one (digest {_short(digest)} and {_short(there[file])})"
    return None


def _digests(folder: Path) -> dict[str, str]:
    model = list_run(folder)
    return {case.file: str(orjson.loads(model.line(case.place)).get("digest")) for case in model.cases}


def _at(header: Mapping[str, Any], *keys: str) -> Any:
    found: Any = header
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _short(digest: Any) -> str:
    return str(digest)[:12] if digest else "none"
