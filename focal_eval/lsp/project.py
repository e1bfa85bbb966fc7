"""What the files of a project are to each other: suites with their scripts and agents, and what each file names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from focal_eval.agent.load import read_agent
from focal_eval.agent.model import Agent
from focal_eval.document.reader import bytes_of
from focal_eval.errors import Diagnostic
from focal_eval.evaluate.grounds import MARKS, Ground, ground_of
from focal_eval.lsp.files import Files, Stamp
from focal_eval.lsp.mentions import Mention, given_variables, in_agent, in_script
from focal_eval.lsp.telling import Held, held
from focal_eval.script.collect import script_id
from focal_eval.script.load import Loader, is_folder, is_fragment, real
from focal_eval.script.model import Script
from focal_eval.script.suite import looks_like_suite, read_suite

MOST_LOOKED_AT = 20_000  # entries of folders, in search of suites
_SUITE = re.compile(rb"^(?:scripts|engine)[ \t]*:", re.MULTILINE)
_SCRIPT = re.compile(rb"^(?:turns|simulator)[ \t]*:", re.MULTILINE)
_HIDDEN = frozenset({"node_modules", "__pycache__", "reports"})


@dataclass(slots=True)
class Read:
    """A script as it was last read, by the state of everything that may be in it."""

    stamp: tuple[Stamp, int]
    script: Script | None
    problems: tuple[Diagnostic, ...]
    mentions: tuple[Mention, ...] | None = None


@dataclass(slots=True)
class _Named:
    """The last agent that could be read from a file, for what is asked while it is being typed."""

    stamp: Stamp
    agent: Agent | None
    mentions: tuple[Mention, ...] = ()
    parts: Held = field(default_factory=dict)


class Project:
    """The suites, scripts and agents around the files that an editor has open."""

    def __init__(self, roots: tuple[Path, ...] = ()) -> None:
        self.files = Files()
        self.roots = tuple(real(root) for root in roots)
        self.spliced = 0  # grows with every change of a fragment: any script may include it
        self._grounds: dict[Path, tuple[tuple[Stamp, ...], Ground | None]] = {}
        self._suites: list[Path] | None = None
        self._owners: dict[Path, Ground] | None = None
        self._reads: dict[Path, Read] = {}
        self._agents: dict[Path, _Named] = {}

    def changed(self, path: Path) -> None:
        """Forgets what was known of the project where this file may have changed it."""
        self._owners = None
        if self.files.kind(path) == "fragment":
            self.spliced += 1

    def rescan(self) -> None:
        """Files may have come or gone: suites are looked for anew, and what they hold."""
        self._suites = self._owners = None
        self._grounds.clear()
        self.spliced += 1

    def with_texts(self, texts: Mapping[Path, str]) -> Project:
        """The same project with other texts in some files; what is known of the others is kept."""
        made = Project(self.roots)
        made.files = self.files.with_texts(texts)
        made.spliced = self.spliced + any(self.files.kind(path) == "fragment" for path in texts)
        made._grounds, made._suites = dict(self._grounds), self._suites
        made._reads, made._agents = dict(self._reads), dict(self._agents)
        return made

    # --- suites

    def suites(self) -> list[Path]:
        """The suites of the project, sorted; looked for below the folders the editor opened, or the project of a file."""
        if self._suites is None:
            found: dict[Path, None] = {}
            for root in self._tops():
                found.update(dict.fromkeys(_suites_below(root)))
            self._suites = sorted(found)
        held = [path for path in self.files.opened if path not in self._suites and self.files.kind(path) == "suite"]
        return sorted({*self._suites, *held})

    def _tops(self) -> list[Path]:
        tops = dict.fromkeys(self.roots)
        for path in self.files.opened:
            if not any(path.is_relative_to(root) for root in self.roots):
                tops.setdefault(_top_of(path))
        return [top for top in tops if is_folder(top)]

    def grounds(self) -> list[Ground]:
        """The suites that can be read, in order."""
        return [ground for path in self.suites() if (ground := self.ground(path)) is not None]

    def ground(self, path: Path) -> Ground | None:
        """The suite in a file as its scripts stand on it, None where it cannot be read."""
        stamps, found = self._grounds.get(path, ((), None))
        agents = () if found is None else found.agents
        now = (self.files.stamp(path), *(self.files.stamp(agent) for agent in agents))
        if now == stamps:
            return found
        document = self.files.fresh(path)
        with self.files.held():
            suite = read_suite(document, path) if looks_like_suite(document.root) else None
            made = None if suite is None else ground_of(suite)
        agents = () if made is None else made.agents
        self._grounds[path] = ((self.files.stamp(path), *(self.files.stamp(agent) for agent in agents)), made)
        self._owners = None
        return made

    def owners(self) -> dict[Path, Ground]:
        """The suite each script is checked with: the first that runs it."""
        grounds = self.grounds()
        if self._owners is None:
            self._owners = {}
            for ground in grounds:
                for script, _ in ground.entries:
                    held = self._owners.get(script)
                    if held is None or (held.names is None and ground.names is not None):
                        self._owners[script] = ground
        return self._owners

    def owner(self, path: Path) -> Ground | None:
        """The suite of a script; of a file that no suite runs (yet) the one that runs most of those around it."""
        owners = self.owners()
        if path in owners:
            return owners[path]
        for folder in islice(path.parents, 6):
            near = [ground for script, ground in owners.items() if script.is_relative_to(folder)]
            if near:
                return max(near, key=near.count)
        return None

    # --- scripts

    def script(self, path: Path) -> Read:
        """A script as it is now."""
        stamp = (self.files.stamp(path), self.spliced)
        found = self._reads.get(path)
        if found is None or found.stamp != stamp:
            ground = self.owners().get(path)
            root = ground.root if ground is not None else _top_of(path)
            name = dict(ground.entries)[path] if ground is not None else script_id(path, root)
            document = self.files.fresh(path)
            with self.files.held():
                script = Loader(root).from_document(document, path, name)
            found = self._reads[path] = Read(stamp, script, tuple(document.problems))
        return found

    def root_of(self, path: Path) -> Path:
        """The folder that the includes of a file must stay below."""
        ground = self.owners().get(path) or self.owner(path)
        return ground.root if ground is not None and path.is_relative_to(ground.root) else _top_of(path)

    def agent(self, path: Path) -> Agent | None:
        """The agent of a file as it last could be read."""
        return self._agent(path).agent

    def _agent(self, path: Path) -> _Named:
        stamp = self.files.stamp(path)
        known = self._agents.get(path)
        if known is None or known.stamp != stamp:
            agent = read_agent(self.files.fresh(path))
            if agent is not None:
                known = _Named(stamp, agent, tuple(dict.fromkeys(in_agent(agent))), held(agent))
            else:
                known = _Named(stamp, None) if known is None else replace(known, stamp=stamp)
            self._agents[path] = known
        return known

    def parts(self, path: Path) -> Held:
        """The parts of that agent, by kind and name."""
        return self._agent(path).parts

    def agent_file(self, path: Path) -> Path | None:
        """The agent file that belongs to a file: itself, or the one its suite names first."""
        kind = self.files.kind(path)
        if kind == "agent":
            return path
        ground = self.ground(path) if kind == "suite" else self.owner(path)
        return ground.agents[0] if ground is not None and ground.agents else None

    def fragments(self, root: Path) -> list[Path]:
        """The fragments below a folder, as far as the search goes."""
        return sorted(path for path in _yaml_below(root) if is_fragment(path))

    # --- names

    def mentions(self, path: Path) -> tuple[Mention, ...]:
        """Every name of an agent in a file, where it can be read."""
        kind = self.files.kind(path)
        if kind == "agent":
            return self._agent(path).mentions
        if kind == "fragment":
            return self._in_fragment(path)
        if kind != "script":
            return ()
        read = self.script(path)
        if read.mentions is None:
            found: list[Mention] = []
            if read.script is not None:
                document = self.files.document(path)
                found = [*in_script(read.script), *given_variables(document.root, document.file)]
            read.mentions = tuple(dict.fromkeys(found))
        return read.mentions

    def _in_fragment(self, path: Path) -> tuple[Mention, ...]:
        """What a fragment names, as the scripts that splice it in have it."""
        file = self.files.document(path).file
        found: dict[Mention, None] = {}
        for script in self.scripts_with(self.agent_file(path)):
            found.update((mention, None) for mention in self.mentions(script) if mention.span.file == file)
        return tuple(found)

    def scripts_with(self, agent: Path | None) -> list[Path]:
        """The scripts that suites run on an agent, and what the editor holds beside them."""
        owners = self.owners()
        out = [script for script, ground in owners.items() if agent is None or agent in ground.agents]
        return out + [path for path in self.files.opened if path not in owners and self.files.kind(path) == "script"]

    def everywhere(self, agent: Path) -> Iterator[tuple[Path, Mention]]:
        """Every mention in the agent's file and in the scripts of its suites, each place once."""
        seen: set[Mention] = set()
        for path in (agent, *self.scripts_with(agent)):
            for mention in self.mentions(path):
                if mention not in seen:
                    seen.add(mention)
                    yield self.path_of(mention.span.file), mention

    def path_of(self, file: str) -> Path:
        """The path of a file as messages name it."""
        return real(Path.cwd() / file)


def _top_of(path: Path) -> Path:
    """The folder of the project a file is in, its own where none is marked."""
    return next((up for up in path.parents if any((up / mark).exists() for mark in MARKS)), path.parent)


def _yaml_below(folder: Path) -> Iterator[Path]:
    """YAML files below a folder, as far as the search goes."""
    looked = 0
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _HIDDEN and not name.startswith("."))
        looked += len(folders) + len(names)
        if looked > MOST_LOOKED_AT:
            return
        yield from (
            real(Path(here, name))
            for name in sorted(names)
            if name.endswith((".yaml", ".yml")) and not name.startswith(".")
        )  # fmt: skip


def _suites_below(folder: Path) -> Iterator[Path]:
    """Files that look like suites."""
    for path in _yaml_below(folder):
        try:
            data = bytes_of(path)
        except (OSError, ValueError):
            continue
        if _SUITE.search(data) and not _SCRIPT.search(data):
            yield path
