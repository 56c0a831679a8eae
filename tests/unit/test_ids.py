"""Ids come out as real devices compute them."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docservice.domain.logs.content_logs import (
    AttemptLog,
    ContentSessionLog,
    ContentSummaryLog,
    MasteryLog,
    SyncableLog,
)
from docservice.domain.logs.datasets import KnownDatasets
from docservice.domain.logs.exam_logs import ExamAttemptLog, ExamLog
from docservice.domain.logs.user_sessions import UserSessionLog
from docservice.domain.values.ids import (
    ID_PLACEHOLDER,
    TestType,
    is_hex_id,
    parse_uuid,
    record_id,
    unit_test_content_id,
    unit_test_version,
)
from docservice.errors import DirectoryIncomplete

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "morango-test-vectors.json").read_text(encoding="utf-8")
)["record_ids"]
LOGS: list[type[SyncableLog]] = [
    AttemptLog,
    ContentSessionLog,
    ContentSummaryLog,
    ExamAttemptLog,
    ExamLog,
    MasteryLog,
    UserSessionLog,
]
MODELS = {model.model_name: model for model in LOGS}
NOW = "2024-09-02T05:12:24+00:00"
# What a vector leaves out of a record, because no id depends on it.
FILLED_IN: dict[str, dict[str, Any]] = {
    "attemptlog": {"item": "a", "correct": 1, "sessionlog_id": "0" * 32, "end_timestamp": NOW},
    "contentsessionlog": {"kind": "exercise", "content_id": "0" * 32},
    "contentsummarylog": {"kind": "exercise"},
    "examattemptlog": {"item": "a", "correct": 1, "end_timestamp": NOW},
    "examlog": {},
    "masterylog": {},
    "usersessionlog": {},
}


def named(vector: dict[str, Any], number: int) -> Any:
    return pytest.param(vector, id=f"{vector['model_name']}-{number}")


@pytest.mark.parametrize("vector", [named(vector, number) for number, vector in enumerate(VECTORS)])
def test_record_id(vector: dict[str, Any]) -> None:
    """Partition, source id and model name give the id that a device gave; a dataset's id is its source id."""
    if vector["model_name"] == "facilitydataset":
        assert vector["id"] == vector["source_id"]
        return

    found = record_id(vector["partition_template"], vector["source_id"], vector["model_name"])

    assert found == vector["id"]
    assert vector["partition_template"].replace(ID_PLACEHOLDER, found) == vector["partition"]


@pytest.mark.parametrize(
    "vector", [named(vector, number) for number, vector in enumerate(VECTORS) if vector["model_name"] in MODELS]
)
def test_model_finds_its_own_id(vector: dict[str, Any]) -> None:
    """Each log computes partition, source id and id from its fields as the device did."""
    model = MODELS[vector["model_name"]]
    partition = vector["partition"].split(":")
    fields = {
        **FILLED_IN[vector["model_name"]],
        "dataset_id": partition[0],
        "user_id": partition[2] if len(partition) == 3 else None,
        **({"start_timestamp": NOW} if "start_timestamp" in model.model_fields else {}),
        **{name: value for name, value in vector["fields"].items() if name in model.model_fields},
    }
    if vector["model_name"] == "masterylog":
        fields["summarylog_id"], _, fields["mastery_level"] = vector["source_id"].partition(":")
    if vector["model_name"] == "contentsummarylog":
        fields["content_id"] = vector["source_id"]
    log = model.model_validate(fields)

    assert log.calculate_partition() == vector["partition"]
    assert log.calculate_source_id() == (None if vector["source_id_is_random"] else vector["source_id"])

    identified = log.identified(vector["source_id"] if vector["source_id_is_random"] else None)

    assert identified.morango_source_id == vector["source_id"]
    assert identified.morango_partition == vector["partition"]
    assert identified.id == vector["id"]


def test_vectors_cover_all_models() -> None:
    """There is a vector for each log model, and there are as many as were recorded."""
    assert len(MODELS) == 7
    assert set(MODELS) <= {vector["model_name"] for vector in VECTORS}
    assert len(VECTORS) == 34


def test_each_model_has_its_own_exceptions() -> None:
    """`Model.DoesNotExist` and `Model.MultipleObjectsReturned` are classes of the model's own, below common bases."""
    absent = {model.DoesNotExist for model in LOGS}
    several = {model.MultipleObjectsReturned for model in LOGS}

    assert len(absent) == len(several) == 7
    assert all(
        issubclass(error, SyncableLog.DoesNotExist) and error is not SyncableLog.DoesNotExist for error in absent
    )
    assert all(issubclass(error, SyncableLog.MultipleObjectsReturned) for error in several)
    assert len({error.code for error in absent | several}) == 14


LEARNERS, PARENTS, DEFAULT, OWN = "1" * 32, "2" * 32, "3" * 32, "4" * 32


@pytest.mark.parametrize(
    ("model", "fields", "known", "dataset"),
    [
        (ContentSummaryLog, {"user_id": "a" * 32}, KnownDatasets(of_learner=LEARNERS), LEARNERS),
        (ContentSessionLog, {"user_id": "a" * 32}, KnownDatasets(LEARNERS, None, DEFAULT), LEARNERS),
        (MasteryLog, {"user_id": "a" * 32}, KnownDatasets(LEARNERS, PARENTS), LEARNERS),
        (UserSessionLog, {"user_id": "a" * 32}, KnownDatasets(LEARNERS), LEARNERS),
        (ExamLog, {"user_id": "a" * 32}, KnownDatasets(LEARNERS), LEARNERS),
        (AttemptLog, {"user_id": "a" * 32}, KnownDatasets(LEARNERS, PARENTS), PARENTS),
        (AttemptLog, {}, KnownDatasets(None, PARENTS, DEFAULT), PARENTS),
        (ExamAttemptLog, {"user_id": "a" * 32}, KnownDatasets(LEARNERS, PARENTS), PARENTS),
        (ContentSessionLog, {}, KnownDatasets(None, None, DEFAULT), DEFAULT),
        (ContentSessionLog, {}, KnownDatasets(None, None, DEFAULT, own_has_facility=True), OWN),
    ],
)
def test_dataset_of_a_log(model: type[SyncableLog], fields: dict[str, Any], known: KnownDatasets, dataset: str) -> None:
    """A log goes where its learner is, an attempt where its session or exam log is, an anonymous one to a facility."""
    log = model.model_construct(**{"user_id": None, "dataset_id": OWN, **fields})

    assert log.infer_dataset(known) == dataset
    with pytest.raises(DirectoryIncomplete):
        log.infer_dataset(KnownDatasets())


def test_random_source_id_is_needed() -> None:
    """A log whose source id is random says so if it gets none."""
    session = ContentSessionLog(dataset_id="d" * 32, content_id="c" * 32, start_timestamp=NOW, kind="video")

    with pytest.raises(ValueError, match="random source id"):
        session.identified()


def test_identified_twice_is_the_same() -> None:
    """A log that has its source id keeps it."""
    session = ContentSessionLog(dataset_id="d" * 32, content_id="c" * 32, start_timestamp=NOW, kind="video")

    once = session.identified("a" * 32)

    assert once.identified("b" * 32) == once


@pytest.mark.parametrize("template", ["{0.hex}", "{0}", "{{{0}}}", "urn:uuid:{0}"])
@given(value=st.uuids())
def test_any_spelling_is_one_uuid(template: str, value: uuid.UUID) -> None:
    """All spellings of a UUID, upper case too, are read as the same 32 hex characters."""
    text = template.format(value)

    assert parse_uuid(text) == parse_uuid(value.int) == value.hex
    assert parse_uuid(text.upper().replace("URN:UUID:", "urn:uuid:")) == value.hex


@pytest.mark.parametrize("value", ["", "abc", "g" * 32, "0" * 31, "0" * 33, -1, 2**128])
def test_no_uuid(value: str | int) -> None:
    """What is not a UUID is refused."""
    with pytest.raises(ValueError, match=r"UUID|out of range|int"):
        parse_uuid(value)


@pytest.mark.parametrize("value", ["A" * 32, "0" * 31, "0" * 33, "g" * 32, "", None, 0, "0" * 32 + "\n"])
def test_not_the_stored_form(value: object) -> None:
    """Only 32 lower-case hex characters are an id."""
    assert not is_hex_id(value)
    assert is_hex_id("0123456789abcdef" * 2)


def test_recorded_unit_test() -> None:
    """The example that was recorded: this learner's pre-test is B, and its content id is the recorded one."""
    user, course = "0718e9de742d600c9f5620b4e606b27e", "348e70771f5779b6f4f19e35bf583171"
    unit = "3802b927b8a25a16b885705ab5620382"

    assert unit_test_version(user, course, unit, "pre") == "B"
    assert unit_test_content_id(course, unit, "pre") == "3d8a9403ba6756f18702a7b74419ff51"


@given(*[st.uuids().map(lambda value: value.hex)] * 3)
def test_post_test_is_the_other_version(user: str, course: str, unit: str) -> None:
    """Whatever version the pre-test is, the post-test is the other, and their logs never share a content id."""
    tests: tuple[TestType, TestType] = ("pre", "post")

    assert {unit_test_version(user, course, unit, test) for test in tests} == {"A", "B"}
    assert len({unit_test_content_id(course, unit, test) for test in tests}) == 2
