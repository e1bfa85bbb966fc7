"""`simulator` of a suite: the model that plays the personas of its scripts."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, ClassVar

from focal_eval.document.shape import Number
from focal_eval.script.suite_model import ChatModel
from focal_eval.value import value as a_value


@a_value
class PersonaModel(ChatModel):
    """The model that plays personas."""

    whose: ClassVar[str] = "the simulator's"
    ours: ClassVar[frozenset[str]] = frozenset(
        {"messages", "model", "response_format", "seed", "stream", "temperature", "max_tokens"}
    )

    temperature: Annotated[float, Number(minimum=0, maximum=2)] = field(
        default=0.7, metadata={"doc": "How freely the model words what is said; a run tells it."}
    )
    max_tokens: Annotated[int, Number(whole=True, minimum=16, maximum=4_096)] = field(
        default=400, metadata={"doc": "How long one answer of the model may be."}
    )
