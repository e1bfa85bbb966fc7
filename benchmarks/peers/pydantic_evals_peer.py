"""pydantic-evals: a dataset from YAML, a task that replays the turns, one evaluator with fifteen assertions, a JSON report.

python pydantic_evals_peer.py FOLDER OUT
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from engine import Desk
from pydantic_evals import Dataset
from pydantic_evals.evaluators import Evaluator, EvaluatorContext
from pydantic_evals.reporting import EvaluationReportAdapter

CONCURRENCY = 16
desk = Desk()


@dataclass
class TurnChecks(Evaluator[dict[str, Any], list[Any], Any]):
    """The three checks of every turn, each under its own name."""

    def evaluate(self, ctx: EvaluatorContext[dict[str, Any], list[Any], Any]) -> dict[str, bool]:
        out: dict[str, bool] = {}
        for index, (turn, reply) in enumerate(zip(ctx.inputs["turns"], ctx.output, strict=True)):
            expect = turn["expect"]
            out[f"{index}.contains"] = expect["contains"] in reply["response"]
            out[f"{index}.rule"] = expect["rule"] in reply["rules"]
            out[f"{index}.tool"] = expect["tool"] in reply["tools"]
        return out


async def converse(inputs: dict[str, Any]) -> list[Any]:
    return [desk.reply(inputs["id"], turn["user"]) for turn in inputs["turns"]]


async def main() -> None:
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    dataset = Dataset[dict[str, Any], list[Any], Any].from_file(
        folder / "pydantic-evals.yaml", custom_evaluator_types=[TurnChecks]
    )
    report = await dataset.evaluate(converse, max_concurrency=CONCURRENCY, progress=False)
    out.write_bytes(EvaluationReportAdapter.dump_json(report))


asyncio.run(main())
