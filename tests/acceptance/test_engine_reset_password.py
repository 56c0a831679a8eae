"""`docservice engine reset-password`: back to the documents when the password file is lost."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from .running import Services, environment, run

pytestmark = [pytest.mark.engine, pytest.mark.slow]


async def test_a_lost_password_is_named_and_reset(services: Services) -> None:
    """A service without the file fails with one line that names file and command; after the command it serves again."""
    service = await services.start()
    await service.stop()
    password = service.data_dir / "engine" / "password"
    password.unlink()

    failed = await run("serve", "--port", "0", "--data-dir", str(service.data_dir))
    reset = await run("engine", "reset-password", "--data-dir", str(service.data_dir))
    again = await services.start(data_dir=service.data_dir)

    assert (failed.code, failed.out) == (1, "")
    line = failed.err.splitlines()[-1]
    assert str(password) in line
    assert f"docservice engine reset-password --data-dir {service.data_dir}" in line
    assert (reset.code, reset.out, len(reset.err.splitlines())) == (0, "", 1)
    assert str(password) in reset.err
    assert await again.stop() == 0


async def test_a_running_service_is_not_disturbed(services: Services) -> None:
    """Exit code 1 and one line that says what to stop; the password stays, and so does the engine."""
    service = await services.start()
    password = (service.data_dir / "engine" / "password").read_text()

    refused = await run("engine", "reset-password", "--data-dir", str(service.data_dir))

    assert (refused.code, refused.out, len(refused.err.splitlines())) == (1, "", 1)
    assert "Stop all commands" in refused.err
    assert (service.data_dir / "engine" / "password").read_text() == password


@pytest.mark.parametrize("step", ["bootstrap.tls/client.pem", "listening"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_stopped_on_the_way_it_leaves_a_password_that_opens_the_data(
    services: Services, step: str, number: signal.Signals
) -> None:
    """At whatever step the command is stopped: one line, the signal's exit code, and the old or the new password."""
    service = await services.start()
    await service.stop()
    folder = service.data_dir / "engine"
    (folder / "engine.log").unlink()

    def reached() -> bool:
        if step != "listening":
            return (folder / step).exists()
        return (folder / "engine.log").exists() and "listening" in (folder / "engine.log").read_text()

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "docservice", "engine", "reset-password", "--data-dir", str(service.data_dir)),
        env=environment(),
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        while not reached():  # noqa: ASYNC110 (files know no asyncio.Event)
            await asyncio.sleep(0.001)
    process.send_signal(number)
    _, said = await process.communicate()
    again = await services.start(data_dir=service.data_dir)

    assert (process.returncode, len(said.splitlines())) == (128 + number, 1), said.decode()
    assert not (folder / "bootstrap.tls").exists()
    assert await again.stop() == 0


async def test_what_it_is_not_for_is_refused(tmp_path: Path) -> None:
    """A server of one's own, and a folder without an engine's data: a usage error of one line each; nothing is made."""
    data_dir = tmp_path / "data"

    server = await run("engine", "reset-password", "--mongodb-uri", "mongodb://127.0.0.1:1/")
    nothing = await run("engine", "reset-password", "--data-dir", str(data_dir))

    assert (server.code, nothing.code) == (2, 2)
    assert "--mongodb-uri" in server.err
    assert str(data_dir) in nothing.err
    assert len((server.err + nothing.err).splitlines()) == 2
    assert not data_dir.exists()
