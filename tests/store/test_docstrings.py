"""The examples in docstrings of the library, as a person would type them into `python -m asyncio`."""

from __future__ import annotations

import ast
import doctest
import inspect
import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

import docservice
from docservice import DocService, UpdateSession, testing
from docservice.testing import School, interaction, throw_away_service

_CHECKER = doctest.OutputChecker()


def examples() -> Iterator[doctest.DocTest]:
    """The docstrings with examples of all that is exported."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    for module in (docservice, testing):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                yield from (test for test in finder.find(value, name, globs={}) if test.examples)


EXAMPLES = list(examples())


@pytest.fixture
async def namespace(mongodb_uri: str) -> Any:
    """What the examples may name: the library, and a school in which a learner has answered two questions."""
    school = School()
    learner = school.learner()
    async with throw_away_service(mongodb_uri, school=school) as logs:
        acting = logs.acting_as(learner)
        visit = await acting.start_session(school.exercise)
        answers = [interaction("q0"), interaction("q1", correct=0)]
        await acting.update_session(visit.session_id, UpdateSession(interactions=answers))
        exported = {name: getattr(module, name) for module in (docservice, testing) for name in module.__all__}
        yield {**exported, "logs": logs, "school": school, "learner": learner, "exercise": school.exercise_id}


async def run(test: doctest.DocTest, namespace: dict[str, Any]) -> None:
    """Run the examples of a docstring one after another and compare what each prints with what it says."""
    for example in test.examples:
        code = compile(example.source, test.name, "single", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with redirect_stdout(io.StringIO()) as printed:
            result = eval(code, namespace)  # noqa: S307
            if inspect.iscoroutine(result):
                await result
        assert _CHECKER.check_output(example.want, printed.getvalue(), 0), (
            f"{test.name} says {example.want!r} and prints {printed.getvalue()!r}: {example.source}"
        )


@pytest.mark.slow
@pytest.mark.parametrize("test", [test for test in EXAMPLES if test.name != "DocService"], ids=lambda test: test.name)
async def test_the_example_is_true(test: doctest.DocTest, namespace: dict[str, Any]) -> None:
    """Each example prints what the docstring says."""
    await run(test, namespace)


@pytest.mark.slow
@pytest.mark.engine
async def test_the_first_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of `help(DocService)` runs in an empty folder, with an engine of its own."""
    monkeypatch.chdir(tmp_path)
    (test,) = [test for test in EXAMPLES if test.name == "DocService"]

    await run(test, {"DocService": DocService, "UpdateSession": UpdateSession})


def test_there_are_examples_of_the_main_things() -> None:
    """The way in, what people do, the collections and the operator's side have examples."""
    names = {test.name.rpartition(".")[0] or test.name for test in EXAMPLES}

    assert {"DocService", "PersonLogs", "LogCollection", "LogsAdmin", "SyncableLog"} <= names


async def test_a_wrong_example_is_found(namespace: dict[str, Any]) -> None:
    """An example that prints something else than it says fails."""
    text = ">>> await logs.attempt_logs.count()\n3\n"
    test = doctest.DocTestParser().get_doctest(text, {}, "wrong", None, 0)

    with pytest.raises(AssertionError, match=r"wrong says '3\\n' and prints '2\\n'"):
        await run(test, namespace)
