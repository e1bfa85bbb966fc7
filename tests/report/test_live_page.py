"""The page of a run that is going on: who may see it, what comes when, and that nothing of it acts."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from focal_eval.records import Finding, Reply, RuleMatch, Verdict
from focal_eval.report import ReportModel
from focal_eval.report.html import write
from focal_eval.report.live_server import LiveServer
from tests.report.hostile import payloads
from tests.report.reader import Readers
from tests.report.sample_run import Attempt, Case, Turn, failed, write_run

if TYPE_CHECKING:
    from playwright.sync_api import Page


class Growing:
    """A journal that is written on, a piece at a time, from a run that was recorded before."""

    def __init__(self, whole: Path, folder: Path) -> None:
        self.folder = folder
        self._lines = (whole / "journal.jsonl").read_bytes().splitlines(keepends=True)
        folder.mkdir()
        (folder / "journal.jsonl").write_bytes(b"")

    @property
    def left(self) -> int:
        return len(self._lines)

    def write(self, count: int | None = None) -> None:
        """Appends so many lines, or all that are left."""
        some, self._lines = self._lines[:count], self._lines[count:] if count is not None else []
        with (self.folder / "journal.jsonl").open("ab") as file:
            file.write(b"".join(some))

    def cases(self, count: int) -> None:
        """Appends until so many attempts are over."""
        while count:
            count -= self._lines[0].startswith(b'{"t":"attempt"')
            self.write(1)


@pytest.fixture
def growing(rich_folder: Path, tmp_path: Path) -> Growing:
    """The rich run, of which nothing but the header is written yet."""
    run = Growing(rich_folder, tmp_path / "live")
    run.write(1)
    return run


@pytest.fixture
def server(growing: Growing) -> Iterator[LiveServer]:
    server = LiveServer(growing.folder)
    server.start()
    yield server
    server.close()


def ask(server: LiveServer, path: str | None = None, method: str = "GET", **fields: str) -> tuple[int, dict[str, str], bytes]:
    """One request; the status, the fields of the answer's head and its body."""
    at = urlsplit(server.url)
    assert at.hostname is not None
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=60)
    connection.request(
        method, at.path if path is None else path, headers={key.replace("_", "-"): told for key, told in fields.items()}
    )
    answer = connection.getresponse()
    out = answer.status, {name.lower(): told for name, told in answer.getheaders()}, answer.read()
    connection.close()
    return out


def listen(server: LiveServer, last: str | None = None) -> Generator[tuple[str, str | None, Any], None, None]:
    """The events as they come: kind, id, data."""
    at = urlsplit(server.url)
    with socket.create_connection((str(at.hostname), int(at.port or 0)), timeout=60) as line:
        more = "" if last is None else f"Last-Event-ID: {last}\r\n"
        line.sendall(f"GET {at.path}events HTTP/1.1\r\nHost: {at.netloc}\r\n{more}\r\n".encode())
        file = line.makefile("rb")
        while file.readline() != b"\r\n":
            pass
        fields: dict[str, str] = {}
        for raw in file:
            text = raw.decode().rstrip("\n")
            if text:
                name, _, told = text.partition(": ")
                fields[name] = told
            elif "data" in fields:
                yield fields.get("event", "message"), fields.get("id"), json.loads(fields["data"])
                fields = {}
            else:
                fields = {}


def names(event: Any) -> list[str]:
    at = event["columns"].index("name")
    return [row[at] for row in event["cases"]]


@pytest.mark.parametrize(
    ("path", "method", "fields", "status"),
    [
        ("/", "GET", {}, 403),
        ("/wrong/", "GET", {}, 403),
        ("/wrong/events", "GET", {}, 403),
        ("/%C3%A9/", "GET", {}, 403),
        (None, "GET", {"Host": "example.com"}, 403),
        (None, "GET", {"Host": "127.0.0.1:1"}, 403),
        (None, "POST", {}, 405),
        ("TOKEN/../journal.jsonl", "GET", {}, 404),
        ("TOKEN/journal.jsonl", "GET", {}, 404),
    ],
)
def test_only_who_has_the_address_sees_the_page(
    server: LiveServer, path: str | None, method: str, fields: dict[str, str], status: int
) -> None:
    """Another token, another name of the machine, another method and another path get nothing of the run."""
    if path is not None:
        path = path.replace("TOKEN", f"/{server.token}")
    found, _, body = ask(server, path, method, **fields)
    assert found == status
    assert b"<html" not in body


def test_it_listens_on_the_loopback_and_every_run_has_its_own_token(server: LiveServer, growing: Growing) -> None:
    """Nobody guesses the address: 24 bytes of chance, another port each time."""
    other = LiveServer(growing.folder)
    other.start()
    other.close()
    assert urlsplit(server.url).hostname == "127.0.0.1"
    assert server.token != other.token
    assert len(server.token) >= 32


def test_the_page_may_ask_nobody_else(server: LiveServer) -> None:
    """The policy allows one script and one style by their digests and this very server; nothing is kept, framed or sniffed."""
    status, fields, body = ask(server)
    assert status == 200
    policy = body.decode().split('http-equiv="Content-Security-Policy" content="')[1].split('"')[0].replace("&#39;", "'")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'self'"
    assert rules["script-src"].startswith("'sha256-")
    assert "unsafe" not in policy
    assert fields["cache-control"] == "no-store"
    assert fields["x-content-type-options"] == "nosniff"
    assert fields["referrer-policy"] == "no-referrer"
    assert fields["content-security-policy"] == "frame-ancestors 'none'"
    assert b"http://" not in body.replace(b"http://www.w3.org", b"")


def test_who_comes_late_gets_all_and_who_comes_back_gets_the_rest(server: LiveServer, growing: Growing) -> None:
    """Cases that are over come first, in few events; then each as it ends; a reader that names its last event goes on there."""
    growing.cases(4)
    events = listen(server)
    _, last, first = next(events)
    assert len(names(first)) == 4
    growing.cases(1)
    _, _, second = next(events)
    assert len(names(second)) == 1
    again = listen(server, last)
    assert names(next(again)[2]) == names(second)
    growing.write()
    told = list(events)
    assert told[-1][0] == "end"
    assert "The run is going on" not in told[-1][2]["page"]
    assert len({name for event in (first, second, *(one[2] for one in told[:-1])) for name in names(event)}) > 5
    events.close()
    again.close()


def test_a_case_under_way_and_a_torn_line_wait(server: LiveServer, growing: Growing) -> None:
    """Half a line is no line, and a case without its end is not told."""
    growing.cases(1)
    events = listen(server)
    assert len(names(next(events)[2])) == 1
    growing.write(1)
    whole = growing._lines.pop(0)
    path = growing.folder / "journal.jsonl"
    with path.open("ab") as file:
        file.write(whole[:25])
    time.sleep(0.5)
    assert b"Running: 1 of" in ask(server)[2]
    with path.open("ab") as file:
        file.write(whole[25:])
    growing.cases(1)
    assert len(names(next(events)[2])) == 1
    events.close()


def test_who_reads_nothing_keeps_nobody_waiting(server: LiveServer, growing: Growing) -> None:
    """A reader that takes nothing of its socket: another one is served at once, and the server ends in time."""
    at = urlsplit(server.url)
    with socket.socket() as idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        idle.connect((str(at.hostname), int(at.port or 0)))
        idle.sendall(f"GET {at.path}events HTTP/1.1\r\nHost: {at.netloc}\r\n\r\n".encode())
        growing.write()
        began = time.monotonic()
        assert list(listen(server))[-1][0] == "end"
        server.close()
        assert time.monotonic() - began < 6


def test_senseless_requests_end(server: LiveServer) -> None:
    """Bytes that are no request, an endless head and a silent connection harm nobody."""
    at = urlsplit(server.url)
    for said in (b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"\r\n\r\n", b"GET /" + b"a" * 200_000):
        with socket.create_connection((str(at.hostname), int(at.port or 0)), timeout=60) as line:
            answer = b""
            with contextlib.suppress(OSError):  # it does not read on, or has closed the line already
                line.sendall(said)
                line.shutdown(socket.SHUT_WR)
                answer = line.recv(100)
            assert not answer or b" 403 " in answer
    assert ask(server)[0] == 200


def test_a_target_that_is_no_path_is_refused(server: LiveServer) -> None:
    """As one without the token is."""
    assert ask(server, "summary")[0] == 403


def test_a_summary_says_how_much_of_the_run_it_tells(server: LiveServer, growing: Growing) -> None:
    """It is made anew only now and then, so a reader has to know whether a later one is to be asked for."""
    told: list[str] = []
    while not told or told[-1] != "3":
        _, fields, body = ask(server, urlsplit(server.url).path + "summary")
        told.append(fields["cases-over"])
        assert f"Running: {told[-1]} of".encode() in body
        if len(told) == 1:
            growing.cases(3)
    assert told[0] == "0"


def test_a_run_that_breaks_off_is_told_as_such(growing: Growing) -> None:
    """Where the journal has no end when the server is closed, readers get the summary of a run that was cut off."""
    server = LiveServer(growing.folder)
    server.start()
    growing.cases(2)
    told: list[Any] = []
    thread = threading.Thread(target=lambda: told.extend(listen(server)))
    thread.start()
    time.sleep(0.5)
    server.close()
    thread.join(10)
    assert told[-1][0] == "end"
    assert "Cut off after 2 of" in told[-1][2]["page"]


def hostile(texts: list[str]) -> list[Case]:
    """A case for each text, which stands in every field that a script or an engine controls."""
    out = []
    for number, text in enumerate(texts):
        bad = failed("response", text, f"scenarios/{number}.yaml", 3, Finding(text, text, text), because=text)
        reply = Reply(response=text, rules=(RuleMatch(text),), metadata={text: text})
        turn = Turn(text, reply, (bad,) if number % 2 else ())
        verdict = Verdict.FAILED if number % 2 else Verdict.PASSED
        out.append(Case(f"odd/{number}", text, [Attempt([turn], verdict)], tags=(text[:40],), params={"p": text[:40]}))
    return out


@pytest.fixture
def watched(readers: Readers, server: LiveServer) -> Iterator[Page]:
    """A browser with the page open; it may ask the server and nobody else, and says nothing on its console."""
    with readers.at(server.url) as reader:
        yield reader.page
        assert reader.log == []
        assert {urlsplit(url).netloc for url in reader.asked if not url.startswith("data:")} == {urlsplit(server.url).netloc}


def test_the_report_fills_up_and_stays(watched: Page, server: LiveServer, growing: Growing) -> None:
    """Cases come by themselves; what is open stays open, the filter holds, and after the end everything can still be read."""
    assert watched.inner_text("#verdict").startswith("Running: 0 of")
    assert "No case is over yet." in watched.inner_text("#list")
    growing.cases(3)
    watched.wait_for_selector(".row-link >> nth=2")
    watched.wait_for_selector("#verdict:has-text('Running: 3 of')")
    watched.click(".row-link >> nth=0")
    title = watched.inner_text("#case-title")
    growing.write()
    watched.wait_for_selector("#live-note", state="attached")
    server.close()
    assert watched.inner_text("#case-title") == title
    watched.click("text=All cases")
    assert "The run is over" in watched.inner_text("#live-note")
    assert not watched.inner_text("#verdict").startswith("Running")
    watched.fill("#search", "refund")
    watched.click(".row-link >> nth=-1")
    watched.wait_for_selector("#case-title")


def test_what_it_shows_at_last_is_what_the_report_shows(
    watched: Page, growing: Growing, readers: Readers, rich: ReportModel, tmp_path: Path
) -> None:
    """The same verdict, facts, counters and rows in the same order as `report.html` of the run."""
    growing.write()
    watched.wait_for_selector("#live-note")
    with readers.at(write(rich, tmp_path).as_uri()) as reader:
        other = reader.page
        for part in ("#verdict", ".facts", ".gates", ".counters", "#found"):
            assert watched.inner_text(part) == other.inner_text(part), part
        assert watched.locator(".row-link").all_inner_texts() == other.locator(".row-link").all_inner_texts()


def test_a_process_that_is_gone_is_told(readers: Readers, growing: Growing) -> None:
    """The run was killed: the page says that nobody answers any more, and shows what came until then."""
    growing.cases(2)
    code = (
        "import sys, time, pathlib; from focal_eval.report.live_server import LiveServer;"
        "print(LiveServer(pathlib.Path(sys.argv[1])).start(), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(growing.folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with readers.at(process.stdout.readline().strip()) as reader:
            page = reader.page
            page.wait_for_selector(".row-link >> nth=1")
            process.kill()
            page.wait_for_selector("#live-note")
            assert "does not answer any more" in page.inner_text("#live-note")
            assert page.locator(".row-link").count() == 2


def test_hostile_texts_do_not_act(readers: Readers, tmp_path: Path) -> None:
    """Texts that would run a script are shown as they are, in rows that come as events and in opened cases."""
    texts = list(payloads())[::9]
    growing = Growing(write_run(tmp_path / "run", hostile(texts)), tmp_path / "live")
    growing.write(1)
    server = LiveServer(growing.folder)
    server.start()
    try:
        with readers.at(server.url) as reader:
            page = reader.page
            growing.write()
            page.wait_for_selector("#live-note")
            ids = [
                json.loads(line)["case"]
                for line in (growing.folder / "journal.jsonl").read_bytes().splitlines()
                if b'"t":"case"' in line
            ]
            for name in ids:
                page.goto(f"{server.url}#case={name}")
                page.wait_for_selector("#case-title")
                assert page.evaluate("window.pwned") is None
            hosts = {urlsplit(url).netloc for url in reader.asked if not url.startswith("data:")}
            assert hosts == {urlsplit(server.url).netloc}
    finally:
        server.close()
