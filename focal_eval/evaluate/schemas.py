"""JSON Schemas of scripts, suites and agents, made from the same shapes that read them, plug-ins included."""

from __future__ import annotations

from typing import Any

from focal_eval.agent.hover import HOVER
from focal_eval.agent.model import Agent
from focal_eval.document import SchemaBuilder, record_of
from focal_eval.document.shape import Shape, shape_of
from focal_eval.script.read import USERS, ScriptFields
from focal_eval.script.suite import SuiteFields

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, dict[str, Any]]:
    """The schema of each kind of file: `script`, `suite`, `agent`."""
    return {
        "script": _with_a_user(_schema(record_of(ScriptFields), "A conversation script")),
        "suite": _schema(record_of(SuiteFields), "A suite"),
        "agent": _with_help(_schema(shape_of(Agent), "An agent")),
    }


def _with_a_user(schema: dict[str, Any]) -> dict[str, Any]:
    """The script's schema, in which it is said what the user says: turn by turn, or by a simulated user."""
    schema["$defs"][ScriptFields.__name__]["oneOf"] = [{"required": [key]} for key in USERS]
    return schema


def _with_help(schema: dict[str, Any]) -> dict[str, Any]:
    """The agent's schema with a description at every key."""
    for name, definition in schema["$defs"].items():
        meanings = HOVER.get(name.removesuffix("ById"), {})
        for part in (definition, *definition.get("anyOf", ())):
            for key, value in part.get("properties", {}).items():
                if key in meanings:
                    value["description"] = meanings[key]
    return schema


def _schema(shape: Shape, title: str) -> dict[str, Any]:
    builder = SchemaBuilder()
    top = shape.schema(builder)
    return {"$schema": DRAFT, "title": title, **top, "$defs": dict(sorted(builder.defs.items()))}
