"""The page on clusters and the one on scale say what is so."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_console_blocks import compare, steps_of
from tests.evaluate.clusters import Cluster, environment

pytest.importorskip("distributed", reason="Dask distributed is not installed (the extra dask)")
pytestmark = pytest.mark.xdist_group("cluster")
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "cluster.md"
SHOP = (
    "scripts: [shop/*.yaml]\nengine:\n  kind: openai\n  url: http://127.0.0.1:9/v1\n  model: m\n"
    "  prompt: be kind\n  token_env: SHOP_TOKEN\n"
)


def test_the_page_shows_what_its_commands_print(shared: Cluster, tmp_path: Path) -> None:
    """The page's commands are executed with a cluster of two workers at the address it names."""
    for name in ("evals", "scenarios"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "evals" / "shop.yaml").write_text(SHOP)
    (tmp_path / "evals" / "shop").mkdir()
    (tmp_path / "evals" / "shop" / "hello.yaml").write_text(
        "turns:\n  - user: hello\n    expect: {response: {contains: hello}}\n"
    )
    steps = steps_of(PAGE)
    assert len(steps) == 2
    for step in steps:
        command = step.command.replace("dask://127.0.0.1:8786", shared.url).replace(
            "focal-eval", f"{sys.executable} -m focal_eval", 1
        )
        done = subprocess.run(
            ["bash", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
            env=environment(shared.path, SHOP_TOKEN="anything-at-all", COLUMNS="120", NO_COLOR="1"),
            check=False,
            timeout=110,
        )
        compare(step, done.stdout, PAGE.name)


def test_the_guide_tells_the_figures_of_the_benchmark() -> None:
    """What a million conversations take is worked out again from the benchmark's own data."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        spec = importlib.util.spec_from_file_location("cluster_benchmark", ROOT / "benchmarks" / "cluster.py")
        assert spec is not None
        assert spec.loader is not None
        benchmark = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = benchmark
        spec.loader.exec_module(benchmark)
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    page = (ROOT / "docs" / "guide" / "scale.md").read_text(encoding="utf-8")
    assert benchmark.rewritten(page) == page
