"""Checks the owner of files: a key, a program or data of another user of the machine is not used."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from docservice.errors import SettingsInvalid


def require_own(path: Path) -> None:
    """Check that a file or folder, and a link in its place, belong to the user of this process or to root.

    On Windows nothing is checked. Root may read and change everything in any case.

    Raises:
        OSError: it is not there, or cannot be looked at.
        SettingsInvalid: it belongs to another user; the message names who.
    """
    if owner := other_owner(path, but_root=True):
        raise SettingsInvalid(
            f"{path} belongs to the user {owner}, who may put anything there. Run the command as that user, or name a "
            "data directory of your own with --data-dir."
        )


def make_private(path: Path) -> None:
    """Close our own file to other users; a copy put back from a backup may be open to them.

    Raises:
        OSError: it is not there, or cannot be looked at.
        SettingsInvalid: see `require_own`.
    """
    require_own(path)
    if sys.platform != "win32":
        status = path.stat()
        if status.st_uid == os.geteuid() and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            path.chmod(stat.S_IMODE(status.st_mode) & stat.S_IRWXU)


def other_owner(path: Path, *, but_root: bool = False) -> str | None:
    """The name of the other user whom a file or folder, or the link in its place, belongs to; None if it is ours.

    Args:
        path: of the file or folder.
        but_root: root does not count as another user.

    Raises:
        OSError: it is not there, or cannot be looked at.
    """
    if sys.platform == "win32":
        return None
    import pwd  # noqa: PLC0415 (there is none on Windows)

    ours = {os.geteuid(), 0} if but_root else {os.geteuid()}
    for status in (path.lstat(), path.stat()):
        if status.st_uid not in ours:
            try:
                return pwd.getpwuid(status.st_uid).pw_name
            except KeyError:
                return str(status.st_uid)
    return None
