"""The files for pipelines under examples/ci are what their servers take, and their scripts do what they say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "examples" / "ci"
KINDS = {
    "github/action.yml": "github-actions",
    "github/workflow.yml": "github-workflows",
    "github/sharded.yml": "github-workflows",
    "gitlab/focal-eval.gitlab-ci.yml": "gitlab-ci",
}


def read(name: str) -> Any:
    """The file; `on:` stays a key and is no boolean, as for the servers."""
    return yaml.load((HERE / name).read_text(encoding="utf-8"), Loader=_Words)


class _Words(yaml.SafeLoader):
    """Reads `on` and `off` as words."""


_Words.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:bool"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Words.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


@pytest.mark.parametrize("name", KINDS)
def test_each_file_fits_its_servers_schema(name: str) -> None:
    """The schemas are those that check-jsonschema carries."""
    vendored = files("check_jsonschema") / "builtin_schemas" / "vendor" / f"{KINDS[name]}.json"
    schema = json.loads(vendored.read_text(encoding="utf-8"))
    jsonschema.validators.validator_for(schema)(schema).validate(read(name))


def test_every_file_is_known() -> None:
    """None is left out above."""
    assert {str(path.relative_to(HERE)) for path in HERE.rglob("*.yml")} == set(KINDS)


@pytest.fixture
def project(tmp_path: Path, warmed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the example suite, on a machine where `focal-eval` is quick to start."""
    for name in ("evals", "scenarios"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.setenv("PATH", f"{warmed}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def step(name: str) -> dict[str, Any]:
    """A step of the composite action."""
    found: dict[str, Any] = next(step for step in read("github/action.yml")["runs"]["steps"] if step["name"] == name)
    return found


def play(script: str, folder: Path, **environment: str) -> tuple[int, str]:
    """A step's script as a runner executes it: bash that stops at the first error."""
    github = {"GITHUB_STEP_SUMMARY": str(folder / "step-summary.md"), "GITHUB_OUTPUT": str(folder / "outputs")}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder, env={**os.environ, "NO_COLOR": "1", **github, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=100,
    )  # fmt: skip
    return done.returncode, done.stdout


def inputs(of: dict[str, Any], **given: str) -> dict[str, str]:
    """The step's environment, each input with what is given or its default."""
    declared = read("github/action.yml")["inputs"]
    out = {}
    for variable, expression in of["env"].items():
        name = re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", expression)
        assert name is not None, f"{variable}: an expression in a script would let its text act"
        out[variable] = given.get(name[1], str(declared[name[1]].get("default", "")))
    return out


def test_the_action_passes_and_keeps_everything(project: Path) -> None:
    """A good suite: annotations, the job's summary, the exit code as an output, and the folder to keep."""
    given = {"suite": "evals/retail.yaml", "baseline": "evals/baselines/retail", "options": "-k refunds --quiet"}
    assert play(step("Check")["run"], project, **inputs(step("Check"), **given))[0] == 0
    code, printed = play(step("Run")["run"], project, **inputs(step("Run"), **given))
    assert (code, "All 12 cases passed" in printed) == (0, True)
    assert (project / "outputs").read_text() == "exit-code=0\n"
    assert "All 12 cases passed" in (project / "step-summary.md").read_text(encoding="utf-8")
    kept = {path.name for path in (project / "reports" / "ci").iterdir()}
    assert {"report.html", "junit.xml", "summary.md", "annotations.txt", "run.sarif", "run.json", "journal.jsonl"} <= kept


def test_the_action_fails_with_the_runs_own_code(project: Path) -> None:
    """A regression: the annotation stands at the edited line of the agent, and the summary tells the cause."""
    agent = project / "evals" / "agents" / "retail.yaml"
    agent.write_text(agent.read_text(encoding="utf-8").replace("lookup_order.price > 50", "lookup_order.price > 80"))
    given = {"suite": "evals/retail.yaml", "baseline": "evals/baselines/retail", "options": "-k refunds --quiet"}
    code, printed = play(step("Run")["run"], project, **inputs(step("Run"), **given))
    assert code == 1
    assert re.search(r"^::error file=evals/agents/retail\.yaml,line=\d+,title=", printed, re.MULTILINE)
    assert "::error file=scenarios/retail/refunds/" in printed
    assert "exit-code=1" in (project / "outputs").read_text()
    assert "### What changed, and why" in (project / "step-summary.md").read_text(encoding="utf-8")


def test_the_action_refuses_a_bad_suite(project: Path) -> None:
    """With the place as an annotation, before anything runs; nothing is missing when there is nothing to print."""
    suite = project / "evals" / "retail.yaml"
    suite.write_text(suite.read_text(encoding="utf-8").replace("gates:", "gatez:"))
    code, printed = play(step("Check")["run"], project, **inputs(step("Check"), suite="evals/retail.yaml"))
    assert (code, "::error file=evals/retail.yaml,line=" in printed) == (2, True)
    assert play(step("Run")["run"], project, **inputs(step("Run"), suite="evals/retail.yaml"))[0] == 2
    assert (project / "outputs").read_text() == "exit-code=2\n"


def test_the_parts_of_gitlab_merge_into_one_run(project: Path) -> None:
    """Its jobs' own scripts, with the variables that GitLab sets."""
    file = read("gitlab/focal-eval.gitlab-ci.yml")
    variables = {**file["variables"], "FOCAL_OPTIONS": "-k refunds", "CI_NODE_TOTAL": "3"}
    for number in ("1", "2", "3"):
        code, printed = play("\n".join(file["conversations:part"]["script"]), project, **variables, CI_NODE_INDEX=number)
        assert code == 0, printed
    code, printed = play("\n".join(file["conversations"]["script"]), project, **variables)
    assert (code, "All 12 cases passed" in printed) == (0, True)
    assert (project / file["conversations"]["artifacts"]["reports"]["junit"]).is_file()
