"""`docservice shell`: the Mongo shell on the logs, without a running service."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from docservice import demo

from .mongo_shell import OWN, mongosh
from .running import run


@pytest.fixture
async def school(tmp_path: Path) -> Path:
    """A data folder with the people of the demo; nothing runs on it."""
    content = tmp_path / "school.json"
    content.write_text(json.dumps(demo.directory()), encoding="utf-8")
    done = await run("directory", "import", str(content), "--data-dir", str(tmp_path / "data"))
    assert done.code == 0, done.err
    return tmp_path / "data"


@pytest.fixture
async def with_shell() -> dict[str, str]:
    """An environment that has the Mongo shell on its PATH."""
    await mongosh("--version")
    return {"PATH": f"{OWN.parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.slow
async def test_an_expression_is_answered(school: Path, with_shell: dict[str, str]) -> None:
    """`--eval` prints the value of an expression, as JSON if asked for, and nothing else on standard output."""
    asked = ("shell", "--data-dir", str(school), "--json", "--eval", "db.facility_users.countDocuments()")

    answered = await run(*asked, env=with_shell)

    assert (answered.code, answered.out.strip()) == (0, str(len(demo.directory()["users"])))


@pytest.mark.slow
async def test_a_file_is_run(school: Path, with_shell: dict[str, str], tmp_path: Path) -> None:
    """A file is run with `db` as the database, and cannot read the address with the password."""
    script = tmp_path / "report.js"
    script.write_text("print(db.getName(), process.env.DOCSERVICE_SHELL_ADDRESS === undefined)", encoding="utf-8")

    done = await run("shell", str(script), "--data-dir", str(school), env=with_shell)

    assert (done.code, done.out.strip()) == (0, "docservice true")


@pytest.mark.slow
async def test_an_error_of_the_script_is_the_exit_code(school: Path, with_shell: dict[str, str]) -> None:
    """What the shell ends with, the command ends with."""
    done = await run("shell", "--data-dir", str(school), "--eval", "throw new Error('no such report')", env=with_shell)

    assert done.code == 1
    assert "no such report" in done.out + done.err


async def test_without_the_mongo_shell(tmp_path: Path) -> None:
    """Where mongosh is not installed, one line says how to get it, and no data folder is made."""
    done = await run("shell", "--data-dir", str(tmp_path / "data"), env={"PATH": "/nowhere"})

    assert done.code == 2
    assert "npm install -g mongosh" in done.err
    assert not (tmp_path / "data").exists()
