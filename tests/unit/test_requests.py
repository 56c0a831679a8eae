"""Requests take what Kolibri takes, and refuse the rest field by field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docservice.domain.requests.tracking import Interaction, MasteryModel, StartSession, UpdateSession
from docservice.errors import FieldError, ValidationFailed

TRUE = [True, 1, 1.0, "t", "T", "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "1"]
FALSE = [False, 0, 0.0, "f", "F", "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", "0"]
GOOD = {"item": "a", "correct": 1, "time_spent": 1, "answer": {}}
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=6,
)


def refused(model: type[Any], body: Any) -> list[tuple[str, str, str]]:
    """Pointer, code and message of each error."""
    with pytest.raises(ValidationFailed) as caught:
        model.parse(body)
    return [(error.pointer, error.code, error.message) for error in caught.value.errors]


@pytest.mark.parametrize(("words", "meaning"), [(TRUE, True), (FALSE, False)])
def test_words_for_booleans(words: list[Any], meaning: bool) -> None:
    """All words for yes and no are taken."""
    assert {Interaction.parse({**GOOD, "hinted": word}).hinted for word in words} == {meaning}


@pytest.mark.parametrize("word", ["", "2", "tRUE", "null", 2, -1, [], {}, "yes "])
def test_other_words(word: Any) -> None:
    """Any other word for a boolean is refused."""
    assert refused(Interaction, {**GOOD, "error": word}) == [("/error", "invalid", "Must be a valid boolean.")]


@pytest.mark.parametrize(
    ("sent", "read"), [("a", "a"), (" a ", "a"), (12, "12"), (1.5, "1.5"), ("０", "０"), ("a\n b", "a\n b")]
)
def test_text(sent: Any, read: str) -> None:
    """A text is stripped; a number is read as its text."""
    assert Interaction.parse({**GOOD, "item": sent}).item == read


@pytest.mark.parametrize(
    ("sent", "code", "message"),
    [
        ("", "blank", "This field may not be blank."),
        (" \n", "blank", "This field may not be blank."),
        (True, "invalid", "Not a valid string."),
        ([], "invalid", "Not a valid string."),
        ({}, "invalid", "Not a valid string."),
        (None, "null", "This field may not be null."),
        ("a\0", "null_characters_not_allowed", "Null characters are not allowed."),
        ("a\ud800", "surrogate_characters_not_allowed", "Surrogate characters are not allowed: U+D800."),
    ],
)
def test_no_text(sent: Any, code: str, message: str) -> None:
    """What is not a text is refused in Kolibri's words."""
    assert refused(Interaction, {**GOOD, "item": sent}) == [("/item", code, message)]


@pytest.mark.parametrize(("sent", "read"), [(0.5, 0.5), ("0.5", 0.5), (True, 1.0), (" 1 ", 1.0), ("1e-3", 0.001)])
def test_number(sent: Any, read: float) -> None:
    """Numbers may come as text or booleans."""
    assert UpdateSession.parse({"progress": sent}).progress == read


@pytest.mark.parametrize(
    ("field", "sent", "code", "message"),
    [
        ("progress", 1.01, "max_value", "Ensure this value is less than or equal to 1.0."),
        ("progress_delta", -0.01, "min_value", "Ensure this value is greater than or equal to 0."),
        ("time_spent_delta", "x", "invalid", "A valid number is required."),
        ("time_spent_delta", [], "invalid", "A valid number is required."),
        ("time_spent_delta", "NaN", "invalid", "A valid number is required."),
        ("time_spent_delta", "inf", "invalid", "A valid number is required."),
        ("time_spent_delta", 10**400, "invalid", "A valid number is required."),
        ("progress", "1" * 1001, "max_string_length", "String value too large."),
        ("extra_fields", [], "not_a_dict", 'Expected a dictionary of items but got type "list".'),
    ],
)
def test_no_number(field: str, sent: Any, code: str, message: str) -> None:
    """Bounds and other values are refused in Kolibri's words."""
    assert refused(UpdateSession, {field: sent}) == [(f"/{field}", code, message)]


def test_all_errors_at_once() -> None:
    """Every field error is told, in the order of the fields, with the place in the list."""
    body = {"progress": 2, "time_spent_delta": -1, "interactions": [GOOD, {"item": "", "correct": 2}]}

    found = [(pointer, code) for pointer, code, _ in refused(UpdateSession, body)]

    assert found == [
        ("/progress", "max_value"),
        ("/time_spent_delta", "min_value"),
        ("/interactions/1/item", "blank"),
        ("/interactions/1/correct", "max_value"),
        ("/interactions/1/time_spent", "required"),
    ]


@pytest.mark.parametrize("model", [StartSession, UpdateSession, Interaction, MasteryModel])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (None, "No data provided"),
        ([], "Invalid data. Expected a dictionary, but got list."),
        ("x", "Invalid data. Expected a dictionary, but got str."),
        (1, "Invalid data. Expected a dictionary, but got int."),
    ],
)
def test_no_object(model: type[Any], body: Any, message: str) -> None:
    """A body that is not an object is refused as a whole."""
    assert [found[2] for found in refused(model, body)] == [message]


@pytest.mark.parametrize("model", [StartSession, UpdateSession, Interaction, MasteryModel])
@given(body=st.dictionaries(st.text(), json_values), data=st.data())
def test_whatever_is_sent(model: type[Any], body: dict[str, Any], data: st.DataObject) -> None:
    """Any JSON in any field is read or refused, never a crash; an explicit null is always refused."""
    name = data.draw(st.sampled_from(sorted(model.model_fields)))
    value = data.draw(json_values)

    errors: Sequence[FieldError] = ()
    try:
        model.parse({**body, name: value})
    except ValidationFailed as error:
        errors = error.errors

    assert all(found.message for found in errors)
    assert errors or value is not None


def test_unknown_keys_are_ignored() -> None:
    """A newer front end may send more."""
    assert UpdateSession.parse({"zz": 1, "progress": 1}) == UpdateSession.parse({"progress": 1})


NODE = {"node_id": "0" * 32, "content_id": "0" * 32, "channel_id": "0" * 32, "kind": "video"}
UNIT = {"unit_id": "0" * 32, "course_session_id": "0" * 32, "test_type": "pre"}


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        ({}, ["One of node_id, quiz_id, or unit_id is required"]),
        ({**NODE, "quiz_id": "0" * 32}, ["quiz_id must not be mixed with other context"]),
        (
            {**NODE, "lesson_id": "0" * 32, "course_session_id": "0" * 32},
            ["The course_session_id and lesson_id are mutually exclusive identifiers"],
        ),
        ({**NODE, **UNIT}, ["unit_id must not be combined with node_id or quiz_id"]),
        (
            {"node_id": "0" * 32},
            [
                "kind is required for any node_id",
                "content_id is required for any node_id",
                "channel_id is required for any node_id",
            ],
        ),
        ({**NODE, "kind": "exercise"}, ["mastery model must be specified for exercise kinds"]),
        (
            {**NODE, "mastery_model": {"type": "quiz"}},
            ["mastery model must not be specified for non-exercise kinds"],
        ),
        (
            {"unit_id": "0" * 32},
            [
                "test_type is required when unit_id is provided",
                "course_session_id is required when unit_id is provided",
            ],
        ),
    ],
)
def test_checks_over_several_fields(body: dict[str, Any], messages: list[str]) -> None:
    """What goes together is checked in Kolibri's order, when each field is right by itself."""
    assert [message for _, _, message in refused(StartSession, body)] == messages


@pytest.mark.parametrize(
    "body",
    [NODE, UNIT, {"quiz_id": "0" * 32}, {**NODE, "repeat": "yes"}, {**NODE, "lesson_id": "0" * 32}],
)
def test_good_starts(body: dict[str, Any]) -> None:
    """What a front end sends is taken."""
    assert StartSession.parse(body)


def test_answer_is_needed() -> None:
    """Without an error there must be an answer; progress comes in one form only."""
    without = {name: value for name, value in GOOD.items() if name != "answer"}

    assert [found[2] for found in refused(Interaction, without)] == ["Must provide an answer if not an error"]
    assert Interaction.parse({**without, "error": True}).answer is None
    assert [found[2] for found in refused(UpdateSession, {"progress": 1, "progress_delta": 1})] == [
        "must not pass progress_delta and progress in the same request"
    ]


def test_choice_of_half_a_surrogate_pair() -> None:
    """A wrong choice that UTF-8 cannot write is refused like any other."""
    assert [found[:2] for found in refused(StartSession, {**NODE, "kind": "\ud800"})] == [("/kind", "invalid_choice")]
