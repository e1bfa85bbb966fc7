"""Names that only a live engine knows: scripts are held to what it lists, where no file says what its agent has."""

from __future__ import annotations

import asyncio
import contextlib

from focal_eval.engines import Names
from focal_eval.errors import Diagnostic, Problems, Refused
from focal_eval.evaluate.target import Target, unique, unknown_names
from focal_eval.script.names import KnownNames


async def check_listed(target: Target, limit_s: float) -> list[Diagnostic]:
    """Warnings about names that the engine does not list. Raises Refused for slips of the fingers, and then closes it.

    An engine that cannot be asked is no problem here: the conversations find that out, and say which of them it cost.
    """
    asked = getattr(target.engine, "listed", None)
    if asked is None or target.agent is not None:
        return []
    names: Names | None = None
    with contextlib.suppress(Exception):
        async with asyncio.timeout(limit_s):
            names = await asked()
    if names is None:
        return []
    known = KnownNames(names.file, names.rules, None, names.scenarios, templates=None)  # tools and templates it does not tell
    problems = Problems()
    problems.extend(unknown_names(target.scripts.planned, known))
    if problems.errors:
        await target.engine.close()
        raise Refused("nothing was run", unique(problems))
    return unique(problems)
