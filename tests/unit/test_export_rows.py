"""Rows of exported tables, and the files that hold them."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from docservice.domain.exports.table_rows import Catalogue, LearnerColumns, Span, session_row, user_type
from docservice.domain.exports.tables import EXAM, SESSION, TABLES
from docservice.domain.values.times import to_milliseconds
from docservice.export import CsvWriter, ParquetWriter
from docservice.export.csv_writer import harmless

MOMENT = datetime(2024, 9, 2, 5, 12, 24, 158000, tzinfo=UTC)
CONTENT, CHANNEL = "a" * 32, "c" * 32


def session(**fields: Any) -> dict[str, Any]:
    """A stored visit."""
    return {
        "user_id": "b" * 32,
        "content_id": CONTENT,
        "channel_id": CHANNEL,
        "start_timestamp": MOMENT,
        "end_timestamp": None,
        "time_spent": 1.25,
        "progress": 0.99999,
        "kind": "video",
        "extra_fields": {},
        **fields,
    }


def node(title: str, *topics: str, lft: int = 1) -> dict[str, Any]:
    """A stored node with the topics above it, the channel's root first."""
    ancestors = [{"id": "0" * 32, "title": topic} for topic in topics]
    return {
        "content_id": CONTENT,
        "channel_id": CHANNEL,
        "title": title,
        "level": len(topics),
        "lft": lft,
        "ancestors": ancestors,
    }


def read_csv(path: Path) -> list[list[str]]:
    """The parsed rows of a file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("=cmd|' /C calc'!A0", "'=cmd\\|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+1-2", "'+1-2"),
        ("-2+3", "'-2+3"),
        ("-1,234.5", "-1,234.5"),
        ("-1\n", "'-1\n"),
        ("%x", "'%x"),
        ("|x|", "'\\|x\\|"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("a=1|2", "a=1|2"),
        ("'=1", "'=1"),
        ("", ""),
        (None, ""),
    ],
)
def test_formulas_are_made_harmless(text: str | None, shown: str) -> None:
    """A cell that a spreadsheet would run begins with an apostrophe, all others stay as they are."""
    assert harmless(text) == shown


@pytest.mark.parametrize(
    ("superuser", "on_facility", "held", "name"),
    [
        (True, {"admin"}, {"admin"}, "Super admin"),
        (False, set(), set(), "Learner"),
        (False, {"admin", "coach"}, {"admin", "coach"}, "Admin"),
        (False, {"coach"}, {"coach"}, "Facility coach"),
        (False, {"classroom assignable coach"}, {"coach", "classroom assignable coach"}, "Class coach"),
        (False, set(), {"coach"}, "Class coach"),
    ],
)
def test_user_type(superuser: bool, on_facility: set[str], held: set[str], name: str) -> None:
    """A person has one type, whatever the number of roles."""
    assert user_type(superuser, on_facility, held) == name


def test_a_visit_names_its_node_else_the_first_of_its_content() -> None:
    """Title and folders are those of the visited node; without one, of the content's first node in the channel."""
    catalogue = Catalogue()
    catalogue.add("2" * 32, node("Second", "Channel", "B", lft=9))
    catalogue.add("1" * 32, node("First", "Channel", "A", "Deep", lft=3))

    def place(**fields: Any) -> tuple[Any, Any]:
        row = session_row(session(**fields), LearnerColumns(), catalogue)
        return row[5], row[7]

    assert place() == (("A", "Deep"), "First")
    assert place(extra_fields={"context": {"node_id": "2" * 32}}) == (("B",), "Second")
    assert place(extra_fields={"context": {"node_id": "f" * 32}}) == ((), "")
    assert place(extra_fields={"context": ["odd"]}) == (("A", "Deep"), "First")
    assert place(channel_id=None) == ((), "")


def test_only_contents_that_are_shown_need_folder_columns() -> None:
    """As many as the deepest of their nodes needs."""
    catalogue = Catalogue()
    catalogue.add("1" * 32, node("Shallow", "Channel", "A"))
    catalogue.add("2" * 32, node("Deep", "Channel", "A", "B"))
    catalogue.add("3" * 32, {**node("Other", "Channel", "A", "B", "C"), "content_id": "d" * 32})

    catalogue.show(["e" * 32])
    assert catalogue.deepest == 0
    catalogue.show([CONTENT])
    assert catalogue.deepest == 2


@pytest.mark.parametrize(
    ("progress", "shown"),
    [(0.99999, "0.9999"), (-0.00005, "-0.0001"), (1e15 + 0.25, "1000000000000000.2500"), (1e308, f"{1e308:.4f}")],
)
def test_progress_of_any_size_is_a_cell(tmp_path: Path, progress: float, shown: str) -> None:
    """It is cut to four decimals; one without decimals, however large, is shown as it is."""
    writer = CsvWriter(tmp_path / "file.csv", SESSION)
    writer.write([session_row(session(progress=progress), LearnerColumns(), Catalogue())], 0)
    writer.close()

    _, row = read_csv(tmp_path / "file.csv")
    assert row[-2] == shown


def test_end_day_is_whole() -> None:
    """The end is a day before the last moment; both bounds are inside."""
    span = Span(MOMENT, MOMENT)

    inside = [MOMENT, MOMENT + timedelta(days=1)]
    outside = [MOMENT - timedelta(milliseconds=1), MOMENT + timedelta(days=1, milliseconds=1)]

    assert all(span.holds({"start_timestamp": moment}) for moment in inside)
    assert not any(span.holds({"start_timestamp": moment}) for moment in outside)


def test_microseconds_decide() -> None:
    """A log that began a microsecond before the first moment, or after the last, is not exported, as in Kolibri."""
    first = datetime(2024, 9, 10, 8, 0, 0, 500, UTC)
    span = Span(first, first)

    found = []
    for moment in (first, first + timedelta(days=1)):
        for shift in (-1, 0, 1):
            exact = moment + timedelta(microseconds=shift)
            text = f"{exact:%Y-%m-%d %H:%M:%S.%f}(UTC)"
            log = {"start_timestamp": to_milliseconds(exact), "_recorded": {"start_timestamp": text}}
            found.append(span.holds(log))

    assert found == [False, True, True, True, True, False]


def test_the_last_day_that_there_is() -> None:
    """An end after which no day comes lets all through, the first moment that there is as well."""
    span = Span(end=datetime(9999, 12, 31, tzinfo=UTC))

    moments = [MOMENT, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
    assert all(span.holds({"start_timestamp": moment}) for moment in moments)


def test_csv_numbers_times_and_folders(tmp_path: Path) -> None:
    """Times have the device's microseconds and zone, progress is cut, and later rows may need more folder columns."""
    catalogue = Catalogue()
    catalogue.add("1" * 32, node("=Title", "Channel", "=Topic", "Deep"))
    catalogue.show([CONTENT])
    recorded = {"start_timestamp": "2024-09-02 05:12:24.158293(Africa/Nairobi)"}
    shallow = session_row(session(content_id="d" * 32), LearnerColumns(), catalogue)
    deep = session_row(session(_recorded=recorded), LearnerColumns("School, ü", "ann", "Learner"), catalogue)
    path = tmp_path / "file.csv"

    writer = CsvWriter(path, SESSION)
    writer.write([shallow], 0)
    writer.write([deep], catalogue.deepest)
    writer.close()

    header, first, second = read_csv(path)
    assert header[5:9] == ["Folder level 1", "Folder level 2", "Content id", "Content title"]
    assert first[5:9] == ["", "", "d" * 32, ""]
    assert second == [
        *("School, ü", "ann", "Learner", CHANNEL, "", "'=Topic", "Deep", CONTENT, "'=Title"),
        *("2024-09-02 08:12:24.158293+03:00", "", "1.2", "0.9999", "video"),
    ]
    assert path.read_bytes().startswith(b"\xef\xbb\xbfFacility name,")
    assert path.read_bytes().endswith(b"video\r\n")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.csv"]


def test_a_changed_time_is_not_shown_as_recorded() -> None:
    """What a device recorded is shown only while the stored time is that time."""
    recorded = {"start_timestamp": "2023-01-01 00:00:00.000001(Africa/Nairobi)"}

    assert session_row(session(_recorded=recorded), LearnerColumns(), Catalogue())[8] == MOMENT


def test_parquet_is_typed(tmp_path: Path) -> None:
    """Times come back with microseconds, floats uncut, folders as a list; an empty table has the same schema."""
    catalogue = Catalogue()
    catalogue.add("1" * 32, node("Title", "Channel", "Topic"))
    recorded = {"start_timestamp": "2024-09-02 05:12:24.158293(Africa/Nairobi)"}
    paths = {name: tmp_path / name for name in ("full", "empty")}

    for name, path in paths.items():
        writer = ParquetWriter(path, SESSION)
        writer.write(
            [session_row(session(_recorded=recorded), LearnerColumns(), catalogue)] if name == "full" else [], 1
        )
        writer.close()

    full, empty = (pyarrow.parquet.read_table(path) for path in paths.values())
    (row,) = full.to_pylist()
    assert row["start_timestamp"] == datetime(2024, 9, 2, 8, 12, 24, 158293, tzinfo=timezone(timedelta(hours=3)))
    assert (row["end_timestamp"], row["progress"], row["time_spent"]) == (None, 0.99999, 1.25)
    assert (row["folders"], row["content_title"], row["username"]) == (["Topic"], "Title", None)
    assert (full.schema, empty.num_rows) == (empty.schema, 0)


def test_tables_have_one_name_for_each_column() -> None:
    """No table has two columns of a name or label, and only Kolibri's content columns have folders."""
    for table in TABLES.values():
        assert len({column.name for column in table.columns}) == len(table.columns)
        assert len({column.label for column in table.columns}) == len(table.columns)
    assert "folders" not in {column.kind for column in EXAM.columns}
