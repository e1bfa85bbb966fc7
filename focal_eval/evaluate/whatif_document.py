"""What `whatif` found as plain JSON: what `--json` prints and the terminal reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from focal_eval.compare.model import Edit
from focal_eval.evaluate.whatif import WhatIfRequest, WhatIfResult
from focal_eval.experiment.whatif_tally import Cluster, Example
from focal_eval.script.load import shown


def document(result: WhatIfResult, scripts: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The result as one JSON document; its keys are described in docs/reference/whatif.md."""
    tally, request = result.tally, result.request
    return {
        "format": 1,
        "mode": "free-run" if request.free else "teacher-forced",
        "agents": {name: {"file": agent_path(request, name), "digest": agent.digest} for name, agent in result.agents.items()},
        "files": list(result.files),
        "formats": dict(sorted(tally.formats.items())),
        "conversations": tally.conversations,
        "turns": tally.turns,
        "compared": tally.compared,
        "uncompared": tally.uncompared,
        "off_recording": tally.off_recording,
        "changed": tally.changed,
        "changed_conversations": tally.changed_conversations,
        "lanes": dict(sorted(tally.lanes.items())),
        "clusters": [_cluster(cluster, result, scripts or {}) for cluster in tally.ranked()],
        "beyond": tally.more,
        "edits": None if result.edits is None else [_edit(edit) for edit in result.edits],
        "anchors": {key: count for key, count in sorted(tally.anchors.items()) if count},
        "tool_answers": dict(sorted(tally.answers.items())),
        "personal": {"kept": request.keep_personal, "replaced": dict(sorted(result.redacted.items()))},
        "passed_over": {"counts": dict(sorted(result.passed_over.counts.items())), "examples": result.passed_over.examples},
        "gate": None if request.max_changed is None else {"max_changed": str(request.max_changed), "passed": result.held},
        "exit_code": int(result.exit_code),
    }


def agent_path(request: WhatIfRequest, name: str) -> str:
    """The file of an agent as messages show it."""
    return shown(request.candidate if name == "candidate" or request.agent is None else request.agent)


def _cluster(cluster: Cluster, result: WhatIfResult, scripts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "key": cluster.cause.key,
        "lane": cluster.cause.lane.value,
        "what": cluster.cause.what,
        "text": cluster.text,
        "turns": cluster.turns,
        "conversations": cluster.conversations,
        "knock_on": [
            {"text": text, "turns": count} for text, count in sorted(cluster.knock_on.items(), key=lambda i: (-i[1], i[0]))
        ],
        "edits": cluster.edits(result.edits or ()),
        "examples": [_example(example) for example in cluster.examples],
        "script": scripts.get(cluster.cause.key),
    }


def _example(example: Example) -> dict[str, Any]:
    turn = example.conversation.turns[-1]
    return {
        "place": example.place,
        "conversation": example.conversation.id,
        "turn": example.turn,
        "user": turn.user,
        "before": dict(example.before),
        "after": dict(example.after),
        "score": None if example.score is None else list(example.score),
        "changes": list(example.changes),
    }


def _edit(edit: Edit) -> dict[str, Any]:
    fields = [{"field": name, "before": before, "after": after} for name, before, after in edit.fields]
    return {"kind": edit.kind, "name": edit.name, "change": edit.change, "line": edit.line, "fields": fields}
