"""docs/reference/remote-engines.md: its tables are those of the code, its suites pass on servers that speak as the vendors' do.

`python -m tests.docs.test_remote_engines_page` writes the tables anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from starlette.responses import Response

from focal_eval.cli import main
from focal_eval.engines.base import EngineConfig, Setting
from focal_eval.registry import find
from tests.engines.glean_stub import Assistant
from tests.engines.mix_stub import MixServer
from tests.engines.openai_stub import PATH, complete
from tests.engines.pipeshub_stub import BASE, Hub
from tests.engines.vendor_stub import TOKEN, Heard, Stub, served

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "remote-engines.md"
KINDS = ("openai", "glean", "mix", "pipeshub")
BLOCK = re.compile(r"^```yaml\n# (\S+\.yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARKED = re.compile(r"(<!-- ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def engine(kind: str, **keys: Any) -> EngineConfig:
    given = {"url": "http://127.0.0.1:9", **({"model": "m"} if kind == "openai" else {}), **keys}
    made: EngineConfig = find("engines", kind)(**given)
    return made


def words_of(hint: Any) -> tuple[str, ...]:
    """The words a key takes, of a `Literal` that may be left out."""
    options = [hint] if get_origin(hint) is Literal else [one for one in get_args(hint) if get_origin(one) is Literal]
    return tuple(word for option in options for word in get_args(option))


def default_of(spec: Field[Any]) -> str:
    """The default as YAML; nothing where the key is not set without one."""
    if spec.default is MISSING and spec.default_factory is MISSING:
        return "required"
    value = spec.default_factory() if spec.default_factory is not MISSING else spec.default
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"`{value}`"
    return f"{value:g}" if isinstance(value, (int, float)) else ""


def meaning_of(spec: Field[Any], hint: Any) -> str:
    text = str(spec.metadata["doc"]).rstrip(".")
    text = text if text[1:2].isupper() else text[0].lower() + text[1:]
    words = words_of(hint)
    if words and not all(f"`{word}`" in text for word in words):
        text = ", ".join(f"`{word}`" for word in words) + f": {text}"
    return text.replace("|", "\\|")


def options(kind: str) -> str:
    """The keys of an engine, as the page shows them."""
    return "| key | default | meaning |\n|---|---|---|\n" + rows_of(find("engines", kind))


def rows_of(kind: Any, without_default: tuple[str, ...] = ()) -> str:
    """A row for each field of a dataclass whose fields are keys."""
    hints = get_type_hints(kind)
    defaults = {spec.name: "" if spec.name in without_default else default_of(spec) for spec in fields(kind)}
    rows = [f"| `{spec.name}` | {defaults[spec.name]} | {meaning_of(spec, hints[spec.name])} |\n" for spec in fields(kind)]
    return "".join(rows).replace("|  |", "| |")


def reports() -> str:
    """What each engine reports, with the key that adds or takes it away."""
    told = {kind: engine(kind).connect(Setting(Path())).abilities.reports for kind in KINDS}
    other = {
        ("openai", "reasoning"): ("`reasoning: true`", {"reasoning": True}),
        ("openai", "tokens"): ("except streams with `stream_usage: false`", {"stream": True, "stream_usage": False}),
        ("glean", "messages_stored"): ("`save: true`", {"save": False}),
        ("mix", "tokens"): ("`read_back: true`", {"read_back": False}),
        ("mix", "cost"): ("`read_back: true`", {"read_back": False}),
    }
    rows = ["| field | " + " | ".join(f"`{kind}`" for kind in KINDS) + " |", "|---" * (len(KINDS) + 1) + "|"]
    for name in sorted(set().union(*told.values()) | {name for _, name in other}, key=lambda name: (name != "response", name)):
        cells = []
        for kind in KINDS:
            words, keys = other.get((kind, name), ("", {}))
            changed = engine(kind, **keys).connect(Setting(Path())).abilities.reports
            assert bool(words) == ((name in told[kind]) != (name in changed)), (kind, name)
            cells.append(words or ("yes" if name in told[kind] else "–"))
        rows.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join([*rows, ""])


def with_tables(text: str) -> str:
    """The page with its tables as the code gives them."""

    def made(found: re.Match[str]) -> str:
        kind = found[2].removeprefix("options ")
        return found[1] + (reports() if found[2] == "reports" else options(kind)) + found[3]

    return MARKED.sub(made, text)


def test_the_tables_are_those_of_the_code() -> None:
    """Every key with its default and meaning; every field with the engines that report it."""
    text = PAGE.read_text(encoding="utf-8")
    assert {name for _, name, _ in MARKED.findall(text)} == {"reports", *(f"options {kind}" for kind in KINDS)}
    assert with_tables(text) == text, "run `python -m tests.docs.test_remote_engines_page`"


async def shop_model(heard: Heard) -> Response:
    """The stub's model, which looks an order up that it is asked for."""
    last = heard.body["messages"][-1]
    if found := re.search(r"order ([A-Z]-\d+)", str(last["content"])):
        last["content"] = f'call lookup_order {{"order":"{found[1]}"}}'
    return await complete(heard)


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    with ExitStack() as stack:
        model = stack.enter_context(served({("POST", PATH): shop_model}, Stub()))
        glean = stack.enter_context(served(Assistant().routes(), Stub()))
        mix = stack.enter_context(served(MixServer().routes(), Stub(), token=None))
        hub = stack.enter_context(served(Hub().routes(), Stub()))
        yield {"model": f"{model.url}/v1", "glean": glean.url, "mix": mix.url, "pipeshub": f"{hub.url}{BASE}"}


@pytest.mark.parametrize("name", ["model", "glean", "mix", "pipeshub"])
def test_the_suites_pass_as_they_stand(
    name: str, urls: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is put where it says it stands and run with every engine it names; only the environment says where servers are."""
    blocks = dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    assert set(blocks) == {f"{folder}/{one}.yaml" for folder in ("evals", "talks") for one in urls}
    for file, text in blocks.items():
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"{name.upper()}_URL", urls[name])
    monkeypatch.setenv(f"{name.upper()}_TOKEN", TOKEN)
    suite = f"evals/{name}.yaml"
    for chosen in ([], ["--engine", "streamed"]) if "streamed:" in blocks[suite] else ([],):
        assert main(["run", suite, "--report", "none", *chosen]) == 0, capsys.readouterr()
        out = capsys.readouterr()
        assert "The case passed" in out.out + out.err
        assert TOKEN not in out.out + out.err


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
