"""The embedded engine: SecantusDB, a MongoDB-compatible server for one machine, run as a child process.

It is used when no MongoDB address is given. All docservice commands that name one data directory share one engine:

    command ── lease ──┐
    command ── lease ──┴─ supervisor ── engine
                          (holds the lock, restarts the engine, stops it when the last lease has ended)

SecantusDB is GPL software: it is only ever started as a program, never imported.
"""

from __future__ import annotations

from docservice.engine.builds import EngineBuild, chosen_build, has_python_build
from docservice.engine.embedded import EmbeddedEngine, RunningEngine, has_data, running_engine, running_uri
from docservice.engine.events import EngineEvent

__all__ = [
    "EmbeddedEngine",
    "EngineBuild",
    "EngineEvent",
    "RunningEngine",
    "chosen_build",
    "has_data",
    "has_python_build",
    "running_engine",
    "running_uri",
]
