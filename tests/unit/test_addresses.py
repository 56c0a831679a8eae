"""Addresses are shown without what is secret in them."""

from __future__ import annotations

import pytest

from docservice.domain.values.addresses import without_password


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("mongodb://h:1,i:2/?replicaSet=a", "mongodb://h:1,i:2/?replicaSet=a"),
        ("mongodb://ann@h/", "mongodb://ann@h/"),
        ("mongodb://ann:pw@h:1,i:2/db?x=y@z", "mongodb://ann:********@h:1,i:2/db?x=y@z"),
        ("mongodb+srv://ann:p%40w@h/", "mongodb+srv://ann:********@h/"),
        ("mongodb://ann:p@w:x@h/", "mongodb://ann:********@h/"),
        (
            "mongodb://h/?tls=true&tlscertificatekeyfilepassword=pw&appName=a",
            "mongodb://h/?tls=true&tlscertificatekeyfilepassword=********&appName=a",
        ),
        (
            "mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:pw",
            "mongodb://h/?authMechanismProperties=********",
        ),
        ("/a/folder", "/a/folder"),
    ],
)
def test_passwords_are_not_shown(address: str, shown: str) -> None:
    """The password and options that hold secrets are masked, and nothing else."""
    assert without_password(address) == shown
