"""Image files damaged by chance, each read in this process, which reports what does harm.

``python damage.py FOLDER FIRST COUNT`` reads so many files, numbered from FIRST. The file in hand
is ``FOLDER/case``, so that it is there after a crash; each case has the same content on any day.
"""

from __future__ import annotations

import faulthandler
import gzip
import io
import random
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import nibabel
import numpy as np
import pydicom
from PIL import Image
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from medigan_hub import HubError, inputs
from support.dicoms import dicom
from support.pictures import exif, png, tiff

MOST_SECONDS = 5
"""Of processor time, for a file."""
STUCK_SECONDS = 60
"""After which the process ends and says where it was."""
MORE_BYTES = 2**30
"""Of address space that reading may take beyond what was there when it began."""
LONGEST = 500
"""Characters of what is said of a file."""
NUMBERS = (0, 1, 2, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)


class Seed(NamedTuple):
    """A file that is whole."""

    content: bytes
    pack: Callable[[bytes], bytes] = bytes
    """What its content is packed in, so that damage reaches what is inside, too."""


def seeds() -> dict[str, Seed]:
    """Return a small file of every kind, by name."""
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (7, 9)).astype(np.uint8)
    deep = rng.integers(0, 4096, (7, 9)).astype(np.uint16)
    colour, deep_colour = (np.dstack([pixels] * 3) for pixels in (grey, deep))
    volume = rng.integers(0, 99, (5, 4, 3))
    found = {
        "grey.png": png(grey, before={b"eXIf": exif(6), b"sBIT": b"\x08"}),
        "bits.png": png(grey % 4, 2, before={b"tRNS": b"\0\5"}),
        "deep.png": png(deep, 16, interlaced=True),
        "colour.png": png(deep_colour, 16, 2),
        "palette.png": png(grey % 4, 8, 3, before={b"PLTE": bytes(12), b"tRNS": b"\xff\xff"}),
        "strips.tif": tiff(grey, grey, rows=2, orientation=6),
        "tiles.tif": tiff(deep, bits=16, tile=16, compression="lzw"),
        "white.tif": tiff(deep, bits=16, photometric=0, order=">"),
        "bits.tif": tiff(deep, bits=12, rows=3),
        "planes.tif": tiff(deep_colour, bits=16, photometric=2, planar=True, compression="deflate"),
        "half.tif": tiff(grey.astype(np.float16) / 256, bits=16, sample_format=3),
        "big.tif": tiff(grey, big=True, order=">", compression="packbits"),
        "grey.npy": _npy(grey),
        "stack.npy": _npy(np.stack([colour, colour])),
        "fractions.npy": _npy(grey / 255),
        "text.pgm": b"P2\n3 2\n1000\n1 2 3\n4 5 6\n",
        "grey.pgm": b"P5 9 7 255\n" + grey.tobytes(),
        "deep.pgm": b"P5 9 7 65535\n" + deep.tobytes(),
        "bits.pbm": b"P4 9 7\n" + bytes(14),
        "fractions.pfm": b"Pf 9 7 -1.0\n" + (grey / np.float32(255)).tobytes(),
        **{f"grey.{form}": _saved(grey, form) for form in ("BMP", "JPEG", "GIF", "TIFF")},
        **{f"film.{form}": _saved(colour, form, count=3) for form in ("GIF", "PNG", "TIFF")},
        "ink.JPEG": _saved(np.dstack([colour, grey]), "JPEG", mode="CMYK"),
        "turned.JPEG": _saved(grey, "JPEG", exif=b"Exif\0\0" + exif(6)),
        "lossy.TIFF": _saved(colour, "TIFF", compression="jpeg"),
        "slice.nii": _nifti(volume.astype(np.int16)),
        "scaled.nii": _nifti(volume.astype(np.uint8), scl_slope=2, scl_inter=-9, cal_max=9),
        "newer.nii": _nifti(volume.astype(np.float32), kind=nibabel.Nifti2Image),
        **_dicoms(grey, deep, colour),
    }
    files = {name: Seed(content) for name, content in found.items()}
    files["slice.nii.gz"] = Seed(found["slice.nii"], gzip.compress)
    files["packed.npz"] = Seed(found["grey.npy"], _zipped)
    return files


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _zipped(content: bytes) -> bytes:
    import zipfile

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.npy", content)
        archive.writestr("_provenance.npy", _npy(np.array('{"levels": {"image": [0, 9]}}')))
    return stream.getvalue()


def _saved(
    pixels: np.ndarray, form: str, *, mode: str | None = None, count: int = 1, **how: object
) -> bytes:
    stream = io.BytesIO()
    pictures = [Image.fromarray(pixels // (number + 1), mode) for number in range(count)]
    more = {"save_all": True, "append_images": pictures[1:]} if count > 1 else {}
    pictures[0].save(stream, form, **more, **how)
    return stream.getvalue()


def _nifti(data: np.ndarray, *, kind: type = nibabel.Nifti1Image, **header: float) -> bytes:
    image = kind(data, np.diag([2, 2, 2, 1]), dtype=data.dtype)
    content = bytearray(image.to_bytes())
    filled = nibabel.Nifti1Header(bytes(content[:348])) if header else None
    for name, value in header.items():
        filled[name] = value
    return (filled.binaryblock + content[348:]) if filled else bytes(content)


def _dicoms(grey: np.ndarray, deep: np.ndarray, colour: np.ndarray) -> dict[str, bytes]:
    window = {"WindowCenter": [40, 50], "WindowWidth": [400, 500], "RescaleSlope": 2}
    table = {
        f"{name}PaletteColorLookupTable{part}": value
        for name in ("Red", "Green", "Blue")
        for part, value in (("Descriptor", [256, 0, 8]), ("Data", bytes(range(256))))
    }
    photo = {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "PlanarConfiguration": 0}
    found = {
        "explicit.dcm": dicom(deep, ExplicitVRLittleEndian, **window),
        "implicit.dcm": dicom(deep, ImplicitVRLittleEndian, PixelPaddingValue=0),
        "big.dcm": dicom(deep, ExplicitVRBigEndian),
        "frames.dcm": dicom(np.stack([grey] * 3), ExplicitVRLittleEndian, NumberOfFrames=3),
        "colour.dcm": dicom(colour, ExplicitVRLittleEndian, **photo),
        "palette.dcm": dicom(
            grey, ExplicitVRLittleEndian, PhotometricInterpretation="PALETTE COLOR", **table
        ),
        "jpeg.dcm": dicom(grey, JPEGBaseline8Bit, body=_saved(grey, "JPEG")),
        "wavelets.dcm": dicom(grey, JPEG2000Lossless, body=_saved(grey, "JPEG2000", no_jp2=True)),
    }
    for name, syntax in (("rle.dcm", RLELossless), ("ls.dcm", JPEGLSLossless)):
        dataset = pydicom.dcmread(io.BytesIO(found["explicit.dcm"]))
        try:
            dataset.compress(syntax)
        except RuntimeError:  # what packs it is not installed
            continue
        stream = io.BytesIO()
        dataset.save_as(stream)
        found[name] = stream.getvalue()
    found["bare.dcm"] = found["implicit.dcm"][132:]
    return found


def damaged(files: list[Seed], number: int) -> bytes:
    """Return the file of a number: a whole one, but for one to four places."""
    chance = random.Random(number)  # noqa: S311 (no secret)
    content, pack = chance.choice(files)
    is_inside = pack is not bytes and chance.random() < 0.5
    content = bytearray(content if is_inside or pack is bytes else pack(content))
    for _ in range(chance.randint(1, 4)):
        _damage(content, files, chance)
    return pack(bytes(content)) if is_inside else bytes(content)


def _damage(content: bytearray, files: list[Seed], chance: random.Random) -> None:
    most = len(content) if chance.random() < 0.3 else min(len(content), 700)
    place = chance.randrange(most) if most else 0
    way = chance.randrange(8)
    if way < 2 and content:
        content[place] ^= 1 << chance.randrange(8)
    elif way < 5:
        size, order = chance.choice((1, 2, 2, 4, 4, 8)), chance.choice(("little", "big"))
        number = chance.choice(NUMBERS) % 256**size
        content[place : place + size] = number.to_bytes(size, order)
    elif way == 5:
        del content[place : place + chance.choice((1, 9, len(content)))]
    elif way == 6:
        other = chance.choice(files).content
        begin = chance.randrange(len(other))
        part = other[begin : begin + chance.choice((8, 99))]
        content[place : place + chance.choice((0, 20))] = part
    else:
        content[place:place] = content[place : place + chance.choice((1, 12, 60))]


def read(path: Path) -> str:
    """Read a file as jobs and the app do, and return what is wrong with how it went, or nothing."""
    begun, said = time.process_time(), []
    for use in (_all, _size):
        try:
            use(path)
        except HubError as error:
            said.append(str(error))
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    for text in said:
        if "\n" in text or len(text) > LONGEST + len(str(path)):
            return f"says {text!r}"
    seconds = time.process_time() - begun
    return f"took {seconds:.1f} s" if seconds > MOST_SECONDS else ""


def _all(path: Path) -> None:
    images = inputs.find(path)
    for place in sorted({0, len(images) // 2, len(images) - 1}):
        image = images[place]
        if image.dtype not in (np.uint8, np.uint16) or image.ndim != 3:
            raise TypeError(f"an image of {image.dtype}, {image.shape}")


def _size(path: Path) -> None:
    inputs.check_size(path, 10**6)


def main(folder: str, first: str, count: str) -> None:
    warnings.simplefilter("ignore")
    files = list(seeds().values())
    case = Path(folder) / "case"
    for seed in files:  # each is whole, and loads what reads its kind
        case.write_bytes(seed.pack(seed.content))
        for image in inputs.find(case):
            assert image.size
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    if pages:
        limit = pages * resource.getpagesize() + MORE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for number in range(int(first), int(first) + int(count)):
        case.write_bytes(damaged(files, number))
        faulthandler.dump_traceback_later(STUCK_SECONDS, exit=True)
        fault = read(case)
        if fault:
            print(f"file {number}: {fault}")  # noqa: T201 (its report)
    faulthandler.cancel_dump_traceback_later()
    print("done")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
