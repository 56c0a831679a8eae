"""The recipe for production: what can be checked without a container engine."""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import socket
import ssl
import stat
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from docservice.settings import Settings

from .running import names_in, run

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / ".docker"
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8") if (ROOT / "compose.yaml").exists() else ""

pytestmark = pytest.mark.skipif(not DOCKER.is_dir(), reason="needs a checkout")


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE)["services"]
    return found


async def make_secrets(file: Path) -> dict[str, str]:
    """What `.docker/secrets` writes into a new file."""
    ended = await run(str(DOCKER / "secrets"), str(file), program=("sh",))
    assert (ended.code, ended.out) == (0, "")
    return variables(file)


def variables(file: Path) -> dict[str, str]:
    """The variables that a file sets."""
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


async def test_secrets_are_long_new_and_fit_a_connection_string(tmp_path: Path) -> None:
    """Each run gives other values of 64 hexadecimal digits, none twice, and prints none of them."""
    first, second = await make_secrets(tmp_path / "first"), await make_secrets(tmp_path / "second")

    values = [*first.values(), *second.values()]
    assert len(set(values)) == len(values)
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in values)


async def test_only_the_owner_reads_the_secrets(tmp_path: Path) -> None:
    """Mode 600 whatever the umask of the person, and no draft is left."""
    ended = await run("-c", f"umask 000; sh '{DOCKER / 'secrets'}' .env", program=("sh",), cwd=tmp_path)

    assert ended.code == 0
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert names_in(tmp_path) == [".env"]


async def test_the_secrets_stand_beside_the_recipe(tmp_path: Path) -> None:
    """Without a name they are written where Compose looks for them, from whatever folder the script is run."""
    (tmp_path / "clone" / ".docker").mkdir(parents=True)
    shutil.copy(DOCKER / "secrets", tmp_path / "clone" / ".docker")

    ended = await run("clone/.docker/secrets", program=("sh",), cwd=tmp_path)

    assert ended.code == 0
    assert names_in(tmp_path / "clone") == [".docker", ".env"]


@pytest.mark.parametrize("there", ["file", "empty file", "link to nothing", "folder"])
async def test_secrets_never_replace_what_is_there(tmp_path: Path, there: str) -> None:
    """A second run fails with one line that says why, and leaves everything as it was."""
    file = tmp_path / ".env"
    if there == "file":
        await make_secrets(file)
    elif there == "empty file":
        file.touch()
    elif there == "link to nothing":
        file.symlink_to(tmp_path / "nothing")
    else:
        file.mkdir()
    before = file.read_bytes() if file.is_file() else None

    ended = await run(str(DOCKER / "secrets"), str(file), program=("sh",))

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (1, "", 1)
    assert ("is empty" if there == "empty file" else "existing volumes") in ended.err
    assert names_in(tmp_path) == [".env"]
    assert (file.read_bytes() if file.is_file() else None) == before


async def test_an_option_is_not_the_name_of_a_file(tmp_path: Path) -> None:
    """`--help` shows how it is used and makes nothing."""
    ended = await run(str(DOCKER / "secrets"), "--help", program=("sh",), cwd=tmp_path)

    assert (ended.code, ended.out) == (2, "")
    assert "usage: sh .docker/secrets" in ended.err
    assert names_in(tmp_path) == []


async def test_runs_at_once_make_one_file(tmp_path: Path) -> None:
    """Of several runs one makes the file, whole; the others leave it alone."""
    script = str(DOCKER / "secrets")

    ended = await asyncio.gather(*(run(script, ".env", program=("sh",), cwd=tmp_path) for _ in range(5)))

    assert sorted(each.code for each in ended) == [0, 1, 1, 1, 1]
    assert names_in(tmp_path) == [".env"]
    assert len(variables(tmp_path / ".env")) == 5


async def test_each_variable_has_a_value(tmp_path: Path) -> None:
    """Every variable that has to be there is made by `.docker/secrets`; the others have a default and are settings."""
    known = {f"DOCSERVICE_{name.upper()}" for name in Settings.model_fields}

    required = set(re.findall(r"\$\{(\w+):\?", COMPOSE))
    optional = set(re.findall(r"\$\{(\w+):-", COMPOSE))

    assert required == set(await make_secrets(tmp_path / ".env"))
    assert optional <= known
    assert set(re.findall(r"^ +(DOCSERVICE_\w+):", COMPOSE, re.MULTILINE)) <= known
    assert len(re.findall(r"\$\{", COMPOSE)) == len(re.findall(r"\$\{\w+:[?-]", COMPOSE))


def test_what_is_mounted_is_there() -> None:
    """Files exist, are mounted read-only, and named volumes are declared."""
    declared = yaml.safe_load(COMPOSE)["volumes"]

    for service in services().values():
        for mount in service["volumes"]:
            source, _, mode = mount.split(":")[0], mount.split(":")[1], mount.split(":")[2:]
            if source.startswith("."):
                assert (ROOT / source).is_file(), source
                assert mode == ["ro"], mount
            else:
                assert source in declared, mount


def test_only_the_service_is_reachable_and_from_this_machine_only() -> None:
    """The database has no port on the host; the service listens on loopback, with few rights."""
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}

    assert list(published) == ["docservice"]
    assert all(port.startswith("127.0.0.1:") for port in published["docservice"])
    assert services()["docservice"]["read_only"] is True
    assert services()["docservice"]["cap_drop"] == ["ALL"]
    assert {"--keyFile=/keys/replica-set.key", "--tlsMode=requireTLS"} <= set(services()["mongodb"]["command"])


def has_compose() -> bool:
    """Whether `docker compose` is installed; its daemon need not run."""
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "compose", "version"], check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(not has_compose(), reason="needs docker compose")
async def test_compose_accepts_the_file(tmp_path: Path) -> None:
    """`docker compose config` has nothing to say."""
    await make_secrets(tmp_path / ".env")

    ended = await run(
        *("compose", "--env-file", str(tmp_path / ".env"), "-f", str(ROOT / "compose.yaml"), "config", "--quiet"),
        program=("docker",),
    )

    assert (ended.code, ended.err) == (0, "")


async def test_the_image_is_made_of_what_is_there() -> None:
    """Sources exist and are let through, the user is not root, and the command is one of ours."""
    lines = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    steps = [(line.split()[0], line) for line in lines if line and not line.startswith("#")]
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()

    for word, line in steps:
        if word == "COPY" and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{source}" in ignored, source
    users = [line.split()[1] for word, line in steps if word == "USER"]
    assert users
    assert int(users[-1].split(":")[0]) > 0
    entry, command = (
        [line.split(None, 1)[1] for word, line in steps if word == name][-1] for name in ("ENTRYPOINT", "CMD")
    )
    assert (yaml.safe_load(entry), yaml.safe_load(command)) == (["docservice"], ["serve"])
    variables = re.findall(r"\bDOCSERVICE_\w+", " ".join(line for word, line in steps if word == "ENV"))
    assert set(variables) <= {f"DOCSERVICE_{name.upper()}" for name in Settings.model_fields}


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
async def test_keys_and_certificates(tmp_path: Path) -> None:
    """A client that trusts the CA knows the server by its name; secrets are the owner's; again nothing changes."""
    script = str(DOCKER / "mongodb-keys")

    ended = await run(script, str(tmp_path), "mongodb", "localhost", program=("sh",))
    made = _contents(tmp_path)
    again = await run(script, str(tmp_path), "mongodb", "localhost", program=("sh",))

    assert (ended.code, ended.err, again.code) == (0, "", 0)
    assert _contents(tmp_path) == made
    assert set(made) == {"replica-set.key", "mongodb.pem", "ca.crt"}
    for name in ("replica-set.key", "mongodb.pem"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o400
    assert 6 <= len(made["replica-set.key"]) <= 1024  # the longest that MongoDB takes
    assert b"PRIVATE KEY" not in made["ca.crt"]
    assert _handshake(tmp_path, "mongodb") is None
    assert "not valid for 'other'" in str(_handshake(tmp_path, "other"))


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _handshake(folder: Path, host: str) -> Exception | None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "mongodb.pem")
    client = ssl.create_default_context(cafile=folder / "ca.crt")
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    ours, theirs = socket.socketpair()

    def answer() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        client.wrap_socket(ours, server_hostname=host).close()
    except ssl.SSLError as error:
        return error
    finally:
        ours.close()
        thread.join()
    return None


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="needs shellcheck")
@pytest.mark.parametrize("name", ["secrets", "mongodb-keys"])
async def test_the_scripts_are_clean(name: str) -> None:
    """shellcheck has nothing to say."""
    ended = await run(str(DOCKER / name), program=("shellcheck",))

    assert (ended.code, ended.out) == (0, "")


def test_the_healthcheck_is_a_command() -> None:
    """The words of MongoDB's health check are a mongosh call with files that are mounted."""
    check = services()["mongodb"]["healthcheck"]["test"].replace("$$", "$")

    words = shlex.split(check)

    assert words[0] == "mongosh"
    mounts = [mount.split(":")[1] for mount in services()["mongodb"]["volumes"]]
    assert words[-1] in mounts
    assert str(Path(words[words.index("--tlsCAFile") + 1]).parent) in mounts
