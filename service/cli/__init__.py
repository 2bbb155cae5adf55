"""The command `mien`. Data goes to stdout, everything else to stderr.

Exit codes: 0, all was done; 1, something could not be done; 2, it was asked for wrongly, or cannot start as it is set
up.
"""

from service.cli.analyze import analyze  # noqa: F401 - registers itself
from service.cli.app import cli
from service.cli.bundles import check  # noqa: F401
from service.cli.keys import create  # noqa: F401
from service.cli.live import live  # noqa: F401


def main() -> None:
    """Run the command line."""
    cli()
