"""The process that reads a pickle: a file on standard input, its description on standard output.

It is started with the number of the process that waits for it, and with the full
names of the classes that become shells.
"""

from __future__ import annotations

import binascii
import codecs
import gc
import json
import os
import sys
from typing import Any, BinaryIO

from medigan_hub.unpickling.confinement import confine
from medigan_hub.unpickling.formats import describe
from medigan_hub.unpickling.machine import RefusedError, UnreadableError

MAX_PROCESSOR_SECONDS = 10
"""Time of the processor; a pickle with all the steps that it may have takes less."""


def memory_for(size: int) -> int:
    """Return how many bytes describing a file of a size may take."""
    return 384 * 2**20 + 6 * size


def longest_answer(size: int) -> int:
    """Return how long the description of a file of a size may be."""
    return 64 * 2**20 + 2 * size


def main() -> None:
    """Describe the checkpoint on standard input, confined, and write that to standard output."""
    gc.disable()  # nothing that is made here ends before the process does
    parent, *classes = sys.argv[1:]
    stream = open(0, "rb", closefd=False)  # noqa: SIM115 (no path; open to the end)
    size = os.fstat(0).st_size
    codecs.lookup("cp437")  # of names in zip archives; later, no module can be imported
    confine(
        int(parent),
        memory=memory_for(size),
        seconds=MAX_PROCESSOR_SECONDS,
        written=longest_answer(size),
    )
    left = memoryview(_answer(stream, size, classes))
    while left:
        left = left[os.write(1, left) :]
    os._exit(0)  # without what Python does at its end, for which it might need more


def _answer(stream: BinaryIO, size: int, classes: list[str]) -> bytes:
    try:
        found = describe(stream, size, classes)
        return json.dumps(found, default=as_base64, separators=(",", ":")).encode()
    except RefusedError as error:
        return json.dumps({"refused": str(error)}).encode()
    except UnreadableError as error:
        return json.dumps({"fault": str(error)}).encode()
    except MemoryError:
        return b'{"fault": "reading it takes more memory than a file of its size may"}'
    except Exception as error:  # whatever bytes that somebody else chose may cause
        return json.dumps({"fault": type(error).__name__}).encode()


def as_base64(content: Any) -> str:
    """Return bytes as JSON can hold them."""
    return binascii.b2a_base64(content, newline=False).decode()


if __name__ == "__main__":
    main()
