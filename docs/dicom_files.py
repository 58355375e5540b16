"""What becomes of the DICOM files that pydicom brings along for its own tests.

    python docs/dicom_files.py     # write the table in docs/dicom.md anew

They come from many vendors and programs, and some of them are damaged on purpose.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pydicom.data

from medigan_hub import RequestError
from medigan_hub.inputs.decoders.base import HEAD_BYTES, NoPixels
from medigan_hub.inputs.decoders.dicom import DicomDecoder
from medigan_hub.reading import Reading

PAGE = Path(__file__).parent / "dicom.md"
FOLDER = Path(pydicom.data.__file__).parent
HEAD = "| file | what becomes of it |\n| --- | --- |\n"
DECODER = DicomDecoder()


def files() -> Iterator[tuple[str, Path]]:
    """Yield the files that pip brings with pydicom, each with its name there."""
    for path in sorted(FOLDER.rglob("*")):
        others = {".py", ".pyc", ".txt", ".json", ".icc", ".zip", ".gz", ".md"}
        if path.is_file() and path.suffix not in others and path.name != "README":
            yield path.relative_to(FOLDER).as_posix(), path


def outcome(path: Path) -> str:
    """Return words for what becomes of a file; of several frames, all are read."""
    with path.open("rb") as stream:
        if not DECODER.knows(stream.read(HEAD_BYTES)):
            return "not taken for DICOM"
    reading = Reading()
    try:
        found = DECODER.frames(path, reading)
        pictures = [DECODER.read(path, frame, reading) for frame in range(found.count)]
    except NoPixels as error:
        return f"left out: {error}"
    except RequestError as error:
        return f"refused: {str(error).removeprefix(str(path)).strip()}"
    first = pictures[0]
    colours = "in colours" if first.pixels.ndim == 3 else "grey"
    if first.pixels.dtype == bool:
        colours = "black and white"
    many = f"{found.count} images of " if found.count > 1 else ""
    words = [f"{many}{found.height} x {found.width}", colours]
    if first.is_measured:
        words.append("no window")
    if first.taken:
        words.append(first.taken)
    return f"read: {', '.join(words)}"


def rows() -> list[str]:
    """Return the rows of the table; files in one of the folders are one if they fare alike."""
    alike: dict[tuple[str, str], list[str]] = {}
    for each, path in files():
        name = each.removeprefix("test_files/")
        folder, inside, _ = name.partition("/")
        alike.setdefault((folder + "/" if inside else name, outcome(path)), []).append(name)
    found = []
    for (where, words), names in alike.items():
        many = f"{len(names)} files in " if where.endswith("/") else ""
        found.append(f"| {many}`{where}` | {words} |")
    return found


def page(text: str) -> str:
    """Return the page with the table as it is now."""
    return text.partition(HEAD)[0] + HEAD + "".join(f"{row}\n" for row in rows())


def main() -> int:
    """Write the table anew; return the exit code."""
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
