"""What an engine itself remarked about a turn, in the metadata of its reply: why it called no tool, what it left unsaid.

The keys are those of the embedded engine; another engine may use them too, and its metadata is read with care.
`skipped_tools` is a list of `{tool, why}`, `left_out` a list of templates, `notes` a list of sentences.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from focal_eval.records import Reply
from focal_eval.text import listed, shorten

WIDTH = 200  # characters of a remark
MOST = 20  # entries looked at


def why_skipped(reply: Reply, tool: str) -> str | None:
    """Why the engine did not call a tool it meant to call, where it says so."""
    for entry in _list(reply, "skipped_tools"):
        if isinstance(entry, Mapping) and entry.get("tool") == tool and isinstance(entry.get("why"), str):
            return f"the engine skipped '{tool}': {shorten(entry['why'], WIDTH)}"
    return None


def what_was_left_out(reply: Reply) -> str | None:
    """Which templates the engine could not say and why, where it says so."""
    names = [name for name in _list(reply, "left_out") if isinstance(name, str)]
    if not names:
        return None
    notes = [note for note in _list(reply, "notes") if isinstance(note, str)]
    told = [shorten(note, WIDTH) for note in notes if any(name in note for name in names)]
    return "; ".join(told) or f"the engine left out template {listed([shorten(name, WIDTH) for name in names])}"


def joined(*parts: str | None) -> str | None:
    """The remarks that are there, as one."""
    return "; ".join(part for part in parts if part) or None


def _list(reply: Reply, key: str) -> list[Any]:
    found = reply.metadata.get(key) if isinstance(reply.metadata, Mapping) else None
    return found[:MOST] if isinstance(found, list) else []
