"""Turns arguments into one call and outcomes into exit codes; one file a verb, imported when it is asked for."""

from focal_eval.cli.main import command, main

__all__ = ["command", "main"]
