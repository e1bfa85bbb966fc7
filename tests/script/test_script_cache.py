"""The cache of scripts: the same scripts as reading gives, and never those of yesterday."""

from __future__ import annotations

import os
import shutil
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from yaml import Mark

from focal_eval.clock import fixed_clock
from focal_eval.document import read_text
from focal_eval.document.cache_folder import cache_folder
from focal_eval.document.packed_node import pack_node
from focal_eval.document.reader import Node, ScalarNode
from focal_eval.evaluate import RunRequest, run
from focal_eval.report.progress import Silence
from focal_eval.script import cache as cache_module
from focal_eval.script.cache import FEWEST, Cached, ScriptCache
from focal_eval.script.collect import script_id
from focal_eval.script.facts import facts_of
from focal_eval.script.load import Loaded, Loader, files_below, is_fragment
from focal_eval.script.model import Script
from focal_eval.script.packed import NotPlain, Unpacking, packed

ROOT = Path(__file__).resolve().parents[2]
RICH = """
title: A mug arrives broken
tags: [returns, smoke]
channel: email
metadata: {shop: north, tries: 3, deep: [{a: null}, 1.5, true]}
given: {variables: {customer: ann}, history: [{user: hello, agent: hi}], scenario: returns/ask}
tools:
  lookup_order: {returns: {id: A-1, items: [mug]}}
  refund:
    - when: {amount: {at_least: 10}}
      fails: too much
    - sequence: [{returns: {ok: true}}, {fails: closed, delay_ms: 5}]
      times: 2
turns:
  - hello
  - user: [My mug is broken, The mug broke]
    name: complaint
    timeout_s: 3
    agent: I am sorry.
    expect:
      rules: {includes: [damaged-item], excludes: smalltalk}
      tools: [{lookup_order: {id: {matches: '^A-'}, only: true}}]
      scenario: returns/*
      response:
        contains: [sorry, mug]
        max_words: 40
        not: {matches: 'always|never'}
        json: {where: {order.total: {at_least: 10}}, schema: {type: object}}
      any_of:
        - {tools: {none: true}}
        - {rules: [refund], response: refund}
      soft: true
      because: policy 3.1
    save: {order: response.reference}
  - user: thanks
    when: {rules: damaged-item}
    expect: [{latency_ms: {max: 900}}, {tokens: {max: 10000}}]
conversation:
  never: {text: stupid}
  visits: [returns/ask, returns/refund]
xfail: the agent is new
"""


def read(text: str, name: str = "mug") -> Script:
    """The script a text holds; the text must be sound."""
    document = read_text(text, f"scenarios/{name}.yaml")
    script = Loader(Path()).from_document(document, Path(f"scenarios/{name}.yaml"), name)
    assert script is not None, [str(item) for item in document.problems]
    return script


def told(value: Any) -> Any:
    """Everything a value holds, what does not count for equality included."""
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, {spec.name: told(getattr(value, spec.name, "unset")) for spec in fields(value)}]
    if isinstance(value, tuple | list):
        return [type(value).__name__, *map(told, value)]
    if isinstance(value, dict):
        return {key: told(item) for key, item in value.items()}
    if isinstance(value, Node):
        below = [told(part) for part in value.value] if isinstance(value.value, list) else value.value
        marks = [(mark.line, mark.column) for mark in (value.start_mark, value.end_mark)]
        return [value.tag, below, marks, getattr(value, "style", None), getattr(value, "flow_style", None)]
    return value if value is None or isinstance(value, str | int | float | bool) else repr(value)


def back(script: Script) -> Script:
    """The script after a round through JSON."""
    data = orjson.loads(orjson.dumps(packed(script)))
    return Unpacking().script(data, script.file, script.digest, script.texts[script.file])


def test_a_script_comes_back_as_it_was() -> None:
    """Every part of the language that is kept, with the places of all of it."""
    script = read(RICH)
    assert told(back(script)) == told(script)


def test_the_example_suites_scripts_come_back_as_they_were() -> None:
    """Of what the project ships, each script is kept and comes back the same, or says why it is not kept."""
    folder, kept, other = ROOT / "scenarios", 0, 0
    for path in files_below(folder):
        if is_fragment(path):
            continue
        loaded = Loader(ROOT).load([(path, script_id(path, folder))])
        try:
            data = packed(loaded.scripts[0])
        except NotPlain:
            other += 1
            continue
        kept += 1
        assert orjson.loads(orjson.dumps(data)) == data
        assert told(back(loaded.scripts[0])) == told(loaded.scripts[0])
    assert kept > 10
    assert 0 < other < kept


@pytest.mark.parametrize(
    "text",
    [
        "params: {item: [mug, cup], deep: [{a: [1, null]}, '2']}\nturns: ['a {{ item }}']",
        "params: {a: [1, 2.5], b: [x, y]}\nturns: [{user: [hello, '{{ b }}', hi, '{{ a }}'], agent: '{{ a }}'}]",
        "given: {variables: {a: b}, history: [{user: '{{ a }}'}]}\nturns: [{user: '{{ a }}'}]",
        "given: {variables: {a: b}}\nturns: [{user: hello, expect: {response: '{{ a }}'}}]",
        "given: {variables: {a: b}}\nturns: [{user: hello, expect: [{not: {response: '{{ a }}'}, soft: true}]}]",
        "given: {variables: {a: b}}\nturns: [{user: hello, expect: {tools: [{t: {x: '{{ a }}', y: [1.5, on, ~]}}]}}]",
        "given: {variables: {a: b}}\nturns: [{user: hello, save: {x: 'response.{{ a }}'}}]",
        "given: {variables: {a: b}}\nturns: [hello]\ntools: {t: {returns: &one {x: '{{ a }}', y: [-1]}}, u: {returns: *one}}",
        "given: {variables: {a: b}}\nturns: [hello]\ntools:\n  t:\n  - when: {x: '{{ a }}'}\n    fails: >\n     {{ a }}",
    ],
)
def test_what_is_filled_for_each_case_comes_back_as_it_was(text: str) -> None:
    """Params and templates, with the nodes that are filled; about such a script no facts are kept."""
    script = read(text)
    assert told(back(script)) == told(script)
    assert facts_of(script) is None


def test_what_other_files_hold_too_is_not_kept(tmp_path: Path) -> None:
    """A fragment may change while the file that includes it does not."""
    (tmp_path / "greeting.fragment.yaml").write_text("turns: [hello]")
    path = tmp_path / "mug.yaml"
    path.write_text("turns: [{include: greeting.fragment.yaml}]")
    script = Loader(tmp_path).one(path, "mug")
    assert script is not None
    with pytest.raises(NotPlain, match="fragments"):
        packed(script)


def test_a_node_with_a_tag_of_its_own_is_not_kept() -> None:
    """Reading refuses such a node; whoever makes one gets no other in return."""
    with pytest.raises(ValueError, match="tag"):
        pack_node(ScalarNode("!mine", "x", Mark("", 0, 0, 0, None, 0), Mark("", 0, 0, 1, None, 0)))


def suite(folder: Path, count: int = FEWEST) -> list[tuple[Path, str]]:
    """Scripts in a folder, with their ids."""
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for number in range(count):
        path = folder / f"s{number}.yaml"
        path.write_text(f"turns:\n  - user: hello {number}\n    expect: {{rules: [greet], response: hello}}\n")
        out.append((path, f"s{number}"))
    return out


class Counting(ScriptCache):
    """A cache that counts what it knew."""

    def __init__(self, folder: Path, root: Path) -> None:
        super().__init__(folder, root)
        self.hits = 0

    def find(self, data: bytes, file: str, id: str) -> Cached | None:
        found = super().find(data, file, id)
        self.hits += found is not None
        return found


def load(tmp_path: Path, entries: list[tuple[Path, str]]) -> tuple[Loaded, int]:
    """Loads through the cache below tmp_path: the scripts, and how many of them it knew."""
    cache = Counting(tmp_path / "cache", tmp_path / "scripts")
    return Loader(tmp_path / "scripts", cache).load(entries), cache.hits


def test_what_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    """The second time all scripts are known, and are the same."""
    entries = suite(tmp_path / "scripts")
    first, none = load(tmp_path, entries)
    again, hits = load(tmp_path, entries)
    assert (none, hits) == (0, FEWEST)
    assert told(again.scripts) == told(first.scripts)
    assert again.files == FEWEST


def test_an_edited_script_is_read_again(tmp_path: Path) -> None:
    """Also where its size and its time are what they were."""
    entries = suite(tmp_path / "scripts")
    load(tmp_path, entries)
    path = entries[3][0]
    before = path.stat()
    path.write_text(path.read_text().replace("hello 3", "hallo 3"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    again, hits = load(tmp_path, entries)
    assert hits == FEWEST - 1
    assert again.scripts[3].turns[0].user[0].text == "hallo 3"
    assert load(tmp_path, entries)[1] == FEWEST


def test_a_broken_script_is_refused_each_time(tmp_path: Path) -> None:
    """Nothing with a problem is kept, warnings neither."""
    entries = suite(tmp_path / "scripts", FEWEST + 2)
    entries[0][0].write_text("turns:\n  - user: hello\n    expectt: {}\n")
    entries[1][0].write_text("turns:\n  - user: hello\n    expect: {}\n")
    first = [str(item) for item in load(tmp_path, entries)[0].problems]
    again, hits = load(tmp_path, entries)
    assert hits == FEWEST
    assert [str(item) for item in again.problems] == first
    assert len(first) == 2


def test_a_copy_under_another_name_has_its_own_title(tmp_path: Path) -> None:
    """The same bytes are another script elsewhere."""
    entries = suite(tmp_path / "scripts")
    load(tmp_path, entries)
    copy = tmp_path / "scripts" / "another-name.yaml"
    copy.write_bytes(entries[0][0].read_bytes())
    again, hits = load(tmp_path, [*entries, (copy, "another-name")])
    assert hits == FEWEST
    assert again.scripts[-1].title == "Another name"
    assert again.scripts[-1].span.file.endswith("another-name.yaml")


def test_other_code_reads_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an edited or a newer version would read otherwise is not taken from an older one."""
    entries = suite(tmp_path / "scripts")
    load(tmp_path, entries)
    monkeypatch.setattr(cache_module, "__version__", "0.0.0")
    assert load(tmp_path, entries)[1] == 0


def test_the_stamp_is_that_of_the_files_which_read_scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A touched source file is another stamp."""
    for room in cache_module._READERS:
        (tmp_path / room).mkdir(exist_ok=True)
    (tmp_path / "checks" / "rules.py").write_text("a = 1")
    monkeypatch.setattr(cache_module, "_PACKAGE", tmp_path)
    before = cache_module._stamp()
    assert cache_module._stamp() == before
    (tmp_path / "checks" / "rules.py").write_text("a = 11")
    assert cache_module._stamp() != before


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "swapped", "classes", "folder"])
def test_a_damaged_cache_is_as_if_not_there(tmp_path: Path, damage: str) -> None:
    """Whatever lies in its place, the scripts are those of the files."""
    entries = suite(tmp_path / "scripts")
    first, _ = load(tmp_path, entries)
    (path,) = (tmp_path / "cache").iterdir()
    data = path.read_bytes()
    if damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        head, _, body = data.partition(b"\n")
        path.write_bytes(
            {
                "cut": data[: len(data) // 2],
                "noise": head + b"\n" + bytes(len(body)),
                "empty": b"",
                "swapped": head + b"\n" + body[7:] + body[:7],
                "classes": data.replace(b"focal_eval.checks.", b"focal_eval.runner."),
            }[damage]
        )
    again, _ = load(tmp_path, entries)
    assert told(again.scripts) == told(first.scripts)
    assert again.problems == []


def test_a_place_that_cannot_be_written_is_no_problem(tmp_path: Path) -> None:
    """A cache is a help and never a reason to fail."""
    entries = suite(tmp_path / "scripts")
    (tmp_path / "cache").write_text("a file where the folder would be")
    assert len(load(tmp_path, entries)[0].scripts) == FEWEST
    assert load(tmp_path, entries)[1] == 0


def test_a_few_scripts_leave_nothing_behind(tmp_path: Path) -> None:
    """Trying a script out writes nothing into the home."""
    load(tmp_path, suite(tmp_path / "scripts", FEWEST - 1))
    assert not (tmp_path / "cache").exists()


def test_scripts_of_another_suite_of_the_folder_stay(tmp_path: Path) -> None:
    """Two suites over one folder do not drive each other's scripts out."""
    entries = suite(tmp_path / "scripts", 2 * FEWEST)
    load(tmp_path, entries[:FEWEST])
    load(tmp_path, entries[FEWEST:])
    assert load(tmp_path, entries)[1] == 2 * FEWEST


def test_the_file_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not used makes room."""
    monkeypatch.setattr(cache_module, "MOST", FEWEST + 5)
    entries = suite(tmp_path / "scripts", 2 * FEWEST)
    load(tmp_path, entries[:FEWEST])
    load(tmp_path, entries[FEWEST:])
    assert len(ScriptCache(tmp_path / "cache", tmp_path / "scripts")) == FEWEST + 5
    assert load(tmp_path, entries[FEWEST:])[1] == FEWEST


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"FOCAL_EVAL_CACHE": "off"}, None),
        ({"FOCAL_EVAL_CACHE": "/var/c"}, Path("/var/c")),
        ({"XDG_CACHE_HOME": "/var/x"}, Path("/var/x/focal-eval")),
        ({"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache" / "focal-eval"),
        ({}, Path.home() / ".cache" / "focal-eval"),
    ],
)
def test_where_it_lies(environment: dict[str, str], expected: Path | None) -> None:
    """The user's cache folder, or where a variable says."""
    assert cache_folder(environment) == expected


AGENT = """
agent: greeter
rules:
  - {id: greet, match: {any_words: [hello]}, then: say hello, template: hi}
templates:
  hi: hello yourself
"""


def test_a_run_from_the_cache_writes_what_a_run_without_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Journal and reports are the same to the byte, failures with their carets among them."""
    monkeypatch.chdir(tmp_path)
    entries = suite(tmp_path / "scripts")
    entries[5][0].write_text(
        "turns:\n  - user: hello\n    expect:\n      response: {contains: farewell, not: {contains: self}}\n"
    )
    (tmp_path / "agent.yaml").write_text(AGENT)
    (tmp_path / "suite.yaml").write_text("scripts: scripts/**\nengine: {kind: embedded, agent: agent.yaml}\n")
    folders = []
    for name, cache in (("plain", None), ("cold", tmp_path / "cache"), ("warm", tmp_path / "cache")):
        request = RunRequest(paths=(Path("suite.yaml"),), out=tmp_path / "run", cache=cache, reports=("junit", "html", "jsonl"))
        result = run(request, Silence(), fixed_clock())
        assert result.model.counts["failed"] == 1
        assert name == "plain" or any((tmp_path / "cache").iterdir())
        folders.append({file.name: file.read_bytes() for file in sorted((tmp_path / "run").iterdir())})
        shutil.rmtree(tmp_path / "run")
    assert folders[0].keys() == folders[2].keys()
    assert folders[0] == folders[1] == folders[2]
