"""Becomes the command that it is given, which then ends with the process that started it.

    python child.py PARENT_PID -- COMMAND…

A supervisor that is killed can stop nothing any more. On Linux the kernel does it: it sends a signal to a child whose
parent has ended, if the child requested it. The request is made here and not in a `preexec_fn`, which is not safe in a
process with threads. Elsewhere the next supervisor ends the engine that it finds, see `startup`.

This file is run by its path and imports nothing of docservice, so that it costs some 20 ms and not a whole import.
"""

from __future__ import annotations

import os
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_SIGKILL = 9  # Not SIGTERM: the new supervisor needs port and files at once, and every acknowledged write is on disk.


def main(arguments: list[str]) -> None:
    """Replace this process by the command.

    Raises:
        SystemExit: the arguments are wrong, or the parent has already ended.
        OSError: the command cannot be run.
    """
    if len(arguments) < 3 or arguments[1] != "--":
        raise SystemExit("usage: child.py PARENT_PID -- COMMAND…")
    parent, command = int(arguments[0]), arguments[2:]
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 (only needed here, and not cheap)

        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0) != 0:
            raise SystemExit(f"prctl failed: {os.strerror(ctypes.get_errno())}")
    # The parent may have ended before the request.
    if sys.platform != "win32" and os.getppid() != parent:
        raise SystemExit("the supervisor has ended")
    os.execv(command[0], command)  # noqa: S606 (a shell is what is not wanted)


if __name__ == "__main__":
    main(sys.argv[1:])
