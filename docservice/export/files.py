"""Files that are written whole or not at all, plain or gzipped, or standard input and output."""

from __future__ import annotations

import asyncio
import errno
import gzip
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from docservice.errors import SettingsInvalid

STANDARD = Path("-")
_COMPRESSION = 6
_BUFFER_BYTES = 1 << 20


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A new file in the place of what is there, once the block ends without an error; `-`: standard output.

    It is gzipped if its name ends with `.gz`, and nobody but its owner may read it.

    Raises:
        SettingsInvalid: it cannot be written.
    """
    if path == STANDARD:
        with standard_output() as file:
            yield file
        return
    try:
        path = replaceable(path)
    except OSError as error:
        raise SettingsInvalid(f"The file {path} cannot be written: {error.strerror or error}") from error
    part = path.with_name(path.name + ".part")
    try:
        with _private(part) as file:
            if path.suffix == ".gz":
                with gzip.GzipFile(path.stem, "wb", _COMPRESSION, file) as packed:
                    yield cast("BinaryIO", packed)
            else:
                yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise SettingsInvalid(f"The file {path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def standard_output() -> Iterator[BinaryIO]:
    """Standard output, flushed at the end.

    Raises:
        BrokenPipeError: its reader has gone.
        SettingsInvalid: it cannot be written: the disk behind it is full, say.
    """
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise SettingsInvalid(f"Standard output cannot be written: {error.strerror or error}") from error


def replaceable(path: Path) -> Path:
    """Where a new file takes the place of `path`: behind links, so that they stay.

    Raises:
        OSError: something else than a file is there, as `/dev/stdout`, and would be gone.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no plain file; - writes to standard output")
    return path.resolve() if path.is_symlink() else path


def _private(path: Path) -> BinaryIO:
    return cast("BinaryIO", open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)))


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
