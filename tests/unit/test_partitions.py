"""Partitions and their ranges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docservice.domain.values.partitions import exam_log_partition, infer_dataset_id, log_partition, prefix_range
from docservice.errors import ValidationFailed

D, U = "d" * 32, "a" * 32
characters = st.characters(exclude_categories=["Cs"], max_codepoint=0x10FFFE)
partitions = st.text(st.sampled_from("0123456789abcdef:-urwanonymous"), min_size=1, max_size=12)


def test_log_partitions() -> None:
    """A learner's logs, anonymous ones and those of exams belong to Kolibri's partitions."""
    assert log_partition(D, U) == f"{D}:user-rw:{U}"
    assert log_partition(D, None) == f"{D}:anonymous"
    assert exam_log_partition(D) == D


@given(st.one_of(partitions, st.text(characters, min_size=1)), st.one_of(partitions, st.text(characters)))
def test_range_holds_exactly_what_starts_so(prefix: str, other: str) -> None:
    """A text is in the range of a prefix if, and only if, it starts with it."""
    first, after = prefix_range(prefix)

    for text in (other, prefix, prefix + other, other + prefix, prefix[:-1], after):
        # As UTF-8, the order in which MongoDB compares texts.
        assert (first.encode() <= text.encode() < after.encode("utf-8", "surrogatepass")) == text.startswith(prefix)


def test_empty_prefix() -> None:
    """Everything starts with nothing; such a range is refused."""
    with pytest.raises(ValueError, match="empty"):
        prefix_range("")


@pytest.mark.parametrize("given_id", [None, D])
def test_dataset_follows(given_id: str | None) -> None:
    """A record without a dataset, or with the right one, belongs to the one that follows from it."""
    assert infer_dataset_id(given_id, D) == D


def test_other_dataset_is_refused() -> None:
    """A record that names another dataset is refused with the field, and without either id."""
    with pytest.raises(ValidationFailed) as caught:
        infer_dataset_id(U, D)

    assert [error.pointer for error in caught.value.errors] == ["/dataset_id"]
    assert U not in str(caught.value)
