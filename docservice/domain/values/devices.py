"""The device of a learner: operating system and browser as one short text, `Android,11/Chrome Mobile,119`.

Rule: kolibri/core/logger/models.py, UserSessionLog.update_log.
"""

from __future__ import annotations

from collections.abc import Mapping

LONGEST_DEVICE_INFO = 100
"""Characters that the field holds; the rest is cut off."""

LONGEST_USER_AGENT = 1000
"""Characters of a user agent that are looked at; honest ones have about 200."""

UNKNOWN = "Other"
"""The name of an unknown system or browser."""


def device_info(os_info: Mapping[str, object] | None, browser_info: Mapping[str, object] | None) -> str:
    """Return the device as user sessions name it: `{os name},{os major}/{browser name},{browser major}`.

    Args:
        os_info: `name` and `major` of the operating system; what is missing or None becomes the empty text.
        browser_info: the same of the browser.

    Returns:
        at most 100 characters; `,/,` if nothing is known.
    """
    return "/".join(f"{_text(info, 'name')},{_text(info, 'major')}" for info in (os_info, browser_info))[
        :LONGEST_DEVICE_INFO
    ]


def _text(info: Mapping[str, object] | None, name: str) -> str:
    value = (info or {}).get(name)
    return "" if value is None else str(value)


def device_info_from_user_agent(user_agent: str) -> str:
    """Return the device that a `User-Agent` header describes; `Other` for an unknown system or browser.

    Reading the parser's rules takes a tenth of a second once in a process: call it where that does no harm.
    """
    # Half of this package's import time, and needed only when a user session comes without device data.
    import ua_parser  # noqa: PLC0415

    # A header that is not UTF-8 arrives with halves of surrogate pairs, which the parser does not take.
    text = user_agent[:LONGEST_USER_AGENT].encode(errors="replace").decode()
    parsed = ua_parser.parse(text)
    # Kolibri's parser returns "Other" for an unknown device; version 1 of ua-parser returns None.
    return device_info(
        {"name": parsed.os.family, "major": parsed.os.major} if parsed.os else {"name": UNKNOWN},
        {"name": parsed.user_agent.family, "major": parsed.user_agent.major}
        if parsed.user_agent
        else {"name": UNKNOWN},
    )
