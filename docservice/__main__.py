"""`docservice`, and `python -m docservice`: the command line."""

from __future__ import annotations

import sys

from docservice.errors import ExtraNotInstalled
from docservice.extras import require


def main() -> None:
    """The entry point; Ctrl-C ends it without a traceback while the commands are being loaded, too."""
    try:
        require("serve", "The command docservice")
        from docservice.cli.main import main as command  # noqa: PLC0415 (it takes half a second)

        command()
    except ExtraNotInstalled as error:
        sys.stderr.write(f"docservice: {error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("docservice: interrupted.\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
