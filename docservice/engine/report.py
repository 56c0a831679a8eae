"""The state of the embedded engine of a data directory, without starting it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from docservice.engine import locks
from docservice.engine.builds import EngineBuild, chosen_build
from docservice.engine.embedded import has_data, running_engine
from docservice.engine.files import EngineFiles, read_password
from docservice.errors import EngineNotInstalled

EngineCondition = Literal[
    "running", "starting or stopping", "not running", "password missing", "no data", "not installed"
]
"""How an embedded engine is; of several that fit, the first."""


@dataclass(frozen=True)
class EngineReport:
    """How the embedded engine of a data directory is.

    Attributes:
        build: which build of it runs, or would be started; None if none is installed.
        version: what the build says of itself; None if none is installed.
        condition: whether it runs, or what keeps it from running.
        process_id: of the running engine, else None.
        uri: connection string of the running engine, with its password; else None.
        problem: why there is no build, with what to do; None if there is one.
    """

    build: str | None
    version: str | None
    condition: EngineCondition
    process_id: int | None = None
    uri: str | None = field(default=None, repr=False)
    problem: str | None = None


async def engine_report(data_dir: Path) -> EngineReport:
    """Look at the engine of a data directory. Nothing is started, made or kept running.

    Raises:
        SettingsInvalid: `DOCSERVICE_ENGINE` names no program.
    """
    running = await running_engine(data_dir)
    if running is not None:
        release = await asyncio.to_thread(running.build.version)
        return EngineReport(running.build.name, release, "running", running.pid, running.uri)
    return await asyncio.to_thread(_at_rest, data_dir)


def _at_rest(data_dir: Path) -> EngineReport:
    files, problem = EngineFiles(data_dir), None
    try:
        build: EngineBuild | None = chosen_build(data_dir)
    except EngineNotInstalled as error:
        build, problem = None, str(error)
    name, release = (None, None) if build is None else (build.name, build.version())
    condition: EngineCondition = "not running"
    if locks.is_taken(files.lock):
        condition = "starting or stopping"
    elif build is None:
        return EngineReport(None, None, "not installed", problem=problem)
    elif not has_data(data_dir):
        condition = "no data"
    elif not read_password(files):
        condition = "password missing"
    return EngineReport(name, release, condition)
