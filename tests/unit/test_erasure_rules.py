"""What of a document belongs to a person, what is left without the person, and what a receipt proves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from docservice.domain.directory.records import SECTIONS
from docservice.domain.upkeep.erasure import (
    RULES,
    document_without,
    ids_within,
    key_id,
    mentions,
    owners_of,
    person_digest,
    records_without,
    without_person,
)
from docservice.domain.upkeep.receipts import ErasureReceipt, public_key
from docservice.errors import ReceiptInvalid
from docservice.store.mapping.schema import OURS

PERSON, OTHER, CLASS = "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "f" * 32, "c" * 32
DASHED = "0A1B2C3D-4E5F-6071-8293-A4B5C6D7E8F9"
SECRET, ANOTHER = "s" * 40, "t" * 40


def test_every_collection_has_a_rule() -> None:
    """A new collection of the service needs a rule of erasure; the account goes last."""
    assert RULES.keys() == OURS
    assert list(RULES)[-1] == "facility_users"


@pytest.mark.parametrize(
    ("value", "left"),
    [
        (PERSON, None),
        (DASHED, None),
        ([PERSON, OTHER], [OTHER]),
        ({"creator_id": PERSON, "n": 1}, {"creator_id": None, "n": 1}),
        ({PERSON: 1, "n": [{"by": f"user:{DASHED}!"}]}, {"n": [{"by": "user:erased!"}]}),
        ({"n": [1, None, 2.5, True, OTHER]}, {"n": [1, None, 2.5, True, OTHER]}),
    ],
)
def test_a_value_without_a_person(value: Any, left: Any) -> None:
    """The id is found in keys, values and inside texts, in each spelling, and nothing else changes."""
    assert without_person(value, PERSON) == left
    assert mentions(value, PERSON) == (value != left)
    assert not mentions(left, PERSON)


def test_ids_within_a_value() -> None:
    """Each id is found in whichever spelling it has, in keys and inside texts, too."""
    value = {PERSON: [DASHED, f"by {OTHER}; {DASHED}", "short"], "n": 1}

    assert sorted(ids_within(value)) == sorted([PERSON, PERSON, OTHER, PERSON])


def test_documents_of_erased_people() -> None:
    """What belongs to the person is left out, another document loses the id where people are named."""
    row = {"_id": "x", "row": {"user_id": PERSON}}
    lesson = {"_id": CLASS, "created_by_id": PERSON}

    assert owners_of("import_set_aside", row) == {PERSON}
    assert owners_of("idempotency_keys", {"_id": "x", "user_ids": [PERSON, OTHER]}) == {PERSON, OTHER}
    assert document_without("import_set_aside", row, {PERSON}) is None
    assert document_without("lessons", lesson, {PERSON}) == {"_id": CLASS, "created_by_id": None}
    assert document_without("lessons", lesson, {OTHER}) == lesson


def test_records_of_erased_people() -> None:
    """Accounts, roles and memberships are left out; a quiz stays, without the person; content is not looked at."""
    user = {"id": PERSON, "username": "u", "dataset_id": CLASS, "facility_id": CLASS}
    role = {"id": OTHER, "user_id": PERSON, "collection_id": CLASS, "kind": "coach"}
    quiz = {"id": OTHER, "collection_id": CLASS, "active": True, "assignments": [CLASS], "learner_ids": [PERSON]}
    made = [
        SECTIONS[name].model_validate(fields) for name, fields in (("users", user), ("roles", role), ("exams", quiz))
    ]

    left = records_without(made, {PERSON})

    assert left[:2] == [None, None]
    assert left[2] == SECTIONS["exams"].model_validate({**quiz, "learner_ids": []})
    assert records_without(made, {"d" * 32}) == made


def test_digests_depend_on_the_key() -> None:
    """The same id has another digest under another key, and the name of a key does not show it."""
    digests = {person_digest(key * 32, PERSON) for key in ("aa", "bb")}

    assert len(digests) == 2
    assert all(len(digest) == 64 for digest in digests)
    assert key_id("aa" * 32) not in "aa" * 32


def receipt(**fields: Any) -> ErasureReceipt:
    """A signed receipt."""
    values = {"digest": "d" * 64, "finished": "2026-05-03T10:00:00Z", "removed": {"roles": 1}, "changed": {}, **fields}
    return ErasureReceipt.model_validate(values).signed(SECRET)


def test_a_receipt_is_genuine_as_it_was_signed() -> None:
    """A receipt that was written and read again is the same."""
    signed = receipt(reason="Grüße")

    assert ErasureReceipt.read(signed.as_text(), public_key(SECRET)) == signed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"removed": {"roles": 2}}, "changed after"),
        ({"reason": "another"}, "changed after"),
        ({"signature": "AAAA"}, "changed after"),
        ({"signature": "not base64!"}, "changed after"),
        ({"signature": None}, "not signed"),
        ({"public_key": public_key(ANOTHER)}, "--public-key"),
        ({"more": 1}, "not a receipt"),
        ({"receipt": "something else"}, "not a receipt"),
    ],
)
def test_a_receipt_that_is_not_genuine(change: dict[str, Any], message: str) -> None:
    """Whatever was changed, the receipt is refused with the reason."""
    text = json.dumps({**json.loads(receipt().as_text()), **change})

    with pytest.raises(ReceiptInvalid, match=message):
        ErasureReceipt.read(text, public_key(SECRET))


def test_a_receipt_of_another_secret_needs_its_public_key() -> None:
    """After the secret was changed, an old receipt is genuine under the public key of that time."""
    with pytest.raises(ReceiptInvalid, match="--public-key"):
        ErasureReceipt.read(receipt().as_text(), public_key(ANOTHER))

    assert ErasureReceipt.read(receipt().as_text(), public_key(SECRET)).digest == "d" * 64


def test_a_record_that_cannot_be_without_the_id() -> None:
    """A new account whose username is the id of an erased person is left out like the person's own."""
    fields = {"id": "7" * 32, "username": PERSON, "dataset_id": "d" * 32, "facility_id": "f" * 32}

    assert records_without([SECTIONS["users"].model_validate(fields)], {PERSON}) == [None]


def test_a_receipt_with_a_name_twice() -> None:
    """One reader would see another reason than the one that was signed."""
    text = receipt(reason="asked").as_text().replace("{", '{"reason": "evil",', 1)

    with pytest.raises(ReceiptInvalid, match="twice"):
        ErasureReceipt.read(text, public_key(SECRET))
    with pytest.raises(ReceiptInvalid, match="JSON"):
        ErasureReceipt.read("{", public_key(SECRET))
