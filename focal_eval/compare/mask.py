"""What is volatile and not compared: ids, times, latencies, tokens, and what a suite adds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from focal_eval.pattern import PatternTimeout
from focal_eval.records import Json
from focal_eval.script.suite_compare import ANY, Mask, PathMask, PatternMask, masks_from_json

VOLATILE = frozenset(
    {"session_id", "turn_id", "tracking_token", "created_at", "updated_at", "id"}
    | {"latency_ms", "first_token_ms", "elapsed_ms", "reasoning_ms", "tokens", "cost", "raw"}
)
"""Keys of a reply and of a stored message that differ from run to run and say nothing of the agent's behaviour."""

NOT_COMPARED = frozenset({"reasoning", "confidence", "progress", "feedback"})
"""What an engine shows of its thoughts, and what people said of a message: neither is what the agent did."""

_INSIDE: tuple[tuple[str, frozenset[str]], ...] = (
    ("tools", frozenset({"id", "parent", "duration_ms"})),
    ("citations", frozenset({"id", "score"})),
)
_METADATA = frozenset(
    {"request_id", "trace_id", "span_id", "correlation_id", "run_id", "session_id", "conversation_id", "thread_id"}
    | {"message_id", "turn_id", "user_message_id", "assistant_message_id", "tracking_token"}
    | {"timestamp", "created_at", "updated_at", "started_at", "finished_at", "latency_ms", "duration_ms", "elapsed_ms"}
    | {"tokens", "usage", "cost"}
)
"""Keys of `metadata` that hold an id, a time or a count under the names engines use."""

_MOST_TIMEOUTS = 3  # of one pattern; then it is given up


class Masks:
    """Takes volatile values out of replies, messages and texts, and counts what it took."""

    def __init__(self, masks: Iterable[Mask] = ()) -> None:
        given = tuple(masks)
        self._paths = tuple(mask for mask in given if isinstance(mask, PathMask))
        self._patterns = tuple(mask for mask in given if isinstance(mask, PatternMask))
        self.counted: Counter[str] = Counter()
        self.slow: Counter[str] = Counter()  # patterns that ran out of time, with the number of texts

    def reply(self, reply: Mapping[str, Json]) -> dict[str, Json]:
        """The reply without what is volatile; what is left is shared with it."""
        return self._kept(reply, ("response",), ("messages", "follow_ups"))

    def message(self, message: Mapping[str, Json]) -> dict[str, Json]:
        """A stored message without what is volatile; a reply's masks hold for it too, `response` for its `text`."""
        return self._kept(message, ("text",), ("follow_ups",))

    def text(self, text: str) -> str:
        """The text with what the patterns find replaced by their names."""
        for mask in self._patterns:
            text = self._replaced(text, mask)
        return text

    def _kept(self, data: Mapping[str, Json], texts: Sequence[str], lists: Sequence[str]) -> dict[str, Json]:
        counted = self.counted
        out: dict[str, Json] = {}
        for key, item in data.items():
            if key in VOLATILE:
                counted[key] += 1
            elif key not in NOT_COMPARED:
                out[key] = item
        for key, volatile in _INSIDE:
            if items := out.get(key):
                out[key] = [self._stripped(f"{key}[*]", item, volatile) for item in items]
        if metadata := out.get("metadata"):
            out["metadata"] = self._stripped("metadata", metadata, _METADATA)
        for mask in self._paths:
            self._mask(out, mask)
        if self._patterns:
            self._texts(out, texts, lists)
        return out

    def _stripped(self, part: str, item: Mapping[str, Json], volatile: frozenset[str]) -> Mapping[str, Json]:
        if volatile.isdisjoint(item):
            return item
        for key in item:
            if key in volatile:
                self.counted[f"{part}.{key}"] += 1
        return {key: kept for key, kept in item.items() if key not in volatile}

    def _mask(self, out: dict[str, Json], mask: PathMask) -> None:
        first, *rest = mask.path
        if first == "response" and "text" in out and "response" not in out:
            first = "text"
        if first not in out:
            return
        if rest:
            out[first] = self._without(out[first], rest, str(mask))
            return
        del out[first]
        self.counted[str(mask)] += 1
        if first == "response":
            out.pop("messages", None)

    def _without(self, data: Json, path: Sequence[str], name: str) -> Json:
        step, *rest = path
        if isinstance(data, Mapping):
            hit = [key for key in data if step in (ANY, key)]
            if not hit:
                return data
            kept = dict(data)
            for key in hit:
                if rest:
                    kept[key] = self._without(data[key], rest, name)
                else:
                    del kept[key]
                    self.counted[name] += 1
            return kept
        if not isinstance(data, list):
            return data
        return [self._item(item, place, step, rest, name) for place, item in enumerate(data)]

    def _item(self, item: Json, place: int, step: str, rest: Sequence[str], name: str) -> Json:
        if step not in (ANY, str(place)):
            return item
        if rest:
            return self._without(item, rest, name)
        self.counted[name] += 1
        return None

    def _texts(self, out: dict[str, Json], texts: Sequence[str], lists: Sequence[str]) -> None:
        for key in texts:
            if isinstance(out.get(key), str):
                out[key] = self.text(out[key])
        for key in lists:
            if out.get(key):
                out[key] = [self.text(item) if isinstance(item, str) else item for item in out[key]]
        if citations := out.get("citations"):
            out["citations"] = [
                {**item, "text": self.text(item["text"])} if isinstance(item.get("text"), str) else item for item in citations
            ]

    def _replaced(self, text: str, mask: PatternMask) -> str:
        if self.slow[str(mask)] >= _MOST_TIMEOUTS:
            return text
        parts: list[str] = []
        at = 0
        try:
            for match in mask.pattern.finditer(text):
                start, end = match.span()
                if end > start:
                    parts += (text[at:start], f"‹{mask.name}›")
                    at = end
        except PatternTimeout:
            self.slow[str(mask)] += 1
            return text
        if not parts:
            return text
        self.counted[str(mask)] += len(parts) // 2
        return "".join(parts) + text[at:]

    def as_counts(self) -> dict[str, int]:
        """What was masked with the number of values, by name; patterns that took too long with the number of texts."""
        slow = {f"{name}, out of time": count for name, count in self.slow.items() if count}
        return dict(sorted({**+self.counted, **slow}.items()))


def masks_of(header: Mapping[str, Json]) -> Masks:
    """The masks a run was told of by its suite. Raises ValueError where its header holds something else."""
    options = header.get("options") or {}
    return Masks(masks_from_json((options.get("compare") or {}).get("mask") or []))
