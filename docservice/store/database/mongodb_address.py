"""The connection string of a MongoDB server, checked before the driver sees it.

The driver only warns of an option that is unknown or unreadable, and ignores it. With a mistyped `tls`
that means a connection without TLS, so here each of them is an error.
Rule: MongoDB's connection string and URI options specifications; the values are checked by PyMongo's own validators.
"""

from __future__ import annotations

import errno
import re
import ssl
import stat
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from pymongo.common import URI_OPTIONS_VALIDATOR_MAP
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri, split_options
from pymongo.uri_parser_shared import URI_OPTIONS

from docservice.domain.values.database_names import DEFAULT_DATABASE, name_problem, named_database
from docservice.errors import SettingsInvalid

_SRV = "mongodb+srv://"
_NAMES = {name.lower(): name for name in (*URI_OPTIONS_VALIDATOR_MAP, *URI_OPTIONS, "tlsCRLFile")}
"""The options of the driver, as its documentation spells them."""

_SAME_OPTION = {"ssl": "tls"}
_MAY_REPEAT = {"readpreferencetags"}
_IMPLY_TLS = {"tlscertificatekeyfile", "tlscertificatekeyfilepassword", "tlscafile", "tlscrlfile"}
_IMPLY_TLS_IF_FALSE = {"tlsallowinvalidcertificates", "tlsallowinvalidhostnames", "tlsdisableocspendpointcheck"}
_NAME = re.compile(r"[A-Za-z][A-Za-z_.-]{0,59}")
_FILES = {"tlscafile", "tlscrlfile", "tlscertificatekeyfile"}
_OF_OPTIONS = set("&;=?")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class MongoAddress:
    """A connection string that the driver takes whole.

    Attributes:
        uri: the connection string.
        options: what it says of the driver's options, by their names in lower case; times are in seconds.
        tls: whether connections use TLS.
    """

    uri: str
    options: Mapping[str, Any]
    tls: bool

    @classmethod
    def parse(cls, uri: str) -> MongoAddress:
        """Return the address of a connection string.

        Raises:
            SettingsInvalid: it is not a connection string; or an option in it is unknown, malformed, twice there or
                without effect, or names a file that cannot be used. The message shows no values that may be secrets.
        """
        _require_encoding(uri)
        prefix, _, options_text = uri.partition("?")
        _require_userinfo(prefix, options_text)
        written = list(_pairs(options_text))
        _require_known(written)
        _require_once(written)
        options = _checked(written, options_text)
        _require_hosts(uri)
        _require_database(uri)
        tls = _uses_tls(uri, options)
        _require_effect(written, tls)
        _require_files(options)
        return cls(uri, options, tls)

    def tls_context(self) -> ssl.SSLContext:
        """Return what the driver trusts and shows when it uses TLS."""
        context = ssl.create_default_context(cafile=self.options.get("tlscafile"))
        if certificate := self.options.get("tlscertificatekeyfile"):
            context.load_cert_chain(certificate, password=_password(self.options))
        insecure = bool(self.options.get("tlsinsecure"))
        if insecure or self.options.get("tlsallowinvalidhostnames"):
            context.check_hostname = False
        if insecure or self.options.get("tlsallowinvalidcertificates"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _unusable(reason: str) -> SettingsInvalid:
    return SettingsInvalid(f"The MongoDB address is not usable: {reason}.")


def _require_encoding(uri: str) -> None:
    if _BAD_PERCENT.search(uri):
        raise _unusable("a % is not followed by two hex digits; a percent sign itself is written %25")
    try:
        unquote_plus(uri, errors="strict")
    except UnicodeDecodeError:
        raise _unusable("what is written with % is not UTF-8") from None


def _require_userinfo(prefix: str, suffix: str) -> None:
    """The driver would show a part of the password as the port or the option that it cannot read."""
    hosts, _, path = prefix.partition("://")[2].partition("/")
    if "@" not in hosts and "@" in path + suffix:
        raise _unusable("in a user name or password write / as %2F, ? as %3F, & as %26, : as %3A and @ as %40")


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Names as they are written and values still encoded."""
    if not text:
        return
    for part in re.split("[&;]", text):
        name, equals, value = part.partition("=")
        if not equals or "=" in value:
            shown = f"{name!r}" if name.lower() in _NAMES else "one of them"
            raise _unusable(f"options are written name=value and separated by &, but {shown} is not (%3D is an =)")
        yield name, value


def _require_known(written: list[tuple[str, str]]) -> None:
    for name, _ in written:
        if name.lower() in _NAMES:
            continue
        if not _NAME.fullmatch(name):  # Perhaps the rest of a password: it is not shown.
            raise _unusable("it has an option whose name is not one (in passwords write ? as %3F, & as %26)")
        near = get_close_matches(name.lower(), _NAMES, cutoff=0.6)
        hint = f"; did you mean {' or '.join(_NAMES[each] for each in near)}?" if near else ""
        raise SettingsInvalid(f"The MongoDB address is not usable: there is no option {name!r}{hint or '.'}")


def _require_once(written: list[tuple[str, str]]) -> None:
    seen: dict[str, tuple[str, str]] = {}
    for name, value in written:
        key = _SAME_OPTION.get(name.lower(), name.lower())
        if key in _MAY_REPEAT or key not in seen:
            seen[key] = (name, value)
            continue
        first_key, value_before = seen[key]
        if first_key.lower() == name.lower():
            raise _unusable(f"the option {_NAMES[name.lower()]} is there twice; keep one")
        if value != value_before:
            raise _unusable(f"{first_key} and {name} are the same option and say different things; keep one")


def _checked(written: list[tuple[str, str]], text: str) -> dict[str, Any]:
    # The driver drops a compressor that it lacks with a mere warning.
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for name, value in written:
            try:
                if name.lower() in _FILES and value:
                    _require_regular(unquote_plus(value))
                split_options(f"{name}={value}", validate=True, warn=False)
            except OSError as error:
                raise _bad_file(name, unquote_plus(value), error.strerror or str(error)) from None
            except (PyMongoError, TypeError, ValueError, UserWarning) as error:
                raise _unusable(f"the option {_NAMES[name.lower()]} does not fit: {_sentence(error)}") from None
        try:
            whole = split_options(text, validate=True, warn=False) if text else {}
        except (PyMongoError, TypeError, ValueError, UserWarning) as error:
            raise _unusable(_sentence(error)) from None
    return {name.lower(): value for name, value in whole.items()}


def _require_hosts(uri: str) -> None:
    if uri.startswith(_SRV):
        return  # The driver asks the name service for the hosts when it connects.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            parse_uri(uri, validate=True, warn=False)
    except (PyMongoError, TypeError, ValueError) as error:
        # The text in the place of a port may be a password: the @ and the host after it were forgotten.
        raise _unusable(_sentence(error).partition(": '")[0]) from None


def _require_database(uri: str) -> None:
    """The driver would take a part of the name for a collection, or options without their ? for a name."""
    name = named_database(uri) or DEFAULT_DATABASE
    if _OF_OPTIONS & set(name):
        raise _unusable("options begin with ?, so there is no & ; = or ? in the name of the database before them")
    if problem := name_problem(name):
        raise _unusable(problem)


def _sentence(error: Exception) -> str:
    return str(error).strip().rstrip(".")


def _uses_tls(uri: str, options: Mapping[str, Any]) -> bool:
    said = options.get("tls", options.get("ssl"))
    if said is not None:
        return bool(said)
    if uri.startswith(_SRV) or any(options.get(name) for name in _IMPLY_TLS):
        return True
    return any(options.get(name) is False for name in _IMPLY_TLS_IF_FALSE)


def _require_effect(written: list[tuple[str, str]], tls: bool) -> None:
    for name, _ in written:
        if name.lower().startswith("tls") and name.lower() != "tls" and not tls:
            raise _unusable(f"{name} says how to use TLS, and TLS is not on: add tls=true or leave {name} out")


def _require_files(options: Mapping[str, Any]) -> None:
    for option, what, counted in (("tlscafile", "certificate", "x509"), ("tlscrlfile", "revocation list", "crl")):
        if path := options.get(option):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            try:
                context.load_verify_locations(path)
            except (OSError, ValueError) as error:
                raise _bad_file(option, path, f"it holds no {what} in PEM", error) from None
            # A file of the other kind is loaded, too, and then no server is trusted.
            if not context.cert_store_stats()[counted]:
                raise _bad_file(option, path, f"it holds no {what} in PEM")
    if path := options.get("tlscertificatekeyfile"):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(path, password=_password(options))
        except (OSError, ValueError) as error:
            reason = "it holds no certificate with its private key in PEM, or the password of the key is another one"
            raise _bad_file("tlscertificatekeyfile", path, reason, error) from None


def _require_regular(path: str) -> None:
    """The file is read several times, and a pipe (`<(...)` in a shell) would give it once, or halt us for ever."""
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "Is a directory" if stat.S_ISDIR(status.st_mode) else "It is not a regular file")


def _password(options: Mapping[str, Any]) -> str:
    """Never None: without a password OpenSSL asks for it at the terminal."""
    return options.get("tlscertificatekeyfilepassword") or ""


def _bad_file(option: str, path: str, reason: str, error: Exception | None = None) -> SettingsInvalid:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.strerror:
        reason = error.strerror
    where = path if path.strip() else f"{path!r}"
    return SettingsInvalid(
        f"The MongoDB address names with {_NAMES[option.lower()]} a file that cannot be used, {where}: {reason}."
    )
