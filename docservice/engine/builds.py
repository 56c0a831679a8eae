"""Chooses the build of the embedded engine: the native one if it is installed, else the Python one.

Both read and write the same data. The native build is several times as fast; it is compiled by `docservice engine
install` and then found without being told:

1. `DOCSERVICE_ENGINE`: the path of a program, or `native` or `python` for one of the two builds;
2. `DATA_DIR/bin/secantusd-rs`, where `docservice engine install` puts it;
3. `secantusd-rs` on the `PATH`;
4. the Python build, `pip install 'docservice[embedded]'`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from docservice.errors import EngineNotInstalled, SettingsInvalid
from docservice.ownership import require_own

VARIABLE = "DOCSERVICE_ENGINE"
PROGRAM = "secantusd-rs" + (".exe" if sys.platform == "win32" else "")
NOT_INSTALLED = """\
No MongoDB address was given, and the embedded engine is not installed. Either
  - install it: pip install 'docservice[embedded]' (Python 3.11 to 3.13 on Linux x86-64 or ARM, macOS ARM, Windows), or
  - compile its faster build: docservice engine install (needs cargo, a C compiler and CMake), or
  - name a MongoDB server: set DOCSERVICE_MONGODB_URI or pass --mongodb-uri."""

_VERSION_SECONDS = 10.0


@dataclass(frozen=True)
class EngineBuild:
    """A build that can run.

    Attributes:
        name: which of the two.
        program: path of the native program, as text; empty for the Python build.
        why: where it was found, in words.
    """

    name: Literal["native", "python"]
    program: str
    why: str

    @property
    def command(self) -> list[str]:
        """What starts it; its options come after."""
        return [self.program] if self.program else [sys.executable, "-m", "secantus"]

    def version(self) -> str:
        """Return what it says of its own version; `unknown` if it says nothing. Blocks."""
        if not self.program:
            try:
                return version("secantusdb")
            except PackageNotFoundError:
                return "unknown"
        try:
            process = subprocess.run(
                [self.program, "--version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return "unknown"
        lines = process.stdout.split("\n")
        return lines[0].rpartition(" ")[2] or "unknown"


def installed_program(data_dir: Path) -> Path:
    """Return where `docservice engine install` puts the native build of a data directory."""
    return data_dir.absolute() / "bin" / PROGRAM


def chosen_build(data_dir: Path, choice: str | None = None) -> EngineBuild:
    """Return the build that runs for a data directory. Blocks for some milliseconds.

    Args:
        data_dir: the data directory.
        choice: used instead of `DOCSERVICE_ENGINE`; if None, the environment decides.

    Raises:
        EngineNotInstalled: there is no build, or not the one that was chosen.
        SettingsInvalid: what was chosen is not a program, or the one in the data directory is another user's.
    """
    choice = os.environ.get(VARIABLE, "") if choice is None else choice
    if choice not in ("", "native", "python"):
        return _named(choice)
    native = None if choice == "python" else _native(data_dir)
    if native is not None:
        return native
    if choice == "native":
        raise EngineNotInstalled(
            f"{VARIABLE} asks for the native build of the embedded engine, and there is none: not as "
            f"{installed_program(data_dir)} and not as {PROGRAM} on the PATH. "
            f"Compile it with: docservice engine install --data-dir {data_dir}"
        )
    if not has_python_build():
        raise EngineNotInstalled(NOT_INSTALLED)
    return EngineBuild("python", "", f"chosen by {VARIABLE}" if choice else "no native build was found")


def has_python_build() -> bool:
    """Whether the Python build is there. It is looked for, not imported: it is GPL software."""
    return importlib.util.find_spec("secantus") is not None


def places(data_dir: Path) -> list[str]:
    """Return where the builds are looked for, in order, in words for people."""
    return [
        f"{VARIABLE}: {os.environ.get(VARIABLE) or 'not set'}",
        f"data folder: {_state(installed_program(data_dir))}",
        f"PATH: {shutil.which(PROGRAM) or f'no {PROGRAM}'}",
        f"Python package secantusdb: {_python_version()}",
    ]


def _python_version() -> str:
    return EngineBuild("python", "", "").version() if has_python_build() else "not installed"


def _state(program: Path) -> str:
    return str(program) if _is_program(program) else f"no {program}"


def _named(choice: str) -> EngineBuild:
    program = Path(choice).expanduser().absolute()
    if not _is_program(program):
        raise SettingsInvalid(
            f"{VARIABLE} is the path of the engine's program, or one of the words native and python; "
            f"{choice} is not a program that can be run."
        )
    return EngineBuild("native", str(program), f"named by {VARIABLE}")


def _native(data_dir: Path) -> EngineBuild | None:
    own = installed_program(data_dir)
    if _is_program(own):
        require_own(own.parent)
        require_own(own)
        return EngineBuild("native", str(own), "installed in the data folder")
    on_path = shutil.which(PROGRAM)
    if on_path is not None:
        return EngineBuild("native", str(Path(on_path).absolute()), "found on the PATH")
    return None


def _is_program(path: Path) -> bool:
    # Not `Path.is_file`, which fails in a folder that is closed to us.
    return os.path.isfile(path) and os.access(path, os.X_OK)  # noqa: PTH113
