"""`cassette` of a suite's engine: what it may say, and what an editor is told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from focal_eval.document import read_text
from focal_eval.evaluate.schemas import schemas
from focal_eval.script.suite import read_suite
from focal_eval.script.suite_cassette import CassetteUse, Layer, Mode

TURNS: tuple[tuple[Layer, Mode | None], ...] = (("turns", None),)


def read(cassette: str, kind: str = "embedded, agent: a.yaml") -> Any:
    text = f"scripts: [s.yaml]\nengine: {{kind: {kind}, cassette: {cassette}}}\n"
    document = read_text(text, "suite.yaml")
    suite = read_suite(document, Path("suite.yaml"))
    return suite.fields.engine.cassette if suite is not None else [str(problem) for problem in document.problems]


@pytest.mark.parametrize(
    ("cassette", "use"),
    [
        ("t.jsonl", CassetteUse("t.jsonl", "replay-else-record", TURNS)),
        ("{file: t.jsonl, mode: off}", CassetteUse("t.jsonl", "off", TURNS)),
        ("{file: t/, layers: model}", CassetteUse("t/", layers=(("model", None),))),
        ("{file: t, layers: [tools, turns, tools]}", CassetteUse("t", layers=(("turns", None), ("tools", None)))),
        ("{file: t, layers: {model: record, turns: off}}", CassetteUse("t", layers=(("model", "record"), ("turns", "off")))),
    ],
)
def test_what_a_cassette_may_say(cassette: str, use: CassetteUse) -> None:
    """A file alone, a mode, layers by name or each with its mode."""
    assert read(cassette) == use
    instance = {"scripts": ["s.yaml"], "engine": {"kind": "embedded", "agent": "a.yaml", "cassette": plain(cassette)}}
    assert jsonschema_rs.validator_for(schemas()["suite"]).is_valid(instance)


def plain(text: str) -> Any:
    import yaml

    value = yaml.safe_load(text)
    if isinstance(value, dict):  # YAML 1.1 reads `off` as false; this package does not
        value = {key: "off" if item is False else item for key, item in value.items()}
        if isinstance(layers := value.get("layers"), dict):
            value["layers"] = {key: "off" if item is False else item for key, item in layers.items()}
    return value


@pytest.mark.parametrize(
    ("cassette", "said"),
    [
        ("{mode: replay}", "error[missing-key]: the key 'file' is missing"),
        ("{file: t, mode: replya}", "error[unknown-word]: 'replya' is not one of record, replay, replay-else-record, off"),
        ("{file: t, moed: off}", "no key is named 'moed' here; did you mean 'mode'?"),
        ("{file: t, layers: {turn: off}}", "error[unknown-word]: no layer is named 'turn'; did you mean 'turns'?"),
        ("{file: t, layers: {turns: of}}", "error[unknown-word]: 'of' is not one of"),
        ("{file: t, layers: []}", "error[no-layers]: the cassette names no layers"),
        ("{file: t, layers: {}}", "error[no-layers]: the cassette names no layers"),
        ("''", "error[empty-text]"),
        ('"a\\0b"', "suite.yaml:2:"),
        ("null", "error[wrong-type]"),
        ("[t.jsonl]", "error[wrong-type]"),
    ],
)
def test_what_a_cassette_may_not_say(cassette: str, said: str) -> None:
    """Each mistake has its place, its code and its fix."""
    found = read(cassette)
    assert isinstance(found, list)
    assert len(found) == 1
    assert found[0].startswith("suite.yaml:2:")
    assert said in found[0]


def test_layers_are_those_of_the_engine() -> None:
    """What an engine does not ask cannot be recorded, and a cassette is not recorded again."""
    assert read("{file: t, layers: [model]}", "openai, url: 'http://h/v1', model: m").layers == (("model", None),)
    (found,) = read("{file: t, layers: [turns, tools]}", "openai, url: 'http://h/v1', model: m")
    assert "error[cassette-layer]: the engine 'openai' asks nobody in the layer 'tools'; it has turns and model" in found
    (found,) = read("t.jsonl", "cassette, file: x.jsonl")
    assert "error[cassette-layer]: a cassette is not recorded again" in found


@pytest.mark.parametrize(
    ("use", "instead", "modes"),
    [
        (CassetteUse("t"), None, {"turns": "replay-else-record"}),
        (CassetteUse("t", "replay"), "record", {"turns": "record"}),
        (CassetteUse("t", "off"), None, {}),
        (CassetteUse("t", "off"), "replay", {"turns": "replay"}),
        (CassetteUse("t", layers=(("turns", "off"), ("model", None))), "record", {"model": "record"}),
        (CassetteUse("t", "replay", (("turns", "record"), ("tools", None))), None, {"turns": "record", "tools": "replay"}),
    ],
)
def test_the_mode_of_each_layer(use: CassetteUse, instead: Mode | None, modes: dict[str, str]) -> None:
    """A layer's own mode goes before the cassette's, the command line before both; a layer that is off stays off."""
    assert use.modes(instead) == modes
