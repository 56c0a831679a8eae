"""The engine's account, and what else is made in an empty database; and checking that the account works.

Apart from `store` this is the one module that imports PyMongo. The account has to exist before any store can connect,
and this code runs in the supervisor's own process, never in the process of a command. It uses PyMongo's blocking
client: call it in a thread.
"""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from docservice.engine.files import USER

_ROLES = [{"role": "root", "db": "admin"}]
_PATIENCE_MS = 2_000
_USER_EXISTS = 51003
_SCRATCH = "docservice_tables"


class SignInRefused(Exception):
    """The engine answers, but does not know our account or its password."""


class NotAnswering(Exception):
    """The engine does not answer."""


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
        raise SignInRefused(str(error.details or error)) from error
    except PyMongoError as error:
        raise NotAnswering(str(error)) from error


def create(port: int, password: str) -> None:
    """Make the account, or give it this password, on an engine that asks for no sign-in.

    Raises:
        NotAnswering: the engine did not do it.
    """
    try:
        with _client(f"mongodb://127.0.0.1:{port}/?directConnection=true") as client:
            try:
                client.admin.command("createUser", USER, pwd=password, roles=_ROLES)
            except OperationFailure as error:
                if error.code != _USER_EXISTS:
                    raise
                client.admin.command("updateUser", USER, pwd=password, roles=_ROLES)
    except PyMongoError as error:
        raise NotAnswering(str(error)) from error


def make_tables(port: int) -> None:
    """Have an engine that asks for no sign-in make all the tables that documents will ever be kept in.

    It has sixteen, and makes each when the first collection comes that belongs there. Killed while it does, it leaves
    a database that no engine opens again; so they are all made while the database holds nothing yet. Which table is
    a collection's follows from a hash (FNV-1a) whose last four bits differ for names that differ in the last four bits
    of their last letter.

    Raises:
        NotAnswering: the engine did not do it.
    """
    try:
        with _client(f"mongodb://127.0.0.1:{port}/?directConnection=true") as client:
            for letter in "abcdefghijklmnop":
                client[_SCRATCH].create_collection(letter)
            client.drop_database(_SCRATCH)
    except PyMongoError as error:
        raise NotAnswering(str(error)) from error


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
            # `usersInfo` of this engine lists one database only; this view has them all.
            while others := [
                user
                for user in client.admin["system.users"].find({}, {"user": 1, "db": 1}, limit=1000)
                if (user["user"], user["db"]) != (USER, "admin")
            ]:
                for user in others:
                    client[user["db"]].command("dropUser", user["user"])
                dropped += len(others)
    except PyMongoError as error:
        raise NotAnswering(str(error)) from error
    return dropped


def _client(uri: str) -> MongoClient[dict[str, Any]]:
    # Without a short patience, `close()` of a client whose engine has gone waits half a minute for it.
    return MongoClient(
        uri,
        serverSelectionTimeoutMS=_PATIENCE_MS,
        connectTimeoutMS=_PATIENCE_MS,
        socketTimeoutMS=10_000,
        retryReads=False,
        retryWrites=False,
        appname="docservice-supervisor",
    )
