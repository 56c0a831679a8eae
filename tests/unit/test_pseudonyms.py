"""What is exported under pseudonyms, and what the check of such an export finds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from docservice.domain.exports.pseudonyms import COLLECTIONS, Pseudonyms
from docservice.domain.exports.self_check import DirectoryValues, looked_for
from docservice.domain.exports.tables import TABLES, TableName
from docservice.store.mapping.schema import OURS

KEY, PERSON, OTHER = b"k" * 32, "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "f" * 32
MOMENT = datetime(2024, 3, 30, 12, tzinfo=ZoneInfo("Europe/Berlin"))
SECRET = "what nobody may see"


def row_of(table: TableName, **values: Any) -> tuple[Any, ...]:
    """A row in which each text and id is secret, unless it is given."""
    plain = {"time": MOMENT, "folders": ("Topic",), "count": 1, "flag": True, "id": OTHER, "text": SECRET}
    given = {"username": PERSON, "user_id": PERSON, "day": "2024-03-30", "mastery_model": "m_of_n", **values}
    return tuple(given.get(column.name, plain.get(column.kind, 0.5)) for column in TABLES[table].columns)


def pseudonymous(table: TableName, pseudonyms: Pseudonyms, **values: Any) -> dict[str, Any]:
    """The row as it is exported, by column."""
    [row] = pseudonyms.rows(table, [row_of(table, **values)], {PERSON: "anna"}.get)
    return dict(zip((column.name for column in TABLES[table].columns), row, strict=True))


def test_a_key_has_a_least_length() -> None:
    """A short key is refused, and no key is shown."""
    with pytest.raises(ValueError, match="31 bytes"):
        Pseudonyms(b"k" * 31)

    assert "kkk" not in repr(Pseudonyms(KEY))


def test_pseudonyms_depend_on_the_key_and_nothing_else() -> None:
    """The same id has one pseudonym, in every table and document; another key gives another one."""
    first, again, other = Pseudonyms(KEY), Pseudonyms(KEY, frozenset({"names"}), 5), Pseudonyms(b"x" * 32)

    assert first.id(PERSON) == again.id(PERSON) != other.id(PERSON)
    assert len(first.id(PERSON)) == 32
    assert pseudonymous("session", first)["username"] == first.id(PERSON)
    assert first.document("roles", {"_id": OTHER, "user_id": PERSON})["user_id"] == first.id(PERSON)


@pytest.mark.parametrize("table", TABLES)
def test_rows_hold_nothing_of_a_person(table: TableName) -> None:
    """Names, answers and ids are gone; what is about content and progress stays."""
    secret = {"content_title": "Fractions", "channel_name": "Maths", "item": "q1", "user_type": "Learner"}
    row = pseudonymous(table, Pseudonyms(KEY), kind="exercise", channel_id="c", content_id="d", **secret)

    assert SECRET not in row.values()
    assert {PERSON, OTHER}.isdisjoint(str(value) for value in row.values())
    about = {"start_timestamp": MOMENT, "time_spent": 0.5, "content_title": "Fractions", "day": "2024-03-30"}
    assert {name: row[name] for name in about if name in row} == {
        name: value for name, value in about.items() if name in row
    }
    if "user_id" in row:
        assert row["user_id"] == row["username"] == Pseudonyms(KEY).id(PERSON)


def test_what_is_kept_stays() -> None:
    """Each option brings back what it names and nothing else."""
    names = pseudonymous("exam", Pseudonyms(KEY, frozenset({"names"})))
    usernames = pseudonymous("attempt", Pseudonyms(KEY, frozenset({"usernames"})), kind="quiz")
    answers = pseudonymous("attempt", Pseudonyms(KEY, frozenset({"answers"})), kind="quiz")

    assert (names["facility_name"], names["exam_title"]) == (SECRET, SECRET)
    assert (usernames["username"], usernames["simple_answer"], usernames["content_title"]) == ("anna", None, None)
    assert (answers["simple_answer"], answers["facility_name"]) == (SECRET, None)
    assert usernames["content_id"] != OTHER


def test_names_of_classes_and_years_are_kept_only_if_asked_for() -> None:
    """Each option brings back its columns in the tables that name the learner, too."""
    names = pseudonymous("learner", Pseudonyms(KEY, frozenset({"names"})), birth_year="2012")
    years = pseudonymous("learner", Pseudonyms(KEY, frozenset({"birth-years"})), birth_year="2012")
    answers = pseudonymous("item", Pseudonyms(KEY, frozenset({"answers"})), kind="exercise")

    assert (names["full_name"], names["classes"], names["groups"], names["birth_year"]) == (
        SECRET,
        SECRET,
        SECRET,
        None,
    )
    assert (years["full_name"], years["birth_year"], years["gender"]) == (None, "2012", None)
    assert (answers["wrong_answer"], answers["question_title"]) == (SECRET, None)


def test_days_are_moved_with_the_times_of_their_person() -> None:
    """Two days of a person stay as far apart as they are."""
    moving = Pseudonyms(KEY, shift_days=30)

    first, second = (pseudonymous("activity", moving, day=day)["day"] for day in ("2024-02-28", "2024-03-01"))

    assert first != "2024-02-28"
    assert datetime.fromisoformat(second) - datetime.fromisoformat(first) == timedelta(days=2)


def test_visitors_have_no_pseudonym() -> None:
    """A row without a learner stays without one."""
    assert pseudonymous("session", Pseudonyms(KEY, shift_days=3), username=None)["username"] is None


def test_times_of_a_person_move_together() -> None:
    """Intervals stay, by at most so many days; another person's move differently; the zone stays."""
    pseudonyms = Pseudonyms(KEY, shift_days=30)
    later = MOMENT + timedelta(days=2)  # the clocks change in between
    moved, moved_later = pseudonyms.shifted(MOMENT, PERSON), pseudonyms.shifted(later, PERSON)
    other = pseudonyms.shifted(MOMENT, OTHER)

    assert moved is not None
    assert moved_later is not None
    assert moved_later.astimezone(UTC) - moved.astimezone(UTC) == later.astimezone(UTC) - MOMENT.astimezone(UTC)
    assert abs(moved - MOMENT) <= timedelta(days=30, hours=1)
    assert moved.tzinfo is MOMENT.tzinfo
    assert other != moved != MOMENT
    ends = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    assert [pseudonyms.shifted(each, PERSON) for each in ends].count(None) == 1


DOCUMENT = {
    "_id": OTHER,
    "dataset_id": OTHER,
    "user_id": PERSON,
    "content_id": "c" * 32,
    "kind": "exercise",
    "progress": 0.5,
    "start_timestamp": MOMENT,
    "extra_fields": {"text": SECRET},
    "_morango_partition": f"{OTHER}:user-rw:{PERSON}",
    "_recorded": {"start_timestamp": SECRET},
    "later": SECRET,
    "mastery_logs": [
        {
            "id": OTHER,
            "mastery_level": 1,
            "attempts": [
                {
                    "id": OTHER,
                    "sessionlog_id": OTHER,
                    "item": "q1",
                    "answer": SECRET,
                    "simple_answer": SECRET,
                    "interaction_history": [{"type": "answer", "answer": SECRET, "correct": 1, "timestamp": SECRET}],
                }
            ],
        }
    ],
}


def test_a_document_holds_nothing_of_a_person() -> None:
    """Ids become pseudonyms at every depth; answers, texts and what is not known are left out."""
    pseudonyms = Pseudonyms(KEY)
    made = pseudonyms.document("content_summary_logs", DOCUMENT)
    attempt = made["mastery_logs"][0]["attempts"][0]

    assert all(secret not in json.dumps(made, default=str) for secret in (SECRET, PERSON, OTHER))
    assert (made["user_id"], made["content_id"], made["progress"]) == (pseudonyms.id(PERSON), "c" * 32, 0.5)
    assert attempt["item"] == "q1"
    assert attempt["interaction_history"] == [{"type": "answer", "correct": 1}]


def test_a_document_with_answers() -> None:
    """Answers are kept on request, the times inside a history are not."""
    made = Pseudonyms(KEY, frozenset({"answers"})).document("content_summary_logs", DOCUMENT)
    attempt = made["mastery_logs"][0]["attempts"][0]

    assert attempt["answer"] == SECRET
    assert attempt["interaction_history"] == [{"type": "answer", "correct": 1, "answer": SECRET}]


def test_a_person_and_a_bucket() -> None:
    """An account keeps what is asked for; a bucket is called after its log; content stays as it is."""
    person = {"_id": PERSON, "username": "anna", "full_name": "Anna", "birth_year": "2010", "id_number": SECRET}
    plain = Pseudonyms(KEY)
    open_ = Pseudonyms(KEY, frozenset({"names", "usernames", "birth-years"}))
    bucket = plain.document("attempt_overflow", {"_id": f"{OTHER}:000001", "content_id": OTHER, "log_id": OTHER})

    assert plain.document("facility_users", person) == {"_id": plain.id(PERSON), "username": plain.id(PERSON)}
    assert open_.document("facility_users", person) == {
        "_id": plain.id(PERSON),
        "username": "anna",
        "full_name": "Anna",
        "birth_year": "2010",
    }
    assert bucket == {"_id": f"{plain.id(OTHER)}:000001", "log_id": plain.id(OTHER)}
    assert plain.document("channels", {"_id": OTHER, "name": "Maths"}) == {"_id": OTHER, "name": "Maths"}
    assert set(COLLECTIONS) < OURS


@pytest.fixture
def values() -> DirectoryValues:
    """A directory of two people."""
    made = DirectoryValues(ids={PERSON})
    for username, name in (("anna", "Anna Lee"), ("jo", "Jo"), ("video", "")):
        made.add_username(username)
        made.add_name(name)
    return made


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (PERSON, "id"),
        (f"user:{PERSON.upper()}", "id"),
        (" ANNA ", "username"),
        ("so says anna, again", "username"),
        ("by anna  lee!", "username"),
        ("Lee", None),
        ("jo", "username"),
        ("banjo jo", None),
        ("annas", None),
        ("", None),
    ],
)
def test_values_of_the_directory_are_found(values: DirectoryValues, text: str, found: str | None) -> None:
    """Ids everywhere, usernames and names as whole texts, and from four characters on as words of a text."""
    assert values.found_in(text) == found


def test_names_are_found_word_by_word(values: DirectoryValues) -> None:
    """A name of several words is found in a longer text, whatever is between the words."""
    assert values.found_in("then Anna  LEE came", looked_for=frozenset({"name"})) == "name"
    assert values.found_in("then Anna came", looked_for=frozenset({"name"})) is None


def test_what_is_kept_and_what_is_public_is_not_looked_for(values: DirectoryValues) -> None:
    """A learner called Video does not spoil each row with a video, and a username that is kept is not reported."""
    assert values.found_in("video", looked_for=looked_for((), is_public=True)) is None
    assert values.found_in("anna", looked_for=looked_for(("usernames", "names"), is_public=False)) is None
    assert values.found_in(PERSON, looked_for=looked_for(("usernames", "names"), is_public=True)) == "id"
