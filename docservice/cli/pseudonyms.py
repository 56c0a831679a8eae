"""The options of exports under pseudonyms."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from docservice.domain.exports.pseudonyms import KEPT, LEAST_KEY_BYTES, Kept, Pseudonyms
from docservice.errors import SettingsInvalid
from docservice.ownership import make_private

_MOST_DAYS = 36_500


@Parameter(name="*")
@dataclass(frozen=True)
class PseudonymOptions:
    """Whether an export has pseudonyms in the place of people; every export takes these."""

    pseudonymise: Annotated[
        Path | None, Parameter(help="file with a key: ids become pseudonyms, names and answers are left out")
    ] = None
    keep: Annotated[
        str | None,
        Parameter(help=f"what is not left out then, separated by commas: {', '.join(KEPT)}"),
    ] = None
    shift_times: Annotated[
        int | None, Parameter(help="move the times of each person by so many days at most, all of them by the same")
    ] = None

    def pseudonyms(self) -> Pseudonyms | None:
        """Return what makes the pseudonyms; None if there are to be none.

        Raises:
            SettingsInvalid: an option does not fit, or the key cannot be read.
        """
        if self.pseudonymise is None:
            if self.keep is not None or self.shift_times is not None:
                raise SettingsInvalid("--keep and --shift-times are for exports with --pseudonymise KEY_FILE.")
            return None
        days = self.shift_times or 0
        if not 0 <= days <= _MOST_DAYS:
            raise SettingsInvalid(f"--shift-times takes 0 to {_MOST_DAYS} days.")
        return Pseudonyms(_key(self.pseudonymise), _kept(self.keep), days)


def _kept(text: str | None) -> frozenset[Kept]:
    wanted = {part.strip() for part in (text or "").split(",")} - {""}
    if unknown := sorted(wanted - set(KEPT)):
        raise SettingsInvalid(f"--keep takes {', '.join(KEPT)}, and not {', '.join(unknown)}.")
    return frozenset(each for each in KEPT if each in wanted)


def _key(path: Path) -> bytes:
    how = f"(umask 077; python3 -c 'import secrets; print(secrets.token_urlsafe(48))' > {shlex.quote(str(path))})"
    try:
        make_private(path)
        key = path.read_bytes().strip()
    except FileNotFoundError:
        raise SettingsInvalid(f"There is no key file {path}. Make one, and keep it: {how}") from None
    except OSError as error:
        raise SettingsInvalid(f"The key file {path} cannot be read: {error.strerror or error}.") from error
    if len(key) < LEAST_KEY_BYTES:
        raise SettingsInvalid(
            f"The key in {path} has {len(key)} bytes, and {LEAST_KEY_BYTES} are the least. Make another one: {how}"
        )
    return key
