"""promptfoo: tests of a configuration become scripts, several of one conversation become its turns.

Tests are one conversation where they share a `conversationId`, where the prompt repeats `_conversation`, where a provider holds
them in one session, or where one uses the output that another stored; else each is a script of one turn. What is said is the
prompt's last user message with the test's variables filled in; messages before it are the history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any, ClassVar

from focal_eval.errors import Problems
from focal_eval.importers import promptfoo_asserts, tree
from focal_eval.importers.base import Imported, option, yes_or_no
from focal_eval.importers.drafts import Draft, Scripts, origin, script, turn
from focal_eval.importers.foreign import Source
from focal_eval.importers.losses import Losses
from focal_eval.importers.promptfoo_asserts import Asserts, criteria_of, thresholds_of
from focal_eval.importers.promptfoo_files import DATA, MAX_TESTS, TEXTS, TREES, Files, Test, compact, is_config, variables_of
from focal_eval.importers.promptfoo_prompts import Prompt, Words, fill_all, prompts_in, words_of
from focal_eval.importers.tree import Place, Tree, mapping, mappings, pass_over, scalar_text
from focal_eval.importers.write import said
from focal_eval.source import whole_file

MAX_COMBINATIONS = 1_000  # of one test's variables
SENTENCES = {
    **tree.SENTENCES,
    **promptfoo_asserts.SENTENCES,
    "other-prompts": "prompts beside the first: `--prompt 2` takes another",
    "provider": "providers: a suite names the engine",
    "setting": "settings of the configuration and options of tests",
    "system-prompt": "system messages: a script says nothing of how the agent is instructed",
    "prefilled-reply": "messages of the assistant behind the last one of the user",
    "not-text": "parts of messages that are not text, such as images",
    "prompt-code": "prompts that code makes: the user says the variable that most likely holds the words",
    "prompt-logic": "prompts with loops and conditions: the user says the variable that most likely holds the words",
    "template-left": "templates that cannot be filled in: the text is left as it stands",
    "stored-output": "outputs that later tests use (`storeOutputAs`): the tests are one conversation",
    "code-file": "tests, variables and prompts that code makes",
    "outside-file": "files outside the folder and on the network",
    "missing-file": "files that are named and not among those imported: import the whole folder",
    "too-many": f"combinations of variables beyond {MAX_COMBINATIONS:,}, and tests beyond {MAX_TESTS:,}",
    "bad-value": "values of another kind than the format has there",
    "silent-test": "tests in which nothing can be said",
    "no-history": "tests that are answered without the history (`disableConversationVar`)",
}
APPROXIMATED = promptfoo_asserts.APPROXIMATED | {"prompt-code", "prompt-logic", "template-left", "stored-output", "no-history"}
_CONFIG = frozenset({"prompts", "providers", "targets", "tests", "scenarios", "defaultTest", "description", "$schema"})
_STORED = "\ue000{}\ue001"  # stands for a stored output until the text is written


def number_of_prompt(text: str) -> int:
    """The number of a prompt, from 1."""
    if not (text.isascii() and text.isdigit() and int(text[:6]) > 0):
        raise ValueError(f"'{text}' is not the number of a prompt, from 1")
    return int(text[:6])


@dataclass(frozen=True, slots=True)
class Promptfoo:
    """Configurations of promptfoo with their tests."""

    suffixes: ClassVar[tuple[str, ...]] = (*DATA, *TEXTS)
    prompt: int = option(number_of_prompt, doc="which prompt is taken, from 1", default=1)
    together: bool = option(yes_or_no, doc="whether all tests of a file are one conversation: yes or no", default=False)

    def read(self, sources: Sequence[Source], problems: Problems) -> Imported:
        losses = Losses(SENTENCES, APPROXIMATED)
        files = Files(sources, problems, losses)
        scripts = Scripts(sources, problems, losses, DATA)
        others: list[Source] = []
        configs: list[tuple[Source, Tree]] = []
        for source in sources:
            read = files.tree(source) if source.file.endswith(TREES) else None
            if read is not None and is_config(read):
                configs.append((source, read))
            else:
                others.append(source)
        for source, read in configs:
            scripts.add(source, _Config(read, source, files, losses, self.prompt, self.together).drafts())
        for source in others:
            unused = not configs or (source.file not in files.used and source.file.endswith(DATA))
            if unused and (not source.file.endswith(TREES) or files.tell(source)):
                pass_over(
                    source, problems, losses, "a configuration of promptfoo: it has no `tests` beside prompts or providers"
                )
        return scripts.imported()


@dataclass(frozen=True, slots=True)
class _Step:
    """One test, ready to be a turn."""

    test: Test
    variables: Mapping[str, Any]
    conversation: str | None
    default: Mapping[str, Any]


class _Config:
    """Reads one configuration."""

    def __init__(self, read: Tree, source: Source, files: Files, losses: Losses, number: int, together: bool) -> None:
        self.together = together
        self.tree, self.source, self.files, self.losses = read, source, files, losses
        self.data = mapping(read.data)
        self.prompt = self._prompt(number)
        self.default = mapping(files.value(self.data.get("defaultTest"), source.file, read.at("defaultTest")))

    def drafts(self) -> list[Draft]:
        for key in self.data:
            if key not in _CONFIG:
                self.losses.add("setting", self.tree.at(key))
        for key in ("providers", "targets"):
            given = self.data.get(key)
            for _ in given if isinstance(given, list) else [given] if given is not None else []:
                self.losses.add("provider", self.tree.at(key))
        steps = list(islice(self._steps(), MAX_TESTS + 1))
        if len(steps) > MAX_TESTS:
            self.losses.add("too-many", whole_file(self.source.file))
        groups: dict[str, list[_Step]] = {}
        for index, step in enumerate(steps[:MAX_TESTS]):
            groups.setdefault(f"\0{index}" if step.conversation is None else step.conversation, []).append(step)
        made = (self._draft(key, group) for key, group in groups.items())
        return [draft for draft in made if draft is not None]

    def _prompt(self, number: int) -> Prompt:
        given = self.data.get("prompts")
        texts: list[str | None] = []
        for index, item in enumerate(given if isinstance(given, list) else [given] if given is not None else []):
            texts += self._prompt_texts(item, self.tree.at("prompts", index))
        for _ in texts[1:]:
            self.losses.add("other-prompts", self.tree.at("prompts"))
        if not texts:
            return Prompt("{{prompt}}") if given is None else Prompt(None)
        return Prompt(texts[min(number, len(texts)) - 1])

    def _prompt_texts(self, item: Any, place: Place) -> list[str | None]:
        if isinstance(item, Mapping):
            item = item.get("raw") or item.get("id") or item.get("file")
        if not isinstance(item, str):
            return [None]
        bare = item.removeprefix("file://")
        if not item.startswith("file://") and ("\n" in item or not bare.endswith((*DATA, *TEXTS, ".py", ".js"))):
            return [item]
        found = self.files.named(item, self.source.file, place)
        out: list[str | None] = []
        for source in found:
            text = self.files.text(source)
            out += prompts_in(text) if source.file.endswith(TEXTS) else [text]
        return out or [None]

    def _steps(self) -> Iterator[_Step]:
        """All tests with their variables, each combination of these one."""
        tests = list(islice(self._tests(), MAX_TESTS + 1))
        stored = any(mapping(test.data.get("options")).get("storeOutputAs") for test in tests)
        shared = "" if self.prompt.with_history or stored or self.together or self._one_session() else None
        for test in tests:
            yield from self._combined(test, self.default, shared)
        for index, scenario in mappings(self.data.get("scenarios")):
            own = f"scenario {index + 1}" if self.prompt.with_history else None
            at = _under(self.tree, "scenarios", index)
            below = _under(self.tree, "scenarios", index, "tests")
            for row in self._rows(scenario, at):
                for test in self.files.tests(scenario.get("tests"), below, self.source.file):
                    yield from self._combined(test, _merged(self.default, row), own)

    def _one_session(self) -> bool:
        """Whether a provider holds all tests in one session."""
        given = self.data.get("providers", self.data.get("targets"))
        named = (mapping(item.get("config")).get("sessionId") for _, item in mappings(given))
        return any(isinstance(name, str) and "{{" not in name for name in named)

    def _tests(self) -> Iterator[Test]:
        return self.files.tests(self.data.get("tests"), lambda *path: self.tree.at("tests", *path), self.source.file)

    def _rows(self, scenario: Mapping[str, Any], at: Callable[..., Place]) -> list[Mapping[str, Any]]:
        out: list[Mapping[str, Any]] = []
        for index, row in mappings(scenario.get("config")):
            if "$values" in row or "$expand" in row:
                held = self.files.value(row.get("$values", row.get("$expand")), self.source.file, at("config", index))
                out += [item for _, item in mappings(held)]
            else:
                out.append(row)
        return out or [{}]

    def _combined(self, test: Test, default: Mapping[str, Any], shared: str | None) -> Iterator[_Step]:
        data = _merged(default, test.data)
        variables = {
            **variables_of(default.get("vars"), self.files, self.source.file, lambda *_: test.at()),
            **variables_of(test.data.get("vars"), self.files, self.source.file, lambda *path: test.at("vars", *path)),
        }
        many = {name: value for name, value in variables.items() if _texts(value)}
        named = mapping(data.get("metadata")).get("conversationId")
        conversation = scalar_text(named) if named not in (None, "") else shared
        for index, chosen in enumerate(product(*many.values())):
            if index == MAX_COMBINATIONS:
                self.losses.add("too-many", test.at())
                return
            yield _Step(test, {**variables, **dict(zip(many, chosen, strict=True))}, conversation, default)

    def _draft(self, key: str, steps: Sequence[_Step]) -> Draft | None:
        turns: list[dict[str, Any]] = []
        first = ""
        history: list[dict[str, str]] = []
        criteria: list[dict[str, Any]] = []
        thresholds: list[dict[str, Any]] = []
        stored: list[str] = []
        for step in steps:
            found = self._turn(step, stored, several=len(steps) > 1)
            if found is None:
                self.losses.add("silent-test", step.test.at())
                continue
            words, made, asserts = found
            if not turns and words.history:
                history = _pairs(words.history)
                self.losses.keep("history messages", len(words.history))
            first = first or words.user
            turns.append(made)
            criteria += criteria_of(asserts.criteria, len(turns))
            thresholds += thresholds_of(asserts.thresholds, len(turns))
        if not turns:
            return None
        place = steps[0].test.at()
        named = "" if key.startswith("\0") else key
        told = scalar_text(steps[0].test.data.get("description") or "")
        name = named or told or first
        about = scalar_text(self.data.get("description") or "")
        left = {"criteria": criteria, "thresholds": thresholds}
        came = origin("promptfoo", self.source, place, conversation=named, test=told, **left)
        came["file"] = said(place().file.replace("\\", "/").rpartition("/")[2])
        parts = {"description": about, "given": {"history": history} if history else {}, "turns": turns}
        made_script = script(name, ["promptfoo"], came, **parts)
        return Draft(name, _restored(made_script, stored), place)

    def _turn(self, step: _Step, stored: list[str], *, several: bool) -> tuple[Words, dict[str, Any], Asserts] | None:
        """What is said in a test, its turn, and what its assertions leave for a reader; None where nothing can be said."""
        data, place = _merged(step.default, step.test.data), step.test.at()

        def lost(kind: str) -> None:
            self.losses.add(kind, place)

        known = {**{name: _STORED.format(name) for name in stored}, **step.variables}
        variables = fill_all(known, known, lambda _: None)
        words = words_of(self.prompt, variables, lost)
        if words is None:
            return None
        options = mapping(data.get("options"))
        asserts = Asserts(self.losses, variables, options)
        expect = self._expected(step, data, options, variables, asserts)
        made = turn(None, expect=expect)
        told = step.test.data.get("description")
        out: dict[str, Any] = {"user": said(words.user)}
        if several and isinstance(told, str) and told.strip():
            out["name"] = told
        out |= made
        self.losses.keep("user turns")
        name = options.get("storeOutputAs")
        if isinstance(name, str) and name.isascii() and name.isidentifier():
            self.losses.add("stored-output", place)
            out["save"] = {name: "response.text"}
            stored.append(name)
        if options.get("disableConversationVar"):
            lost("no-history")
        return words, out, asserts

    def _expected(
        self, step: _Step, data: Mapping[str, Any], options: Mapping[str, Any], variables: Mapping[str, Any], asserts: Asserts
    ) -> list[dict[str, Any]]:
        at = step.test.at
        if any(options.get(key) for key in ("transform", "postprocess")) and data.get("assert"):
            for _ in mappings(data["assert"]):
                self.losses.add("transform", at())
            return []
        threshold = data.get("threshold")
        if threshold not in (None, 1):
            self.losses.add("partly", at())
        out = []
        default, own = step.default.get("assert"), step.test.data.get("assert")
        for items, path in ((default, ()), (own, ("assert",))):
            given = items if isinstance(items, list) else []
            places = [at(*path, index) if path else at() for index in range(len(given))]
            filled = [self._filled(item, variables, place) for item, place in zip(given, places, strict=True)]
            out += asserts.read(filled, places.__getitem__)
        return out

    def _filled(self, item: Any, variables: Mapping[str, Any], place: Place) -> Any:
        """An assertion with its value read from a file and filled in."""
        if isinstance(item, str):
            item = compact(item)
        if not isinstance(item, Mapping):
            return item
        if scalar_text(item.get("type")).removeprefix("not-") in promptfoo_asserts.CODE:
            return item  # its templates are code's own affair
        value = self.files.value(item.get("value"), self.source.file, place)
        filled = {**item, "value": value} if "value" in item else dict(item)
        return fill_all(filled, variables, lambda kind: self.losses.add(kind, place))


def _pairs(said_before: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Messages before the conversation, what the agent answered beside what the user said."""
    out: list[dict[str, str]] = []
    for speaker, text in said_before:
        if speaker == "agent" and out and "agent" not in out[-1]:
            out[-1]["agent"] = said(text)
        else:
            out.append({speaker: said(text)})
    return out


def _under(read: Tree, *above: str | int) -> Callable[..., Place]:
    return lambda *path: read.at(*above, *path)


def _texts(value: Any) -> bool:
    """Whether a variable stands for several tests: promptfoo multiplies lists of texts."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _merged(default: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A test with what the default adds: mappings key by key, assertions behind each other."""
    out = {**default, **own}
    for key in ("options", "metadata"):
        out[key] = {**mapping(default.get(key)), **mapping(own.get(key))}
    both = [*(default.get("assert") or []), *(own.get("assert") or [])] if _lists(default, own) else own.get("assert")
    return {**out, "assert": both} if both else out


def _lists(*given: Mapping[str, Any]) -> bool:
    return all(isinstance(item.get("assert", []), list) for item in given)


def _restored(value: Any, stored: Sequence[str]) -> Any:
    """Data with stored outputs as templates."""
    if not stored:
        return value
    if isinstance(value, str):
        for name in stored:
            value = value.replace(_STORED.format(name), "{{ " + name + " }}")
        return value
    if isinstance(value, Mapping):
        return {name: _restored(item, stored) for name, item in value.items()}
    if isinstance(value, list):
        return [_restored(item, stored) for item in value]
    return value
