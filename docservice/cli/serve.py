"""`docservice serve`: the REST service."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from cyclopts import Parameter

from docservice import demo
from docservice.console import StoreOptions, opened, run, shell_address
from docservice.identity import issue_token
from docservice.service import DocService
from docservice.serving.listener import (
    StopSignals,
    address_of,
    listen,
    metrics_of,
    new_event_loop,
    serving,
    token_verifier,
)
from docservice.serving.log_format import EventLog, LogFormat, configure_logging
from docservice.serving.signing import DAY_SECONDS, signing_secret
from docservice.serving.workers import Workers
from docservice.settings import Settings


def serve(
    *,
    host: Annotated[str | None, Parameter(help="address to listen on [DOCSERVICE_HOST]")] = None,
    port: Annotated[int | None, Parameter(help="port to listen on; 0 picks a free one [DOCSERVICE_PORT]")] = None,
    workers: Annotated[int | None, Parameter(help="processes to answer with [DOCSERVICE_WORKERS]")] = None,
    log_format: Annotated[LogFormat | None, Parameter(help="for people or machines [DOCSERVICE_LOG_FORMAT]")] = None,
    demo: Annotated[bool, Parameter(negative="", help="load a small class with two weeks of logs")] = False,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Serve the REST API until SIGTERM or Ctrl-C; a second signal ends it at once."""
    settings = options.settings(host=host, port=port, workers=workers, log_format=log_format)
    configure_logging(settings.log_format, access_log=settings.access_log)
    run(_serve(settings, with_demo=demo), new_event_loop())


async def _serve(settings: Settings, *, with_demo: bool) -> None:
    event_log = EventLog(settings.log_format)
    with event_log.failing():
        await _answer(settings, event_log, with_demo=with_demo)


async def _answer(settings: Settings, event_log: EventLog, *, with_demo: bool) -> None:
    signals = StopSignals()
    verifier = token_verifier(settings)
    with listen(settings.host, settings.port) as listener:
        base = address_of(listener)
        async with opened(settings, on_engine_event=event_log.engine_event) as service:
            # The address is shown only when the demo data is loaded, because requests may follow at once.
            shown = await demo.load(service, datetime.now(UTC)) if with_demo else None
            if settings.workers > 1:
                workers = Workers(settings, listener, service.admin.end_sessions)
                signals.before_the_end = workers.kill
                answering = workers.running(signals.asked)
            else:
                answering = serving(settings, service, verifier, listener, metrics_of(settings))
            async with answering:
                _say_where(event_log, base, settings, service)
                if shown is not None:
                    _show_demo(shown, base, settings, service)
                await signals.asked.wait()
                event_log.tell("stopping", "stopping")


def _say_where(event_log: EventLog, base: str, settings: Settings, service: DocService) -> None:
    event_log.tell("serving", f"serving on {base}", url=base, workers=settings.workers)
    event_log.tell("manual", f"the manual: {base}/docs/", url=f"{base}/docs/")
    event_log.tell("api-page", f"the API, to read and to try: {base}/api/docs/", url=f"{base}/api/docs/")
    if service.engine is not None:
        event_log.tell(
            "embedded-engine",
            "the embedded engine (SecantusDB, beta) keeps the logs in "
            f"{settings.data_dir}; for production set DOCSERVICE_MONGODB_URI",
            data_dir=str(settings.data_dir),
        )
        event_log.show(f"Mongo shell: mongosh '{shell_address(service.connection_string, settings.database)}'")


def _show_demo(shown: demo.Demo, base: str, settings: Settings, service: DocService) -> None:
    token = issue_token(
        signing_secret(settings),
        shown.learner_id,
        now=datetime.now(UTC),
        ttl_seconds=DAY_SECONDS,
        user_claim=settings.jwt_user_claim,
    )
    address = service.connection_string
    if service.engine is not None:
        address = shell_address(address, settings.database)
    print(
        f"""
The demo class is {"loaded" if shown.loaded else "there already"}. Start an exercise as {shown.learner_name}:

curl -X POST {base}/api/logger/trackprogress/ \\
  -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \\
  -d '{{"node_id": "{shown.node_id}", "content_id": "{shown.content_id}", "channel_id": "{shown.channel_id}",
       "kind": "exercise", "mastery_model": {{"type": "m_of_n", "m": 3, "n": 5}}}}'

Look at the documents:

mongosh '{address}'

and ask there for this learner's exercises, the least progress first:

db.content_summary_logs.find({{user_id: "{shown.learner_id}", kind: "exercise"}}).sort({{progress: 1}})
""",
        flush=True,
    )
