"""Finds out why a server does not respond to a first connection: the driver only says that it found none.

Client and server that do not agree about TLS wait for each other until a deadline passes. So each host is asked in the
other way, too, and what the server speaks decides what is said.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from docservice.errors import SettingsInvalid
from docservice.store.database.mongodb_address import MongoAddress

_LONGEST_SECONDS = 2.0
_OBJECTION_SECONDS = 0.5
_NEW_ONE = "It needs a new one, or the clock of this machine is wrong."
_OTHER_NAME = "Name the server in the address by a name that is in its certificate."
_WHAT_TO_DO = {9: _NEW_ONE, 10: _NEW_ONE, 62: _OTHER_NAME, 64: _OTHER_NAME}
"""By OpenSSL's X509_V_ERR_*: not valid yet, expired, another host name, another address."""

_ASKS_FOR_ONE = "CERTIFICATE_REQUIRED"
"""OpenSSL's name of the alert of a server that requires a certificate of the client."""


async def tls_mismatch(
    address: MongoAddress, hosts: Iterable[tuple[str, int | None]], timeout_seconds: float
) -> SettingsInvalid | None:
    """What has to change in the address so that client and server agree about TLS; None if that is not the reason.

    Args:
        address: what the client was made with.
        hosts: the servers that it did not reach.
        timeout_seconds: for each question; more than two seconds are not waited.
    """
    seconds = min(timeout_seconds, _LONGEST_SECONDS)
    checks = [_mismatch(address, host, port, seconds) for host, port in hosts if port is not None]
    results = await asyncio.gather(*checks)
    return next((each for each in results if each is not None), None)


async def _mismatch(address: MongoAddress, host: str, port: int, seconds: float) -> SettingsInvalid | None:
    if not address.tls:
        if _speaks_tls(await _tls_failure(host, port, _trusting_all(), seconds)):
            return SettingsInvalid(
                f"The MongoDB server at {host}:{port} expects TLS: add tls=true to its address, and "
                "tlsCAFile=FILE if its certificate is of an authority of your own."
            )
        return None
    failure = await _tls_failure(host, port, address.tls_context(), seconds)
    if isinstance(failure, ssl.SSLCertVerificationError):
        reason = failure.verify_message.rstrip(".")
        return SettingsInvalid(
            f"The certificate of the MongoDB server at {host}:{port} is not trusted: {reason}. "
            + _WHAT_TO_DO.get(failure.verify_code, "Name the certificate of its authority with tlsCAFile=FILE.")
        )
    if isinstance(failure, ssl.SSLError) and _ASKS_FOR_ONE in (failure.reason or ""):
        return SettingsInvalid(
            f"The MongoDB server at {host}:{port} asks for a certificate of the client: name a file with yours and its "
            "private key, in PEM, with tlsCertificateKeyFile=FILE in its address."
        )
    if isinstance(failure, ssl.SSLError) and address.options.get("tlscertificatekeyfile") and _speaks_tls(failure):
        return SettingsInvalid(
            f"The MongoDB server at {host}:{port} refuses TLS with the certificate of tlsCertificateKeyFile: "
            f"{(failure.reason or str(failure)).replace('_', ' ').lower()}. Name one that is valid now and that an "
            "authority has signed which the server trusts."
        )
    if not _speaks_tls(failure) and await _speaks_without_tls(host, port, seconds):
        return SettingsInvalid(
            f"The MongoDB server at {host}:{port} does not use TLS: start it with TLS (--tlsMode requireTLS), or leave "
            "tls=true and the other tls options out of its address."
        )
    return None


def _trusting_all() -> ssl.SSLContext:
    """Nothing is sent over a connection made with it: it only shows whether the other side speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _tls_failure(host: str, port: int, context: ssl.SSLContext, seconds: float) -> Exception | None:
    """Return why there is no TLS connection; None if there is one."""
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    except (OSError, ValueError) as error:
        return error
    try:
        # In TLS 1.3 the server looks at the client's certificate when the client is done; if it agrees it says nothing.
        async with asyncio.timeout(min(seconds, _OBJECTION_SECONDS)):
            await reader.read(1)
    except TimeoutError:
        return None
    except OSError as error:
        return error
    finally:
        writer.transport.abort()
    return None


def _speaks_tls(failure: Exception | None) -> bool:
    """Whether the server speaks TLS: there was a connection, or it was refused in TLS's own words."""
    return failure is None or (isinstance(failure, ssl.SSLError) and "ALERT" in (failure.reason or ""))


async def _speaks_without_tls(host: str, port: int, seconds: float) -> bool:
    milliseconds = int(seconds * 1000)
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(
        host, port, directConnection=True, serverSelectionTimeoutMS=milliseconds, connectTimeoutMS=milliseconds
    )
    async with client:
        try:
            await client.admin.command("hello")
        except PyMongoError:
            return False
    return True
