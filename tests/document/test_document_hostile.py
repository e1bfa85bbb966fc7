"""Files made to break the reader are refused at once, in a process that would be seen to crash."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from focal_eval.document import Reader, plain, read_bytes, read_file, read_text
from focal_eval.document.reader import MAX_BYTES

LIMIT_S = 2.0  # processor time of a fresh process, start-up included

PROGRAM = """
import sys
from focal_eval.document import Reader, plain, read_text
text = eval(sys.argv[1])
document = read_text(text, "hostile.yaml")
if document.root is not None:
    plain(document.root, Reader(document))
print(*(f"{item.span.line}:{item.span.column} {item.code}" for item in document.problems))
"""


def laughs(entry: str, first: str = "[x]") -> str:
    """A program for a file in which each of 26 anchors holds the one before it ten times over."""
    return f"'a: &a {first}\\n' + ''.join(chr(98 + i) + ': &' + chr(98 + i) + {entry} + '\\n' for i in range(25))"


HOSTILE = {
    "billion laughs": (laughs("' [' + ', '.join(['*' + chr(97 + i)] * 10) + ']'"), "yaml-alias-bomb"),
    "billion laughs of mappings": (
        laughs("' {' + ', '.join('k%d: *%s' % (n, chr(97 + i)) for n in range(10)) + '}'"),
        "yaml-alias-bomb",
    ),
    "merge bomb": (laughs("' {<<: [' + ', '.join(['*' + chr(97 + i)] * 10) + ']}'", first="{x: 1}"), "yaml-alias-bomb"),
    "an alias inside itself": ("'a: &a [*a]'", "yaml-too-deep"),
    "a merge of itself": ("'a: &a {<<: *a}'", "yaml-too-deep"),
    "100,000 brackets": ("'a: ' + '[' * 100_000", "yaml-too-deep"),
    "100,000 closed brackets": ("'a: ' + '[' * 100_000 + ']' * 100_000", "yaml-too-deep"),
    "100,000 braces": ("'{a: ' * 100_000", "yaml-too-deep"),
    "100,000 dashes": ("'- ' * 100_000", "yaml-too-deep"),
    "100,000 question marks": ("'? ' * 100_000", "yaml-too-deep"),
    "4,000 lines, each deeper": ("''.join(' ' * i + 'a:\\n' for i in range(2500))", "yaml-too-deep"),
    "brackets over lines": ("'a:\\n' + ' [\\n' * 50_000", "yaml-too-deep"),
    "just under the quick look": ("'a: ' + '[' * 1999 + ']' * 1999", "yaml-too-deep"),
    "100,000 tags": ("'a: [' + '!x y, ' * 100_000 + ']'", "yaml-tag"),
    "200,000 anchors": ("'a: [' + ', '.join('&a%d 1' % i for i in range(200_000)) + ']'", "file-too-large"),
    "four MiB of values": ("'a: [' + '1,' * 2_000_000 + ']'", "file-too-large"),
    "four MiB of short lines": ("'- 1\\n' * 1_000_000", "file-too-large"),
    "one key of a million characters": ("'a' * 1_000_000 + ': 1'", "yaml-syntax"),
    "a number of a million digits": ("'a: ' + '9' * 1_000_000", ""),
    "a million quotes": ("'a: ' + '\\'' * 1_000_001", "yaml-syntax"),
    "a million line breaks": ("'\\n' * 1_000_000 + 'a: :'", "yaml-colon"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_at_once(name: str) -> None:
    """No crash of the process, no hang: one problem with a place."""
    program, code = HOSTILE[name]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", PROGRAM, program], capture_output=True, text=True, check=False, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stderr == ""
    found = {word for word in done.stdout.split() if ":" not in word}
    assert found == ({code} if code else set())
    assert worked < LIMIT_S, f"{worked:.1f} s"


def test_the_laughs_end_within_a_second() -> None:
    """An alias bomb costs no more than the values it may expand to."""
    text = str(eval(HOSTILE["billion laughs"][0]))
    start = time.process_time()
    document = read_text(text, "a.yaml")
    plain(document.root, Reader(document))  # type: ignore[arg-type]  # it was read
    assert time.process_time() - start < 1.0
    assert [item.code for item in document.problems] == ["yaml-alias-bomb"]


def test_a_wide_file_within_bounds_is_read() -> None:
    """Fifty thousand values are no attack."""
    document = read_text("a: [" + ", ".join(map(str, range(50_000))) + "]", "a.yaml")
    assert plain(document.root, Reader(document)) == {"a": list(range(50_000))}  # type: ignore[arg-type]  # it was read


def test_a_file_over_the_limit_is_not_read() -> None:
    """Four MiB are read, one byte more is not."""
    at_limit = b"a: b\n#" + b" " * (MAX_BYTES - 6)
    assert len(read_bytes(at_limit, "a.yaml").problems) == 0
    assert [str(item) for item in read_bytes(at_limit + b" ", "a.yaml").problems] == [
        "a.yaml:1:1: error[file-too-large]: the file is larger than 4 MiB"
    ]


@pytest.mark.parametrize(
    ("given", "place"),
    [
        (b"a: caf\xe9\n", "1:7"),
        (b"a: 1\nb: \xff\n", "2:4"),
        (b"\xef\xbb\xbfa: \xff", "1:4"),
        ("ä: 1\r\nb: é".encode() + b"\xc3", "2:5"),
    ],
)
def test_bytes_that_are_not_utf_8_have_a_place(given: bytes, place: str) -> None:
    """The first wrong byte is pointed at, counted in characters."""
    (problem,) = read_bytes(given, "a.yaml").problems
    assert f"{problem.span.line}:{problem.span.column}" == place
    assert problem.code == "yaml-encoding"
    assert problem.help == "save the file as UTF-8"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le"])
def test_other_encodings_are_refused(encoding: str) -> None:
    """A file in another Unicode encoding is no YAML here, and says so without a crash."""
    codes = {item.code for item in read_bytes("a: é\n".encode(encoding), "a.yaml").problems}
    assert codes <= {"yaml-encoding", "yaml-control-character"}
    assert len(codes) == 1


def test_what_cannot_be_opened_is_a_diagnostic(tmp_path: Path) -> None:
    """A folder, a missing file and a path with a NUL are problems, not exceptions."""
    for path in (tmp_path, tmp_path / "none.yaml", Path("a\0b"), tmp_path / ("x" * 300)):
        (problem,) = read_file(path).problems
        assert problem.code == "unreadable-file"


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe nobody writes into, a device and a folder are refused at once."""
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "device.yaml").symlink_to("/dev/zero")
    for name in ("pipe.yaml", "folder.yaml", "device.yaml"):
        document = read_file(tmp_path / name, name)
        assert [(item.code, str(item.span)) for item in document.problems] == [("unreadable-file", f"{name}:1:1")]
