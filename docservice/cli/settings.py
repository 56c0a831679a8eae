"""`docservice settings`: print the table of settings."""

from __future__ import annotations

from docservice.console import StoreOptions
from docservice.settings import settings_table


def settings(*, options: StoreOptions = StoreOptions()) -> None:
    """Print all settings with their defaults, as the Markdown table that the manual has. Nothing is read or started."""
    print(settings_table())
