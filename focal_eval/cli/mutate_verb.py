"""`focal-eval mutate`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focal_eval.cli.arguments import per_cent, whole

if TYPE_CHECKING:
    from focal_eval.evaluate.agent_mutating import AgentMutations
    from focal_eval.evaluate.trace_mutating import TraceMutations


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument(
        "target", nargs="+", metavar="RUN|SUITE", help="a run (its folder, id or latest), or suites of one agent, or scripts"
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("reports"), metavar="DIR", help="where run folders lie (default reports)"
    )
    parser.add_argument("--suite", type=Path, metavar="FILE", help="the scripts of this suite, or the suite of scripts given")
    parser.add_argument("--max", type=whole(), metavar="N", help="try so many mutants, drawn from all (a run: 20,000)")
    parser.add_argument("--seed", type=whole(), default=0, metavar="N", help="which are drawn where there are more (default 0)")
    parser.add_argument("--fail-under", type=per_cent, metavar="P", help="exit code 1 where fewer than P per cent are noticed")
    parser.add_argument("--operators", type=_names, default=(), metavar="NAMES", help="only these changes")
    parser.add_argument("--since", metavar="REF|AGENT", help="only parts of the agent edited since a commit, or another file")
    parser.add_argument(
        "--accepted",
        type=Path,
        metavar="FILE",
        action="append",
        default=[],
        help="why survivors may survive; exit code 1 if others do, or none that it names (may be repeated)",
    )
    parser.add_argument("--tag", metavar="TAG", action="append", default=[], help="only scripts with this tag; !TAG leaves out")
    parser.add_argument("-k", dest="keyword", metavar="EXPR", help="only cases whose name fits")
    parser.add_argument("--workers", type=whole(), metavar="N", help="processes that play the agent (default: all cores)")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page of the agent's mutants to this file")
    parser.add_argument("--max-shown", type=whole(), default=20, metavar="N", help="scripts and places shown (default 20)")
    parser.add_argument("--all", action="store_true", help="tell of mutants that were noticed, too (with --json)")
    parser.add_argument("--no-python", action="store_true", help="judge nothing by local Python")
    parser.add_argument("--no-cache", action="store_true", help="read every script anew (see FOCAL_EVAL_CACHE)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="only the score")


def _names(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def call(arguments: argparse.Namespace) -> int:
    """Alters, judges, prints; 1 where the score is under the limit."""
    from focal_eval.cli.diagnostics import print_json

    suite = _is_suite(arguments.target)
    _refuse(arguments, suite=suite)
    if suite:
        played = _agent(arguments)
        told, code = agent_document(played, everything=arguments.all), played.exit_code
        if arguments.html is not None:
            _write_page(played, arguments)
    else:
        done = _traces(arguments)
        told, code = document(done, everything=arguments.all), done.exit_code
    if arguments.json:
        print_json(told)
    else:
        show(told, most=arguments.max_shown, quiet=arguments.quiet)
    return int(code)


def _is_suite(target: list[str]) -> bool:
    """Whether scripts or a suite are named; a folder with a journal in it is a run."""
    paths = [Path(name) for name in target]
    if len(paths) > 1:
        return True
    return paths[0].suffix in (".yaml", ".yml") or (paths[0].is_dir() and not (paths[0] / "run.json").is_file())


def _refuse(arguments: argparse.Namespace, *, suite: bool) -> None:
    """Options that are about the agent say nothing of a recorded run."""
    from focal_eval.errors import UsageError

    given = ("since", "accepted", "tag", "keyword", "workers", "html")
    wrong = [] if suite else [name for name in given if getattr(arguments, name)]
    if wrong:
        option = "-k" if wrong[0] == "keyword" else f"--{wrong[0]}"
        raise UsageError(f"{option} is about an agent's mutants; name a suite instead of the run '{arguments.target[0]}'")


def _agent(arguments: argparse.Namespace) -> AgentMutations:
    """The suite's agent, changed and played."""
    import contextlib

    from focal_eval.document.cache_folder import cache_folder
    from focal_eval.evaluate.agent_mutating import MutateRequest, mutate_agent
    from focal_eval.evaluate.request import RunRequest
    from focal_eval.report.counting import counting

    run = RunRequest(
        tuple(map(Path, arguments.target)),
        suite=arguments.suite,
        tags=tuple(arguments.tag),
        keyword=arguments.keyword,
        allow_python=not arguments.no_python,
        cache=None if arguments.no_cache else cache_folder(os.environ),
    )
    request = MutateRequest(
        run,
        operators=arguments.operators,
        since=arguments.since,
        most=arguments.max,
        seed=arguments.seed,
        workers=arguments.workers or os.cpu_count() or 1,
        fail_under=arguments.fail_under,
        accepted=tuple(arguments.accepted),
    )
    with counting("mutant", sys.stderr, quiet=arguments.quiet) as told, contextlib.redirect_stdout(sys.stderr):
        return mutate_agent(request, told)


def _traces(arguments: argparse.Namespace) -> TraceMutations:
    """The records of a run, altered; no engine."""
    from focal_eval.document.cache_folder import cache_folder
    from focal_eval.evaluate.trace_mutating import MOST, TraceRequest, mutate_traces

    return mutate_traces(
        TraceRequest(
            run=arguments.target[0],
            runs=arguments.runs,
            suite=arguments.suite,
            operators=arguments.operators,
            most=arguments.max or MOST,
            seed=arguments.seed,
            fail_under=arguments.fail_under,
            allow_python=not arguments.no_python,
            cache=None if arguments.no_cache else cache_folder(os.environ),
        )
    )


def document(done: TraceMutations, *, everything: bool = False) -> dict[str, Any]:
    """What became of the mutants as one JSON document."""
    from focal_eval.evaluate.mutation_json import mutation_json
    from focal_eval.experiment.trace_mutants import OPERATORS, STORED

    operators = {**{name: one.text for name, one in OPERATORS.items()}, **STORED}
    return {
        "tier": "trace",
        "run": done.model.header.get("id"),
        "made": done.made,
        "seed": done.seed,
        "notes": list(done.notes()),
        **mutation_json(done.tried, scripts=done.scripts, operators=operators, everything=everything, cases=done.cases),
        "fail_under": done.fail_under,
        "exit_code": int(done.exit_code),
    }


def agent_document(done: AgentMutations, *, everything: bool = False) -> dict[str, Any]:
    """What became of an agent's mutants as one JSON document."""
    from focal_eval.evaluate.mutation_json import mutation_json
    from focal_eval.experiment.agent_mutants import described

    operators = described()
    scripts = {**done.scripts, done.agent: "(no script)"}
    told = mutation_json(done.tried, scripts=scripts, operators=operators, everything=everything, cases=done.files)
    reasons = {} if done.explained is None else done.explained.reasons
    for one in told["mutants"]:
        if one["id"] in reasons:
            one["explained"] = reasons[one["id"]]
    return {
        "tier": "agent",
        "agent": done.agent,
        "cases": done.cases,
        "made": done.made,
        "seed": done.seed,
        "notes": list(done.notes()),
        **told,
        "unexplained": len(done.unexplained),
        "stale": 0 if done.explained is None else len(done.explained.stale),
        "fail_under": done.fail_under,
        "exit_code": int(done.exit_code),
    }


def show(told: dict[str, Any], *, most: int, quiet: bool) -> None:
    """Prints a document of mutants; `quiet` leaves only the score."""
    from focal_eval.report.ansi import Paint, emit, wants_colour
    from focal_eval.report.mutation_text import mutation_lines, score_line

    paint = Paint(wants_colour(sys.stdout))
    for line in [score_line(told, paint)] if quiet else mutation_lines(told, paint, most=most):
        emit(sys.stdout, line)


def _write_page(done: AgentMutations, arguments: argparse.Namespace) -> None:
    from focal_eval.report.mutation_page import write_page

    write_page(agent_document(done, everything=True), arguments.html)
