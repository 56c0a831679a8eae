"""Devices: the short text that a user session keeps of operating system and browser."""

from __future__ import annotations

import time

import pytest

from docservice.domain.values.devices import LONGEST_USER_AGENT, device_info, device_info_from_user_agent

CHROME_WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
)
CHROME_ANDROID = (
    "Mozilla/5.0 (Linux; Android 11; SM-A105F) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/119.0.6045.66 Mobile Safari/537.36"
)
FIREFOX_UBUNTU = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0"
SAFARI_IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/16.6 Mobile/15E148 Safari/604.1"
)
SAFARI_MAC = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.1 Safari/605.1.15"
)
FIREFOX_WINDOWS_7 = "Mozilla/5.0 (Windows NT 6.1; Win64; x64; rv:109.0) Gecko/20100101 Firefox/115.0"


@pytest.mark.parametrize(
    ("os_info", "browser_info", "expected"),
    [
        ({"name": "Android", "major": "11"}, {"name": "Chrome Mobile", "major": "119"}, "Android,11/Chrome Mobile,119"),
        ({"name": "Ubuntu"}, {"name": "Firefox", "major": "121"}, "Ubuntu,/Firefox,121"),
        ({"name": "Windows", "major": 10}, {}, "Windows,10/,"),
        ({"name": None, "major": None}, {"name": "Firefox", "version": "121.0"}, ",/Firefox,"),
        ({}, {}, ",/,"),
        (None, None, ",/,"),
    ],
)
def test_device_info(os_info: dict[str, object] | None, browser_info: dict[str, object] | None, expected: str) -> None:
    """Names and first parts of the versions are in their places; what is missing is the empty text."""
    assert device_info(os_info, browser_info) == expected


def test_device_info_is_cut() -> None:
    """The text never passes the 100 characters of Kolibri's column."""
    text = device_info({"name": "x" * 99, "major": "1"}, {"name": "y" * 99})

    assert text == "x" * 99 + ","


@pytest.mark.parametrize(
    ("user_agent", "expected"),
    [
        (CHROME_WINDOWS, "Windows,10/Chrome,120"),
        (CHROME_ANDROID, "Android,11/Chrome Mobile,119"),
        (FIREFOX_UBUNTU, "Ubuntu,/Firefox,121"),
        (SAFARI_IPHONE, "iOS,16/Mobile Safari,16"),
        (SAFARI_MAC, "Mac OS X,10/Safari,17"),
        (FIREFOX_WINDOWS_7, "Windows,7/Firefox,115"),
        ("a browser that nobody has heard of", "Other,/Other,"),
        ("", "Other,/Other,"),
        ("\x00\ud800 \N{SNOWMAN}", "Other,/Other,"),
    ],
)
def test_user_agents(user_agent: str, expected: str) -> None:
    """User agents give what Kolibri devices store for them, and `Other` for what the parser does not know."""
    assert device_info_from_user_agent(user_agent) == expected


def test_half_known_user_agent() -> None:
    """A known browser on an unknown system is named beside `Other`."""
    assert device_info_from_user_agent("Mozilla/5.0 (Zenith) Gecko/20100101 Firefox/121.0") == "Other,/Firefox,121"


def test_absurd_user_agent() -> None:
    """Of a huge user agent the first thousand characters are looked at, so that it takes no time."""
    device_info_from_user_agent(FIREFOX_UBUNTU)
    started = time.thread_time()  # what others do on the machine does not count

    text = device_info_from_user_agent(" " * LONGEST_USER_AGENT + FIREFOX_UBUNTU * 100_000)

    assert text == "Other,/Other,"
    assert time.thread_time() - started < 1
