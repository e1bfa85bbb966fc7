"""Frames of files with mistakes: the line with its caret, and no secret that is written out in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.report.diagnosed import Frames
from focal_eval.source import Span


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('engine: {token: "abc-123", model: x}', "engine: {token: •••••••••, model: x}"),
        ("engine: {kind: mix, token: abc}", "engine: {kind: mix, token: •••}"),
        ("  x-api-key: 'abc 123'  # ours", "  x-api-key: •••••••••  # ours"),
        ('url: "https://me:hush@host/v1"', 'url: "https://•••••••@host/v1"'),
        ('token: "${TOKEN}"', 'token: "${TOKEN}"'),
        ("token_env: TOKEN, token_file: t.txt", "token_env: TOKEN, token_file: t.txt"),
        ("tokens: {min: 1}", "tokens: {min: 1}"),
        ("- user: my password is hush", "- user: my password is hush"),
    ],
)
def test_a_frame_shows_no_secret(tmp_path: Path, line: str, shown: str) -> None:
    """The line keeps its length, so that the caret stays where it points; names of variables and files are no secrets."""
    path = tmp_path / "suite.yaml"
    path.write_text(line + "\n")
    written, caret = Frames().of(Span(str(path), 1, 5, 1, 7)).split("\n")
    assert written == f"  1 | {shown}"
    assert caret == "    |     ^^"
