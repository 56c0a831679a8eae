"""Helpers and pytest fixtures for the tests of a program that embeds docservice.

As a pytest plugin, loaded wherever docservice is installed, it has two fixtures:

- `logs`: an entered `DocService` over an empty database of the test's own. All tests of a run share one engine.
- `school`: a small `School` in the directory of `logs`.

    async def test_a_right_answer_counts(logs, school):
        learner = logs.acting_as(school.learner())
        session = await learner.start_session(school.exercise)
        ...

They work with `pytest-asyncio` in each of its modes, and with the plugin of `anyio`. Set
`DOCSERVICE_TEST_MONGODB_URI` to run the tests on a server of your own instead of an embedded engine.

Without pytest: `throw_away_engine()` once, `throw_away_service(uri)` for each test.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docservice.testing.services import engine_beside, throw_away_engine, throw_away_service
    from docservice.testing.small_school import START, School, interaction, made_id, start_session

try:
    import pytest  # noqa: F401
except ImportError:
    pass  # the helpers are for other runners, too
else:
    from docservice.testing.fixtures import docservice_test_uri as docservice_test_uri
    from docservice.testing.fixtures import logs as logs
    from docservice.testing.fixtures import school as school

__all__ = [
    "START",
    "School",
    "engine_beside",
    "interaction",
    "made_id",
    "start_session",
    "throw_away_engine",
    "throw_away_service",
]

_HOMES = {
    "docservice.testing.small_school": ("START", "School", "interaction", "made_id", "start_session"),
    "docservice.testing.services": ("engine_beside", "throw_away_engine", "throw_away_service"),
}


def __getattr__(name: str) -> Any:
    """Import a helper when it is first used: a run of pytest that has no use for docservice does not wait for it."""
    for module, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(import_module(module), name)
            return value
    raise AttributeError(f"module 'docservice.testing' has no attribute {name!r}")
