"""The command `mien`. Data goes to stdout, everything else to stderr.

Exit codes: 0, success; 1, something failed; 2, usage or configuration error; 130, ended by Ctrl-C.
"""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from mien.cli.commands import cli

        cli()
    except KeyboardInterrupt:  # while it was starting; later, typer translates it
        sys.exit(130)
