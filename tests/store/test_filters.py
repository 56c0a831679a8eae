"""Filters of the library mean what they say: a value is understood, or refused with the name of its argument."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from bson import ObjectId, Regex

from docservice import DocService
from docservice.domain.requests.document_pages import DocumentFilters
from docservice.domain.requests.lists import LogFilters
from docservice.errors import FilterInvalid, ValidationFailed
from docservice.testing import School, throw_away_service

SCHOOL = School(learners=2)
NOON = datetime(2024, 1, 2, 12, tzinfo=UTC)
KINDS = ("content_summary_logs", "content_session_logs", "user_session_logs", "exam_logs")


@pytest.fixture(scope="module")
async def logs(mongodb_uri: str) -> AsyncIterator[DocService]:
    """A service with three visits at noon of three days; no test here changes it."""
    async with throw_away_service(mongodb_uri, school=SCHOOL) as service:
        for day in range(3):
            log = SCHOOL.content_session_log(content=f"content {day}", start_timestamp=NOON + timedelta(days=day))
            await service.content_session_logs.save(log)
        anonymous = {"user_id": None, "content_id": "c" * 32, "kind": "video", "start_timestamp": NOON}
        await service.content_session_logs.save(anonymous)
        yield service


USER = SCHOOL.learner(0).user_id or ""


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"start_timestamp__gte": "2024-01-03"}, 2),
        ({"start_timestamp__gte": date(2024, 1, 3)}, 2),
        ({"start_timestamp__gte": "2024-01-02T12:00:00Z", "start_timestamp__lt": "2024-01-03T12:00:00+00:00"}, 2),
        ({"start_timestamp__gte": "2024-01-03 15:00:00.000000+03:00"}, 2),
        ({"start_timestamp__gte": "2024-01-03 12:00:00.000000(Africa/Nairobi)"}, 2),
        ({"start_timestamp": NOON.astimezone(timezone(timedelta(hours=3)))}, 2),
        ({"start_timestamp__in": ["2024-01-03T12:00:00", NOON]}, 3),
        ({"user_id": USER.upper()}, 3),
        ({"user_id": str(uuid.UUID(USER))}, 3),
        ({"user_id": uuid.UUID(USER)}, 3),
        ({"user_id": None}, 1),
        ({"user_id__in": [uuid.UUID(USER), None]}, 4),
        ({"user_id__in": (value for value in [USER])}, 3),
        ({"user_id__in": []}, 0),
        ({"kind__in": {"video"}}, 4),
        ({"progress__lt": 2}, 4),
        ({"morango_dirty_bit": True}, 4),
        ({"_morango_dirty_bit__in": [False]}, 0),
        ({"kind": "$where"}, 0),
    ],
)
async def test_values_are_understood(logs: DocService, filters: dict[str, Any], count: int) -> None:
    """Times are datetimes, dates or text, ids have any spelling, None is where a field may be None."""
    assert await logs.content_session_logs.count(**filters) == count


NAIVE = datetime(2024, 1, 2)  # noqa: DTZ001
BAD: list[dict[str, Any]] = [
    {"start_timestamp__gte": value}
    for value in (
        "yesterday",
        "",
        "2024-13-01",
        20240101,
        1.5,
        True,
        None,
        NAIVE,
        "9999-12-31T23:59:59-14:00",
        {"$gt": ""},
    )
]
BAD += [{"start_timestamp": [NOON]}, {"start_timestamp__in": NOON}, {"start_timestamp__in": ["2024-01-02", "x"]}]
BAD += [
    {"user_id": value}
    for value in (
        "x",
        "",
        USER[:-1],
        5,
        True,
        b"a" * 32,
        ObjectId("0" * 24),
        re.compile("a"),
        Regex("a"),
        {"$ne": None},
        [USER],
    )
]
BAD += [{"user_id__in": value} for value in (USER, None, 5, {USER: 1}, b"a", [[USER]], [{"$gt": ""}], ["x"])]
BAD += [{"id__gte": None}, {"content_id": None}, {"content_id__in": [None]}, {"id": re.compile(".")}]
BAD += [{"kind": value} for value in (None, 5, re.compile("v"), Regex("v"), {"$gt": ""}, ["video"], b"video", "\ud800")]
BAD += [{"progress": value} for value in ("1", True, float("nan"), None, {"$gt": 0}, [1])]
BAD += [{"progress__lt": float("inf")}, {"progress__gte": 10**400}]
BAD += [{"morango_dirty_bit": value} for value in (1, 0, "true", None)]
BAD += [{"morango_dirty_bit__gte": True}]
BAD += [
    {name: USER}
    for name in ("usr_id", "user", "user_id__like", "user_id__", "user_id__ne", "user_id__in__in", "$where", "_id__$ne")
]
BAD += [{"extra_fields": {}}, {"attempts__in": []}, {"recorded": {}}, {"has_dirty": True}, {"__in": [USER]}]


@pytest.mark.parametrize("filters", BAD, ids=lambda filters: f"{filters!r:.60}")
async def test_anything_else_is_an_error_that_names_the_argument(logs: DocService, filters: dict[str, Any]) -> None:
    """Nothing of another type is compared in silence, and nothing that is an operator reaches the database."""
    [argument] = filters
    collection = logs.content_session_logs

    for call in (collection.count, collection.get):
        with pytest.raises(FilterInvalid) as caught:
            await call(**filters)
        assert [error.path for error in caught.value.errors] == [(argument,)]
        assert argument in str(caught.value)
    with pytest.raises(FilterInvalid):
        [log async for log in collection.find(**filters)]


async def test_all_that_is_wrong_is_told_at_once(logs: DocService) -> None:
    """The error lists every filter that does not fit, and is one of the request's own faults and a ValueError."""
    with pytest.raises(FilterInvalid) as caught:
        await logs.content_session_logs.count(user_id="x", kind="video", nothing=1, progress__lt="2")

    assert [error.path for error in caught.value.errors] == [("user_id",), ("nothing",), ("progress__lt",)]
    assert isinstance(caught.value, ValidationFailed)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(FilterInvalid, match="twice"):
        await logs.content_session_logs.count(morango_source_id="a", _morango_source_id="b")


@pytest.mark.parametrize("name", KINDS)
async def test_each_field_of_each_kind_is_strict(logs: DocService, name: str) -> None:
    """In every collection every field takes a value of its own kind and refuses an operator and another type."""
    collection = getattr(logs, name)
    right = {"id": USER, "time": "2024-01-01", "integer": 1, "number": 0.5, "boolean": True, "text": "x"}

    for argument, field in collection._kind.plain_fields.items():
        assert await collection.count(**{argument: right[field.kind]}) >= 0
        for wrong in ({"$ne": 1}, re.compile("a"), [], object(), b"", True if field.kind != "boolean" else 1):
            with pytest.raises(FilterInvalid, match=re.escape(argument)):
                await collection.count(**{argument: wrong})


@pytest.mark.parametrize(
    ("argument", "call"),
    [
        ("content_ids", lambda logs: logs.filter_by_content_ids("c" * 32)),
        ("content_ids", lambda logs: logs.filter_by_content_ids(["x"])),
        ("content_ids", lambda logs: logs.filter_by_content_ids([None])),
        ("topic", lambda logs: logs.filter_by_topic({"$ne": 1})),
        ("log", lambda logs: logs.attempts(5)),
        ("log", lambda logs: logs.attempts("x")),
        ("kind", lambda logs: logs.filter_by_content_ids(["c" * 32], kind=5)),
    ],
)
async def test_other_arguments_are_named_too(logs: DocService, argument: str, call: Callable[[Any], Any]) -> None:
    """Lists of contents, topics and logs that are not ids are refused by the argument's name."""
    with pytest.raises(FilterInvalid, match=argument):
        [found async for found in call(logs.content_session_logs)]
    with pytest.raises(FilterInvalid, match="log"):
        await logs.content_session_logs.delete(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (LogFilters, {"user": "x"}),
        (LogFilters, {"classroom": {"$ne": 1}}),
        (LogFilters, {"complete": "yes"}),
        (LogFilters, {"quiz": 1}),
        (LogFilters, {"mastery_level": "1"}),
        (LogFilters, {"item": re.compile("q")}),
        (DocumentFilters, {"start_after": "soon"}),
        (DocumentFilters, {"start_before": NAIVE}),
        (DocumentFilters, {"content_ids": "c" * 32}),
        (DocumentFilters, {"kind": {"$gt": ""}}),
    ],
)
def test_filters_of_lists_are_as_strict(kind: Any, arguments: dict[str, Any]) -> None:
    """The filters of the lists for people refuse what does not fit when they are made."""
    [argument] = arguments

    with pytest.raises(FilterInvalid, match=argument):
        kind(**arguments)


async def test_lists_understand_the_same_values(logs: DocService) -> None:
    """Ids of any spelling and times as text filter lists for people, too; what a list does not have is refused."""
    learner = SCHOOL.learner(0)
    people = LogFilters(user=str(uuid.UUID(USER)).upper())
    filters = DocumentFilters(people=people, start_after="2024-01-03", kind="video")  # type: ignore[arg-type]

    page = await logs.acting_as(learner).document_page("contentsessionlog", filters)

    assert len(page.results) == 2
    for refused in (DocumentFilters(kind="video"), DocumentFilters(people=LogFilters(complete=True))):
        with pytest.raises(FilterInvalid, match=r"kind|complete"):
            await logs.acting_as(learner).document_page("examlog", refused)
    with pytest.raises(FilterInvalid, match="item"):
        await logs.acting_as(learner).mastery_log_page(LogFilters(item="q1"))
    with pytest.raises(FilterInvalid, match="quiz"):
        await logs.acting_as(learner).attempt_log_page(LogFilters(quiz=True))
