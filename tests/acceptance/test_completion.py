"""`docservice completion`: a shell completes commands and options."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from .running import names_in, run

pytestmark = pytest.mark.slow

SHELLS = ("bash", "zsh", "fish")
START_FILES = {"bash": ".bashrc", "zsh": ".zshrc"}


def only_with(shell: str) -> pytest.MarkDecorator:
    """Skip a test where there is no such shell."""
    return pytest.mark.skipif(shutil.which(shell) is None or sys.platform == "win32", reason=f"needs {shell}")


@pytest.mark.parametrize("shell", SHELLS)
async def test_it_prints_a_script(shell: str, tmp_path: Path) -> None:
    """Nothing but the script, which knows commands and options; nothing is written."""
    ended = await run("completion", shell, cwd=tmp_path, env={"HOME": str(tmp_path)})

    assert (ended.code, ended.err) == (0, "")
    for word in ("consolidate", "reset-password", "log-format"):
        assert word in ended.out
    assert names_in(tmp_path) == []


@only_with("bash")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["sta"], ["status"]),
        (["indexes", "ch"], ["check"]),
        (["serve", "--work"], ["--workers"]),
        (["export", "ndjson", "--out"], ["--output"]),
    ],
    ids=" ".join,
)
async def test_bash_completes(words: list[str], completed: list[str], tmp_path: Path) -> None:
    """At the press of Tab bash offers the rest of a command or option."""
    script = await run("completion", "bash")
    (tmp_path / "completion").write_text(script.out)
    press_tab = f"""
        source completion
        COMP_WORDS=(docservice {" ".join(words)}); COMP_CWORD={len(words)}
        COMP_LINE="${{COMP_WORDS[*]}}"; COMP_POINT=${{#COMP_LINE}}
        complete -p docservice | grep -o -- '-F [^ ]*' > function
        "$(cut -c4- function)" docservice "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """

    ended = await run("--norc", "-c", press_tab, program=("bash",), cwd=tmp_path)

    assert (ended.code, ended.err) == (0, "")
    assert [word.strip() for word in ended.out.splitlines()] == completed


@pytest.mark.skipif(sys.platform == "win32", reason="these shells have a home folder")
@pytest.mark.parametrize("shell", SHELLS)
async def test_it_installs_the_script(shell: str, tmp_path: Path) -> None:
    """The script is in the home folder, and the shell's start file names it once however often it is installed."""
    env = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": "", "ZSH_CUSTOM": "", "ZDOTDIR": ""}

    printed = await run("completion", shell, env=env)
    first = await run("completion", shell, "--install", env=env)
    again = await run("completion", shell, "--install", env=env)

    path = Path(first.err.split(" is in ")[1].partition(";")[0])
    assert (first.code, again.code, first.out, again.out) == (0, 0, "", "")
    assert path.is_relative_to(tmp_path)
    assert (tmp_path / path).read_text().strip() == printed.out.strip()
    if shell in START_FILES:
        named = (tmp_path / START_FILES[shell]).read_text()
        assert str(path.parent) in named
        assert len([line for line in named.splitlines() if not line.startswith("#")]) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="these shells have a home folder")
async def test_a_home_that_takes_no_files(tmp_path: Path) -> None:
    """Exit code 2 and one line that says what is in the way."""
    (tmp_path / ".local").write_text("a file")

    ended = await run("completion", "bash", "--install", env={"HOME": str(tmp_path)})

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert ".local" in ended.err
