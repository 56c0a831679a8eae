"""The fixtures that docservice gives to the tests of a host, in runs of pytest as hosts have them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from docservice import testing

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow

PLUGIN = "docservice.testing"
NOT_OURS = "ignore::pytest.PytestDeprecationWarning"
"""pytest-asyncio warns of options that a host has not set."""

ONE_LOOP = """asyncio_mode = auto
asyncio_default_fixture_loop_scope = session
asyncio_default_test_loop_scope = session
"""
HOST_TESTS = """
import pytest
from docservice import UpdateSession
from docservice.testing import interaction

{mark}

async def answer(logs, learner, session):
    visit = await logs.acting_as(learner).start_session(session)
    report = UpdateSession(interactions=[interaction("q1")])
    await logs.acting_as(learner).update_session(visit.session_id, report)

@pytest.mark.parametrize("number", [0, 1])
async def test_each_test_begins_empty(logs, school, number):
    assert await logs.attempt_logs.count() == 0
    for session in (school.exercise, school.exercise_in_lesson, school.quiz):
        await answer(logs, school.learner(number), session)
    assert await logs.attempt_logs.count(user_id=school.learner(number).user_id) == 3
    assert await logs.mastery_logs.count(summarylog__content_id=school.quiz_id) == 1
    seen = [log async for log in logs.acting_as(school.coach).documents("contentsummarylog")]
    assert sorted(log["content_id"] for log in seen) == sorted([school.exercise_id, school.quiz_id])

async def test_without_school(logs):
    assert await logs.content_summary_logs.count() == 0
"""


@pytest.fixture
def host(pytester: pytest.Pytester, mongodb_uri: str, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """The tests of a host, in a folder of their own, on the server of this run."""
    monkeypatch.setenv("DOCSERVICE_TEST_MONGODB_URI", mongodb_uri)
    return pytester


def run(host: pytest.Pytester, *arguments: str, mark: str = "", ini: str = "") -> pytest.RunResult:
    """A run of pytest in a process of its own; warnings are errors."""
    host.makepyfile(HOST_TESTS.format(mark=mark))
    host.makeini(f"[pytest]\n{ini}")
    return host.runpytest_subprocess("-p", PLUGIN, "-W", "error", "-W", NOT_OURS, *arguments)


def test_it_is_declared() -> None:
    """Installed, the plugin is found by pytest under the name of its module, so that naming it twice does no harm."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["entry-points"]["pytest11"] == {PLUGIN: testing.__name__}


@pytest.mark.parametrize(
    ("mark", "ini"),
    [
        ("", "asyncio_mode = auto"),
        ("", ONE_LOOP),
        ("pytestmark = pytest.mark.asyncio", "asyncio_mode = strict"),
    ],
    ids=["auto", "one loop", "strict"],
)
def test_with_pytest_asyncio(host: pytest.Pytester, mark: str, ini: str) -> None:
    """The fixtures work in both modes of pytest-asyncio, with a loop for each test and with one for all."""
    result = run(host, "-p", "no:anyio", mark=mark, ini=ini)

    result.assert_outcomes(passed=3)


ANYIO = """
pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""


@pytest.mark.parametrize(
    "arguments", [("-p", "no:asyncio", "-p", "no:aiohttp"), ()], ids=["alone", "beside pytest-asyncio"]
)
def test_with_anyio(host: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    """The fixtures work with the plugin of anyio, whether pytest-asyncio is installed beside it or not."""
    result = run(host, *arguments, mark=ANYIO)

    result.assert_outcomes(passed=3)


def test_with_several_processes(host: pytest.Pytester) -> None:
    """The processes of pytest-xdist do not disturb each other."""
    result = run(host, "-n", "2", ini="asyncio_mode = auto")

    result.assert_outcomes(passed=3)


@pytest.mark.engine
def test_an_engine_for_the_run(pytester: pytest.Pytester) -> None:
    """Without a server all tests of a run share an engine, whatever loops they have, and it ends with the run."""
    result = run(pytester, ini="asyncio_mode = auto")

    result.assert_outcomes(passed=3)


def test_a_host_may_have_its_own(host: pytest.Pytester) -> None:
    """A fixture of the host that has the name of one of ours is the one that its tests get."""
    host.makeconftest("import pytest\n\n@pytest.fixture\ndef logs():\n    return 5\n")
    host.makepyfile("def test_it(logs):\n    assert logs == 5\n")

    host.runpytest_subprocess("-p", PLUGIN).assert_outcomes(passed=1)


def test_help_and_the_list_of_fixtures(host: pytest.Pytester) -> None:
    """`pytest --help` works as before, and `pytest --fixtures` says what the fixtures are."""
    assert host.runpytest_subprocess("-p", PLUGIN, "--help").ret == 0

    listed = host.runpytest_subprocess("-p", PLUGIN, "--fixtures")

    listed.stdout.fnmatch_lines(["logs*", "*entered DocService*", "school*", "*small school*"])


def test_runs_without_docservice_do_not_wait_for_it(host: pytest.Pytester) -> None:
    """A run that uses none of the fixtures imports no driver, no models and no web server."""
    host.makepyfile(
        "import sys\n\ndef test_it():\n    assert not {'pymongo', 'pydantic', 'jwt', 'aiohttp'} & set(sys.modules)\n"
    )

    result = host.runpytest_subprocess(
        "-p", PLUGIN, "-p", "no:aiohttp", "-p", "no:schemathesis", "-p", "no:hypothesispytest", "-p", "no:anyio"
    )

    result.assert_outcomes(passed=1)
