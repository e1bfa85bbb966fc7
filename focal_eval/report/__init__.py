"""Replays a run for a reader: HTML, JUnit, Markdown, JSON Lines, annotations, terminal. Reads a run folder, nothing else."""

from focal_eval.report.base import Reporter, ReportOptions, target
from focal_eval.report.journal import read_run
from focal_eval.report.model import Attempt, Case, Failure, ReportModel

__all__ = ["Attempt", "Case", "Failure", "ReportModel", "ReportOptions", "Reporter", "read_run", "target"]
