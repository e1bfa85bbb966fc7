"""The fixtures for tests that are written by hand."""

from __future__ import annotations

import pytest

from tests.pytest_plugin.project import build, environment, inside, write


@pytest.fixture
def shop(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """The project in the current folder, with an ini file that names its suite."""
    build(pytester.path, "greeting.yaml", "money/refund.yaml")
    pytester.makeini("[pytest]\nfocal_suite = evals/shop.yaml\nfocal_engine = other\n")
    for name, value in environment(pytester.path.parent).items():
        monkeypatch.setenv(name, value)
    return pytester


def test_a_script_is_replayed_and_asked_about(shop: pytest.Pytester) -> None:
    """`replay` plays a path, a case of a script, or YAML in the test, and gives turns as records; the engine is the suite's."""
    test = shop.makepyfile("""
        from focal_eval.records import Verdict

        def test_a_path(replay, focal_suite, focal_engine):
            done = replay("scenarios/greeting.yaml")
            done.assert_passed()
            assert done.passed and done.failures == "" and done.verdict is Verdict.PASSED
            assert [turn.reply.rules[0].name for turn in done.turns] == ["greet", "goodbye"]
            assert focal_suite.fields.engine.kind == "callable"
            assert focal_engine.abilities.deterministic

        def test_a_case(replay):
            assert replay("scenarios/money/refund.yaml", case="order=A-1").passed
            failed = replay("scenarios/money/refund.yaml", case="money/refund[order=A-2]")
            assert failed.verdict is Verdict.FAILED
            assert "expected  text containing 'A-1'" in failed.failures
            assert repr(failed) == "<Replayed money/refund[order=A-2]: failed, 2 turns>"

        def test_a_text(replay):
            done = replay('''
                turns:
                  - user: hello
                    expect: {rules: [greet]}
            ''')
            done.assert_passed()
    """)
    inside(shop, str(test), "-q").assert_outcomes(passed=3)
    assert not (shop.path / "reports").exists()


def test_what_fails_is_told_in_frames(shop: pytest.Pytester) -> None:
    """assert_passed fails with the script's frames and no traceback; a script that is wrong or not there with its reason."""
    test = shop.makepyfile("""
        def test_fails(replay):
            replay("scenarios/money/refund.yaml", case="order=A-2").assert_passed()

        def test_breaks(replay):
            replay("turns:\\n  - user: boom\\n    expect: {rules: [greet]}\\n").assert_passed()

        def test_several(replay):
            replay("scenarios/money/refund.yaml")

        def test_strange_case(replay):
            replay("scenarios/money/refund.yaml", case="order=A-3")

        def test_wrong(replay):
            replay("turns:\\n  - user: hello\\n    expekt: {}\\n")

        def test_missing(replay):
            replay("scenarios/greting.yaml")
    """)
    result = inside(shop, str(test))
    result.assert_outcomes(failed=6)
    result.stdout.fnmatch_lines([
        "money/refund[[]order=A-2]: turn 1: failed[[]response.contains]: *",
        "    6 |     expect: {rules: [[]refund], response: {contains: A-1}}",
        "  error[[]engine-error]: bot.py:answer raised RuntimeError: the bot fell over",
        "the script makes 2 cases; name one of them: money/refund[[]order=A-1], money/refund[[]order=A-2]",
        "the script makes no case 'order=A-3'; *",
        "*script.yaml:3:5: error[[]unknown-key]: no key is named 'expekt' here; did you mean 'expect'?",
        "there is no script scenarios/greting.yaml",
    ])  # fmt: skip
    for line in ("*Traceback*", "*During handling*", "*focal_eval/*"):
        result.stdout.no_fnmatch_line(line)


def test_a_test_with_a_loop_of_its_own_may_await_or_call(shop: pytest.Pytester) -> None:
    """`await replay.later(...)` lets other tasks go on; a plain call works inside a running loop too."""
    test = shop.makepyfile("""
        import asyncio

        def test_awaited(replay):
            async def both():
                first, second = replay.later("scenarios/greeting.yaml"), replay.later("scenarios/greeting.yaml")
                done = await asyncio.gather(first, second)
                done.append(replay("scenarios/greeting.yaml"))
                return done
            assert [one.passed for one in asyncio.run(both())] == [True, True, True]
    """)
    inside(shop, str(test), "-q").assert_outcomes(passed=1)


def test_a_suite_that_cannot_be_told_is_asked_for(shop: pytest.Pytester) -> None:
    """Without a suite, or with several, the fixture says how to name one; a broken one is shown in its frame."""
    test = shop.makepyfile("def test_it(focal_suite): pass\ndef test_engine(replay): pass\n")
    (shop.path / "tox.ini").unlink()
    write(shop.path, {"evals/again.yaml": (shop.path / "evals" / "shop.yaml").read_text()})
    result = inside(shop, str(test))
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        ["name a suite with --focal-suite FILE, *; there are several: evals/again.yaml, evals/shop.yaml"]
    )
    write(shop.path, {"evals/again.yaml": "engine: {kind: embeded}\nscripts: [a.yaml]\n"})
    result = inside(shop, str(test), "--focal-suite", "evals/again.yaml")
    result.stdout.fnmatch_lines(["evals/again.yaml:1:*did you mean 'embedded'?*"])
