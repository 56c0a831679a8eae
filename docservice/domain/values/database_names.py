"""The name of the database that logs are kept in, alone or in a MongoDB connection string."""

from __future__ import annotations

from urllib.parse import unquote

DEFAULT_DATABASE = "docservice"
LONGEST_NAME_BYTES = 63
_NOT_IN_A_NAME = set('/\\. "$*<>:|?\0')
_OF_THE_SERVER = {"admin", "config", "local"}


def name_problem(name: str) -> str | None:
    """Return what is wrong with a name, in a clause; None if a database can be called so."""
    if name in _OF_THE_SERVER:
        return f"{name!r} is a database of the server itself; logs are kept in one of their own"
    forbidden = sorted(_NOT_IN_A_NAME & set(name))
    if forbidden:
        return f"{name!r} cannot be the name of a database: it has {' and '.join(map(repr, forbidden))}"
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME_BYTES:
        return f"the name of a database has at most {LONGEST_NAME_BYTES} bytes"
    return None


def named_database(uri: str) -> str | None:
    """Return the database that a connection string names (`mongodb://db.example/logs`), None if it names none.

    A database of the server itself only says where its accounts are (`/admin`).
    Rule: MongoDB's connection string specification, defaultauthdb.
    """
    name = unquote(uri.partition("?")[0].partition("://")[2].partition("/")[2])
    return name if name and name not in _OF_THE_SERVER else None
