"""One case as a script of its own: its fragments spliced in, its wording picked, its params filled in, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from focal_eval.document import INVALID, Reader, plain, read_text
from focal_eval.document.reader import STR, MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.document.writing import Block, Dumper, Word, dump
from focal_eval.experiment.lab import Replay
from focal_eval.records import TurnRecord
from focal_eval.runner.plan import Case
from focal_eval.runner.simulated import DONE
from focal_eval.script.model import Script, Turn
from focal_eval.script.read import read_script
from focal_eval.script.templates import Filler
from focal_eval.source import Span
from focal_eval.template import TemplateProblem, has_template

Data = dict[str, Any]
ORDER = ("title", "description", "tags", "channel", "metadata", "given", "tools", "turns", "conversation", "origin")
WORDS = frozenset({"any", "absent"})  # of matchers, where they stand bare


class _Wide(Dumper):
    fold_at = 96
    one_line = 100


def scripted(case: Case, replay: Replay | None = None) -> Data:
    """The case as the data of a script without params and fragments. What later turns save stays a template.

    Of a simulated user it holds the conversation of `replay`: what was said, with what the states expect.
    """
    data = _data(case, replay, texts=False)
    return data if read_back(written(data), case.script) is not None else _data(case, replay, texts=True)


def _data(case: Case, replay: Replay | None, *, texts: bool) -> Data:
    """With `texts`, whatever a template gives below `response` is text: a number that is said stands between quotes."""
    script = case.script
    places = _Places(script, texts)
    filler = Filler({**script.given.variables, **case.row})
    if script.simulator is not None:
        filler = Filler({**filler.values, **filler.data(dict(script.simulator.knows))})
    data: Data = {"title": script.title}
    root = places.root(script.file)
    for key in ("channel", "metadata", "given", "conversation"):
        if key in root:
            data[key] = places.data(root[key], filler)
    if script.stubs:
        answers = ((stub.tool, stub.answers) for stub in script.stubs)
        data["tools"] = {tool: [places.at(answer.span, filler) for answer in several] for tool, several in answers}
    if script.simulator is None:
        data["turns"] = [_turn(turn, case, places, filler) for turn in script.turns]
    else:
        data["turns"] = [] if replay is None else [_said(turn, script, places, filler) for turn in replay.turns]
        goal = places.root(script.file)["simulator"] if replay is not None and replay.end == DONE else None
        data |= _closing(data.get("conversation"), None if goal is None else places.data(goal, filler).get("goal"))
    return {key: data[key] for key in ORDER if key in data}


def written(data: Mapping[str, Any]) -> str:
    """The data as the text of a script file."""
    turns = [Block({key: _blocks(part) for key, part in turn.items()}) for turn in data["turns"]]
    return dump({**data, "turns": turns}, _Wide)


def _blocks(part: Any) -> Any:
    """Expectations one a line, as people write them."""
    return Block(part) if isinstance(part, dict) and len(part) > 1 else part


def read_back(text: str, like: Script) -> Script | None:
    """The script that a text is, None where it has errors."""
    document = read_text(text, like.file)
    script = read_script(document, like.id, Reader(document))
    return None if document.problems.errors else script


def tools_of(case: Case, said: Callable[[str], str]) -> dict[str, list[Any]]:
    """What the script's tools answer in this case: filled, each text as `said` writes it, words of matchers as Words."""
    script = case.script
    if not script.stubs:
        return {}
    places = _Places(script, texts=False)
    filler = Filler({**script.named, **case.row})
    return {stub.tool: [places.worded(answer.span, filler, said) for answer in stub.answers] for stub in script.stubs}


def _closing(*found: Any) -> Data:
    """What is expected of the conversation, the goal of a user who was done with it."""
    parts = [part for one in found if one is not None for part in (one if isinstance(one, list) else [one])]
    return {"conversation": parts} if parts else {}


def _said(turn: TurnRecord, script: Script, places: _Places, filler: Filler) -> Data:
    """What a simulated user said, with what is expected of the answer in its state."""
    state = script.turn_at(turn.index, turn.state)
    out: Data = {} if turn.user is None else {"user": turn.user}
    if state is not None:
        rest = places.data(places.node(state.span), filler)
        out |= {key: rest[key] for key in ("expect", "save", "timeout_s") if key in rest}
    return out


def _turn(turn: Turn, case: Case, places: _Places, filler: Filler) -> Data:
    node = places.node(turn.span)
    out: Data = {}
    if turn.user:
        said = turn.user[case.pick % len(turn.user)]
        try:
            out["user"] = filler.said(said)
        except TemplateProblem:
            out["user"] = said.text
    if isinstance(node, MappingNode):
        rest = places.data(node, filler)
        out |= {key: part for key, part in rest.items() if key != "user"}
    return out


class _Places:
    """The nodes of a script's files by where they stand."""

    def __init__(self, script: Script, texts: bool) -> None:
        self._texts = texts
        self._documents = {file: read_text(text, file) for file, text in script.texts.items()}
        self._nodes: dict[Span, Node] = {}
        for document in self._documents.values():
            if document.root is not None:
                reader = Reader(document)
                self._nodes |= {reader.span(node): node for node in _below(document.root)}

    def root(self, file: str) -> dict[str, Node]:
        """The values of a file by key."""
        document = self._documents[file]
        reader = Reader(document)
        assert isinstance(document.root, MappingNode)
        return {name: node for name, _, node in reader.pairs(document.root)}

    def node(self, span: Span) -> Node:
        return self._nodes[span]

    def at(self, span: Span, filler: Filler) -> Any:
        return self.data(self._nodes[span], filler, span.file)

    def data(self, node: Node, filler: Filler, file: str | None = None) -> Any:
        """The node as plain data, with the templates filled that can be."""
        document = self._documents[file] if file is not None else next(iter(self._documents.values()))
        made = plain(_filled(node, filler, self._texts), Reader(document))
        assert made is not INVALID, "the script was read before"
        return made

    def worded(self, span: Span, filler: Filler, said: Callable[[str], str]) -> Any:
        """As `at`, with texts as `said` writes them, and a matcher's bare word told apart from a text of the same letters."""
        reader = Reader(self._documents[span.file])
        return _worded(_filled(self._nodes[span], filler, self._texts), reader, said)


def _filled(node: Node, filler: Filler, texts: bool, said: bool = False) -> Node:
    """The node with every template filled whose names are known; the others stay. `said` is below `response`."""
    if isinstance(node, ScalarNode):
        if not has_template(node.value):
            return node
        try:
            made = filler.node(node)
        except TemplateProblem:
            return node
        if texts and said and isinstance(made, ScalarNode):
            return ScalarNode(STR, made.value, made.start_mark, made.end_mark, '"')
        return made
    if isinstance(node, SequenceNode):
        items = [_filled(item, filler, texts, said) for item in node.value]
        return SequenceNode(node.tag, items, node.start_mark, node.end_mark)
    pairs = [(key, _filled(item, filler, texts, said or key.value == "response")) for key, item in node.value]
    return MappingNode(node.tag, pairs, node.start_mark, node.end_mark)


def _worded(node: Node, reader: Reader, said: Callable[[str], str]) -> Any:
    if isinstance(node, MappingNode):
        return {name: _worded(item, reader, said) for name, _, item in reader.pairs(node)}
    if isinstance(node, SequenceNode):
        return [_worded(item, reader, said) for item in node.value]
    made = plain(node, reader)
    if not isinstance(made, str):
        return made
    bare = isinstance(node, ScalarNode) and not node.style
    return Word(made) if bare and made in WORDS else said(made)


def _below(root: Node) -> Iterator[Node]:
    """Every node, those that several aliases lead to once."""
    seen: set[int] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, SequenceNode):
            stack.extend(node.value)
        elif isinstance(node, MappingNode):
            stack.extend(part for pair in node.value for part in pair)
