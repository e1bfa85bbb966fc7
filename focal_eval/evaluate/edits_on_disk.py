"""Waits for edits of files: by their times, sizes and numbers, which every system and every shared folder tells.

A save is over when nothing changed between two looks; editors that write a new file and put it in the old one's place, and
those that empty a file before they fill it, are waited for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from focal_eval.script.load import files_below

EVERY_S = 0.15
SETTLED_S = 0.06
MOST_S = 2.0  # that a save is waited for
State = dict[Path, tuple[int, int, int]]


def state_of(paths: Iterable[Path]) -> State:
    """What tells whether files changed; of folders that of the YAML files below."""
    found: State = {}
    for path in paths:
        for file in files_below(path) if path.is_dir() else (path,):
            try:
                seen = os.stat(file)  # noqa: PTH116  # thousands of times a minute
            except OSError:
                continue
            found[file] = (seen.st_mtime_ns, seen.st_size, seen.st_ino)
    return found


def saved_since(state: State, moment: datetime) -> State:
    """The state, in which files that were saved after a moment count as changed."""
    bound = (moment.timestamp() - 0.01) * 1e9  # a file's time may be a tick of the system behind
    return {path: (0, 0, 0) if seen[0] > bound else seen for path, seen in state.items()}


def next_edit(
    paths: Callable[[], Iterable[Path]], known: State, sleep: Callable[[float], None], elapsed: Callable[[], float]
) -> tuple[State, list[Path]]:
    """Waits until files differ from what was known, and the save is over; their new state, and which they are."""
    while True:
        began = elapsed()
        seen = state_of(paths())
        if seen != known:
            break
        sleep(max(EVERY_S, 10 * (elapsed() - began)))  # never more than a tenth of a processor
    began = elapsed()
    while elapsed() - began < MOST_S:
        sleep(SETTLED_S)
        again = state_of(paths())
        if again == seen and all(size for _, size, _ in again.values()) and known.keys() <= again.keys():
            break
        seen = again
        if elapsed() - began > MOST_S / 4:  # a file that stays empty, or away, is an edit like any other
            break
    changed = {path for path in known.keys() | seen.keys() if known.get(path) != seen.get(path)}
    return seen, sorted(changed)
