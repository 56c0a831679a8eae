"""The embedded engine: SecantusDB, a MongoDB-compatible server for one machine, run as a child process.

It is used when no MongoDB address is given. All docservice commands that name one data directory share one engine:

    command ── lease ──┐
    command ── lease ──┴─ supervisor ── engine
                          (holds the lock, restarts the engine, stops it when the last lease has gone)

SecantusDB is GPL software: it is only ever started as a program, never imported.
"""

from __future__ import annotations

from docservice.engine.embedded import EmbeddedEngine, has_data, installed, running_uri
from docservice.engine.events import EngineEvent

__all__ = ["EmbeddedEngine", "EngineEvent", "has_data", "installed", "running_uri"]
