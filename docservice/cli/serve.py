"""`docservice serve`: the REST service."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from aiohttp import web
from cyclopts import Parameter

from docservice import demo
from docservice.cli.console import StoreOptions, opened, run, say, shell_address
from docservice.cli.log_format import configure_logging
from docservice.cli.token import DAY_SECONDS, signing_secret
from docservice.errors import SettingsInvalid
from docservice.identity import SHORTEST_SAFE_SECRET, TokenVerifier, issue_token
from docservice.rest import create_app
from docservice.rest.auth import bearer_identity
from docservice.service import DocService
from docservice.settings import Settings

logger = logging.getLogger(__name__)

LONGEST_REQUEST_LINE = 65_536
"""Bytes: a list of documents takes a thousand content ids, 33 bytes each; aiohttp's own limit holds 240."""


def serve(
    *,
    host: Annotated[str | None, Parameter(help="address to listen on [DOCSERVICE_HOST]")] = None,
    port: Annotated[int | None, Parameter(help="port to listen on; 0 picks a free one [DOCSERVICE_PORT]")] = None,
    demo: Annotated[bool, Parameter(negative="", help="load a small class with two weeks of logs")] = False,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Serve the REST API until SIGTERM or Ctrl-C."""
    configure_logging()
    run(_serve(options.settings(host=host, port=port), with_demo=demo))


async def _serve(settings: Settings, *, with_demo: bool) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    verifier = _verifier(settings)
    listener = _listen(settings.host, settings.port)
    with listener:
        async with opened(settings) as service:
            app = create_app(service, identify=bearer_identity(verifier), max_body_bytes=settings.max_body_bytes)
            runner = web.AppRunner(
                app,
                access_log=None,
                shutdown_timeout=settings.shutdown_timeout_seconds,
                max_line_size=LONGEST_REQUEST_LINE,
            )
            await runner.setup()
            try:
                await web.SockSite(runner, listener).start()
                address, port = listener.getsockname()[:2]
                base = f"http://{f'[{address}]' if ':' in address else address}:{port}"
                _say_where(base, settings, service)
                if with_demo:
                    await _show_demo(base, settings, service)
                await stopping.wait()
                say("docservice: stopping")
            finally:
                await runner.cleanup()


def _verifier(settings: Settings) -> TokenVerifier:
    secret = signing_secret(settings)
    if len(secret) < SHORTEST_SAFE_SECRET:
        logger.warning(
            "DOCSERVICE_SECRET_KEY has fewer than %d characters and can be guessed from a token", SHORTEST_SAFE_SECRET
        )
    return TokenVerifier(
        secret=secret,
        public_key=_public_key(settings.jwt_public_key_file),
        jwks_url=settings.jwt_jwks_url,
        audience=settings.jwt_audience,
        issuer=settings.jwt_issuer,
    )


def _public_key(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeError) as error:
        raise SettingsInvalid(f"The key file {path} cannot be read: {error}") from None


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, taken before anything is started, so that a port in use costs nothing."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise SettingsInvalid(
            f"Cannot listen on {host} port {port}: {error.strerror or error}. "
            "Choose another one with --port (0 picks a free one)."
        ) from None


def _say_where(base: str, settings: Settings, service: DocService) -> None:
    say(f"docservice: serving on {base}")
    say(f"docservice: the API, to read and to try: {base}/api/docs")
    if service.engine is not None:
        say(
            "docservice: the embedded engine (SecantusDB, beta) keeps the logs in "
            f"{settings.data_dir}; for production set DOCSERVICE_MONGODB_URI"
        )
        say(f"docservice: Mongo shell: mongosh '{shell_address(service.connection_string, settings.database)}'")


async def _show_demo(base: str, settings: Settings, service: DocService) -> None:
    shown = await demo.load(service, datetime.now(UTC))
    token = issue_token(signing_secret(settings), shown.learner_id, now=datetime.now(UTC), ttl_seconds=DAY_SECONDS)
    address = service.connection_string
    if service.engine is not None:
        address = shell_address(address, settings.database)
    say(f"""
The demo class is {"loaded" if shown.loaded else "there already"}. Start an exercise as {shown.learner_name}:

curl -X POST {base}/api/logger/trackprogress/ \\
  -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \\
  -d '{{"node_id": "{shown.node_id}", "content_id": "{shown.content_id}", "channel_id": "{shown.channel_id}",
       "kind": "exercise", "mastery_model": {{"type": "m_of_n", "m": 3, "n": 5}}}}'

Look at the documents:

mongosh '{address}'

and ask there for this learner's exercises, the least progress first:

db.content_summary_logs.find({{user_id: "{shown.learner_id}", kind: "exercise"}}).sort({{progress: 1}})
""")
