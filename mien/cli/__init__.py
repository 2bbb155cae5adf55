"""The command `mien`. Data goes to stdout, everything else to stderr.

Exit codes: 0, success; 1, something failed; 2, usage or configuration error; 130, ended by Ctrl-C.
"""

import io
import sys


def main() -> None:
    """Run the command line."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files that are not UTF-8 are printed as they are
    try:
        from mien.cli.commands import cli

        cli()
    except KeyboardInterrupt:  # while it was starting; later, typer translates it
        sys.exit(130)
