"""Remembers for some seconds whom the usernames in tokens mean: a look-up reads all people of the directory."""

from __future__ import annotations

import time
from collections import OrderedDict

from docservice.identity import PersonCalled

_KEPT_SECONDS = 30.0
_MOST_KEPT = 10_000


class PersonNames:
    """Looks people up by their names. Callable as `PersonCalled`.

    A person who gets another username is known by the old one for half a minute more; one who is withdrawn is refused
    at once, since every request looks at the person.
    """

    def __init__(self, look_up: PersonCalled, kept_seconds: float = _KEPT_SECONDS) -> None:
        """Remember what a look-up gives.

        Args:
            look_up: is asked if a name is not remembered.
            kept_seconds: how long a name is.
        """
        self._look_up = look_up
        self._kept_seconds = kept_seconds
        self._known: OrderedDict[str, tuple[float, str | None]] = OrderedDict()

    async def __call__(self, text: str) -> str | None:
        """Return the id of the person whom a text means; None if it means nobody, or several."""
        kept = self._known.get(text)
        if kept is not None and time.monotonic() - kept[0] < self._kept_seconds:
            return kept[1]
        user_id = await self._look_up(text)
        self._known[text] = (time.monotonic(), user_id)
        self._known.move_to_end(text)
        while len(self._known) > _MOST_KEPT:
            self._known.popitem(last=False)
        return user_id
