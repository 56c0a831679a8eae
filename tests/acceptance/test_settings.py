"""What the environment says that is not a setting, or not a value of one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from docservice.cli.main import main
from docservice.domain.values.signing_keys import LEAST_KEY_BYTES
from docservice.errors import SettingsInvalid
from docservice.identity import TokenVerifier, issue_service_token, issue_token
from docservice.settings import Settings

from .running import Finished, names_in, run
from .signing import NOW

NO_KEY = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


Command = Callable[..., Finished]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Runs a command in this process, in an empty folder: a process of its own for each value would take minutes."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, **env: str) -> Finished:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Finished(ended.value.code, said.out, said.err)

    return call


async def test_a_mistyped_variable_ends_serve(tmp_path: Path) -> None:
    """`DOCSERVICE_PROT=9 docservice serve` does not serve on the default port: exit code 2 and one line."""
    ended = await run("serve", "--data-dir", "data", env={"DOCSERVICE_PROT": "9"}, cwd=tmp_path)

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1), ended.err
    assert "DOCSERVICE_PROT is not a setting; did you mean DOCSERVICE_PORT?" in ended.err
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DOCSERVICE_PROT", "9", "did you mean DOCSERVICE_PORT?"),
        ("DOCSERVICE_MONGO_URI", "mongodb://h/", "did you mean DOCSERVICE_MONGODB_URI?"),
        ("DOCSERVICE_SECRETKEY", "x" * 40, "did you mean DOCSERVICE_SECRET_KEY?"),
        ("docservice_wrokers", "2", "did you mean DOCSERVICE_WORKERS?"),
        ("DOCSERVICE_SOMETHING_ELSE", "1", "`docservice settings` prints all settings"),
    ],
)
def test_a_variable_that_is_not_a_setting(command: Command, tmp_path: Path, name: str, value: str, said: str) -> None:
    """Exit code 2, one line that names it and what may be meant, nothing is made."""
    ended = command("engine", "uri", **{name: value})

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1), ended.err
    assert name in ended.err
    assert said in ended.err
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    "name",
    [
        "DOCSERVICE_TEST_MONGODB_URI",
        "DOCSERVICE_SERVICE_HOST",
        "DOCSERVICE_SERVICE_PORT",
        "DOCSERVICE_SERVICE_PORT_HTTP",
        "DOCSERVICE_PORT_8000_TCP",
        "DOCSERVICE_PORT_8000_TCP_ADDR",
    ],
)
def test_variables_of_others(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one of the tests, and those that Kubernetes sets for a service of this name, are let be."""
    monkeypatch.setenv(name, "10.0.0.1")
    monkeypatch.setenv("DOCSERVICE_PROT", "")  # Empty is unset, as for settings.

    assert Settings.load().port == Settings.model_fields["port"].default


def test_the_port_that_kubernetes_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """`tcp://…` in DOCSERVICE_PORT is answered with what to change in the pod."""
    monkeypatch.setenv("DOCSERVICE_PORT", "tcp://10.0.0.1:8000")

    with pytest.raises(SettingsInvalid, match=r"DOCSERVICE_PORT.*enableServiceLinks"):
        Settings.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mongodb_uri", "http://127.0.0.1/"),
        ("mongodb_uri", "mongodb://127.0.0.1/?tls=maybe"),
        ("database", "a/b"),
        ("database", "é" * 40),
        ("database", "admin"),
        ("database", "local"),
        ("host", "  "),
        ("metrics_token", "   "),
        ("jwt_audience", "\t"),
        ("secret_key", " " * 40),
        ("port", "65536"),
        ("secret_key", "abcde"),
        ("jwt_jwks_url", "ftp://login.example/keys"),
        ("jwt_jwks_url", "https:///keys"),
        ("workers", "two"),
        ("log_format", "xml"),
        ("access_log", "perhaps"),
        ("metrics", "2"),
        ("cors_origins", "learn.example"),
        ("trusted_proxies", "proxy.example"),
        ("max_in_flight_requests", "0"),
        ("max_in_flight_requests_per_token", "1.5"),
        ("request_timeout_seconds", "inf"),
        ("keepalive_timeout_seconds", "nan"),
        ("max_body_bytes", "2 MB"),
        ("mongodb_timeout_ms", "999999999999"),
        ("min_free_disk_bytes", "-1"),
        ("shutdown_timeout_seconds", "-1"),
        ("drain_seconds", "soon"),
    ],
)
def test_a_value_that_does_not_fit(command: Command, tmp_path: Path, name: str, value: str) -> None:
    """Whatever the setting, and whether the command needs it: exit code 2, one line that names the variable."""
    ended = command("engine", "uri", **{f"DOCSERVICE_{name.upper()}": value})

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1), ended.err
    assert f"DOCSERVICE_{name.upper()}" in ended.err
    assert names_in(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", "a" * 70),
        ("host", "nobody.invalid"),
        ("jwt_public_key_file", "missing.pem"),
        ("jwt_public_key_file", "no-key.pem"),
    ],
)
async def test_a_value_that_serve_cannot_use(tmp_path: Path, name: str, value: str) -> None:
    """What only `serve` looks at ends it with 2 and one line that names the variable, before an engine is started."""
    (tmp_path / "no-key.pem").write_text(NO_KEY)

    ended = await run(
        "serve", "--port", "0", "--data-dir", "data", env={f"DOCSERVICE_{name.upper()}": value}, cwd=tmp_path
    )

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1), ended.err
    assert f"DOCSERVICE_{name.upper()}" in ended.err
    assert not (tmp_path / "data" / "engine").exists()


@pytest.mark.parametrize("by_variable", [True, False])
def test_a_key_that_is_too_short_signs_nothing(command: Command, tmp_path: Path, by_variable: bool) -> None:
    """From the variable and from the file: one line with the way to make a good one, without the key."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secret_key").write_text("hush-hush\n")

    env = {"DOCSERVICE_SECRET_KEY": "hush-hush"} if by_variable else {}
    ended = command("token", "a" * 32, "--data-dir", "data", **env)

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1), ended.err
    assert ("DOCSERVICE_SECRET_KEY" if by_variable else "secret_key") in ended.err
    assert "token_urlsafe" in ended.err
    assert "hush" not in ended.err


SHORT_KEYS = ["", "a" * (LEAST_KEY_BYTES - 1), " " * LEAST_KEY_BYTES, "é" * (LEAST_KEY_BYTES // 2 - 1)]


@pytest.mark.parametrize("key", SHORT_KEYS, ids=["empty", "31 bytes", "blanks", "30 bytes"])
def test_a_program_cannot_use_a_short_key_either(key: str) -> None:
    """The library refuses to sign with it and to trust it."""
    for use in (
        lambda: TokenVerifier(secret=key),
        lambda: issue_token(key, "a" * 32, now=NOW, ttl_seconds=60),
        lambda: issue_service_token(key, now=NOW, ttl_seconds=60),
    ):
        with pytest.raises(SettingsInvalid, match=str(LEAST_KEY_BYTES)):
            use()


def test_the_shortest_key_counts_bytes() -> None:
    """32 bytes are enough, however many letters they are."""
    for key in ("a" * LEAST_KEY_BYTES, "é" * (LEAST_KEY_BYTES // 2)):
        assert issue_token(key, "a" * 32, now=NOW, ttl_seconds=60)


def test_a_private_key_is_not_a_public_one() -> None:
    """What is not a public key for RS256 or ES256 is refused when it is given, not at the first token."""
    with pytest.raises(SettingsInvalid, match="BEGIN PUBLIC KEY"):
        TokenVerifier(public_key=NO_KEY)
