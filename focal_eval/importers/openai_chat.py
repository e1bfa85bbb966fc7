"""OpenAI-style chat files: a conversation a line, for fine-tuning or as a log; of a batch, requests and answers together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any, ClassVar

from focal_eval.errors import Problems
from focal_eval.importers.conversations_file import PassedOver, records_in
from focal_eval.importers.conversations_openai import Completions, batch_answer
from focal_eval.importers.foreign import Source
from focal_eval.importers.losses import Losses
from focal_eval.importers.recorded import Reading, Recorded


@dataclass(frozen=True, slots=True)
class OpenAI(Recorded):
    """Chat completions; the output of a batch is read beside its input, whatever their order."""

    format: ClassVar[str] = "openai"

    def reading(self, sources: Sequence[Source], losses: Losses, problems: Problems) -> Reading:
        return Reading(partial(Completions, answers=_answers(sources)))


def _answers(sources: Sequence[Source]) -> dict[str, Mapping[str, Any]]:
    """The answers of batches by their request's id, the first one of each."""
    out: dict[str, Mapping[str, Any]] = {}
    for source in sources:
        if b'"custom_id"' not in source.data:
            continue
        for record in records_in(BytesIO(source.data), source.file, PassedOver()):
            found = batch_answer(record.data) if isinstance(record.data, Mapping) else None
            if found is not None:
                out.setdefault(*found)
    return out
