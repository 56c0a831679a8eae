"""One worker of `serve --workers N`.

    python -m docservice.serving.worker CHANNEL LISTENER DATA_DIR

Started by `workers`, which passes it two open sockets by their numbers. The folder is there for readers of the
list of processes; all settings come through the channel, because others can read a command line.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

from docservice.console import opened, run
from docservice.serving.listener import metrics_of, new_event_loop, serving, token_verifier
from docservice.serving.log_format import EventLog, configure_logging
from docservice.serving.worker_metrics import WorkerSnapshots
from docservice.serving.workers import READY, session_line
from docservice.settings import Settings


def main() -> None:
    """Answer requests until told to stop."""
    channel, listener = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    # Ctrl-C reaches every process of the terminal; the first one passes it on when it is time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with channel, listener, channel.makefile("rb") as orders:
        line = orders.readline()
        if not line:
            return  # the first process has ended
        order = json.loads(line)
        settings = Settings.load(**order["settings"])
        configure_logging(settings.log_format, access_log=settings.access_log, worker=order["number"])
        run(_work(channel, listener, settings, order), new_event_loop())


async def _work(channel: socket.socket, listener: socket.socket, settings: Settings, order: dict[str, Any]) -> None:
    with EventLog(settings.log_format).failing():
        await _answer(channel, listener, settings, order)


async def _answer(channel: socket.socket, listener: socket.socket, settings: Settings, order: dict[str, Any]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    # A service manager may send the signal to all processes, and the first one sends it too: it counts once.
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    channel.setblocking(False)
    gone = asyncio.create_task(_gone(channel, stopping))
    snapshots = WorkerSnapshots(Path(order["folder"]), order["number"])
    metrics = metrics_of(settings, worker=order["number"], restarts=order["restarts"], others=snapshots.others)
    async with (
        opened(settings, apply_indexes=False, on_engine_event=None, on_session=partial(_name, channel)) as service,
        serving(settings, service, token_verifier(settings), listener, metrics),
        snapshots.answering(metrics.snapshot) if metrics else nullcontext(),
    ):
        await loop.sock_sendall(channel, READY)
        await stopping.wait()
    gone.cancel()


def _name(channel: socket.socket, session_id: bytes) -> None:
    """Tell who started this process of a session. If it does not listen, it is halted or has ended."""
    with suppress(OSError):
        channel.send(session_line(session_id))


async def _gone(channel: socket.socket, stopping: asyncio.Event) -> None:
    """Nothing follows the order: the end of the stream is the end of the first process."""
    await asyncio.get_running_loop().sock_recv(channel, 1)
    stopping.set()


if __name__ == "__main__":
    main()
