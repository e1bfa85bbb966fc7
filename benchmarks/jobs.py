"""What is measured: each job's command, what it needs and how its verdicts are read."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from peers_environment import Peers

HERE = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
CONCURRENCY = 16


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the table. A command runs in an empty folder and leaves its results there."""

    name: str
    command: Sequence[str]
    reads: str = ""  # a reader of verdicts.py; empty where there is nothing to read
    needs: Literal["", "python", "promptfoo"] = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    again: bool = False  # it is run once before it is measured


def promptfoo_environment(peers: Peers) -> dict[str, str]:
    """Its node, its own files in the job's folder, and nothing that reaches out of the machine."""
    silent = {f"PROMPTFOO_DISABLE_{part}": "1" for part in ("TELEMETRY", "UPDATE", "SHARING", "REMOTE_GENERATION")}
    return {"PATH": peers.path(), "PROMPTFOO_CONFIG_DIR": "promptfoo-home", **silent}


def replay_jobs(data: Path, peers: Peers) -> list[Job]:
    """The same conversations through every tool; `data` is a folder that generate.py filled."""
    run = [str(BIN / "focal-eval"), "run", str(data / "suite.yaml"), "--out", "run", "--report"]
    again = {"FOCAL_EVAL_CACHE": str(data / "cache")}  # an earlier run filled it
    hand = [str(peers.python), "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider", "-c", "/dev/null"]
    foo = [str(peers.promptfoo), "eval", "--no-cache", "--no-table", "--no-progress-bar", "-j", str(CONCURRENCY)]
    return [
        Job(
            "limit-files-c",
            [sys.executable, str(HERE / "bare.py"), "files", str(data), "out.jsonl"],
            "bare",
        ),
        Job(
            "limit-same-json",
            [sys.executable, str(HERE / "bare.py"), "same-json", str(data), "out.jsonl"],
            "bare",
        ),
        Job(
            "limit-yaml-c",
            [sys.executable, str(HERE / "bare.py"), "one-file", str(data), "out.jsonl"],
            "bare",
        ),
        Job("focal-eval, first run", [*run, "junit"], "focal-eval", environment={"FOCAL_EVAL_CACHE": "cache"}),
        Job("focal-eval, no cache", [*run, "junit"], "focal-eval", environment={"FOCAL_EVAL_CACHE": "off"}),
        Job("focal-eval", [*run, "junit"], "focal-eval", environment=again, again=True),
        Job("focal-eval, html", [*run, "junit,html"], "focal-eval", environment=again, again=True),
        Job(
            "pytest by hand",
            [*hand, "--rootdir", ".", "--junitxml", "out.xml", str(HERE / "peers" / "test_by_hand.py")],
            "pytest",
            "python",
            {"BENCH_FOLDER": str(data)},
        ),
        Job(
            "pydantic-evals",
            [str(peers.python), str(HERE / "peers" / "pydantic_evals_peer.py"), str(data), "out.json"],
            "pydantic-evals",
            "python",
        ),
        Job(
            "promptfoo",
            [*foo, "-c", str(data / "promptfoo.yaml"), "-o", "out.json"],
            "promptfoo",
            "promptfoo",
            promptfoo_environment(peers),
        ),
    ]


def remote_jobs(data: Path, peers: Peers, url: str, shape: tuple[int, int], concurrency: int) -> list[Job]:
    """The same conversations over HTTP; the floors send them and judge nothing. `shape` is conversations and turns."""
    count, turns = map(str, shape)
    at_once = str(concurrency)
    bare = [sys.executable, str(HERE / "bare_chat.py")]
    run = [
        str(BIN / "focal-eval"),
        "run",
        str(data / "suite-remote.yaml"),
        "--concurrency",
        at_once,
        "--out",
        "run",
        "--report",
    ]
    here = {"BENCH_URL": url, "FOCAL_EVAL_CACHE": str(data / "cache")}
    peer = [str(peers.python), str(HERE / "peers" / "pydantic_evals_remote.py"), str(data), "out.json", url, at_once]
    return [
        Job("limit-aiohttp", [*bare, "aiohttp", url, count, turns, at_once, "out.jsonl"]),
        Job("limit-httpx-aiohttp", [*bare, "httpx-aiohttp", url, count, turns, at_once, "out.jsonl"]),
        Job("focal-eval", [*run, "junit"], "focal-eval", environment=here, again=True),
        Job("focal-eval, html", [*run, "junit,html"], "focal-eval", environment=here, again=True),
        Job("pydantic-evals", peer, "pydantic-evals", "python"),
    ]


def start_jobs(peers: Peers) -> list[Job]:
    """What it costs to start each tool and do nothing."""
    venv = str(peers.python)
    return [
        Job("python -c pass", [sys.executable, "-c", "pass"]),
        Job("focal-eval --help", [str(BIN / "focal-eval"), "--help"]),
        Job("pytest --help", [venv, "-m", "pytest", "-c", "/dev/null", "--help"], needs="python"),
        Job("import pydantic_evals", [venv, "-c", "import pydantic_evals, pydantic_evals.evaluators"], needs="python"),
        Job(
            "promptfoo --help",
            [str(peers.promptfoo), "--help"],
            needs="promptfoo",
            environment=promptfoo_environment(peers),
        ),
    ]
