"""The real Mongo shell: the one in `build/`, else the one on the PATH, else a new one from npm."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .running import Finished, run

ROOT = Path(__file__).parents[2]
OWN = ROOT / "build" / "mongosh" / "node_modules" / ".bin" / "mongosh"
INSTALL_SECONDS = 240.0


async def mongosh(*arguments: str, cwd: Path | None = None) -> Finished:
    """Run the shell to its end. Without Node the test is skipped; where npm is there, the shell is installed once."""
    program = str(OWN) if OWN.exists() else shutil.which("mongosh")
    if program is None:
        if not shutil.which("npm"):
            pytest.skip("needs mongosh, or Node with npm to install it")
        wanted = ("install", "--prefix", str(OWN.parents[2]), "--no-audit", "--no-fund", "mongosh@2")
        installed = await run(*wanted, program=("npm",), seconds=INSTALL_SECONDS)
        assert installed.code == 0, installed.err
        program = str(OWN)
    return await run(*arguments, program=(program,), cwd=cwd, seconds=60.0)


def shell_uri(uri: str, database: str) -> str:
    """The connection string with a database in it."""
    address, _, options = uri.partition("?")
    return address.rstrip("/") + f"/{database}" + (f"?{options}" if options else "")
