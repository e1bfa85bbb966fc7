from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from focal_eval.agent import Agent
from focal_eval.document import Reader, SchemaBuilder, plain, read_text, shape_of
from tests.agent.playing import problems_of

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference" / "agents.md"


def data(text: str) -> Any:
    """The file as plain data, as YAML 1.2 reads it."""
    document = read_text(text, "agent.yaml")
    assert document.root is not None
    return plain(document.root, Reader(document))


@pytest.fixture(scope="module")
def validator() -> Any:
    builder = SchemaBuilder()
    top = shape_of(Agent).schema(builder)
    schema = {**top, "$defs": builder.defs}
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_documented_agent_fits_the_schema(validator: Any) -> None:
    """An editor that checks by the schema accepts what the reader accepts."""
    example = DOCS.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    assert [str(problem) for problem in problems_of(example)] == []
    assert [error.message for error in validator.iter_errors(data(example))] == []


@pytest.mark.parametrize(
    "text",
    [
        "{title: no name}",
        "{agent: a, rules: [{match: {any_words: [x]}}]}",
        "{agent: a, rules: [{id: r, match: {any_wrds: [x]}}]}",
        "{agent: a, rules: {r: {priority: high}}}",
        "{agent: a, settings: {threshold: 2}}",
        "{agent: a, templates: {t: {mode: LOUD, text: x}}}",
        "{agent: a, templates: [hello]}",
        "{agent: a, scenarios: {s: {steps: [{id: a, collect: [{all_of: [x]}]}]}}}",
        "{agent: a, slots: {s: {normalise: shout}}}",
    ],
)
def test_what_the_reader_refuses_the_schema_refuses_too(validator: Any, text: str) -> None:
    """Missing and unknown keys, wrong types and words are errors for both."""
    assert [problem for problem in problems_of(text) if problem.severity == "error"]
    assert list(validator.iter_errors(data(text)))


def test_every_key_is_documented() -> None:
    """The reference names each key of each part of an agent file."""
    builder = SchemaBuilder()
    shape_of(Agent).schema(builder)
    text = DOCS.read_text(encoding="utf-8")
    keys = {(name, key) for name, part in builder.defs.items() for key in _properties(part)}
    assert sorted((name, key) for name, key in keys if f"`{key}`" not in text and f"{key}:" not in text) == []


def _properties(schema: dict[str, Any]) -> set[str]:
    own = set(schema.get("properties", {}))
    return own.union(*(_properties(part) for part in schema.get("anyOf", ())))
