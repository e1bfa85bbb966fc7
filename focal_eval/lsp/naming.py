"""What kind of name stands at a path: a rule, a step, a tool's argument, ... asked of the shapes that read the file.

A small file is made that has a stand-in at the path and whatever else its mappings must have; it is read as any file is, and
what names the stand-in tells the kind. So each check's own word counts, a plug-in's as well.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path as File
from typing import Any

from focal_eval.agent.load import read_agent
from focal_eval.agent.walk import expressions
from focal_eval.document import read_text
from focal_eval.document.writing import dump
from focal_eval.lsp.keys import Path, Schema, at, normal
from focal_eval.lsp.mentions import given_variables, in_agent, in_script
from focal_eval.script.load import Loader

STAND_IN = "zzq"
_REQUIRED: dict[str, Any] = {
    "agent": "zz0",
    "id": "zz0",
    "steps": [{"id": "zz0"}],
    "to": "zz0",
    "when": {"any_words": "zz0"},
    "scenario": "zz0",
    "unless": "zz0 == 1",
    "text": "zz0",
    "by": ["zz0"],
    "rows": {"zz0": 1},
    "then": {"rule": "zz0"},
    "times": 1,
    "turns": [{"user": "zz0"}],
    "returns": 1,
    "rule": "zz0",
}
_STATE: dict[str, Any] = {"says": "zz0", "then": "done"}
_SIMULATED: dict[str, Any] = _REQUIRED | _STATE | {"to": "done"}
"""What the states of a simulated user and their edges must have: an edge that leads somewhere."""


@lru_cache(maxsize=2048)
def kinds_at(kind: str, path: Path, *, key: bool) -> tuple[tuple[str, str], ...]:
    """The kinds of name that may stand at a path, each with what has to stand before it in the whole name: `("argument",
    "lookup_order.")`. With `key` a key of the mapping at the path is meant.
    """
    values: tuple[Any, ...] = ("zz0", [{"returns": 1}], 1, {}) if key else (STAND_IN,)
    for more in _BESIDE:
        for tried in values:
            leaf = {STAND_IN: tried} if key else tried
            if found := _names(kind, _sample(kind, normal(path), leaf, more)):
                return tuple(found)
    return ()


_BESIDE: tuple[dict[str, Any], ...] = ({}, {"returns": 1}, {"rule": "zz0"})
"""What a mapping may need beside the key on the path, where its schema does not say so."""


def _sample(kind: str, path: Path, leaf: Any, more: dict[str, Any]) -> Any:
    """Data with the leaf at a path and what else the mappings on the way must have."""
    made = leaf
    for depth in range(len(path) - 1, -1, -1):
        step = path[depth]
        made = (
            [made]
            if isinstance(step, int)
            else {
                **_required(kind, path[:depth], step, {} if "rule" in more and depth == len(path) - 1 else more),
                step: made,
            }
        )
    return {**_required(kind, (), "", {}), **made} if isinstance(made, dict) and not path else made


def _required(kind: str, path: Path, step: str, more: dict[str, Any]) -> dict[str, Any]:
    """What a mapping must have beside one key, by the alternative that knows the key."""
    for option in at(kind, path):
        known = option.get("properties", {})
        if step in known or (not step and known):
            held = _SIMULATED if path[:2] == ("simulator", "states") and "when" not in path else _REQUIRED
            needed = (*option.get("required", ()), *_one_of(option, step))
            out = {name: held[name] for name in needed if name != step and name in held}
            if path == ("simulator",) and step != "states":
                out["states"] = {"zz0": _STATE}
            return out | {name: held for name, held in more.items() if name in known and name != step}
    return {}


def _one_of(option: Schema, step: str) -> tuple[str, ...]:
    """The keys of the first alternative, where a mapping must have one of several and the key is of none."""
    ways = [tuple(way.get("required", ())) for way in option.get("oneOf", ())]
    return ways[0] if ways and not any(step in way for way in ways) else ()


def _names(kind: str, data: Any) -> list[tuple[str, str]]:
    if not isinstance(data, dict):
        return []
    document = read_text(dump(data), "sample.yaml")
    if kind == "agent":
        agent = read_agent(document)
        mentions = [] if agent is None else list(in_agent(agent))
        if agent is not None and any(STAND_IN in text for text, _ in expressions(agent)):
            return [("variable", "")]
    elif kind in ("script", "fragment"):
        script = Loader(File("/")).from_document(document, File("/sample.yaml"), "sample")
        mentions = [] if script is None else list(in_script(script))
        mentions += given_variables(document.root, document.file)
    else:
        return []
    found = []
    for mention in mentions:
        if mention.name.endswith(STAND_IN) and not (mention.kind == "step" and mention.name == STAND_IN):
            found.append((mention.kind, mention.name.removesuffix(STAND_IN)))
    return list(dict.fromkeys(found))
