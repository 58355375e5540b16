"""The SQLite that Python was built with.

TensorFlow brings an SQLite of its own, without the full-text index, and on
Linux lets every library that is loaded later see it. Python's module would
then call that one.
"""

from __future__ import annotations

import os
import sys

if "tensorflow" in sys.modules and hasattr(os, "RTLD_DEEPBIND"):
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        import sqlite3
    finally:
        sys.setdlopenflags(flags)
else:
    import sqlite3

__all__ = ["sqlite3"]
