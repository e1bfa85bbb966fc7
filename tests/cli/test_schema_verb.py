"""`focal-eval schema`: what an editor needs to help with scripts, suites and agents."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from focal_eval.agent.hover import HOVER
from focal_eval.cli import main
from focal_eval.document import Reader, plain, read_file, read_text
from focal_eval.evaluate.schemas import schemas
from focal_eval.registry import find, names

ROOT = Path(__file__).resolve().parent.parent.parent
KINDS = ("script", "suite", "agent")
SHIPPED = {
    "script": sorted(path for path in ROOT.glob("scenarios/**/*.yaml") if "fragment" not in path.name),
    "suite": sorted(ROOT.glob("evals/*.yaml")),
    "agent": sorted(ROOT.glob("evals/agents/*.yaml")),
}
BROKEN = ROOT / "tests" / "script" / "broken"


@lru_cache(maxsize=3)
def validator(kind: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schemas()[kind])


def data(path: Path) -> Any:
    document = read_file(path)
    assert document.root is not None
    return plain(document.root, Reader(document))


def of(text: str) -> Any:
    document = read_text(text, "a.yaml")
    assert document.root is not None
    return plain(document.root, Reader(document))


@pytest.mark.parametrize("kind", KINDS)
def test_the_schemas_are_json_schema(kind: str) -> None:
    """Valid by the meta-schema of draft 2020-12, which they name."""
    schema = schemas()[kind]
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("kind", KINDS)
def test_every_reference_leads_somewhere(kind: str) -> None:
    """No `$ref` points at a definition that is not there, and no definition is left without a reference."""
    schema = schemas()[kind]
    text = json.dumps(schema)
    for name in schema["$defs"]:
        assert f'"#/$defs/{name}"' in text
    found = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert found == set(schema["$defs"])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_shipped_validates(kind: str) -> None:
    """Every script, suite and agent of the example is free of red lines in an editor."""
    assert SHIPPED[kind]
    wrong = [f"{path}: {error.message[:200]}" for path in SHIPPED[kind] for error in validator(kind).iter_errors(data(path))]
    assert wrong == []


WRONG: list[tuple[str, str]] = [
    ("script", "{titel: a, turns: [a]}"),
    ("script", "{title: a}"),
    ("script", "{turns: []}"),
    ("script", "{turns: [{uesr: a}]}"),
    ("script", "{turns: [5]}"),
    ("script", "{turns: [{user: a, expect: {rulez: [a]}}]}"),
    ("script", "{turns: [{user: a, expect: {rules: {include: [a]}}}]}"),
    ("script", "{turns: [{user: a, expect: {rules: 5}}]}"),
    ("script", "{turns: [{user: a, expect: {response: {containz: a}}}]}"),
    ("script", "{turns: [{user: a, expect: {response: {max_words: many}}}]}"),
    ("script", "{turns: [{user: a, expect: {any_of: []}}]}"),
    ("script", "{turns: [{user: a, expect: {contains: a}}]}"),
    ("script", "{turns: [{user: a, save: [x]}]}"),
    ("script", "{turns: [a], conversation: [{nevr: {tool: a}}]}"),
    ("script", "{turns: [a], tools: {t: {return: 1}}}"),
    ("script", "{turns: [a], xfail: true}"),
    ("script", "{turns: [{include: a.yaml, user: b}]}"),
    ("script", "[a]"),
    ("suite", "{scripts: [a]}"),
    ("suite", "{scripts: [], engine: {kind: embedded, agent: a}}"),
    ("suite", "{scripts: [a], engine: {kind: embeded, agent: a}}"),
    ("suite", "{scripts: [a], engine: {kind: embedded}}"),
    ("suite", "{scripts: [a], engine: {kind: embedded, agent: a}, gates: {pass_rat: {min: 1}}}"),
    ("suite", "{scripts: [a], engine: {kind: embedded, agent: a}, repeats: 0}"),
    ("suite", "{scripts: [a], engine: {kind: embedded, agent: a}, variants: every}"),
    ("agent", "{rules: [{id: a}]}"),
    ("agent", "{agent: a, rules: [{id: b, tempalte: c}]}"),
    ("agent", "{agent: a, rules: [{id: b, priority: high}]}"),
]


@pytest.mark.parametrize(("kind", "text"), WRONG, ids=[text for _, text in WRONG])
def test_what_is_wrong_does_not_validate(kind: str, text: str) -> None:
    """Unknown keys, wrong types, unknown checks, engines and gates are red in an editor too."""
    assert not validator(kind).is_valid(of(text))


RIGHT = [
    "{turns: [{user: a, expect: {rules: a, soft: true, because: b}}]}",
    "{turns: [{user: a, expect: {rules: {not: [a], because: b}}}]}",
    "{turns: [{user: a, expect: {response: {contains: {any_of: [a, [b, c]]}}}}]}",
    "{turns: [{user: a, expect: [{rules: [a]}, {any_of: [{tools: [t]}, {not: {response: a}}]}]}]}",
    "{params: {n: [1]}, turns: [{user: a, expect: {response: {max_words: '{{ n }}', is_question: '{{ n }}'}}}]}",
    "{params: {n: [1]}, turns: [{user: a, expect: {rules: {order: '{{ n }}'}, latency_ms: '{{ n }}'}}]}",
    "{turns: [{include: a.yaml}, {expect: {rules: [a]}}], conversation: {never: {tool: a}}}",
    "{turns: [a], params: {rows: [{a: 1}], b: [1]}, xfail: {reason: c}, tools: {t: {returns: null}}}",
]


@pytest.mark.parametrize("text", RIGHT)
def test_the_short_and_the_long_forms_validate(text: str) -> None:
    """Whatever form the reader takes, the schema takes."""
    assert [error.message for error in validator("script").iter_errors(of(text))] == []


def test_every_check_is_in_the_schema_with_its_help() -> None:
    """An editor completes every registered check where it may stand, and shows what it says."""
    definitions = schemas()["script"]["$defs"]
    rooms = {"": "Expect", "response": "ResponseExpect", "conversation": "ConversationExpect"}
    for name in names("checks"):
        room, _, key = name.rpartition(".")
        entry = definitions[rooms[room]]["properties"][key]
        assert len(entry["description"]) > 10, name
    for room in rooms.values():
        for word in ("any_of", "all_of", "not", "soft", "because"):
            assert definitions[room]["properties"][word]["description"]


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("script", ["title", "turns", "tags", "given", "params", "tools", "conversation", "xfail", "skip"]),
        ("suite", ["scripts", "engine", "engines", "repeats", "concurrency", "gates", "variants", "unreported", "golden"]),
    ],
)
def test_keys_carry_help(kind: str, keys: list[str]) -> None:
    """Hovering over a key of the file says what it is for."""
    schema = schemas()[kind]
    top = schema if "properties" in schema else schema["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    missing = [key for key in keys if not top["properties"][key].get("description") and "$ref" not in top["properties"][key]]
    assert missing == []


ENGINES: list[tuple[str, bool]] = [
    ("{kind: openai, url: u, model: m, max_rounds: '${N}', stream: '${S:-true}', temperature: '${T}'}", True),
    ("{kind: openai, url: u, model: m, faults: {attempts: '${N}', retry: '${R:-off}'}}", True),
    ("{kind: openai, url: u, model: m, max_rounds: many}", False),
    ("{kind: openai, url: u, model: m, stream: 'yes'}", False),
    ("{kind: glean, url: u, mode: '${M}', timezone_offset: '${Z:-60}'}", True),
    ("{kind: glean, url: u, mode: SLOW}", False),
    ("{kind: '${KIND}', url: u}", False),
]


@pytest.mark.parametrize(("engine", "right"), ENGINES, ids=[engine for engine, _ in ENGINES])
def test_a_variable_may_stand_for_any_value_of_an_engine(engine: str, right: bool) -> None:
    """`${NAME}` is filled in before a value is read, so that an editor takes it for numbers, booleans and words as well."""
    found = [error.message for error in validator("suite").iter_errors(of(f"{{scripts: a, engine: {engine}}}"))]
    assert (found == []) is right, found


@pytest.mark.parametrize("kind", names("engines"))
def test_every_key_of_an_engine_carries_help(kind: str) -> None:
    """Those of its nested settings too, each a sentence."""
    definitions = schemas()["suite"]["$defs"]
    left = [type_name(find("engines", kind))]
    seen: set[str] = set()
    while left:
        name = left.pop()
        seen.add(name)
        text = json.dumps(definitions[name])
        left += {part.split('"')[0] for part in text.split('"#/$defs/')[1:]} - seen - set(left)
        for part in (definitions[name], *definitions[name].get("anyOf", ())):
            for key, value in part.get("properties", {}).items():
                assert value.get("description", "").endswith("."), f"{name}.{key}"


def type_name(made: type) -> str:
    return made.__name__


def test_every_key_of_an_agent_carries_help() -> None:
    """An agent file is written by people who do not know its language by heart; no help outlives its key."""
    definitions = schemas()["agent"]["$defs"]
    shown: set[tuple[str, str]] = set()
    for name, definition in definitions.items():
        for part in (definition, *definition.get("anyOf", ())):
            for key, value in part.get("properties", {}).items():
                assert value["description"].endswith("."), f"{name}.{key}"
                shown.add((name.removesuffix("ById"), key))
    assert shown == {(name, key) for name, keys in HOVER.items() for key in keys}


def test_the_schemas_are_written_for_an_editor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three files below `.focal-eval`, or where one says, the same bytes every time; the line for a script is shown."""
    monkeypatch.chdir(tmp_path)
    assert main(["schema"]) == 0
    out = capsys.readouterr().out
    first = {path.name: path.read_bytes() for path in sorted((tmp_path / ".focal-eval").iterdir())}
    assert sorted(first) == ["agent.schema.json", "script.schema.json", "suite.schema.json"]
    assert "# yaml-language-server: $schema=.focal-eval/script.schema.json" in out
    assert main(["schema", "other/place"]) == 0
    capsys.readouterr()
    assert {path.name: path.read_bytes() for path in (tmp_path / "other" / "place").iterdir()} == first
    assert json.loads(first["script.schema.json"]) == json.loads(json.dumps(schemas()["script"]))


@pytest.mark.parametrize("kind", KINDS)
def test_one_schema_on_stdout(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--kind prints one of them, --json all."""
    assert main(["schema", "--kind", kind]) == 0
    one = json.loads(capsys.readouterr().out)
    assert main(["schema", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[kind] == one


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback where the place is taken by a file."""
    (tmp_path / "taken").write_text("")
    assert main(["schema", str(tmp_path / "taken")]) == 3
    assert "the schemas cannot be written to" in capsys.readouterr().err


def test_a_modeline_is_a_comment() -> None:
    """The line that points an editor at the schema changes nothing for the reader."""
    from focal_eval.evaluate import check_paths

    path = ROOT / "scenarios" / "retail" / "returns" / "step-by-step.yaml"
    text = path.read_text(encoding="utf-8")
    line = "# yaml-language-server: $schema=../../../.focal-eval/script.schema.json\n"
    assert plain_of(line + text) == plain_of(text)
    assert check_paths([path]).problems == []


def plain_of(text: str) -> Any:
    document = read_text(text, "a.yaml")
    assert document.root is not None
    return plain(document.root, Reader(document))
