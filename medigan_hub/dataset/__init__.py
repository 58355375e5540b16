"""A data set on disk: a folder that says what is in it, and how to make it again.

``dataset.json``
    The header: what is true of every sample. It is written first, so that the
    folder says from the start whose it is, and sealed last.
``README.md``, ``croissant.json``
    The same for a person, and for tools that read MLCommons Croissant.
``manifest.jsonl``
    One row a sample: its files with their SHA-256, labels, conditions, input. It
    grows as ``manifest.jsonl.part`` and takes its name when the last sample is there.

A row is written before the files that it names, so that a program that is killed
leaves no file which is not listed; whoever goes on with an unfinished data set
holds the files against the rows.
"""

from medigan_hub.dataset.header import HEADER
from medigan_hub.dataset.manifest import MANIFEST, UNFINISHED
from medigan_hub.dataset.place import check_folder, check_place
from medigan_hub.dataset.verification import Verdict, verify
from medigan_hub.dataset.writing import SavedDataset, write

__all__ = [
    "HEADER",
    "MANIFEST",
    "UNFINISHED",
    "SavedDataset",
    "Verdict",
    "check_folder",
    "check_place",
    "verify",
    "write",
]
