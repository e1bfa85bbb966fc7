"""`focal-eval run`."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focal_eval.cli.arguments import MOST, add_shown, reports_of, seconds, shard, whole, workers
from focal_eval.runner.sync import Sync

if TYPE_CHECKING:
    from focal_eval.evaluate import RunResult


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="SUITE|SCRIPT", help="a suite, or scripts and folders of scripts"
    )
    what = parser.add_argument_group("what to run")
    what.add_argument("--suite", type=Path, metavar="FILE", help="the suite of scripts that are given by path")
    what.add_argument(
        "--agent", type=Path, metavar="FILE", help="an agent file for the embedded engine, instead of the suite's"
    )
    what.add_argument("--engine", metavar="NAME", help="one of the suite's `engines:`")
    what.add_argument(
        "--tag", action="append", default=[], metavar="TAG", help="cases with this tag (repeatable); !TAG leaves out"
    )
    what.add_argument("-k", dest="keyword", metavar="EXPR", help="cases whose name holds these words, with and, or, not")
    what.add_argument("--resume", metavar="RUN", help="go on with a run that was cut off: its folder, id or latest")
    what.add_argument(
        "--resume-anyway", action="store_true", help="go on although scripts, agent or settings are not as they were"
    )
    what.add_argument("--failed", metavar="RUN", help="only what did not pass in that run: a folder, an id's prefix, latest")
    what.add_argument("--shard", type=shard, metavar="I/N", help="only the I-th of N parts of the cases, for merge")
    what.add_argument(
        "--durations", metavar="FILE|RUN", help="recorded times that balance shards (default: durations.json beside the suite)"
    )
    what.add_argument("--cassette", metavar="MODE", help="record, replay, replay-else-record or off, whatever the suite says")
    what.add_argument("--cassette-file", type=Path, metavar="FILE", help="instead of the cassette the suite names")
    how = parser.add_argument_group("how")
    how.add_argument("--repeats", type=whole(MOST), metavar="N", help="run each case N times, whatever the suite says")
    how.add_argument("--strict-flaky", action="store_true", help="exit code 4 where gates pass but cases were flaky")
    how.add_argument("--concurrency", type=whole(MOST), metavar="N", help="conversations at the same time")
    how.add_argument(
        "--workers", type=workers, metavar="N", help="processes that play the conversations, auto for one a core (default: 1)"
    )
    how.add_argument("--cluster", metavar="URL", help="play on the workers of a cluster: dask://HOST:PORT, ray://HOST:PORT")
    how.add_argument("--timeout", type=seconds, metavar="S", help="time limit of a turn, in seconds")
    how.add_argument("-x", "--exitfirst", action="store_true", help="start no new case after the first failure")
    how.add_argument("--maxfail", type=whole(), metavar="N", help="start no new case after N failures")
    how.add_argument("--no-python", action="store_true", help="refuse scripts and engines that run local Python")
    how.add_argument("--no-cache", action="store_true", help="read every script anew (see FOCAL_EVAL_CACHE)")
    back = parser.add_argument_group("what is written back")
    back.add_argument(
        "--update-expectations", action="store_true", help="write what was observed into the scripts where they failed"
    )
    back.add_argument("--update-fragments", action="store_true", help="also into fragments that other scripts include")
    back.add_argument("--dry-run", action="store_true", help="only show what --update-expectations would write")
    _add_out(parser.add_argument_group("what comes out"))


def _add_out(out: argparse._ArgumentGroup) -> None:
    out.add_argument(
        "--baseline", metavar="REF", help="compare the run with this one: a run, a baseline's folder, or the word baseline"
    )
    out.add_argument("--out", type=Path, metavar="DIR", help="the run folder (default: reports/<run id>)")
    out.add_argument(
        "--sync",
        choices=[policy.value for policy in Sync],
        default=Sync.ATTEMPTS.value,
        help="what outlives a power cut: every closed attempt (default), the run at its end, or what the system writes (off)",
    )
    out.add_argument("--live", action="store_true", help="show the report on this machine while it fills up")
    out.add_argument("--write-durations", type=Path, metavar="FILE", help="keep what each case took, for --durations")
    out.add_argument("--store", metavar="URL", help="take the run into this store, whatever the suite says; off for none")
    add_shown(out)


def call(arguments: argparse.Namespace) -> int:
    """Runs, prints, and returns the exit code."""
    from focal_eval.cli.output import printing
    from focal_eval.clock import Clock
    from focal_eval.document.cache_folder import cache_folder
    from focal_eval.evaluate import RunRequest, run
    from focal_eval.report.progress import progress

    _check_update(arguments)
    clock = Clock()
    request = RunRequest(
        paths=tuple(arguments.paths),
        suite=arguments.suite,
        agent=arguments.agent,
        engine=arguments.engine,
        tags=tuple(arguments.tag),
        keyword=arguments.keyword,
        failed_of=arguments.failed,
        baseline=arguments.baseline,
        cassette=arguments.cassette,
        cassette_file=arguments.cassette_file,
        store=arguments.store,
        repeats=arguments.repeats,
        strict_flaky=arguments.strict_flaky,
        concurrency=arguments.concurrency,
        workers=arguments.workers,
        cluster=arguments.cluster,
        timeout_s=arguments.timeout,
        stop_after=1 if arguments.exitfirst else arguments.maxfail or 0,
        out=arguments.out,
        reports=reports_of(arguments),
        allow_python=not arguments.no_python,
        cache=None if arguments.no_cache else cache_folder(os.environ),
        sync=Sync(arguments.sync),
        resume=arguments.resume,
        resume_anyway=arguments.resume_anyway,
        shard=arguments.shard,
        live=_tell_live if arguments.live else None,
        durations=arguments.durations,
    )
    observer = progress(sys.stderr, quiet=arguments.quiet, clock=clock)
    with contextlib.redirect_stdout(sys.stderr):  # what the user's own functions print is no part of the result
        result = run(request, observer, clock)
    with printing(sys.stdout):
        show(arguments, result)
    if arguments.update_expectations:
        _update(arguments, result)
    if arguments.write_durations is not None:
        keep_durations(arguments, result)
    return int(result.exit_code)


def _tell_live(url: str) -> None:
    from focal_eval.cli.output import printing

    with printing(sys.stderr):
        print(f"live: {url}", file=sys.stderr, flush=True)


def keep_durations(arguments: argparse.Namespace, result: RunResult) -> None:
    """Writes what the cases took where `--write-durations` says, and says so."""
    from focal_eval.cli.output import printing
    from focal_eval.evaluate.durations import write_durations
    from focal_eval.text import counted

    changed = write_durations(arguments.write_durations, result.model)
    if not arguments.quiet:
        with printing(sys.stderr):
            print(f"{arguments.write_durations}: {counted(changed, 'time')} changed", file=sys.stderr)


def _check_update(arguments: argparse.Namespace) -> None:
    from focal_eval.errors import UsageError

    if arguments.resume_anyway and arguments.resume is None:
        raise UsageError("--resume-anyway is for --resume; nothing was run")
    if arguments.shard is not None and arguments.resume is not None:
        raise UsageError("--resume takes its shard from the run; leave --shard out")
    if arguments.durations is not None and arguments.shard is None:
        raise UsageError("--durations is for --shard; nothing was run")
    for option in ("dry_run", "update_fragments"):
        if getattr(arguments, option) and not arguments.update_expectations:
            raise UsageError(f"--{option.replace('_', '-')} is for --update-expectations; nothing was run")


def _update(arguments: argparse.Namespace, result: RunResult) -> None:
    """Writes observed values into the scripts and says so: on stderr where stdout is one JSON document."""
    from focal_eval.cli.output import printing
    from focal_eval.evaluate.updating import update_expectations
    from focal_eval.report.characters import visible

    done = update_expectations(result.model, fragments=arguments.update_fragments, dry_run=arguments.dry_run)
    stream = sys.stderr if arguments.json else sys.stdout
    with printing(stream):
        if not arguments.quiet:
            for line in done.diff().splitlines():
                print(visible(line), file=stream)
            for item in done.left:
                print(visible(f"{item.place}: left: {item.why} ({item.text})"), file=stream)
        print(done.told(dry_run=arguments.dry_run), file=stream)


def show(arguments: argparse.Namespace, result: RunResult, more: Mapping[str, Any] | None = None) -> None:
    """Prints what a run came to, as its options ask for it; `more` goes into the document."""
    from focal_eval.cli.diagnostics import print_diagnostics, print_json
    from focal_eval.cli.output import printing
    from focal_eval.report.base import ReportOptions
    from focal_eval.report.jsonl import as_json
    from focal_eval.report.terminal import last_line, print_run

    if result.warnings and not arguments.quiet:
        with printing(sys.stderr):
            print_diagnostics(result.warnings, sys.stderr, most=5)
    if result.cassette is not None and not arguments.quiet:
        with printing(sys.stderr):
            print(result.cassette, file=sys.stderr)
    if result.kept is not None and result.kept.problem is not None:
        from focal_eval.report.characters import visible

        with printing(sys.stderr):
            print(f"focal-eval: the run is not in the store: {visible(result.kept.problem)}", file=sys.stderr)
            again = f"focal-eval store ingest {result.model.folder}"
            print(f"focal-eval: the run itself is kept; `{again}` tries again", file=sys.stderr)
    if arguments.json:
        stored = {} if result.kept is None else {"store": result.kept.as_json()}
        print_json({**as_json(result.model), **_compared_json(result), **stored, **(more or {})})
        return
    report = result.written.get("html") or next(iter(result.written.values()), None)
    options = ReportOptions(max_failures=arguments.max_failures, group_by=arguments.group_by)
    if arguments.quiet:
        from focal_eval.report.ansi import Paint, wants_colour

        print(last_line(result.model, Paint(wants_colour(sys.stdout)), report))
    else:
        print_run(result.model, sys.stdout, options, report=report)
    if result.compared is not None:
        from focal_eval.cli.compare_verb import show

        if not arguments.quiet:
            print()
        show(result.compared, most=arguments.max_failures, quiet=arguments.quiet)
        if not arguments.quiet and "comparison" in result.written:
            print(f"report: {result.written['comparison']}")


def _compared_json(result: RunResult) -> dict[str, Any]:
    if result.compared is None:
        return {}
    from focal_eval.cli.compare_verb import document

    return {"comparison": document(result.compared)}
