"""`--help` and what the command line does not know."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import docservice

from .help_texts import OPTIONS, STORE, help_of
from .running import names_in, run


@pytest.mark.slow
@pytest.mark.parametrize("command", OPTIONS, ids=" ".join)
async def test_help_mentions_each_option(command: tuple[str, ...]) -> None:
    """Exit code 0, the help on standard output, with every option and, for settings, its variable."""
    ended = await help_of(*command)

    assert (ended.code, ended.err) == (0, "")
    assert f"docservice {' '.join(command)}" in ended.out
    for option in OPTIONS[command]:
        assert re.search(rf"{option}\b", ended.out), option
    if command == ("serve",):
        variables = set(re.findall(r"DOCSERVICE_\w+", ended.out))
        assert variables >= {f"DOCSERVICE_{name[2:].upper().replace('-', '_')}" for name in ("--host", *STORE)}


async def test_the_top_lists_all_commands() -> None:
    """`docservice --help` and `docservice` alone name all commands; `--version` prints the version and nothing else."""
    asked = await run("--help")
    alone = await run()
    version = await run("--version")

    assert (asked.code, asked.err) == (0, "")
    for command in OPTIONS:
        assert re.search(rf"\b{command[0]}\b", asked.out), command
        assert re.search(rf"\b{command[0]}\b", alone.out), command
    assert (version.code, version.out) == (0, docservice.__version__ + "\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["serve", "--nope"], "--nope"),
        (["serve", "--port", "many"], "--port"),
        (["nope"], "nope"),
        (["token"], "PERSON"),
        (["directory", "import"], "FILE"),
        (["directory", "import", "file.json", "--nope"], "--nope"),
        (["export", "csv", "sessions"], "sessions"),
        (["indexes", "check", "extra"], "extra"),
        (["import", "kolibri"], "PATH"),
        (["consolidate", "everything"], "everything"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_what_the_command_does_not_know(tmp_path: Path, arguments: list[str], named: str) -> None:
    """An unknown option, command or value, and a missing argument: not 0, named on standard error, nothing is made."""
    ended = await run(*arguments, cwd=tmp_path)

    assert ended.code == 2
    assert ended.out == ""
    assert named.lower() in ended.err.lower()
    assert "Traceback" not in ended.err
    assert names_in(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("columns", [40, 80])
async def test_a_wrong_value_is_answered_with_the_right_ones(columns: int) -> None:
    """All of them, on a narrow terminal too."""
    arguments = ("export", "csv", "nope", "--facility", "f" * 32, "--output", "a.csv")

    ended = await run(*arguments, env={"COLUMNS": str(columns)})

    assert (ended.code, ended.out) == (2, "")
    for table in ("session", "summary", "attempt", "exam"):
        assert f'"{table}"' in ended.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("serve", "--host", "192.0.2.1", "--port", "0"), "--host"),
        (
            ("verify", "--mongodb-uri", "mongodb://127.0.0.1:1/", "--database", "a b"),
            "'a b' cannot be the name",
        ),
    ],
    ids=["address", "database"],
)
async def test_a_value_that_cannot_be_used(tmp_path: Path, arguments: tuple[str, ...], named: str) -> None:
    """An address of another machine, a name with a blank: exit code 2 and one line that says what to correct."""
    ended = await run(*arguments, "--data-dir", str(tmp_path))

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1), ended.err
    assert named in ended.err


async def test_ctrl_c_while_the_commands_are_loaded() -> None:
    """One line and the exit code of an interrupted command, as later on; no traceback."""
    pressed = """
import sys
from docservice.__main__ import main

class Pressed:
    def find_spec(self, name, path=None, target=None):
        if name == "docservice.cli.serve":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Pressed())
main()
"""

    ended = await run("serve", program=(sys.executable, "-c", pressed))

    assert (ended.code, ended.out, ended.err) == (130, "", "docservice: interrupted.\n")
