"""Receipts of erasures: what was removed, signed, without anything personal.

The signature is Ed25519, by a key that is derived from the service's secret (HKDF): unlike an HMAC, a receipt can be
checked by the person who gets it, who does not have that secret, and no other key file has to be kept. A secret that is
changed makes other signatures, so who checks an old receipt names the public key of that time.
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import Any, Literal, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel, ConfigDict, ValidationError

from docservice.errors import ReceiptInvalid

_PURPOSE = b"docservice receipts of erasures"


class ErasureReceipt(BaseModel):
    """What an erasure has done, or in a dry run would do.

    Attributes:
        receipt: says what this is.
        dry_run: nothing was changed.
        digest: of the person's id, keyed: 64 hex characters; empty in a dry run.
        digest_key: which key made the digest.
        began: when the person was shut out, UTC; null in a dry run.
        finished: when nothing was left.
        removed: how many documents were removed, by collection.
        changed: how many documents of others lost the person's id, by collection.
        files: how many exported files of the facility were removed.
        thorough: whether the logs of all others were searched for the person, too.
        reason: as it was given.
        public_key: of who signed it, in base64; null if it is not signed.
        signature: Ed25519 over all other fields, in base64.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    receipt: Literal["docservice erasure"] = "docservice erasure"
    dry_run: bool = False
    digest: str = ""
    digest_key: str = ""
    began: datetime | None = None
    finished: datetime | None = None
    removed: dict[str, int]
    changed: dict[str, int]
    files: int = 0
    thorough: bool = False
    reason: str = ""
    public_key: str | None = None
    signature: str | None = None

    def signed(self, secret: str) -> Self:
        """Return it with a signature.

        Args:
            secret: of the service; what signs its tokens.
        """
        key = _signing_key(secret)
        unsigned = self.model_copy(update={"public_key": _text_of(key.public_key()), "signature": None})
        signature = base64.b64encode(key.sign(unsigned._signed_bytes())).decode()
        return unsigned.model_copy(update={"signature": signature})

    def as_text(self) -> str:
        """Return it as JSON for a file."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, text: str, trusted_key: str) -> Self:
        """Return the receipt in a text, if it is as it was signed.

        Args:
            text: JSON.
            trusted_key: the public key that has to have signed it, in base64.

        Raises:
            ReceiptInvalid: it is not a receipt, another key signed it, or it was changed since.
        """
        try:
            json.loads(text, object_pairs_hook=_each_once)
            receipt = cls.model_validate_json(text)
        except (json.JSONDecodeError, RecursionError):
            raise ReceiptInvalid("This is not a receipt of an erasure: it is not JSON.") from None
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "file"
            raise ReceiptInvalid(f"This is not a receipt of an erasure: {where}: {first['msg']}.") from None
        if receipt.public_key is None or receipt.signature is None:
            raise ReceiptInvalid("The receipt is not signed.")
        if receipt.public_key != trusted_key:
            raise ReceiptInvalid(
                f"The receipt is signed by the key {receipt.public_key}, and this service has the key {trusted_key}: "
                "another service made it, or the secret was changed since. If you know that key to be right, name it "
                "with --public-key."
            )
        try:
            key = Ed25519PublicKey.from_public_bytes(base64.b64decode(receipt.public_key, validate=True))
            key.verify(base64.b64decode(receipt.signature, validate=True), receipt._signed_bytes())
        except (InvalidSignature, binascii.Error, ValueError):
            raise ReceiptInvalid("The signature does not fit: the receipt was changed after it was made.") from None
        return receipt

    def _signed_bytes(self) -> bytes:
        fields = self.model_dump(mode="json", exclude={"signature"})
        return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object. Of a name that comes twice one reader takes the first value, and another one the last.

    Raises:
        ReceiptInvalid: a name comes twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ReceiptInvalid("This is not a receipt as it was made: a name in it comes twice.")
    return found


def public_key(secret: str) -> str:
    """Return the public key of the receipts that a service with this secret signs, in base64."""
    return _text_of(_signing_key(secret).public_key())


def _signing_key(secret: str) -> Ed25519PrivateKey:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
    return Ed25519PrivateKey.from_private_bytes(derived)


def _text_of(key: Ed25519PublicKey) -> str:
    return base64.b64encode(key.public_bytes_raw()).decode()
