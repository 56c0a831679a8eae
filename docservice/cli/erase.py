"""`docservice erase`: remove a person with all logs, and check the receipt of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from docservice.cli.progress import progress
from docservice.console import EXIT_FAILED, StoreOptions, errors, opened, require_data, resumable, run, say
from docservice.domain.upkeep.receipts import ErasureReceipt, public_key
from docservice.engine.rebuild import rebuild, require_unused
from docservice.errors import SettingsInvalid
from docservice.serving.signing import signing_secret
from docservice.settings import Settings
from docservice.store.database.copying import copy_everything

app = App(name="erase", help="Remove a person with all logs; a receipt says what was removed.")


@app.default
def person(
    person: Annotated[str, Parameter(help="id, username, or FACILITY/USERNAME")],
    /,
    *,
    dry_run: Annotated[bool, Parameter(negative="", help="only count what would be removed")] = False,
    reason: Annotated[str, Parameter(help="for the receipt; it is kept nowhere else")] = "",
    thorough: Annotated[
        bool, Parameter(negative="", help="search the logs of all others for the id, too, which takes long")
    ] = False,
    compact: Annotated[
        bool, Parameter(negative="", help="then clear the database's files of what was removed; stop the service first")
    ] = False,
    output: Annotated[
        Path | None, Parameter(help="file for the receipt; without it, standard output", allow_leading_hyphen=True)
    ] = None,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Remove a person: all logs, account, roles, memberships, and the exported files of the facility.

    What is left is a tombstone, which holds a keyed digest of the id and nothing personal: no import, backup or
    directory file brings the person back. It can be interrupted, and run again it completes. The receipt is signed with
    a key made from DOCSERVICE_SECRET_KEY, or the key kept in the data folder. Backups and files elsewhere are not
    reached.
    """
    if compact and dry_run:
        raise SettingsInvalid("A dry run changes nothing: leave --compact out.")
    run(_erase(person, dry_run, reason, thorough, compact, output, options))


async def _erase(
    text: str, dry_run: bool, reason: str, thorough: bool, compact: bool, output: Path | None, options: StoreOptions
) -> None:
    settings = options.settings()
    require_data(settings)
    if dry_run and output is not None:
        raise SettingsInvalid("A dry run makes no receipt: leave --output out.")
    _require_writable(output)
    if compact and settings.mongodb_uri is None:
        await require_unused(settings.data_dir)  # before anything is removed
    secret = "" if dry_run else signing_secret(settings)  # a key that cannot sign is noticed before anything is removed
    async with opened(settings) as service:
        user_id = await service.admin.erasable_person(text)
        if dry_run:
            _show(await service.admin.preview_erasure(user_id, thorough=thorough))
            say("dry run: nothing was changed")
            return
        is_last = await service.admin.is_last_administrator(user_id)
        with resumable(), progress() as watch:
            receipt = await service.admin.erase(user_id, reason=reason, thorough=thorough, watch=watch)
        refused = await service.admin.compact() if compact and settings.mongodb_uri is not None else {}
    _show(receipt)
    say(f"Erased: {user_id}. To erase again, for another receipt or --compact, name this id: the name is gone.")
    if is_last:
        say("Nobody administers the facility any more: give somebody a role with docservice directory import.")
    _write(receipt.signed(secret), output)
    if compact and settings.mongodb_uri is None:
        say("making the engine's files again ...")
        await rebuild(settings.data_dir, copy_everything)
        say("The engine's files were made again: nothing of what was removed is in them.")
    for collection, why in refused.items():
        say(f"not compacted: {collection}: {why}")
    if refused:
        sys.exit(EXIT_FAILED)


def _require_writable(output: Path | None) -> None:
    """Check that the receipt can be written before anything is removed."""
    if output is None or str(output) == "-":
        return
    try:
        with output.open("a", encoding="utf-8"):
            pass
    except OSError as error:
        raise SettingsInvalid(f"The receipt cannot be written to {output}: {error.strerror or error}.") from None


def _write(receipt: ErasureReceipt, output: Path | None) -> None:
    if output is None or str(output) == "-":
        sys.stdout.write(receipt.as_text())
        return
    try:
        output.write_text(receipt.as_text(), encoding="utf-8")
    except OSError as error:
        # The person is gone, and the receipt is made again by another run: it is better shown than lost.
        sys.stdout.write(receipt.as_text())
        raise SettingsInvalid(f"The receipt cannot be written to {output}: {error.strerror or error}.") from None
    say(f"The receipt is in {output}.")


def _show(receipt: ErasureReceipt) -> None:
    table = Table("collection", "removed", "changed")
    for column in table.columns[1:]:
        column.justify = "right"
    for collection in dict.fromkeys((*receipt.removed, *receipt.changed)):
        numbers = (receipt.removed.get(collection, 0), receipt.changed.get(collection, 0))
        table.add_row(collection, *(f"{number:,}" for number in numbers))
    (Console() if receipt.dry_run else errors).print(table)
    if receipt.files:
        say(f"{receipt.files:,} exported files were removed; export again what is still needed.")


@app.command
def verify(
    receipt: Annotated[Path, Parameter(allow_leading_hyphen=True, help='file; "-": standard input')],
    /,
    *,
    key: Annotated[
        str | None, Parameter(name="--public-key", help="of the service that signed it; if unset, this one's")
    ] = None,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Check that a receipt is as this service has signed it; exit code 1 if it is not.

    Asks no database. A receipt that was signed before the secret was changed needs the public key of that time.
    """
    signed = ErasureReceipt.read(_text_of(receipt), key or _own_key(options.settings()))
    removed = sum(signed.removed.values())
    if signed.finished is None:
        say(f"The receipt is genuine, and of a dry run: nothing was removed. {removed:,} documents would have been.")
        return
    say(f"The receipt is genuine: {removed:,} documents were removed until {signed.finished:%Y-%m-%d %H:%M:%S} UTC.")


def _own_key(settings: Settings) -> str:
    return public_key(signing_secret(settings))


def _text_of(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsInvalid(f"The receipt {path} cannot be read: {reason}.") from None
