"""The command ``medigan``, also as ``python -m medigan_hub``: it can be interrupted at any moment.

Loading the command takes longer than pressing Ctrl-C. Until that is done, and again
once all is finished, there is nothing to end in order, so an interrupt ends the
process at once, with the code that an interrupt has later, too.
"""

from __future__ import annotations

try:
    import os
    import signal

    def _quit(*_: object) -> None:
        os._exit(130)

    # Not where it is ignored, as by nohup.
    LISTENS = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if LISTENS:
        signal.signal(signal.SIGINT, _quit)
except KeyboardInterrupt:
    raise SystemExit(130) from None


def main() -> None:
    """Run the command line; exit with 0, 1 (an error), 2 (wrong usage) or 130 (interrupted)."""
    from medigan_hub.cli import main as run

    try:
        if LISTENS:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except KeyboardInterrupt:  # in the moment before the command listens
        raise SystemExit(130) from None
    finally:
        if LISTENS:
            signal.signal(signal.SIGINT, _quit)


if __name__ == "__main__":
    main()
