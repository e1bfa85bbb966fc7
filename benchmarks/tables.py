"""The results as the Markdown tables of README.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FLOORS = ("limit-files-c", "limit-same-json", "limit-yaml-c")


def render(results: dict[str, Any]) -> str:
    """Every figure of a results document, ratios included; the same document gives the same text."""
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(results["versions"].items()))
    parts = [
        f"Measured {results['measured_on']} on {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, "
        f"Python {machine['python']}" + (f"; {versions}." if versions else "."),
        *(_replay(size) for size in results["replay"]),
        _start(results["start"]),
    ]
    if results["long"]:
        parts.append(_memory(results["replay"], results["long"]))
    return "\n\n".join(parts)


def rewrite(readme: Path, text: str, name: str = "results") -> None:
    """Puts the tables between the markers of a README."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = readme.read_text(encoding="utf-8").partition(start)
    _, _, after = rest.partition(end)
    readme.write_text(f"{before}{start}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def render_remote(results: dict[str, Any]) -> str:
    """The tables of remote.json."""
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(results["versions"].items()))
    count = results["conversations"] * results["turns"]
    parts = [
        f"Measured {results['measured_on']} on {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, "
        f"Python {machine['python']}" + (f"; {versions}." if versions else "."),
        f"{results['conversations']:,} conversations of {results['turns']} turns, one server process on the same machine.",
    ]
    for table in results["tables"]:
        ideal = count * table["latency_ms"] / 1000 / table["concurrency"]
        title = f"**{table['latency_ms']} ms a reply, {table['concurrency']} conversations at a time**"
        title += f" (no client can need less than {ideal:.2f} s)" if ideal else ""
        parts.append(f"{title}\n\n{_remote(table['rows'], count)}")
    return "\n\n".join(parts)


PAGE = (  # figure, what it is, unit
    ("file_mb", "the file", "MB"),
    ("written_s", "writing it", "s"),
    ("first_paint_ms", "first paint", "ms"),
    ("usable_ms", "the list can be used", "ms"),
    ("keystroke_ms", "slowest keystroke of a filter", "ms"),
    ("words_read_ms", "wait for what was said, after the last letter", "ms"),
    ("conversation_ms", "opening a conversation", "ms"),
    ("blank_mb", "memory of Chromium with an empty page", "MB"),
    ("peak_mb", "memory of Chromium right after all of that", "MB"),
    ("memory_mb", "memory of Chromium a few seconds later", "MB"),
)


def render_page(results: dict[str, Any]) -> str:
    """The table of page.json: each figure, its limit and whether it is held, and what the peer's report needs."""
    machine, limits, ours, peer = results["machine"], results["limits"], results["ours"], results["peer"]
    body = []
    for name, words, unit in PAGE:
        limit = limits.get(name)
        told = "–" if limit is None else f"≤ {limit:,.0f} {unit}, {'held' if ours[name] <= limit else 'missed'}"
        beside = f"{peer[name]:,.1f} {unit}" if name in peer else "–"
        body.append([words, f"{ours[name]:,.1f} {unit}", told, beside])
    missing = f"\n\n{peer['name']} was not measured: {_escape(peer['missing'])}." if "missing" in peer else ""
    return (
        f"Measured {results['measured_on']} on {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}: "
        f"{results['cases']:,} conversations of {results['turns']} turns, medians of {results['rounds']}.\n\n"
        f"{_table(['what', 'focal-eval', 'limit', peer['name']], body)}{missing}"
    )


def _remote(rows: list[dict[str, Any]], count: int) -> str:
    base = _wall(rows, "limit-aiohttp")
    body = []
    for row in rows:
        if "problem" in row:
            body.append([row["job"], _escape(row["problem"]), *[""] * 4])
            continue
        wall = row["wall_s"]
        share = f"{base / wall:.0%}" if base else "–"
        spread = f"{wall:.2f} ({row['wall_min_s']:.2f} to {row['wall_max_s']:.2f})"
        body.append([row["job"], spread, f"{count / wall:,.0f}", share, f"{row['cpu_s']:.2f}", f"{row['peak_mib']:.0f}"])
    head = ["job", "wall s, median (range)", "turns a second", "throughput of limit-aiohttp", "CPU s", "peak MiB"]
    return _table(head, body)


def render_large(results: dict[str, Any]) -> str:
    """The table of large.json."""
    machine = results["machine"]
    said = (
        f"Measured {results['measured_on']} on {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, "
        f"Python {machine['python']}."
    )
    base = {(row["engine"], row["conversations"]): row["wall_s"] for row in results["rows"] if row["workers"] == 1}
    body = []
    for row in results["rows"]:
        alone = base.get((row["engine"], row["conversations"]))
        parent, *others = row["peaks_mib"]
        body.append(
            [
                row["engine"],
                f"{row['conversations']:,} × {row['turns'] / row['conversations']:.1f}",
                str(row["workers"]),
                f"{row['wall_s']:.1f}",
                f"{row['wall_s'] / row['turns'] * 1e6:.0f}",
                f"{row['played_s'] / row['turns'] * 1e6:.0f}",
                "" if alone is None or row["workers"] == 1 else f"{alone / row['wall_s']:.2f}",
                f"{row['cpu_s']:.1f}",
                f"{parent:.0f}",
                f"{max(others):.0f}" if others else "",
                f"{row['html_mib']:.1f}",
            ]
        )
    head = ["engine", "conversations × turns", "workers", "wall s", "µs a turn", "µs a turn played", "× one worker"]
    return said + "\n\n" + _table([*head, "CPU s", "peak MiB", "of a worker", "HTML MiB"], body)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _wall(rows: list[dict[str, Any]], job: str) -> float | None:
    return next((row["wall_s"] for row in rows if row["job"] == job and "wall_s" in row), None)


def _cpu(rows: list[dict[str, Any]], job: str) -> float | None:
    return next((row["cpu_s"] for row in rows if row["job"] == job and "cpu_s" in row), None)


def _ratio(value: float, base: float | None) -> str:
    return f"{value / base:.2f}" if base else "–"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _replay(size: dict[str, Any]) -> str:
    rows, count = size["rows"], size["conversations"] * size["turns"]
    bases = [_cpu(rows, job) for job in FLOORS]
    body = []
    for row in rows:
        if "problem" in row:
            body.append([row["job"], _escape(row["problem"]), *[""] * 6])
            continue
        wall = row["wall_s"]
        spread = f"{wall:.2f} ({row['wall_min_s']:.2f} to {row['wall_max_s']:.2f})"
        per_turn = f"{wall / count * 1e6:.0f}"
        body.append([row["job"], spread, per_turn, *(_ratio(row["cpu_s"], base) for base in bases)])
        body[-1] += [f"{row['cpu_s']:.2f}", f"{row['peak_mib']:.0f}"]
    expected = size["expected"]
    title = (
        f"**{size['conversations']:,} conversations of {size['turns']} turns, {3 * count:,} checks** "
        f"({expected['passed']:,} must pass, {expected['failed']:,} must fail)"
    )
    head = ["job", "wall s, median (range)", "µs a turn", *(f"× {job}" for job in FLOORS), "CPU s", "peak MiB"]
    return f"{title}\n\n{_table(head, body)}"


def _start(rows: list[dict[str, Any]]) -> str:
    base = _wall(rows, "python -c pass")
    body = [
        [f"`{row['job']}`", _escape(row["problem"]), "", ""]
        if "problem" in row
        else [f"`{row['job']}`", f"{row['wall_s'] * 1000:.0f}", _ratio(row["wall_s"], base), f"{row['peak_mib']:.0f}"]
        for row in rows
    ]
    return "**Start-up**\n\n" + _table(["command", "ms, median", "× python", "peak MiB"], body)


def _memory(short: list[dict[str, Any]], long: list[dict[str, Any]]) -> str:
    body = []
    for size in (*short, *long):
        row = next(row for row in size["rows"] if row["job"] == "focal-eval")
        if "problem" in row:
            body.append([f"{size['conversations']:,} × {size['turns']}", _escape(row["problem"]), "", ""])
            continue
        turns = size["conversations"] * size["turns"]
        wall = row["wall_s"]
        body.append(
            [
                f"{size['conversations']:,} × {size['turns']}",
                f"{row['peak_mib']:.0f}",
                f"{wall:.2f}",
                f"{wall / turns * 1e6:.0f}",
            ]
        )
    head = ["conversations × turns", "peak MiB", "wall s", "µs a turn"]
    return "**Memory of `focal-eval run`**\n\n" + _table(head, body)
