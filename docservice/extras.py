"""Extras: which optional packages a part of docservice needs, and a clear error where they are missing.

Without an extra, docservice is a library without web server and command line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Literal

from docservice.errors import ExtraNotInstalled

Extra = Literal["rest", "serve"]

PACKAGES: Mapping[Extra, Sequence[str]] = {
    "rest": ("aiohttp", "brotli", "markdown_it", "orjson", "pygments"),
    "serve": ("cyclopts", "prometheus_client", "rich", "structlog"),
}
"""By extra, the packages that it adds, as they are imported. A test compares them with `pyproject.toml`."""


def require(extra: Extra, part: str) -> None:
    """Check that the packages of an extra are installed.

    Args:
        extra: the extra that brings them.
        part: what needs them, the subject of the error message.

    Raises:
        ExtraNotInstalled: a package is missing; the message says how to install it.
    """
    missing = [name for name in PACKAGES[extra] if find_spec(name) is None]
    if missing:
        raise ExtraNotInstalled(
            f"{part} needs packages that are not installed ({', '.join(missing)}). "
            f"Install them with `pip install 'docservice[{extra}]'`."
        )
