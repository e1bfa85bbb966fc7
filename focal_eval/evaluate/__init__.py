"""The one place where everything is wired together: which files, which engine, one run, one verdict."""

from focal_eval.evaluate.checking import Checked, check_paths
from focal_eval.evaluate.folders import find_run, read_folder, render
from focal_eval.evaluate.request import RunRequest, RunResult
from focal_eval.evaluate.running import run

__all__ = ["Checked", "RunRequest", "RunResult", "check_paths", "find_run", "read_folder", "render", "run"]
