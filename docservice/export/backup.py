"""Whole documents as NDJSON: backup and restore, also to move from one engine to another.

The first line says what the file is and about how many documents come, the last one how many came:

    {"docservice": {"format": 1, "exported_at": "...", "documents": {"exams": 2, ...}}}
    {"collection": "exams", "document": {...}}
    ...
    {"docservice": {"end": true, "documents": {"exams": 2, ...}}}

A file without a last line was cut short. Lines that were picked out by hand need neither.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from docservice.domain.exports.pseudonyms import COLLECTIONS, Pseudonyms
from docservice.domain.exports.self_check import DirectoryValues
from docservice.errors import SettingsInvalid
from docservice.export.atomic_files import reading, writing
from docservice.export.erasures import ErasureGuard
from docservice.export.self_check import require_pseudonymous, texts_of_lines
from docservice.service import DocService
from docservice.service.base.progress import NoWatch, Watch
from docservice.service.trusted.backup import Line, LineOutcome

_Made = TypeVar("_Made")

FORMAT = 1
SHOWN_REFUSALS = 20
_MARK = "docservice"
_NOT_UNDER_PSEUDONYMS = "it cannot be exported under pseudonyms"
_PART = "documents"
_BATCH_LINES = 500
_BATCH_BYTES = 8 * 1024 * 1024
_LONGEST_LINE = 128 * 1024 * 1024
"""Bytes: a document of 16 MiB may take several times as many as text."""


@dataclass(frozen=True)
class BackupReport:
    """What an export wrote.

    Attributes:
        documents: how many of each collection.
        left_out: the collections that are not in the file, each with the reason.
    """

    documents: Counter[str]
    left_out: dict[str, str]


async def export_ndjson(
    service: DocService, path: Path, *, watch: Watch | None = None, pseudonyms: Pseudonyms | None = None
) -> BackupReport:
    """Write all documents to a file, gzipped if its name ends with `.gz`.

    Writers may go on meanwhile. A document that is there all the time is in the file once, as it was at a moment of the
    export; a log, its mastery logs and all its attempts are of one moment. What comes or changes meanwhile may be in it
    or not, and two documents may be of different moments. Stop the writers to have all of one moment.

    Args:
        service: entered.
        path: `-`: standard output. Another file appears when it is whole, in the place of what was there.
        watch: is called with the progress.
        pseudonyms: make these in the place of people. The file then holds directory, content and logs only, cannot be
            restored, and is not kept if a value of the directory is in it.

    Raises:
        ExportError: the file cannot be written, a person was erased meanwhile, or a value of the directory is in it.
        StoreError: see `retryable`; nothing was written, an export starts again from the beginning.
    """
    watch = watch or NoWatch()
    erasures = await ErasureGuard.of(service)
    expected = await service.admin.backups.counts()
    left_out = await service.admin.backups.left_out()
    more: dict[str, Any] = {}
    values = DirectoryValues()
    if pseudonyms is not None:
        values = await service.admin.directory_values()
        more = {"pseudonymised": True}
        left_out |= {name: _NOT_UNDER_PSEUDONYMS for name in expected if name not in COLLECTIONS}
        expected = {name: number for name, number in expected.items() if name in COLLECTIONS}
    written: Counter[str] = Counter()
    watch.begin(_PART, sum(expected.values()))
    with writing(path) as file:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        await _put(file, [_mark(format=FORMAT, exported_at=now, documents=expected, **more)])
        for collection in expected:
            async for batch in service.admin.backups.lines(collection, pseudonyms):
                lines = [text for _, text in batch]
                if pseudonyms is not None:
                    texts = texts_of_lines(lines, written.total() + 2)
                    await asyncio.to_thread(require_pseudonymous, texts, values, pseudonyms)
                await _put(file, lines)
                written.update(name for name, _ in batch)
                watch.advance(_PART, sum(name == collection for name, _ in batch))
        await erasures.require_none()
        await _put(file, [_mark(end=True, documents=dict(written))])
    return BackupReport(written, left_out)


def _mark(**content: Any) -> str:
    return json.dumps({_MARK: content}, separators=(",", ":")) + "\n"


async def _put(file: BinaryIO, lines: list[str]) -> None:
    await asyncio.to_thread(lambda: file.write("".join(lines).encode()))


@dataclass
class RestoreCounts:
    """What became of the documents of one collection; `erased` are left out, because their person was erased."""

    read: int = 0
    written: int = 0
    replaced: int = 0
    unchanged: int = 0
    refused: int = 0
    erased: int = 0


@dataclass
class RestoreReport:
    """What an import did.

    Attributes:
        counts: by collection; those of lines that could not be read are under an empty name.
        refusals: the first lines that were refused, by number, each with the reason.
        flaws: what is wrong with the file as a whole, in sentences.
    """

    counts: dict[str, RestoreCounts] = field(default_factory=dict)
    refusals: dict[int, str] = field(default_factory=dict)
    flaws: list[str] = field(default_factory=list)

    @property
    def refused(self) -> int:
        """How many lines were refused."""
        return sum(counts.refused for counts in self.counts.values())

    def note(self, lines: list[Line]) -> None:
        """Count what became of lines."""
        for line in lines:
            counts = self.counts.setdefault(line.collection if line.document else "", RestoreCounts())
            counts.read += 1
            outcome = (line.outcome or LineOutcome.REFUSED).value
            setattr(counts, outcome, getattr(counts, outcome) + 1)
            if line.outcome is LineOutcome.REFUSED and len(self.refusals) < SHOWN_REFUSALS:
                self.refusals[line.number] = f"{line.collection} {line.reason}".strip()


async def import_ndjson(
    service: DocService, path: Path, *, replace: bool = False, watch: Watch | None = None
) -> RestoreReport:
    """Write the documents of an export that are missing; safe to repeat, also after an interruption.

    A line at a time is checked, and some hundred are written at a time. A document that is there and differs stays,
    and the line is refused; so are lines that hold no document of this service. The rest of the file is still read.

    Args:
        service: entered.
        path: plain or gzipped; `-`: standard input.
        replace: put documents of the file in the place of those that differ.
        watch: is called with the progress.

    Raises:
        SettingsInvalid: the file cannot be read, or a newer version made it.
        StoreError: some documents were written; run it again.
    """
    watch = watch or NoWatch()
    report = RestoreReport()
    restore = service.admin.backups.restore(replace=replace)
    with reading(path) as file:
        batches = _Batches(file)
        watch.begin(_PART, await _apart(batches.begin))
        while batch := await _apart(batches.next):
            first, texts = batch
            report.note(await restore.write(first, texts))
            watch.advance(_PART, len(texts))
    report.flaws = batches.flaws({name: counts.read for name, counts in report.counts.items()})
    return report


async def _apart(work: Callable[[], _Made]) -> _Made:
    """Run work that may wait for a pipe in a daemon thread, for which the end of the program does not wait.

    A thread cannot be stopped: Ctrl-C would work only when the program that writes into the pipe sends something.
    """
    made: concurrent.futures.Future[_Made] = concurrent.futures.Future()
    made.set_running_or_notify_cancel()  # A result that comes after a cancellation is dropped.

    def run() -> None:
        try:
            made.set_result(work())
        except BaseException as error:
            made.set_exception(error)

    threading.Thread(target=run, name="docservice-reading", daemon=True).start()
    return await asyncio.wrap_future(made)


class _Batches:
    """The lines of a file in batches. Its methods block: call them in a thread."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._number = 0
        self._head: dict[str, Any] | None = None
        self._end: dict[str, Any] | None = None
        self._damage = ""
        self._waiting: tuple[int, str] | None = None
        self._lines = self._read()

    def begin(self) -> int | None:
        """Read the first line; how many documents it promises, None if it promises nothing."""
        self._waiting = next(self._lines, None)
        promised = (self._head or {}).get("documents")
        if not isinstance(promised, dict) or not all(type(number) is int for number in promised.values()):
            return None
        return sum(promised.values())

    def next(self) -> tuple[int, list[str]] | None:
        """Return the next consecutive lines and the number of the first; None at the end of the file."""
        waiting, self._waiting = self._waiting or next(self._lines, None), None
        if waiting is None:
            return None
        first, text = waiting
        texts, size = [text], len(text)
        for number, following in self._lines:
            if number != first + len(texts) or len(texts) >= _BATCH_LINES or size + len(following) > _BATCH_BYTES:
                self._waiting = (number, following)
                break
            texts.append(following)
            size += len(following)
        return first, texts

    def _read(self) -> Iterator[tuple[int, str]]:
        try:
            while line := self._file.readline(_LONGEST_LINE):
                self._number += 1
                text = self._text(line).strip()
                if text.startswith(f'{{"{_MARK}"'):
                    self._note_mark(text)
                elif text:
                    yield self._number, text
        except (EOFError, OSError, zlib.error):
            self._damage = f"The file is damaged or cut short behind line {self._number}."

    def _text(self, line: bytes) -> str:
        """Return a line as text; one that is too long or not UTF-8 becomes a text that is refused as not JSON."""
        if len(line) == _LONGEST_LINE:
            while line and not line.endswith(b"\n"):
                line = self._file.readline(_LONGEST_LINE)
            return "too long"
        try:
            return line.decode()
        except UnicodeDecodeError:
            return "no UTF-8"

    def _note_mark(self, text: str) -> None:
        try:
            content = json.loads(text)[_MARK]
            is_end = bool(content.get("end"))
            made_by = content.get("format", FORMAT)
        except (AttributeError, KeyError, RecursionError, ValueError):
            self._damage = f"Line {self._number} is damaged."
            return
        if is_end:
            self._end = content
            return
        if content.get("pseudonymised"):
            raise SettingsInvalid(
                "The file was exported under pseudonyms, and cannot be restored: ids of logs follow from the ids of "
                "people, and do not fit these. Read it with the tools for analysis that you use."
            )
        if made_by != FORMAT:
            raise SettingsInvalid(
                f"The file has format {made_by}, and this docservice reads format {FORMAT}: update it."
            )
        self._head = content

    def flaws(self, read: dict[str, int]) -> list[str]:
        """Return what is wrong with the file as a whole, once it is read, in sentences."""
        if self._damage:
            return [self._damage]
        if self._head is not None and self._end is None:
            return ["The file was cut short: its last line is missing. Export again, and import that."]
        if self._head is not None and self._end is not None and self._end.get("documents") != read:
            return ["The file does not hold the documents that its last line counts."]
        return []
