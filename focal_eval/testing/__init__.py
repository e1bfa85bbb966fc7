"""Public doubles, and one conformance kit per plug-in kind: your plug-ins are held to what ours are held to.

    from focal_eval.testing import engine_conformance

    def test_my_engine_keeps_the_contract():
        engine_conformance(MyEngine(url="http://localhost:8080"), messages=("hello", "goodbye"))

A kit is a function that raises AssertionError with a sentence: which promise, what was seen instead.
"""

from focal_eval.testing.checks import CheckExample, check_conformance
from focal_eval.testing.doubles import ScriptedEngine, ScriptedSession, moment, sample_run, transcript
from focal_eval.testing.engines import engine_conformance
from focal_eval.testing.hostile import hostile_conformance
from focal_eval.testing.importers import importer_conformance
from focal_eval.testing.reporters import reporter_conformance
from focal_eval.testing.stores import store_conformance

__all__ = [
    "CheckExample",
    "ScriptedEngine",
    "ScriptedSession",
    "check_conformance",
    "engine_conformance",
    "hostile_conformance",
    "importer_conformance",
    "moment",
    "reporter_conformance",
    "sample_run",
    "store_conformance",
    "transcript",
]
