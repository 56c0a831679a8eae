"""Files that are written whole or not at all, plain or gzipped, or standard input and output."""

from __future__ import annotations

import asyncio
import errno
import gzip
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from docservice.errors import ExportError, SettingsInvalid

STANDARD = Path("-")
_COMPRESSION = 6
_BUFFER_BYTES = 1 << 20


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A new file in the place of what is there, once the block ends without an error; `-`: standard output.

    It is gzipped if its name ends with `.gz`, and only its owner may read it.

    Raises:
        ExportError: it cannot be written.
    """
    if path == STANDARD:
        with standard_output() as file:
            yield file
        return
    with explained(path):
        path = replaceable(path)
        unfinished = beside(path)
        try:
            make_private(unfinished)
            with unfinished.open("wb") as file:
                if path.suffix == ".gz":
                    with gzip.GzipFile(path.stem, "wb", _COMPRESSION, file) as packed:
                        yield cast("BinaryIO", packed)
                else:
                    yield file
            put_in_place(unfinished, path)
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """A block that writes a file.

    Raises:
        ExportError: in the place of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise ExportError(f"The export cannot be written to {path}: {error.strerror or error}") from error


def beside(path: Path) -> Path:
    """Return a new name next to a file, on the same disk."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def make_private(path: Path) -> None:
    """Make an empty file that only its owner may read.

    Raises:
        OSError: it cannot be made, or is there.
    """
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def put_in_place(unfinished: Path, path: Path) -> int:
    """Give a file that is whole, and on the disk, the place of another one; its size in bytes.

    Raises:
        OSError: it cannot be done.
    """
    with unfinished.open("r+b") as written:  # some systems flush only what may be written
        os.fsync(written.fileno())
    size = unfinished.stat().st_size
    unfinished.replace(path)
    return size


@contextmanager
def standard_output() -> Iterator[BinaryIO]:
    """Standard output, flushed at the end.

    Raises:
        BrokenPipeError: its reader has ended.
        ExportError: it cannot be written: the disk behind it is full, say.
    """
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ExportError(f"Standard output cannot be written: {error.strerror or error}") from error


def replaceable(path: Path) -> Path:
    """Return where a new file takes the place of `path`: behind links, so that they stay.

    Raises:
        OSError: the path is not a file but something like `/dev/stdout`, which would be replaced.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a plain file; - writes to standard output")
    return path.resolve() if path.is_symlink() else path


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """A file to read, unpacked if its first bytes are those of gzip; `-`: standard input.

    Raises:
        SettingsInvalid: it cannot be opened.
    """
    try:
        # Not `sys.stdin`: Python closes that at its end, and fails if a thread still waits for more of it.
        name = 0 if path == STANDARD else path
        file = open(name, "rb", _BUFFER_BYTES, closefd=path != STANDARD)  # noqa: SIM115
    except OSError as error:
        raise SettingsInvalid(f"The file {path} cannot be read: {error.strerror or error}") from error
    try:
        packed = file.peek(2)[:2] == b"\x1f\x8b"  # type: ignore[attr-defined]
        yield cast("BinaryIO", gzip.GzipFile(fileobj=file, mode="rb")) if packed else file
    except asyncio.CancelledError:
        # A thread may wait for more of a pipe, and closing would wait for that thread.
        raise
    except BaseException:
        file.close()
        raise
    file.close()
