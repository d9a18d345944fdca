"""The command line. ``main`` is the console script; ``app`` has the commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence

EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Everything is imported within, so that an interrupt during the imports is one as well.

    Parameters
    ----------
    arguments
        Without the program's name; None: those of this process.
    """
    try:
        from placer.cli.app import run

        return run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return EXIT_INTERRUPTED
