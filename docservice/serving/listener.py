"""Serves requests at a listening socket, and stops without losing one."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from docservice.domain.sign_in.sessions import SignInRules
from docservice.errors import SettingsInvalid
from docservice.identity import TokenVerifier, require_public_key
from docservice.rest import create_app
from docservice.rest.auth import CookieWay, bearer_identity
from docservice.rest.cors import Cors
from docservice.rest.kolibri_sessions import KolibriSessions
from docservice.rest.metrics import Metrics, Others
from docservice.rest.person_names import PersonNames
from docservice.rest.proxies import Proxies
from docservice.rest.running_requests import LIMITS, RequestLimits
from docservice.rest.session_cookies import SessionCookies
from docservice.service import DocService
from docservice.serving.garbage import look_less_often
from docservice.serving.signing import signing_secret
from docservice.settings import Settings

LONGEST_REQUEST_LINE = 65_536
"""Bytes: a list of documents takes a thousand content ids, 33 bytes each; aiohttp's own limit holds 240."""

BACKLOG = 1024
"""Connections that the system keeps until a worker takes them."""

_LAST_WRITES_SECONDS = 1.0
"""How long answers that are made may take to be sent, after the requests have been waited for."""

_LINGERING_SECONDS = 2.0
"""How long the rest of a refused body is read, so that its sender sees the response."""


def new_event_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the event loop: uvloop if it is installed (`pip install 'docservice[uvloop]'`), else asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415  # an extra
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket, taken before anything is started, so that a port in use costs nothing.

    Raises:
        SettingsInvalid: it cannot be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except UnicodeError:
        raise SettingsInvalid(
            f"{host!r} is not the name of a host. Name an address of this machine with --host or DOCSERVICE_HOST."
        ) from None
    except OSError as error:
        # What `create_server` adds to the system's words only repeats the address.
        reason = (error.strerror or str(error)).partition(" (while attempting")[0]
        another = (
            "Choose another one with --port or DOCSERVICE_PORT (0 picks a free one)."
            if error.errno in {errno.EADDRINUSE, errno.EACCES}
            else "Name an address of this machine with --host or DOCSERVICE_HOST."
        )
        raise SettingsInvalid(f"Cannot listen on {host} port {port}: {reason}. {another}") from None


def address_of(listener: socket.socket) -> str:
    """Return the URL that a listening socket answers at."""
    address, port = listener.getsockname()[:2]
    return f"http://{f'[{address}]' if ':' in address else address}:{port}"


class StopSignals:
    """SIGTERM and Ctrl-C: the first asks for an orderly stop, the second ends the process at once.

    A signal that the process was started with ignored stays ignored, as in every Python program: a shell script starts
    what it puts in the background (`&`) so that Ctrl-C is not for it.

    Attributes:
        asked: set at the first.
        before_the_end: called at the second.
    """

    def __init__(self) -> None:
        """Take the signals of the running event loop."""
        self.asked = asyncio.Event()
        self.before_the_end: Callable[[], None] | None = None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._take, number)

    def _take(self, number: int) -> None:
        if self.asked.is_set():
            if self.before_the_end is not None:
                self.before_the_end()
            os._exit(128 + number)
        self.asked.set()


def token_verifier(settings: Settings) -> TokenVerifier:
    """Reads the tokens that the settings say.

    Raises:
        SettingsInvalid: a key cannot be read.
    """
    return TokenVerifier(
        secret=signing_secret(settings),
        public_key=_public_key(settings.jwt_public_key_file),
        jwks_url=settings.jwt_jwks_url,
        audience=settings.jwt_audience,
        issuer=settings.jwt_issuer,
        user_claim=settings.jwt_user_claim,
        leeway_seconds=settings.jwt_leeway_seconds,
    )


def sign_in_rules(settings: Settings) -> SignInRules:
    """Return what the settings allow of signing in."""
    return SignInRules(
        with_password=settings.kolibri_sign_in,
        without_password=settings.kolibri_sign_in_without_password,
        tries_per_person=settings.sign_in_tries_per_person,
        tries_per_address=settings.sign_in_tries_per_address,
        idle_seconds=settings.session_idle_seconds,
        longest_seconds=settings.session_longest_seconds,
    )


def _public_key(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        text = path.read_text(encoding="ascii")
        require_public_key(text)
    except (OSError, UnicodeError, SettingsInvalid) as error:
        reason = error.strerror or "it cannot be read" if isinstance(error, OSError) else str(error)
        if isinstance(error, UnicodeError):
            reason = "it is not PEM text"
        raise SettingsInvalid(f"DOCSERVICE_JWT_PUBLIC_KEY_FILE, {path}: {reason.rstrip('.')}.") from None
    return text


def metrics_of(
    settings: Settings, *, worker: int | None = None, restarts: int = 0, others: Others | None = None
) -> Metrics | None:
    """Return the metrics that the settings ask for; see `Metrics` for the other arguments."""
    if not settings.metrics:
        return None
    token = settings.metrics_token.get_secret_value() if settings.metrics_token else None
    return Metrics(token=token, worker=None if worker is None else str(worker), restarts=restarts, others=others)


@asynccontextmanager
async def serving(
    settings: Settings, service: DocService, verifier: TokenVerifier, listener: socket.socket, metrics: Metrics | None
) -> AsyncIterator[None]:
    """Answer requests while the block runs; then stop in order.

    At the end `/readyz` fails, requests are still taken for `drain_seconds`, then no connection is accepted any more,
    and requests under way, those whose body is still arriving too, have `shutdown_timeout_seconds` to end.
    """
    sign_ins = service.sign_ins(signing_secret(settings), sign_in_rules(settings))
    kolibri = KolibriSessions(settings.kolibri_url) if settings.kolibri_url else None
    cookies: list[CookieWay] = [SessionCookies(sign_ins), *([kolibri] if kolibri else [])]
    app = create_app(
        service,
        identify=bearer_identity(verifier, *cookies, person_called=PersonNames(sign_ins.person_called)),
        sign_ins=sign_ins,
        max_body_bytes=settings.max_body_bytes,
        limits=RequestLimits(
            max_in_flight=settings.max_in_flight_requests,
            max_in_flight_per_token=settings.max_in_flight_requests_per_token,
            timeout_seconds=settings.request_timeout_seconds,
        ),
        metrics=metrics,
        cors=Cors(settings.cors_origin_list) if settings.cors_origin_list else None,
        proxies=Proxies(settings.trusted_proxy_list) if settings.trusted_proxy_list else None,
    )
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=settings.keepalive_timeout_seconds,
        lingering_time=_LINGERING_SECONDS,
        max_line_size=LONGEST_REQUEST_LINE,
        shutdown_timeout=min(_LAST_WRITES_SECONDS, settings.shutdown_timeout_seconds),
    )
    await runner.setup()
    try:
        site = web.SockSite(runner, listener, backlog=BACKLOG)
        await site.start()
        look_less_often()
        yield
        app[LIMITS].draining = True
        await asyncio.sleep(settings.drain_seconds)
        await site.stop()
        # The runner's own end stops reading from every connection first: it would never see the rest of a body.
        await app[LIMITS].idle(settings.shutdown_timeout_seconds)
    finally:
        await runner.cleanup()
        if kolibri is not None:
            await kolibri.close()
