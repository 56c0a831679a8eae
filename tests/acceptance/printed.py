"""What a demo prints for people to paste into a shell."""

from __future__ import annotations

import re

from .running import Service

_CURL = re.compile(r"^curl .+?(?=\n\n)", re.DOTALL | re.MULTILINE)


def printed_curl(service: Service) -> str:
    """The curl command as it was printed."""
    found = _CURL.search(service.err)
    assert found, service.err
    return found[0]
