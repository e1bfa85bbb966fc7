"""A conversation replay and evaluation harness for agents that follow rules."""

__version__ = "0.1.0"
