"""The project's modules, parsed once for all tests that look into them; these are in one group, and so in one process."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

import pytest

LOOKED_AT = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.Call, ast.Constant),
    *(ast.Attribute, ast.If, ast.Import, ast.ImportFrom),
)
parsed_once = pytest.mark.xdist_group("sources")


@lru_cache(maxsize=2048)
def nodes_of(file: Path) -> tuple[ast.AST, ...]:
    """What rules can be about in a module: functions, calls, constants, attributes, conditions, imports; outer ones first."""
    return tuple(
        node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))) if isinstance(node, LOOKED_AT)
    )
