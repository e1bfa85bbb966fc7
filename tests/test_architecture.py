"""What holds for the code as a whole, whatever the parts do: directions, start-up, sizes, names, doors."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from focal_eval import registry
from focal_eval.checks.base import ConversationCheck, TurnCheck
from tests.sources import nodes_of, parsed_once

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "focal_eval"

HEAVY = frozenset(
    {
        "alembic",
        "dask",
        "deepdiff",
        "distributed",
        "httptools",
        "httpx",
        "jinja2",
        "jmespath",
        "jsonschema_rs",
        "junitparser",
        "lsprotocol",
        "numpy",
        "py3langid",
        "pydantic",
        "pygls",
    }
    | {
        "jwt",
        "pytest",
        "rank_bm25",
        "rapidfuzz",
        "ray",
        "regex",
        "rich",
        "sqlalchemy",
        "starlette",
        "tabulate",
        "uvicorn",
    }
)

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
MAX_NAMES = 12

WIDE_DOORS = {
    "focal_eval.records": "the vocabulary of everything observed; each name is one shape that all rooms speak",
}

# Libraries that meet untrusted input or start slowly have one door each; elsewhere they are not imported.
DOORS = {
    "yaml": ("focal_eval.document.",),
    "regex": ("focal_eval.pattern",),
    "jinja2": ("focal_eval.template.", "focal_eval.report."),
    "simpleeval": (),  # tests alone: it judges our expressions
    "httpx": ("focal_eval.engines.wire_httpx",),
    "httptools": ("focal_eval.engines.wire_protocol",),
    **dict.fromkeys(("alembic", "psycopg", "sqlalchemy"), ("focal_eval.store.",)),
    **dict.fromkeys(("lsprotocol", "pygls"), ("focal_eval.lsp.",)),
    "aiohttp": (),  # a quarter of a second to start, and five times the work for a request
    "rich": ("focal_eval.cli.", "focal_eval.report."),
    "uuid": ("focal_eval.clock", "focal_eval.server.contract"),  # ids are made in one place; requests hold some
    **dict.fromkeys(("jwt", "sse_starlette", "starlette", "uvicorn"), ("focal_eval.server.",)),
    "pytest": ("focal_eval.pytest_plugin.",),
    "random": ("focal_eval.clock", "focal_eval.engines.rivescript_worker"),  # that process seeds the library's own chance
    "secrets": (),
    "time": ("focal_eval.clock",),
    "pickle": (),  # whoever reads it carries out what is in it; processes and machines send each other text
    "dask": (),
    "distributed": ("focal_eval.evaluate.cluster.dask",),
    "ray": ("focal_eval.evaluate.cluster.ray",),
}


def name_of(file: Path) -> str:
    """The dotted name of a source file."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources(*folders: str) -> list[Path]:
    """Every Python file below the folders, sorted; without what is generated there."""
    found = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    return sorted(file for file in found if not any(part.startswith(".") for part in file.relative_to(ROOT).parts))


MODULES = [name_of(file) for file in sources("focal_eval")]
PACKAGES = [name_of(file) for file in sources("focal_eval") if file.name == "__init__.py"]


def run_python(program: str, *arguments: str) -> str:
    """What a fresh interpreter prints; a failure shows its own words."""
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_rooms_import_only_downwards() -> None:
    """The contract on the direction of imports in pyproject.toml is kept."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-logo", "--no-cache"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow  # some 50 ms a module; rooms are opened alone below, and cycles are refused above
@pytest.mark.timeout(900)
def test_every_module_imports_alone() -> None:
    """No module relies on another one having been imported first."""
    program = """
import importlib, sys, traceback
failed = []
for name in sys.argv[1:]:
    for loaded in [known for known in sys.modules if known.partition('.')[0] == 'focal_eval']:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except BaseException:
        failed.append(name + chr(10) + traceback.format_exc(limit=-2))
sys.exit(chr(10).join(failed) or 0)
"""
    modules = [name for name in MODULES if name != "focal_eval.__main__"]
    run_python(program, *modules)


@pytest.mark.parametrize("package", PACKAGES)
def test_opening_a_room_imports_nothing_heavy(package: str) -> None:
    """Importing a room costs no library that starts slowly; those are imported where they are used.

    Only pytest imports its plug-in, and is there already.
    """
    there = "import pytest; " if package == "focal_eval.pytest_plugin" else ""
    program = there + "import sys, importlib; before = set(sys.modules); importlib.import_module(sys.argv[1])"
    loaded = {name.partition(".")[0] for name in run_python(f"{program}; print(*set(sys.modules) - before)", package).split()}
    assert sorted(loaded.intersection(HEAVY)) == []


def test_help_imports_nothing_heavy_and_no_yaml() -> None:
    """`focal-eval --help` shows its text without reading YAML or anything slower."""
    program = """
import sys
from focal_eval.cli import main
try:
    main(["--help"])
except SystemExit:
    pass
print("MODULES", *sys.modules)
"""
    shown, _, modules = run_python(program).rpartition("MODULES")
    assert "usage" in shown.casefold()
    assert sorted({name.partition(".")[0] for name in modules.split()} & (HEAVY | {"yaml", "asyncio"})) == []


@parsed_once
def test_files_and_functions_stay_readable() -> None:
    """No file is over 500 lines; no function outside the tests is over 60."""
    long = [
        f"{file.relative_to(ROOT)}: {lines} lines"
        for file in sources("focal_eval", "tests", "benchmarks")
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > MAX_FILE_LINES
    ]
    long += [
        f"{file.relative_to(ROOT)}:{node.lineno}: {node.name} has {lines} lines"
        for file in sources("focal_eval", "benchmarks")
        for node in nodes_of(file)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_names_say_what_is_inside() -> None:
    """No module is a drawer for odds and ends."""
    drawers = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc", "base_utils"}
    assert [name for name in MODULES if drawers & set(name.lower().replace("_", ".").split("."))] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_room_has_one_small_door(package: str) -> None:
    """A package offers at most a dozen names, each of which is there; wider doors have a reason."""
    module = importlib.import_module(package)
    offered = getattr(module, "__all__", [])
    assert len(offered) <= MAX_NAMES or package in WIDE_DOORS
    assert [name for name in offered if not hasattr(module, name)] == []


def test_wide_doors_are_still_wide() -> None:
    """An exception that is no longer needed is removed."""
    assert [name for name in WIDE_DOORS if len(importlib.import_module(name).__all__) <= MAX_NAMES] == []


def imported(file: Path) -> Iterator[tuple[str, int]]:
    """Every imported name of a file with its line; imports for the type checker alone are left out."""
    skipped: set[ast.AST] = set()
    for node in nodes_of(file):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            skipped.update(inner for statement in node.body for inner in ast.walk(statement))
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node.lineno


@parsed_once
def test_each_library_has_its_door() -> None:
    """Patterns, templates, YAML, the network, time and chance are reached through one room each."""
    strays = []
    for file in sources("focal_eval"):
        module = name_of(file)
        for name, line in imported(file):
            doors = DOORS.get(name.partition(".")[0])
            if doors is not None and not f"{module}.".startswith(tuple(f"{door.rstrip('.')}." for door in doors)):
                strays.append(f"{module}:{line} imports {name}")
    assert strays == []


@parsed_once
def test_no_module_asks_the_wall_clock() -> None:
    """The time of day comes from the clock that a run was given."""
    asked = [
        f"{name_of(file)}:{node.lineno}"
        for file in sources("focal_eval")
        if file.name != "clock.py"
        for node in nodes_of(file)
        if isinstance(node, ast.Attribute)
        and node.attr in {"now", "utcnow", "today"}
        and isinstance(node.value, ast.Name)
        and node.value.id in {"datetime", "date"}
    ]
    assert asked == []


@parsed_once
def test_nobody_imports_through_the_package_root() -> None:
    """A module names the room it needs; the package itself gives its version and nothing else."""
    through = [
        f"{name_of(file)}:{node.lineno} takes {alias.name}"
        for file in sources("focal_eval")
        if file != PACKAGE / "__init__.py"
        for node in nodes_of(file)
        if isinstance(node, ast.ImportFrom) and node.module == "focal_eval"
        for alias in node.names
        if alias.name != "__version__"
    ]
    assert through == []


BUILT_IN = [(kind, name) for kind, known in registry.BUILTIN.items() for name in known]


@pytest.mark.parametrize(("kind", "name"), BUILT_IN, ids=str)
def test_every_built_in_plug_in_can_be_had(kind: registry.Kind, name: str) -> None:
    """What the registry names is there and is what its kind calls for."""
    found = registry.find(kind, name)
    assert callable(found)
    if kind == "checks":
        wanted = ConversationCheck if name.startswith("conversation.") else TurnCheck
        assert issubclass(found, wanted)
    if kind == "engines":
        assert callable(found.connect)
        assert callable(found.agent_file)
    if kind in {"checks", "engines"}:
        assert dataclasses.is_dataclass(found)
        assert found.__hash__ not in {None, object.__hash__}, "plug-ins are values: frozen, or made by `value`"


def test_the_registry_knows_plug_ins() -> None:
    """The two kinds without which nothing runs are filled."""
    assert registry.BUILTIN["checks"]
    assert registry.BUILTIN["engines"]
