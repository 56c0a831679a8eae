"""The engine's account, and what else is made in an empty database; and checking that the account works.

Apart from `store` this is the one module that imports PyMongo. The account has to exist before any store can connect,
and this code runs in the supervisor's own process or in `docservice engine reset-password`, never in the process of a
command that opens a store. It uses PyMongo's blocking client: call it in a thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bson.binary import UUID_SUBTYPE, Binary
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from docservice.engine.certificates import Certificates
from docservice.engine.files import USER

_ROLES = [{"role": "root", "db": "admin"}]
_PATIENCE_MS = 2_000
_BOOTSTRAP_PATIENCE_MS = 15_000
"""The engine shakes hands with one client at a time, and waits for one that connects and says nothing."""

_REFUSALS = {13, 18}  # Unauthorized, AuthenticationFailed
_USER_EXISTS = 51003

IDLE_TRANSACTION_SECONDS = 10
"""How long the engine keeps an idle transaction, if the engine has this setting. A command that is at work leaves
none idle for so long, and one that has died is dealt with before (see `abandoned_sessions`): this is for other
programs."""

_SCRATCH = "docservice_tables"
_OWN_DATABASES = {"admin", "config", "local"}
"""Those that the engine has in an empty database."""

Client = MongoClient[dict[str, Any]]


class SignInRefused(Exception):
    """The engine responds, but does not accept our account or its password."""


class NotAnswering(Exception):
    """The engine does not answer, or not as it should."""


def check(uri: str) -> int:
    """Sign in and ask for a sign of life.

    Returns:
        The process id of the engine, as it says itself.

    Raises:
        SignInRefused: the sign-in or the command was refused.
        NotAnswering: no answer within some seconds; try again.
    """
    try:
        with _client(uri) as client:
            client.admin.command("ping")
            return int(client.admin.command("serverStatus").get("pid", 0))
    except OperationFailure as error:
        if error.code in _REFUSALS:
            raise SignInRefused(str(error.details or error)) from error
        raise NotAnswering(str(error.details or error)) from error
    except PyMongoError as error:
        raise NotAnswering(str(error)) from error
    except ValueError as error:
        # What is in the file cannot be a password at all.
        raise SignInRefused(str(error)) from error


def shorten_transactions(uri: str) -> bool:
    """Let the engine end transactions that are left open sooner; ask for it again after each start.

    Returns:
        Whether this build can do it: the Python build keeps them for a minute in any case.

    Raises:
        NotAnswering: no answer within some seconds; try again.
    """
    try:
        with _client(uri) as client:
            client.admin.command({"setParameter": 1, "transactionLifetimeLimitSeconds": IDLE_TRANSACTION_SECONDS})
    except OperationFailure:
        return False
    except PyMongoError as error:
        raise NotAnswering(str(error)) from error
    return True


def end_sessions(uri: str, ids: list[bytes]) -> None:
    """End sessions, and with them their transactions. Those that are not known, or have none, do not matter.

    Raises:
        NotAnswering: the engine did not do it.
    """
    try:
        with _client(uri) as client:
            client.admin.command({"killSessions": [{"id": Binary(each, UUID_SUBTYPE)} for each in ids]})
    except PyMongoError as error:
        raise NotAnswering(str(error)) from error


def fill(port: int, certificates: Certificates, password: str) -> list[str]:
    """Make the tables and the account in a new database, on an engine that takes our certificate instead of a sign-in.

    The engine has sixteen tables, and makes each when the first collection comes that belongs there. Killed while it
    does, it leaves a database that no engine opens again; so they are all made while the database holds nothing yet.
    Which table is a collection's follows from a hash (FNV-1a) whose last four bits differ for names that differ in the
    last four bits of their last letter.

    Returns:
        What else is in the database, which should be nothing: names of users, roles, databases and collections.

    Raises:
        NotAnswering: the engine did not do it.
    """
    with _bootstrap(port, certificates) as client:
        for letter in "abcdefghijklmnop":
            client[_SCRATCH].create_collection(letter)
        client.drop_database(_SCRATCH)
        _set_password(client, password)
        return _strangers(client)


def reset(port: int, certificates: Certificates, password: str) -> list[str]:
    """Give the account this password, on an engine that takes our certificate instead of a sign-in.

    Returns:
        Names of the other users, as `database.user`.

    Raises:
        NotAnswering: the engine did not do it.
    """
    with _bootstrap(port, certificates) as client:
        _set_password(client, password)
        return [f"{database}.{user}" for database, user in _other_users(client)]


def drop_others(uri: str) -> int:
    """Drop every user but ours, in all databases.

    Returns:
        How many were dropped.

    Raises:
        NotAnswering: the engine did not do it.
    """
    dropped = 0
    try:
        with _client(uri) as client:
            while others := _other_users(client):
                for database, user in others:
                    client[database].command("dropUser", user)
                dropped += len(others)
    except PyMongoError as error:
        raise NotAnswering(str(error)) from error
    return dropped


def other_users(uri: str) -> list[str]:
    """Return the names of all users but ours, as `database.user`.

    Raises:
        NotAnswering: no answer within some seconds.
    """
    try:
        with _client(uri) as client:
            return [f"{database}.{user}" for database, user in _other_users(client)]
    except PyMongoError as error:
        raise NotAnswering(str(error)) from error


def _set_password(client: Client, password: str) -> None:
    try:
        client.admin.command("createUser", USER, pwd=password, roles=_ROLES)
    except OperationFailure as error:
        if error.code != _USER_EXISTS:
            raise
        client.admin.command("updateUser", USER, pwd=password, roles=_ROLES)


def _other_users(client: Client) -> list[tuple[str, str]]:
    # The Python build has the users of all databases in this view only, the native build in this command only.
    users = client.admin["system.users"].find({}, {"user": 1, "db": 1}, limit=1000).to_list()
    users += client.admin.command({"usersInfo": {"forAllDBs": True}})["users"]
    return sorted({(user["db"], user["user"]) for user in users} - {("admin", USER)})


def _strangers(client: Client) -> list[str]:
    strangers = [f"user {database}.{user}" for database, user in _other_users(client)]
    for database in client.list_database_names():
        if database not in _OWN_DATABASES:
            strangers.append(f"database {database}")
        strangers += [
            f"collection {database}.{name}"
            for name in client[database].list_collection_names()
            if not name.startswith("system.") and (database, name) != ("local", "oplog.rs")
        ]
        roles = client[database].command("rolesInfo", 1)["roles"]
        strangers += [f"role {database}.{role['role']}" for role in roles]
    return strangers


@contextmanager
def _bootstrap(port: int, certificates: Certificates) -> Iterator[Client]:
    try:
        with _client(
            f"mongodb://127.0.0.1:{port}/?directConnection=true",
            serverSelectionTimeoutMS=_BOOTSTRAP_PATIENCE_MS,
            connectTimeoutMS=_BOOTSTRAP_PATIENCE_MS,
            tls=True,
            tlsCAFile=str(certificates.authority),
            tlsCertificateKeyFile=str(certificates.client),
        ) as client:
            yield client
    except PyMongoError as error:
        raise NotAnswering(str(error)) from error


def _client(uri: str, **options: Any) -> Client:
    # Without a short patience, `close()` of a client whose engine has ended waits half a minute for it.
    patience = {"serverSelectionTimeoutMS": _PATIENCE_MS, "connectTimeoutMS": _PATIENCE_MS, "socketTimeoutMS": 10_000}
    return MongoClient(
        uri, retryReads=False, retryWrites=False, appname="docservice-supervisor", **{**patience, **options}
    )
