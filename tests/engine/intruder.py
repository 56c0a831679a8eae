"""Another user of the machine, who tries all the time to get into the engine of a data directory.

    DATA_DIR=… python intruder.py

Runs until its input ends, and then prints one JSON object: how often it tried in each way, how often an engine answered
the greeting, the ports it tried, and what it got in with. Unlike a real one it finds the ports by the processes of the
data directory, so that it leaves the engines of other tests alone. (The directory is not on its own
command line, so that it is not one of them.)

It speaks the wire protocol itself: a driver would wait seconds for an engine that hangs up.
"""

from __future__ import annotations

import json
import os
import select
import socket
import ssl
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import bson

from docservice.engine.certificates import certificates_in

_OP_MSG = 2013
_SECONDS = 1.0
COMMANDS: list[dict[str, Any]] = [
    {"listDatabases": 1, "$db": "admin"},
    {"find": "facility_users", "$db": "docservice"},
    {"insert": "facility_users", "documents": [{"username": "intruder"}], "$db": "docservice"},
    {"createUser": "intruder", "pwd": "secret", "roles": [{"role": "root", "db": "admin"}], "$db": "admin"},
    {"serverStatus": 1, "$db": "admin"},
]


def ports(data_dir: str) -> set[int]:
    """The ports on which processes that name the data directory listen now."""
    listening = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A":
            listening[fields[9]] = int(fields[1].rpartition(":")[2], 16)
    found = set()
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdecimal() and data_dir.encode() in (process / "cmdline").read_bytes():
                for descriptor in (process / "fd").iterdir():
                    with suppress(OSError):
                        inode = str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]")
                        found |= {listening[inode]} if inode in listening else set()
    return found


def ask(connection: socket.socket, command: dict[str, Any]) -> dict[str, Any] | None:
    """The answer to a command, or None when the other side hangs up or speaks of something else."""
    body = struct.pack("<IB", 0, 0) + bson.encode(command)
    connection.sendall(struct.pack("<iiii", 16 + len(body), 1, 0, _OP_MSG) + body)
    answer = b""
    while len(answer) < 16 or len(answer) < struct.unpack("<i", answer[:4])[0]:
        if not (chunk := connection.recv(65536)):
            return None
        answer += chunk
        if len(answer) >= 16 and struct.unpack("<i", answer[12:16])[0] != _OP_MSG:
            return None
    return bson.decode(answer[21:])


def attack(
    port: int, context: ssl.SSLContext | None, commands: Sequence[dict[str, Any]] = COMMANDS
) -> tuple[bool, list[str]]:
    """Whether the engine answered the greeting, and the commands that it carried out."""
    done = []
    plain = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
    with plain, context.wrap_socket(plain) if context else plain as connection:
        if ask(connection, {"hello": 1, "$db": "admin"}) is None:
            return False, []
        for command in commands:
            answer = ask(connection, command)
            if answer and answer.get("ok"):
                done.append(next(iter(command)))
    return True, done


def contexts() -> dict[str, ssl.SSLContext | None]:
    """The ways to connect: plain, over TLS without a certificate, and with one of another authority."""
    nothing, foreign = (ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) for _ in range(2))
    for context in (nothing, foreign):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    with tempfile.TemporaryDirectory() as folder, certificates_in(Path(folder) / "own") as certificates:
        foreign.load_cert_chain(certificates.client)
    return {"plain": None, "tls": nothing, "foreign certificate": foreign}


def main(data_dir: str) -> None:
    ways = contexts()
    tried: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    seen: set[int] = set()
    success: list[str] = []
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.005)[0]:
        for port in ports(data_dir):
            seen.add(port)
            for way, context in ways.items():
                with suppress(OSError):  # It hung up, or has gone.
                    tried[way] += 1
                    greeted, done = attack(port, context)
                    answered[way] += greeted
                    success += [f"{command} on port {port}, {way}" for command in done]
    print(json.dumps({"tried": tried, "answered": answered, "ports": sorted(seen), "success": success}), flush=True)


if __name__ == "__main__":
    main(os.environ["DATA_DIR"])
