"""An engine that cannot be asked as it is set up: the mistake is shown at the setting, by each verb that asks engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.cli import main

URL = "url: 'http://127.0.0.1:9'"


@pytest.mark.parametrize("verb", [["run"], ["doctor"], ["record", "--out", "new.yaml"]], ids=" ".join)
@pytest.mark.parametrize(
    ("entry", "at", "said"),
    [
        (
            "{kind: mix, url: 'localhost:80'}",
            "'l",
            "the engine's url 'localhost:80' is not of the form http://host:port; did you",
        ),
        (f"{{kind: mix, {URL}, token_file: gone}}", "gone", "the engine's 'token_file' gone cannot be read: No such file"),
        (
            f"{{kind: mix, {URL}, token_env: NO_VAR}}",
            "NO_",
            "the environment variable NO_VAR of the engine's 'token_env' is not",
        ),
        ("{kind: callable, target: 'gone.py:answer'}", "'g", "the engine's target: there is no file gone.py in the suite's"),
        (f"{{kind: focal, {URL}}}", "{", "the engine 'focal' needs 'tenant', or a token that names one"),
    ],
    ids=["url", "file", "variable", "target", "entry"],
)
def test_a_mistake_is_shown_at_its_setting(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: list[str],
    entry: str,
    at: str,
    said: str,
) -> None:
    """Exit code 2, with file, line, column and code; of what no setting is to blame for, at the entry."""
    monkeypatch.chdir(tmp_path)
    Path("talk.yaml").write_text("turns:\n  - {user: hello, expect: {response: {contains: hello}}}\n")
    Path("suite.yaml").write_text(f"scripts: [talk.yaml]\nengine: {entry}\n")
    assert main([verb[0], "suite.yaml", *verb[1:]]) == 2
    column = len("engine: ") + entry.index(at) + 1
    assert f"suite.yaml:2:{column}: error[bad-engine]: {said}" in capsys.readouterr().err
    assert not Path("reports").exists()
