"""What is to stand in place of an expectation that failed, by what was observed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from focal_eval.document.reader import MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.document.splicing import Unfit
from focal_eval.template import has_template

_WORDS = frozenset({"any", "absent"})

Wish = tuple[Node, Any]


def wishes_of(key: str, node: Node, found: Iterable[tuple[Any, ...]], reply: Mapping[str, Any]) -> list[Wish]:
    """What is to stand where, for one observed reply. Raises Unfit where nothing can."""
    paths = set(found)
    if key in ("rules", "tools"):
        return [_listed(key, node, paths, reply)]
    if key == "scenario":
        return [_state(node, paths, reply.get("scenario"))]
    if key == "variables":
        return _variables(node, paths, reply.get("variables") or {})
    name = "response" if key == "response.equals" else key
    target = _child(node, "text") if key == "response.equals" and isinstance(node, MappingNode) else node
    if not isinstance(target, ScalarNode) or target.value in _WORDS - {"absent"}:
        raise Unfit("it says more than one value")
    seen = reply.get(name)
    if key == "response.equals":
        if not isinstance(seen, str) or has_template(seen):
            raise Unfit("the observed response cannot stand in a script as it is")
        return [(target, seen)]
    return [(target, "absent" if seen is None else _literal(seen))]


def _literal(found: Any) -> Any:
    """An observed value that means itself as a matcher."""
    if isinstance(found, (bool, int, float)):
        return found
    if isinstance(found, str) and found not in _WORDS and not has_template(found):
        return found
    raise Unfit("the observed value is no plain one")


def _child(node: MappingNode, word: str) -> Node | None:
    return next((item for key, item in node.value if key.value == word), None)


def _listed(key: str, node: Node, paths: set[tuple[Any, ...]], reply: Mapping[str, Any]) -> Wish:
    observed = list(dict.fromkeys(item["name"] for item in reply.get(key) or ()))
    if key == "tools":
        observed = [item["name"] for item in reply.get(key) or ()]
    target, exactly = _names_node(node, paths, "includes" if key == "rules" else "calls")
    named = [item.value for item in target.value] if isinstance(target, SequenceNode) else [target.value]
    if key == "tools" and (len(set(observed)) != len(observed) or len(set(named)) != len(named)):
        raise Unfit("a tool was called more than once")
    if not observed and not exactly:
        raise Unfit("nothing was observed that could stand in its place")
    if not isinstance(target, SequenceNode):
        if len(observed) != 1:
            raise Unfit("one name stands there, and several were observed")
        return target, observed[0]
    return target, _placed(named, observed) if key == "rules" else observed


def _names_node(node: Node, paths: set[tuple[Any, ...]], short: str) -> tuple[Any, bool]:
    if not isinstance(node, MappingNode):
        return node, False
    words = {path[0] for path in paths if path}
    if len(words) != 1 or not words <= {short, "exactly"}:
        raise Unfit("only what is to be observed is updated, not what must not be")
    if any(item.value not in (short, "exactly", "order") for item, _ in node.value):
        raise Unfit("it says more than names")
    target = _child(node, words.pop())
    if not isinstance(target, (SequenceNode, ScalarNode)):
        raise Unfit("it is no plain list of names")
    return target, _child(node, "exactly") is target


def _placed(named: list[str], observed: list[str]) -> list[str]:
    """The observed names in the order they get: what stays in its place, what is new where something went."""
    fresh = [name for name in observed if name not in named]
    out = []
    for name in named:
        if name in observed:
            out.append(name)
        elif fresh:
            out.append(fresh.pop(0))
    return out + fresh


def _state(node: Node, paths: set[tuple[Any, ...]], state: Mapping[str, Any] | None) -> Wish:
    target: Any = node
    if isinstance(node, MappingNode):
        if paths - {("state",)}:
            raise Unfit("only the scenario's state is updated")
        target = _child(node, "state")
    if not isinstance(target, ScalarNode):
        raise Unfit("it is no plain scenario")
    if state is None:
        return target, "none"
    written, step = target.value.partition("/")[::2], state.get("step")
    if not written[1] or step is None:
        return target, state["id"]
    return target, f"{state['id']}/{'*' if written[1].strip() == '*' else step}"


def _variables(node: Node, paths: set[tuple[Any, ...]], found: Mapping[str, Any]) -> list[Wish]:
    if not isinstance(node, MappingNode):
        raise Unfit("it is no mapping of variables")
    out: list[Wish] = []
    for key, target in node.value:
        if (key.value,) in paths:
            if not isinstance(target, ScalarNode) or target.value == "any":
                raise Unfit(f"'{key.value}' says more than one value")
            out.append((target, _literal(found[key.value]) if found.get(key.value) is not None else _none(key.value, found)))
    if len(out) != len(paths):
        raise Unfit("it says more than single values")
    return out


def _none(name: str, found: Mapping[str, Any]) -> Any:
    return None if name in found else "absent"
