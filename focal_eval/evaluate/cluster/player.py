"""What a cluster calls on its workers: a batch in, what became of its cases out, as bytes. It never raises.

An exception would be logged there with the arguments of the call, and have to be pickled on its way back.
"""

from __future__ import annotations

import os
import socket
from typing import Any

import orjson

from focal_eval.errors import FocalEvalError, Refused, told
from focal_eval.evaluate.cluster.probe import code_digest
from focal_eval.evaluate.cluster.stage import Stages
from focal_eval.runner.parcel import packed

_STAGES = Stages()


def play(task: bytes) -> bytes:
    """Plays a batch; asks for the run's files where this worker has not got them yet."""
    redact = None
    try:
        asked = orjson.loads(task)
        base = asked.get("files")
        if base is not None and base["code"] != code_digest():
            return _said(wrong=f"its focal-eval is other code ({code_digest()}, the run has {base['code']})")
        stage = _STAGES.of(asked["base"], base)
        if stage is None:
            return _said(need=True)
        redact = stage.redact
        return packed(_here(), stage.play(asked), redact)
    except Refused as problem:
        said = "; ".join([str(problem), *(str(item) for item in problem.diagnostics)])
    except FocalEvalError as problem:
        said = str(problem)
    except BaseException as problem:  # whatever it is: the run has to hear of it
        said = told(problem)
    answer = _said(wrong=said)
    return answer if redact is None else redact(answer)


def stop(token: str, at_once: bool) -> None:
    """Begins no further case of a run in this process; `at_once` ends it here."""
    _STAGES.stop(token, at_once=at_once)


def _said(**what: Any) -> bytes:
    return orjson.dumps({**_here(), **what})


def _here() -> dict[str, Any]:
    return {"worker": f"{socket.gethostname()}:{os.getpid()}"}
