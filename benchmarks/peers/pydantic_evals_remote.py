"""pydantic-evals against the server: the dataset of the local job, a task that sends the turns with aiohttp.

python pydantic_evals_remote.py FOLDER OUT URL CONCURRENCY
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from pydantic_evals import Dataset
from pydantic_evals.evaluators import Evaluator, EvaluatorContext
from pydantic_evals.reporting import EvaluationReportAdapter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bare_chat import AGENT, TENANT


@dataclass
class TurnChecks(Evaluator[dict[str, Any], list[Any], Any]):
    """The three checks of every turn, each under its own name."""

    def evaluate(self, ctx: EvaluatorContext[dict[str, Any], list[Any], Any]) -> dict[str, bool]:
        out: dict[str, bool] = {}
        for index, (turn, reply) in enumerate(zip(ctx.inputs["turns"], ctx.output, strict=True)):
            expect = turn["expect"]
            out[f"{index}.contains"] = expect["contains"] in reply["response"]
            out[f"{index}.rule"] = expect["rule"] in reply["matched_rules"]
            out[f"{index}.tool"] = expect["tool"] in reply["tools_called"]
        return out


async def main() -> None:
    folder, out, url, concurrency = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    dataset = Dataset[dict[str, Any], list[Any], Any].from_file(
        folder / "pydantic-evals.yaml", custom_evaluator_types=[TurnChecks]
    )
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:
        async with session.get(f"{url}/v1/agents/{AGENT}/rules") as answer:
            names = {rule["id"]: rule["name"] for rule in (await answer.json())["items"]}

        async def converse(inputs: dict[str, Any]) -> list[Any]:
            body = {
                "tenant_id": TENANT,
                "agent_id": AGENT,
                "channel": "webchat",
                "user_channel_id": inputs["id"],
            }
            replies = []
            for turn in inputs["turns"]:
                async with session.post(f"{url}/v1/chat", json=body | {"message": turn["user"]}) as answer:
                    reply = await answer.json()
                body["session_id"] = reply["session_id"]
                replies.append(reply | {"matched_rules": [names[rule] for rule in reply["matched_rules"]]})
            return replies

        report = await dataset.evaluate(converse, max_concurrency=concurrency, progress=False)
    out.write_bytes(EvaluationReportAdapter.dump_json(report))


asyncio.run(main())
