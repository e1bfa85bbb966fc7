"""The files of a promptfoo configuration: what `file://` names among the files that are imported, and the tests in them.

Nothing is looked for on the disk: a file that was not given (it may lie outside the folder) is told as lost.
"""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from focal_eval.errors import Problems
from focal_eval.importers.foreign import Source
from focal_eval.importers.losses import Losses
from focal_eval.importers.places import span_at
from focal_eval.importers.tree import SENTENCES, Place, Tree, mapping, read_tree, scalar_text
from focal_eval.source import Span, whole_file

TREES = (".yaml", ".yml", ".json")
DATA = (*TREES, ".jsonl", ".csv")
TEXTS = (".txt", ".md", ".j2", ".prompt")
CODE = (".py", ".js", ".mjs", ".cjs", ".ts", ".rb", ".go", ".sh")
MAX_DEEP = 8  # files that name files
MAX_TESTS = 20_000
_COMPACT = re.compile(
    r"(?P<kind>(?:not-)?[a-z][a-z0-9-]*(?::[a-z-]+)?)(?:\((?P<share>[\d.]+)\))?(?::(?P<value>.*))?\Z", re.DOTALL
)
_KINDS = frozenset((
    "equals", "contains", "contains-any", "contains-all", "icontains", "icontains-any", "icontains-all", "starts-with",
    "regex", "is-json", "contains-json", "latency", "cost", "similar", "levenshtein", "llm-rubric", "factuality",
    "javascript", "python", "is-xml", "contains-xml", "is-sql", "contains-sql", "model-graded-closedqa",
    "answer-relevance", "rouge-n", "bleu", "perplexity", "webhook", "is-refusal", "word-count", "finish-reason",
    "is-valid-openai-tools-call", "is-valid-openai-function-call", "is-valid-function-call",
))  # fmt: skip
_SHORT = {"fn": "javascript", "eval": "javascript", "grade": "llm-rubric"}


@dataclass(frozen=True, slots=True)
class Test:
    """One test as it is written, with where it stands."""

    data: Mapping[str, Any]
    at: Callable[..., Place]  # the place of a value below it


@dataclass(slots=True)
class Files:
    """The files that were given, by their path."""

    sources: Sequence[Source]
    problems: Problems
    losses: Losses
    used: set[str] = field(default_factory=set)
    _by_path: dict[str, Source] = field(default_factory=dict)
    _trees: dict[str, Tree | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_path = {_normal(source.file): source for source in self.sources}

    def tree(self, source: Source) -> Tree | None:
        """A file's data, read once; None where it is neither YAML nor JSON, of which nothing is told: it may be a prompt."""
        if source.file not in self._trees:
            self._trees[source.file] = read_tree(source, Problems(), Losses(SENTENCES))
        return self._trees[source.file]

    def tell(self, source: Source) -> bool:
        """Tells why a file cannot be read, where it cannot; whether it can."""
        return self.tree(source) is not None or read_tree(source, self.problems, self.losses) is not None

    def named(self, reference: str, beside: str, place: Place) -> list[Source]:
        """The files that a reference of a configuration names; none, counted, where none was given."""
        path = reference.removeprefix("file://")
        for suffix in (*CODE, *TREES):  # `file://make.py:function`
            path = path.split(f"{suffix}:")[0] + suffix if f"{suffix}:" in path else path
        wanted = _normal(posixpath.join(posixpath.dirname(beside.replace("\\", "/")), path))
        if posixpath.isabs(path) or re.match(r"[a-z]+://", path):
            self.losses.add("outside-file", place)
            return []
        if path.endswith(CODE):
            self.losses.add("code-file", place)
            return []
        if set("*?[") & set(path):
            pattern = _glob(wanted)
            found = [source for name, source in sorted(self._by_path.items()) if pattern.match(name)]
        else:
            found = [self._by_path[wanted]] if wanted in self._by_path else []
        if not found:
            self.losses.add("missing-file", place)
        self.used.update(source.file for source in found)
        return found

    def text(self, source: Source) -> str:
        """A file's text; of bytes that are no text what can be read."""
        return source.data.decode("utf-8-sig", "replace")

    def value(self, given: Any, beside: str, place: Place) -> Any:
        """A value, or the content of the file that it names; None where the file is not there."""
        if not isinstance(given, str) or not given.startswith("file://"):
            return given
        found = self.named(given, beside, place)
        if not found:
            return None
        if found[0].file.endswith(TREES):
            read = self.tree(found[0])
            return self.text(found[0]).strip() if read is None else read.data
        return self.text(found[0]).strip()

    def tests(self, given: Any, at: Callable[..., Place], beside: str, deep: int = 0) -> Iterator[Test]:
        """The tests that `tests` holds or names."""
        if deep > MAX_DEEP:
            self.losses.add("missing-file", at())
            return
        if isinstance(given, list):
            for index, item in enumerate(given):
                yield from self._test(item, _below(at, index), beside, deep)
        elif given is not None:
            yield from self._test(given, at, beside, deep)

    def _test(self, item: Any, at: Callable[..., Place], beside: str, deep: int) -> Iterator[Test]:
        if isinstance(item, str):
            for source in self.named(item, beside, at()):
                yield from self._in_file(source, beside, deep)
        elif isinstance(item, Mapping) and "path" in item and "vars" not in item and "assert" not in item:
            self.losses.add("code-file", at())
        elif isinstance(item, Mapping):
            yield Test(item, at)
        else:
            self.losses.add("bad-value", at())

    def _in_file(self, source: Source, beside: str, deep: int) -> Iterator[Test]:
        if source.file.endswith(".csv"):
            yield from self._rows(source)
        elif source.file.endswith(".jsonl"):
            yield from self._lines(source)
        elif source.file.endswith(TREES):
            read = self.tree(source)
            if read is None:
                self.tell(source)
            else:
                yield from self.tests(read.data, read.at, beside, deep + 1)
        else:
            self.losses.add("code-file", _at(whole_file(source.file)))

    def _lines(self, source: Source) -> Iterator[Test]:
        import orjson

        for number, line in enumerate(self.text(source).split("\n"), 1):
            if not line.strip():
                continue
            place = _at(Span(source.file, number, 1, number, 2))
            try:
                data = orjson.loads(line)
            except orjson.JSONDecodeError:
                data = None
            if isinstance(data, Mapping):
                yield Test(data, place.below)
            else:
                self.losses.add("bad-value", place)

    def _rows(self, source: Source) -> Iterator[Test]:
        text = self.text(source)
        reader = csv.reader(io.StringIO(text))
        try:
            header = [name.strip() for name in next(reader, [])]
            for row in reader:
                if any(cell.strip() for cell in row):
                    place = _at(Span(source.file, reader.line_num, 1, reader.line_num, 2))
                    yield Test(_of_row(header, row), place.below)
        except csv.Error as problem:
            where = span_at(text, 0, source.file)
            self.problems.error("import-shape", f"not CSV: {problem}", where._replace(line=max(1, reader.line_num)))


class _Here:
    """A place that stands for all values of a row."""

    def __init__(self, span: Span) -> None:
        self.span = span

    def __call__(self) -> Span:
        return self.span

    def below(self, *path: str | int) -> Place:
        return self


_at = _Here


def _below(at: Callable[..., Place], index: int) -> Callable[..., Place]:
    return lambda *path: at(index, *path)


def _normal(path: str) -> str:
    return posixpath.normpath(path.replace("\\", "/"))


def _glob(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    spelt = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(spelt.get(part, re.escape(part)) for part in parts) + r"\Z")


def _of_row(header: Sequence[str], row: Sequence[str]) -> dict[str, Any]:
    """A row of a table as a test: columns that begin with two underscores are no variables."""
    out: dict[str, Any] = {"vars": {}, "assert": [], "metadata": {}}
    for name, cell in zip(header, row, strict=False):
        if re.match(r"__expected\d*\Z", name):
            if cell.strip():
                out["assert"].append(compact(cell.strip()))
        elif name == "__description":
            out["description"] = cell
        elif name == "__threshold" and cell.strip():
            out["threshold"] = _float(cell)
        elif name == "__metric":
            out["assert"] = [{**item, "metric": cell} for item in out["assert"]]
        elif name.startswith("__metadata:"):
            out["metadata"][name.removeprefix("__metadata:")] = cell
        elif not name.startswith("__") and name:
            out["vars"][name] = cell
    return out


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def compact(text: str) -> dict[str, Any]:
    """An assertion written as one text, such as `contains-any: a, b` or `similar(0.8): x`; else the text is expected."""
    found = _COMPACT.match(text)
    kind = found["kind"] if found else ""
    known = _SHORT.get(kind, kind)
    if found is None or known.removeprefix("not-") not in _KINDS or (found["value"] is None and kind in _SHORT):
        return {"type": "equals", "value": text}
    out: dict[str, Any] = {"type": known}
    if found["value"] is not None and found["value"].strip():
        out["value"] = found["value"].strip()
    if found["share"]:
        out["threshold"] = _float(found["share"])
    return out


def is_config(read: Tree) -> bool:
    """Whether a file is a configuration of promptfoo."""
    keys = set(mapping(read.data))
    named = posixpath.basename(read.file.replace("\\", "/")).startswith("promptfooconfig")
    own = keys & {"prompts", "providers", "targets", "tests", "scenarios", "defaultTest"}
    return bool(keys & {"tests", "scenarios"}) and (named or len(own) > 1)


def variables_of(given: Any, files: Files, beside: str, at: Callable[..., Place]) -> dict[str, Any]:
    """The variables of a test: a mapping, or the files that hold one."""
    if isinstance(given, (str, list)):
        out: dict[str, Any] = {}
        for item in given if isinstance(given, list) else [given]:
            reference = item if isinstance(item, str) and item.startswith("file://") else f"file://{scalar_text(item)}"
            out |= mapping(files.value(reference, beside, at()))
        return out
    held = {str(name): files.value(value, beside, at(name)) for name, value in mapping(given).items()}
    return {name: value for name, value in held.items() if value is not None}
