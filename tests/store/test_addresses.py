"""Connection strings that would not do what they seem to say: refused before anything is connected."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from docservice import DocService
from docservice.engine.certificates import certificates_in
from docservice.errors import SettingsInvalid, StoreUnavailable
from docservice.settings import Settings

HOST = "mongodb://127.0.0.1:1/"


async def refusal(uri: str) -> str:
    """What a service says that is to use the address."""
    with pytest.raises(SettingsInvalid) as caught:
        await DocService(uri).__aenter__()
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("tls=maybe", "tls"),
        ("tls=", "tls"),
        ("tls", "tls"),
        ("tls=True", "tls"),
        ("tsl=true", "did you mean tls"),
        ("tlsCAfiel=/ca.crt", "did you mean tlsCAFile"),
        ("replcaSet=rs0", "did you mean replicaSet"),
        ("nothingLikeIt=1", "nothingLikeIt"),
        ("tls=true&tls=false", "tls is there twice"),
        ("tls=true&TLS=true", "tls is there twice"),
        ("tls=false&ssl=true", "tls and ssl"),
        ("tls=true;w=1&ssl=true", "separators"),
        ("tls=true&", "name=value"),
        ("tlsInsecure=true", "tls=true"),
        ("tls=false&tlsAllowInvalidCertificates=true", "tls=true"),
        ("tls=true&tlsInsecure=true&tlsAllowInvalidHostnames=true", "tlsInsecure"),
        ("authMechanism=SCRAM-SHA-999", "authMechanism"),
        ("authMechanismProperties=nothing", "authMechanismProperties"),
        ("authSource=", "authSource"),
        ("maxPoolSize=many", "maxPoolSize"),
        ("maxPoolSize=-1", "maxPoolSize"),
        ("maxIdleTimeMS=nan", "maxIdleTimeMS"),
        ("socketTimeoutMS=soon", "socketTimeoutMS"),
        ("retryReads=yes", "retryReads"),
        ("readPreference=nearby", "readPreference"),
        ("w=-1", "w"),
        ("compressors=zip", "compressors"),
        ("replicaSet=%zz", "%25"),
        ("replicaSet=100%", "%25"),
        ("replicaSet=%ff", "UTF-8"),
        ("directConnection=true&loadBalanced=true", "directConnection"),
    ],
)
async def test_options(options: str, named: str) -> None:
    """Unknown and malformed ones, opposites and ones without effect: an error that names them, never a warning."""
    assert named in await refusal(HOST + "?" + options)


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://amina:hush?hush=1@127.0.0.1/",
        "mongodb://amina:hush/hush@127.0.0.1/",
        "mongodb://amina:hush%hush@127.0.0.1/",
        "mongodb://amina:hush/",
        "mongodb://127.0.0.1/?hush@hush=1",
        "mongodb://127.0.0.1:hush/",
        "http://127.0.0.1/hush",
        "mongodb://",
    ],
)
async def test_what_is_not_an_address_shows_no_password(uri: str) -> None:
    """Characters that have to be written with % and forgotten parts are refused without a piece of the password."""
    assert "hush" not in await refusal(uri)


@pytest.mark.parametrize("option", ["tlsCAFile", "tlsCertificateKeyFile", "tlsCRLFile"])
@pytest.mark.parametrize("what", ["missing", "text", "empty", "folder", "pipe", "key"])
async def test_files(option: str, what: str, tmp_path: Path) -> None:
    """A file that is missing or holds something else is named with its option, in one line."""
    path = tmp_path / what
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "key":
        key = ec.generate_private_key(ec.SECP256R1())
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    elif what != "missing":
        path.write_text("no certificate" if what == "text" else "")

    said = await refusal(f"{HOST}?tls=true&{option}={path}")

    assert option in said
    assert str(path) in said


async def test_a_certificate_is_no_revocation_list(tmp_path: Path) -> None:
    """With it the driver would trust no server at all."""
    with certificates_in(tmp_path / "tls") as certificates:
        said = await refusal(f"{HOST}?tls=true&tlsCRLFile={certificates.authority}")

    assert "tlsCRLFile" in said
    assert "revocation list" in said


@pytest.mark.parametrize("path", ["&tls=true", "logs&tls=true", "logs;tls=true", "%3Ftls=true", "admin&tls=true"])
async def test_options_without_their_question_mark(path: str) -> None:
    """What would be taken for the name of a database, and leave out TLS, is refused."""
    assert "options begin with ?" in await refusal(HOST + path)


@pytest.mark.parametrize(
    "options",
    [
        "tls=true&ssl=true",
        "ssl=false",
        "readPreference=nearest&readPreferenceTags=dc:a&readPreferenceTags=",
        "TLS=false;w=majority",
    ],
)
async def test_what_the_driver_takes_is_taken(options: str) -> None:
    """Options that agree, that may repeat, in any case and with ; between them: only the server is missing."""
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1"):
        await DocService(HOST + "?" + options, timeout_seconds=0.3).__aenter__()


@pytest.mark.parametrize(
    ("path", "name", "used"),
    [
        ("/{own}", None, "{own}"),
        ("/{own}", "other", "other"),
        ("/%74est_{own}", None, "test_{own}"),
        ("/admin", None, "docservice"),
        ("/", None, "docservice"),
        ("", None, "docservice"),
    ],
)
async def test_the_database_that_an_address_names(mongodb_uri: str, path: str, name: str | None, used: str) -> None:
    """It is used, unless another one is named beside the address; one of the server itself only has the accounts."""
    own = f"t{uuid.uuid4().hex[:12]}"
    address, _, options = mongodb_uri.partition("?")
    scheme, _, rest = address.partition("://")
    uri = f"{scheme}://{rest.partition('/')[0]}{path.format(own=own)}?{options or 'w=majority'}"
    if "@" in address and "authSource" not in options:
        uri += "&authSource=admin"

    async with DocService(uri, database=name, apply_indexes=False) as service:
        in_library = service.admin.database.name

    assert in_library == used.format(own=own)
    assert Settings.load(mongodb_uri=uri, database=name).database == in_library


@pytest.mark.parametrize("path", ["a.b", "a%20b", "a$b", "x" * 64])
async def test_a_database_that_cannot_be(path: str) -> None:
    """A name in the address that no database can have is refused in one line."""
    assert "database" in await refusal(HOST + path)
