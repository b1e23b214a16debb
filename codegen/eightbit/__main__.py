# SPDX-License-Identifier: Apache-2.0
"""The program `eightbit`, and `python -m eightbit`: a signal ends it in one line, from its first moment on."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from eightbit.errors import INTERRUPTED, LEFT, unusable

TERMINATED = 143  # as shells say it


class _TerminatedError(BaseException):
    """SIGTERM, on its way through whatever has something to clean up."""


def main() -> None:
    """Run the command line. Ctrl-C has status 130, SIGTERM 143."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        from eightbit import cli  # noqa: PLC0415 - loads NumPy, onnx and ONNX Runtime, which takes seconds

        cli.main()
    except KeyboardInterrupt:
        _leave("interrupted", INTERRUPTED)
    except _TerminatedError:
        _leave("terminated", TERMINATED)
    except OSError as error:  # of a help that cannot be written
        sys.stderr.write(f"error: {unusable(error)}\n")
        sys.exit(2)


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # `timeout` sends two; what cleans up is not to be interrupted
    raise _TerminatedError


def _leave(how: str, status: int) -> None:
    sys.stderr.write(f"{how}: {LEFT}\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
