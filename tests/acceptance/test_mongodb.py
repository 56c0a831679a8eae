"""A MongoDB server named by its address: what is said when it is not there or not fit."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient

from docservice import DocService
from docservice.engine import has_python_build
from docservice.errors import StandaloneServer
from docservice.settings import Settings

from .running import START_SECONDS, Services, environment, eventually, run

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not has_python_build(), reason="needs the embedded engine's program"),
    pytest.mark.slow,
]

KEYS_SCRIPT = Path(__file__).parents[2] / ".docker" / "mongodb-keys"
needs_keys = pytest.mark.skipif(
    not KEYS_SCRIPT.exists() or not shutil.which("openssl"), reason="needs a checkout and openssl"
)

IMPATIENT = {"DOCSERVICE_MONGODB_TIMEOUT_MS": "1000"}
UNSET_SECONDS = Settings.model_fields["mongodb_timeout_ms"].default / 1000
"""How long the deadline is when nobody sets it."""


class Servers:
    """Starts servers of the test's own; the same folder and port may be started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[asyncio.subprocess.Process] = []

    async def start(self, *options: str, port: str = "0") -> str:
        """Start a server and give its address."""
        config, log = self.folder / "empty.toml", self.folder / f"server{len(self.running)}.log"
        config.touch()
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "secantus", "--config", str(config), "--port", port),
                *("--storage-path", str(self.folder / "server"), *options),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(),
            )
        self.running.append(process)
        pattern = r"secantus listening on (\S+:\d+)\s"
        found = await eventually(lambda: re.search(pattern, log.read_text()), "the server listens", START_SECONDS)
        return str(found[1])

    async def kill(self) -> None:
        """End the server that was started last."""
        process = self.running[-1]
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    """MongoDB-like servers, which end with the test."""
    found = Servers(tmp_path_factory.mktemp("mongodb"))
    yield found
    await found.kill()


@pytest.mark.parametrize("arguments", [["serve", "--port", "0"], ["directory", "import", "FILE"]])
async def test_a_server_that_is_not_there_is_one_line(tmp_path: Path, arguments: list[str]) -> None:
    """Exit code 1 soon after the deadline, one line with the address; no engine in its place."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # Bound and not listening: nobody else can take it.
        address = f"127.0.0.1:{unused.getsockname()[1]}"

        (tmp_path / "FILE").write_text('{"users": []}')

        began = time.monotonic()
        ended = await run(
            *(*arguments, "--mongodb-uri", f"mongodb://{address}/", "--data-dir", str(tmp_path / "data")),
            env=IMPATIENT,
            cwd=tmp_path,
        )

    assert time.monotonic() - began < UNSET_SECONDS
    assert (ended.code, ended.out) == (1, "")
    assert len(ended.err.splitlines()) == 1
    assert address in ended.err
    assert len(ended.err) < 300
    assert not (tmp_path / "data" / "engine").exists()


async def test_a_server_that_accepts_and_says_nothing_is_given_up(tmp_path: Path) -> None:
    """A port that is open and silent costs the deadline and no more."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"

        began = time.monotonic()
        ended = await run("indexes", "check", "--mongodb-uri", f"mongodb://{address}/", env=IMPATIENT)

    assert time.monotonic() - began < UNSET_SECONDS
    assert ended.code == 1
    assert len(ended.err.splitlines()) == 1
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("client_class", [AsyncMongoClient, AsyncIOMotorClient])
async def test_a_standalone_is_refused_as_a_handle(servers: Servers, client_class: Any) -> None:
    """A program's own handle of a standalone is refused with the same words, whichever the driver."""
    address = await servers.start("--standalone")
    client = client_class(f"mongodb://{address}/?directConnection=true")

    with pytest.raises(StandaloneServer, match=rf"{address}.*rs\.initiate"):
        await DocService(client["logs"]).__aenter__()

    if (closing := client.close()) is not None:
        await closing


async def test_a_standalone_is_refused_with_the_way_out(servers: Servers, services: Services) -> None:
    """Exit code 1; one line has the option that makes it a replica set, and the command to run once."""
    address = await servers.start("--standalone")

    ended = await run("serve", "--port", "0", "--mongodb-uri", f"mongodb://{address}/", cwd=services.folder)

    assert ended.code == 1
    assert len(ended.err.splitlines()) == 1
    assert address in ended.err
    assert "--replSet rs0" in ended.err
    assert f"mongosh \"mongodb://{address}/?directConnection=true\" --eval 'rs.initiate()'" in ended.err


async def test_a_replica_set_serves(servers: Servers, services: Services, http: aiohttp.ClientSession) -> None:
    """With the address of a replica set the service is ready, and starts no engine of its own."""
    address = await servers.start()

    service = await services.start(
        *("--mongodb-uri", f"mongodb://{address}/?directConnection=true", "--database", "logs")
    )
    async with http.get(f"{service.base}/readyz") as response:
        status = response.status

    assert status == 200
    assert not (service.data_dir / "engine").exists()
    assert "SecantusDB" not in service.err


async def test_a_wrong_password_is_a_clear_line(servers: Servers, tmp_path: Path) -> None:
    """Exit code 1; one line says that the sign-in was refused, without the password and without a dump."""
    address = await servers.start()

    ended = await run(
        "indexes", "check", "--mongodb-uri", f"mongodb://reader:hush-hush@{address}/?directConnection=true"
    )

    assert (ended.code, ended.out) == (1, "")
    assert len(ended.err.splitlines()) == 1
    assert "authentication failed" in ended.err.lower()
    assert "hush-hush" not in ended.err
    assert "{" not in ended.err


@pytest.fixture(scope="module")
async def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `mongodb.pem`, a certificate for localhost with its key, and its authority's `ca.crt`; and
    `expired.pem`, which nobody signed and which was valid until yesterday."""
    folder = tmp_path_factory.mktemp("keys")
    ended = await run(str(KEYS_SCRIPT), str(folder), "localhost", program=("sh",))
    assert ended.code == 0, ended.err
    await asyncio.to_thread(_write_expired, folder / "expired.pem")
    return folder


def _write_expired(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=30))
        .not_valid_after(datetime.now(UTC) - timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(certificate.public_bytes(Encoding.PEM) + pem)


@needs_keys
@pytest.mark.parametrize(
    ("server", "options", "said"),
    [
        ("tls", "", "expects TLS: add tls=true"),
        ("tls", "tls=true", "tlsCAFile=FILE"),
        ("tls", "tls=true&tlsCAFile={keys}/mongodb.pem", "is not trusted"),
        ("plain", "tls=true&tlsCAFile={keys}/ca.crt", "does not use TLS"),
        ("plain", "tlsInsecure=true&tls=true", "does not use TLS"),
        (
            "client certificates",
            "tls=true&tlsAllowInvalidHostnames=true&tlsCAFile={keys}/ca.crt",
            "tlsCertificateKeyFile=",
        ),
        ("client certificates", "", "expects TLS: add tls=true"),
        (
            "client certificates",
            "tls=true&tlsCAFile={keys}/ca.crt&tlsCertificateKeyFile={keys}/expired.pem",
            "refuses TLS with the certificate of tlsCertificateKeyFile",
        ),
        ("expired", "tls=true&tlsCAFile={keys}/expired.pem", "It needs a new one"),
        ("tls", "tls=true&tlsCAFile={keys}/ca.crt", "by a name that is in its certificate"),
    ],
)
async def test_client_and_server_that_do_not_agree_about_tls(
    servers: Servers, keys: Path, server: str, options: str, said: str
) -> None:
    """Exit code 2 as for other settings, soon after the deadline, and one line that says what to change."""
    tls = ("--tls-cert-file", f"{keys}/mongodb.pem", "--tls-key-file", f"{keys}/mongodb.pem")
    mutual = (*tls, "--tls-ca-file", f"{keys}/ca.crt", "--tls-require-client-cert")
    expired = ("--tls-cert-file", f"{keys}/expired.pem", "--tls-key-file", f"{keys}/expired.pem")
    address = await servers.start(*{"tls": tls, "plain": (), "client certificates": mutual, "expired": expired}[server])
    port = address.rpartition(":")[2]
    host = "127.0.0.1" if "name that is in" in said else "localhost"

    ended = await run(
        "indexes", "check", "--mongodb-uri", f"mongodb://{host}:{port}/?{options.format(keys=keys)}", env=IMPATIENT
    )

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1), ended.err
    assert said in ended.err
    assert "Traceback" not in ended.err


@needs_keys
async def test_tls_serves(servers: Servers, keys: Path) -> None:
    """With the authority of the server's certificate the service works over TLS."""
    address = await servers.start("--tls-cert-file", f"{keys}/mongodb.pem", "--tls-key-file", f"{keys}/mongodb.pem")
    port = address.rpartition(":")[2]
    uri = f"mongodb://localhost:{port}/?directConnection=true&tls=true&tlsCAFile={keys}/ca.crt"

    ended = await run("indexes", "apply", "--mongodb-uri", uri)

    assert ended.code == 0, ended.err


@pytest.mark.parametrize("options", ["tls=maybe", "tsl=true", "tls=true&tlsCAFile=/nowhere/ca.crt"])
async def test_an_option_that_does_not_fit_is_one_line(options: str) -> None:
    """Exit code 2 at once and one line that names the variable; it does not connect without TLS."""
    ended = await run("indexes", "check", "--mongodb-uri", f"mongodb://127.0.0.1:1/?{options}")

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1), ended.err
    assert "DOCSERVICE_MONGODB_URI" in ended.err
    assert options.partition("=")[0][:2] in ended.err


@pytest.mark.parametrize("uri", ["http://127.0.0.1/", "mongodb://h,i/?directConnection=true"])
async def test_an_address_that_is_none_is_one_line(uri: str) -> None:
    """Exit code 2 at once and one line that says what is wrong."""
    ended = await run("indexes", "check", "--mongodb-uri", uri, env=IMPATIENT)

    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    assert "MongoDB" in ended.err


async def test_readyz_tells_when_the_server_has_gone_and_come_back(
    servers: Servers, services: Services, http: aiohttp.ClientSession
) -> None:
    """Alive all the time; ready only while the database answers, else 503 with Retry-After and no details of it."""
    address = await servers.start()
    service = await services.start("--mongodb-uri", f"mongodb://{address}/?directConnection=true", env=IMPATIENT)

    async def status() -> int:
        async with http.get(f"{service.base}/healthz") as response:
            assert response.status == 200
        async with http.get(f"{service.base}/readyz") as response:
            if response.status != 200:
                assert response.headers["Retry-After"] == "1"
                assert (await response.json())["code"] in {"store-unavailable", "store-timeout"}
            return response.status

    before = await status()
    await servers.kill()
    gone = await status()
    await servers.start(port=address.rpartition(":")[2])

    async def ready() -> bool:
        return await status() == 200

    await eventually(ready, "it is ready again")
    assert before == 200
    assert gone in {503, 504}
