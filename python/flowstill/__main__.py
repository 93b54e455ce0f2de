"""Run the command line `flowstill`: `python -m flowstill`, and the console script."""

from __future__ import annotations

import signal
import sys

from ._flowstill import run_command_line


def main() -> int:
    """Run `sys.argv`, and give the exit code."""
    # Python would only note the signal, and act on it when the command has ended.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return run_command_line(["flowstill", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
