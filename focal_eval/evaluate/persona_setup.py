"""What the personas of a suite's scripts need beside the engine: a model that plays them, connected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from focal_eval.clock import Clock
from focal_eval.errors import Diagnostic
from focal_eval.script.model import Script
from focal_eval.script.suite import Suite, SuiteFields
from focal_eval.script.suite_simulator import PersonaModel

if TYPE_CHECKING:
    from focal_eval.runner.persona_model import PersonaAsker


def player_of(fields: SuiteFields) -> PersonaModel | None:
    """The suite's simulator, None where it has none or cannot be asked, as a variable is missing."""
    return None if fields.simulator is None or fields.simulator.missing else fields.simulator.fields


def personas_of(
    fields: SuiteFields, suite: Suite | None, secrets: tuple[str, ...], clock: Clock, workers: int
) -> PersonaAsker | None:
    """The model that plays personas, ready to be asked; None where there is none. `workers` share what is asked at a time.

    Raises StorageError where its cassette cannot be read.
    """
    played = player_of(fields)
    if played is None or suite is None:
        return None
    from focal_eval.engines.credentials import cleaner
    from focal_eval.engines.model_client import ModelAccess, ModelClient
    from focal_eval.runner.persona_model import AnswerBook, PersonaAsker, Wording
    from focal_eval.runner.redact import Redactor

    access = ModelAccess(
        played.url,
        played.model,
        played.key,
        played.headers,
        played.extra,
        played.timeout_s,
        played.attempts,
        played.max_requests_per_s,
    )
    at_once = max(1, played.concurrency // workers)
    wording = Wording(played.temperature, played.max_tokens, played.structured, at_once, played.prices)
    used = played.cassette
    book = None if used is None else AnswerBook(suite.folder / used.file, used.mode, cleaner(Redactor(secrets)))
    return PersonaAsker(ModelClient(access, clock), wording, book)


def without_player(script: Script, fields: SuiteFields) -> Iterator[Diagnostic]:
    """An error where a script has a persona and the suite names no model that could play it."""
    if fields.simulator is None and script.simulator is not None and script.simulator.persona is not None:
        said, fix = "the suite names no model that plays this persona", "add `simulator: {url: …, model: …}` to the suite"
        yield Diagnostic("no-simulator", said, script.simulator.persona.span, help=fix)


def unset_player(script: Script, fields: SuiteFields) -> Iterator[Diagnostic]:
    """An error for each variable of the environment that the model needs and that is not set."""
    if script.simulator is None or script.simulator.persona is None or fields.simulator is None:
        return
    for variable, span in fields.simulator.missing:
        fix = f"export {variable}=…, or write ${{{variable}:-default}}"
        yield Diagnostic("unset-variable", f"the environment variable {variable} is not set", span, help=fix)
