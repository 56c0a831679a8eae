"""A question to the person at the terminal."""

from __future__ import annotations

import asyncio
import os
import sys
import threading

from docservice.console import errors


def can_ask() -> bool:
    """Whether a person reads what is said and can answer."""
    return errors.is_terminal and sys.stdin is not None and sys.stdin.isatty()


async def confirmed(question: str) -> bool:
    """Whether the person answers with yes; anything else, and the end of input, is no. Ctrl-C ends the command."""
    errors.print(f"{question} [y/N] ", markup=False, end="")
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def told(line: str) -> None:
        if not answer.done():
            answer.set_result(line)

    def read() -> None:
        # Straight from the terminal: who waits in Python's own buffer would hold up the end of the process.
        line = os.read(sys.stdin.fileno(), 1024).decode(errors="replace")
        if not loop.is_closed():
            loop.call_soon_threadsafe(told, line)

    # A daemon, because nothing ends a thread that waits for the terminal when the command is stopped.
    threading.Thread(target=read, name="docservice-answer", daemon=True).start()
    return (await answer).strip().lower() in {"y", "yes"}
