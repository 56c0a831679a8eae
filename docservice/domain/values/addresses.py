"""Removes passwords from addresses, so that they can be shown."""

from __future__ import annotations

import re

MASK = "********"
"""What is shown in the place of a secret."""

_USERINFO = re.compile(r"(?<=://)([^/@:]*):[^/]*@")
_SECRET_OPTION = re.compile(r"([?&;](?:tlsCertificateKeyFilePassword|authMechanismProperties|password)=)[^&;]*", re.I)


def without_password(address: str) -> str:
    """Return an address with `********` in the place of its password and of options that hold secrets.

    >>> without_password("mongodb://ann:hush@db.example:27017/?replicaSet=rs0")
    'mongodb://ann:********@db.example:27017/?replicaSet=rs0'

    Args:
        address: a URL or a MongoDB connection string.
    """
    shown = _USERINFO.sub(rf"\1:{MASK}@", address, count=1)
    return _SECRET_OPTION.sub(rf"\1{MASK}", shown)
