"""Input images: found, read from every usual form, and checked before use.

Every image becomes uint8 or uint16, (height, width, channels), and uses the
whole range of its type: black is 0, white is 255 or 65535.
"""

from __future__ import annotations

import hashlib
import math
import struct
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, overload

import numpy as np

from medigan_hub.errors import HubError, HubWarning, RequestError, require
from medigan_hub.metadata import Input

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

Source: TypeAlias = "str | Path | np.ndarray | Iterable[str | Path | np.ndarray]"

PUBLISHED = "published with the model"
"""Origin of images that come with the weights."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".dicom", ".npy")
PICTURES = ("PNG", "TIFF", "JPEG", "BMP", "GIF", "PPM")
"""What Pillow may open. It knows more, among them formats that other programs are started for."""
BIT_DEPTHS = (12, 14, 16)


class Images(Sequence[np.ndarray]):
    """Images that are read when they are asked for, so that a folder of any size fits."""

    def __init__(
        self, items: Sequence[Path | np.ndarray] | np.ndarray, origin: str = "given by the user"
    ) -> None:
        self._items = items
        self.origin = origin
        self.channels: int | None = None
        self.sha256 = ""
        self.dtypes: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, position: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, position: slice) -> Images: ...
    def __getitem__(self, position: int | slice) -> np.ndarray | Images:
        if isinstance(position, slice):
            return Images(self._items[position], self.origin)
        item = self._items[position]
        image = read(item) if isinstance(item, Path) else normalised(item, self.name(position))
        return image if self.channels is None else with_channels(image, self.channels)

    def name(self, position: int) -> str:
        """Return the file name of an image, or its place among the arrays given."""
        item = self._items[position]
        if not isinstance(item, Path):
            return f"array {position}"
        return item.name.encode("utf-8", "backslashreplace").decode()  # a name may be any bytes

    def lie_in(self, folder: Path) -> bool:
        """Tell whether any of the images is a file below ``folder``."""
        return any(
            isinstance(item, Path) and item.resolve().is_relative_to(folder.resolve())
            for item in self._items
        )

    @classmethod
    def checked(cls, files: Sequence[Path], origin: str, declared: Input, model: str) -> Images:
        """Return files, each checked once however often it stands there; see ``check``."""
        once = cls(list(dict.fromkeys(files)), origin)
        once.check(declared, model)
        images = cls(files, origin)
        images.channels, images.sha256, images.dtypes = once.channels, once.sha256, once.dtypes
        return images

    def check(self, declared: Input, model: str) -> None:
        """Read every image once, so that a bad one is known before the first is used.

        A grey image in three channels fits a model that takes one, and the
        other way round; images that come with the model are brought to grey or
        colour whatever they are.

        Afterwards ``sha256`` is one hash of all the images, in order, and
        ``dtypes`` the types that they have.

        Raises
        ------
        RequestError
            An image can't be read, or the model takes another number of channels.
        """
        wanted = len(declared.channels)
        digest = hashlib.sha256()
        dtypes = set()
        for position, image in enumerate(self):
            channels = image.shape[-1]
            if channels != wanted and (self.origin == PUBLISHED or _is_grey(image)):
                image = with_channels(image, wanted)
            if image.shape[-1] != wanted:
                advice = "convert it to greyscale first" if wanted == 1 else "choose another image"
                raise RequestError(
                    f"{self.name(position)} has {channels} channel{'s' * (channels > 1)}, but "
                    f"{model} takes {wanted} ({', '.join(declared.channels)}); {advice}"
                )
            digest.update(f"{image.dtype} {image.shape}".encode())
            digest.update(image.tobytes())
            dtypes.add(str(image.dtype))
        self.channels = wanted
        self.sha256 = digest.hexdigest()
        self.dtypes = frozenset(dtypes)


def with_channels(image: np.ndarray, wanted: int) -> np.ndarray:
    """Bring an image to one channel (its luma, ITU-R BT.601) or three; others stay as they are.

    >>> with_channels(np.full((1, 1, 3), 7, np.uint8), 1).tolist()
    [[[7]]]
    """
    found = image.shape[-1]
    if found == wanted:
        return image
    if found in (2, 4):  # the last is the opacity
        image = image[:, :, :-1]
    if wanted == 3 and image.shape[-1] == 1:
        return image.repeat(3, axis=-1)
    if wanted == 1 and image.shape[-1] == 3:
        return np.asarray(np.rint(luma(image)).astype(image.dtype))
    return image


def luma(image: np.ndarray) -> np.ndarray:
    """Return how bright red, green and blue are together: (..., 3) to (..., 1) float64.

    Source: ITU-R BT.601-7, section 2.5.1.

    >>> luma(np.array([[[0, 100, 0]]], np.uint8)).tolist()
    [[[58.699999999999996]]]
    """
    return np.asarray(image.astype(np.float64) @ np.array([[0.299], [0.587], [0.114]]))


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bring an 8- or 16-bit image (height, width, channels) to ``size``, by cubic interpolation."""
    if image.shape[:2] == size:
        return image
    from PIL import Image

    values = image if image.dtype == np.uint8 else image.astype(np.float32)
    channels = [
        Image.fromarray(channel).resize((size[1], size[0]), Image.Resampling.BICUBIC)
        for channel in np.moveaxis(values, -1, 0)
    ]
    pixels: np.ndarray = np.stack([np.asarray(channel) for channel in channels], axis=-1)
    if image.dtype == np.uint8:
        return pixels
    pixels = np.clip(np.rint(pixels), 0, np.iinfo(image.dtype).max)
    return pixels.astype(image.dtype)


def _is_grey(image: np.ndarray) -> bool:
    return image.shape[-1] == 1 or (image.shape[-1] == 3 and bool((image[:, :, :1] == image).all()))


def find(source: Source) -> Images:
    """Return the images of a file, a folder (in the order of their names), arrays or paths.

    An array of four dimensions, also in a .npy file, is a stack of images.

    Raises
    ------
    RequestError
        There is nothing there.
    """
    items: Any
    if isinstance(source, (str, Path)):
        with _faults_in_words(Path(source)):
            items = _of_path(Path(source))
    elif isinstance(source, np.ndarray):
        items = _of_array(source)
    else:
        items = [Path(item) if isinstance(item, str) else item for item in source]
        for item in items:
            if isinstance(item, Path):
                _must_exist(item)
            elif not isinstance(item, np.ndarray):
                raise RequestError(
                    f"an input is a {type(item).__name__}; give paths or NumPy arrays"
                )
    if len(items) == 0:
        raise RequestError("there are no input images; give at least one")
    return Images(items)


def read(path: Path) -> np.ndarray:
    """Read one image file: PNG, TIFF, JPEG, BMP, DICOM or NumPy.

    Raises
    ------
    RequestError
        The file is no image, is damaged, or holds several images.
    """
    with _faults_in_words(path):
        return READERS[_form(path)](path)


def check_size(path: Path, most_pixels: int) -> None:
    """Make sure that an image file claims no more pixels than can be taken, before it is decoded.

    Its header alone is read: a small file may claim any number. A stack of
    images in a .npy file counts as a whole.

    Raises
    ------
    RequestError
        It claims more than ``most_pixels``, or ``read`` would not take it for its header.
    """
    with _faults_in_words(path):
        size = SIZES[_form(path)](path)
        if math.prod(size) > most_pixels:
            most = f"{most_pixels / 1e6:.3g} million" if most_pixels >= 1e6 else most_pixels
            raise RequestError(
                f"{path.name} has {' x '.join(map(str, size))} pixels; at most {most} are taken "
                "here: crop or scale it"
            )


def normalised(array: np.ndarray, name: str) -> np.ndarray:
    """Bring an image into the form that models take: uint8 or uint16, whole range.

    Floating-point values must lie in [0, 1]. Whole numbers beyond 8 bits are
    taken to have 12, 14 or 16 bits, whichever is the least that holds the
    brightest pixel: detectors deliver 12 or 14 in files of 16.

    Raises
    ------
    RequestError
        The array is not an image, or its values have no known scale.

    >>> normalised(np.array([[0.0, 1.0]]), "ramp").ravel().tolist()
    [0, 65535]
    """
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    if array.ndim != 3 or 0 in array.shape:
        raise RequestError(
            f"{name} has the shape {array.shape}; "
            "an image has (height, width) or (height, width, channels)"
        )
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "uif":
        raise RequestError(f"{name} holds {array.dtype} values; give numbers")
    low, high = array.min().item(), array.max().item()
    if array.dtype.kind == "f":
        if not (low >= 0 and high <= 1):
            raise RequestError(
                f"{name} has values from {low:g} to {high:g}; scale fractions to 0 to 1"
            )
        return np.rint(array.astype(np.float64) * 65535).astype(np.uint16)
    if low < 0 or high > 65535:
        raise RequestError(f"{name} has values from {low} to {high}; scale them to 0 to 65535")
    bits = next(bits for bits in BIT_DEPTHS if high < 2**bits)
    if bits == 16:
        return array.astype(np.uint16)
    warnings.warn(
        f"the brightest pixel of {name} is {high}: taken as an image of {bits} bits", HubWarning, 2
    )
    scaled: np.ndarray = np.rint(array.astype(np.float64) * (65535 / (2**bits - 1)))
    return scaled.astype(np.uint16)


def _of_path(path: Path) -> Any:
    _must_exist(path)
    if path.is_dir():
        found = sorted(
            entry for entry in path.iterdir() if entry.is_file() and _looks_like_image(entry)
        )
        if not found:
            raise RequestError(f"the folder {path} holds no images ({' '.join(SUFFIXES)})")
        return found
    if _form(path) == "array" and len(_array_shape(path)) == 4:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    return [path]


def _of_array(array: np.ndarray) -> Any:
    return array if array.ndim == 4 else [array]


def _must_exist(path: Path) -> None:
    try:
        there = path.exists()
    except (OSError, ValueError) as error:  # the latter of a name with a null character
        raise RequestError(f"{path} can't be read: {error}") from error
    if not there:
        raise RequestError(f"{path} does not exist; name an image file or a folder of images")


def _looks_like_image(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    if path.suffix.lower() in SUFFIXES:
        return True
    with path.open("rb") as stream:  # DICOM files often have no suffix
        return stream.read(132)[128:] == b"DICM"


def _form(path: Path) -> str:
    """Tell by the first bytes of a file which form an image has: of ``READERS``."""
    with path.open("rb") as stream:
        start = stream.read(132)
    if not start:
        raise RequestError(f"{path} is empty; give an image")
    if start[128:] == b"DICM":
        return "dicom"
    return "array" if start.startswith(b"\x93NUMPY") else "picture"


@contextmanager
def _faults_in_words(path: Path) -> Iterator[None]:
    """Name the file in whatever goes wrong with it: decoders raise errors of every kind."""
    try:
        yield
    except (HubError, HubWarning):  # the latter where warnings are errors
        raise
    except MemoryError as error:
        raise RequestError(f"{path} does not fit into memory; crop or scale it") from error
    except Exception as error:
        lines = str(getattr(error, "strerror", None) or error).strip().split("\n")
        raise RequestError(f"{path} can't be read: {lines[0] or type(error).__name__}") from error


def _check_safe(path: Path, height: int, width: int) -> None:
    """Refuse what Pillow calls a decompression bomb; its own check warns of some, and reads them.

    Whether a warning is an error is a setting of the whole program, which no thread may change.
    """
    import PIL.Image

    most = PIL.Image.MAX_IMAGE_PIXELS
    if most is not None and height * width > most:
        raise RequestError(
            f"{path} is too large to open safely: it has {height} x {width} pixels, and at most "
            f"{most} are read; crop or scale it"
        )


def _array_shape(path: Path) -> tuple[int, ...]:
    """Return the shape of the array in a .npy file, which holds as many numbers as it says."""
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    with path.open("rb") as stream:
        version = np.lib.format.read_magic(stream)
        if version not in readers:
            raise RequestError(f"{path} can't be read: save it anew with numpy.save")
        shape, _, dtype = readers[version](stream)
        room = path.stat().st_size - stream.tell()
    if dtype.kind not in "buif":
        raise RequestError(f"{path} can't be read: it holds {dtype.name} values; give numbers")
    if any(length < 0 for length in shape) or math.prod(shape) * dtype.itemsize > room:
        raise RequestError(
            f"{path} can't be read: it claims the shape {str(shape)[:60]}, and holds {room} bytes; "
            "save it anew with numpy.save"
        )
    return tuple(shape)


def _array_size(path: Path) -> tuple[int, ...]:
    shape = _array_shape(path)
    return shape[:3] if len(shape) == 4 else shape[:2]


def _read_array(path: Path) -> np.ndarray:
    _array_shape(path)
    return normalised(np.load(path, allow_pickle=False), path.name)


def _open_picture(stream: BinaryIO, path: Path) -> ImageFile:
    """Return the one picture in a file, of which no more than the header has been read.

    As ``PIL.Image.open`` does it, but for the check of its size; see ``_check_safe``.
    """
    import PIL.Image
    import PIL.TiffImagePlugin

    PIL.Image.preinit()
    start = stream.read(16)
    for name in PICTURES:
        factory, accept = PIL.Image.OPEN[name]
        if accept is not None and not accept(start):
            continue
        stream.seek(0)
        try:
            picture = factory(stream, str(path))
        except (SyntaxError, IndexError, TypeError, struct.error):  # it is of another format
            continue
        # How many there are is not counted: of a hostile file that may take hours.
        if getattr(picture, "is_animated", False):
            raise RequestError(f"{path} holds several images; give one file for each")
        return picture
    raise RequestError(
        f"{path} is not an image that can be read; give PNG, TIFF, JPEG, BMP, DICOM or NumPy "
        "(.npy) files"
    )


def _picture_size(path: Path) -> tuple[int, ...]:
    with path.open("rb") as stream:
        width, height = _open_picture(stream, path).size
    return height, width


def _read_picture(path: Path) -> np.ndarray:
    with path.open("rb") as stream:
        picture = _open_picture(stream, path)
        _check_safe(path, picture.height, picture.width)
        # Bilevel and palette images hold no grey levels but numbers of colours.
        target = {"1": "L", "P": "RGB"}.get(picture.mode, picture.mode)
        return normalised(np.asarray(picture.convert(target)), path.name)


@contextmanager
def _faults_of_dicom_in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except (AttributeError, KeyError, NotImplementedError, RuntimeError, TypeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise RequestError(f"{path} is no DICOM image that can be read: {reason}") from error


def _size_in_header(dataset: Any, path: Path) -> tuple[int, int]:
    """Return the height and width of the one image in a DICOM file."""
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    if frames > 1:
        raise RequestError(f"{path} holds {frames} frames; give one file for each")
    if "Rows" not in dataset or "Columns" not in dataset:
        raise RequestError(f"{path} is no DICOM image that can be read: it names no size")
    return int(dataset.Rows), int(dataset.Columns)


def _dicom_size(path: Path) -> tuple[int, ...]:
    pydicom = require("pydicom", extra="dicom", purpose=f"reading {path.name}")
    with _faults_of_dicom_in_words(path):
        meta = pydicom.filereader.read_file_meta_info(path)
        if meta.get("TransferSyntaxUID") == pydicom.uid.DeflatedExplicitVRLittleEndian:
            # Its header lies in what is compressed, and that may be of any size.
            raise RequestError(f"{path} is a DICOM file compressed as a whole; save it otherwise")
        names = ["Rows", "Columns", "NumberOfFrames"]
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=names)
        return _size_in_header(header, path)


def _read_dicom(path: Path) -> np.ndarray:
    """Read a DICOM image as a viewer would show it: rescaled, windowed, white on black."""
    pydicom = require("pydicom", extra="dicom", purpose=f"reading {path.name}")
    pixels = require("pydicom.pixels", extra="dicom", purpose=f"reading {path.name}")
    with _faults_of_dicom_in_words(path):
        dataset = pydicom.dcmread(path)
        _check_safe(path, *_size_in_header(dataset, path))
        stored = dataset.pixel_array
        if stored.ndim == 3:  # colour: nothing to window
            return normalised(stored, path.name)
        values = pixels.apply_modality_lut(stored, dataset)
        shown = pixels.apply_voi_lut(values, dataset).astype(np.float64)
        if dataset.get("VOILUTSequence"):
            low, high = 0.0, 2.0 ** dataset.VOILUTSequence[0].LUTDescriptor[2] - 1
        elif "WindowCenter" in dataset:
            # What the window makes of values far outside it are its black and white.
            low, high = pixels.apply_windowing(np.array([-1e12, 1e12]), dataset)
        else:
            low, high = shown.min(), shown.max()
    fraction = np.clip((shown - low) / max(high - low, 1e-9), 0, 1)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        fraction = 1 - fraction
    return normalised(fraction, path.name)


READERS: dict[str, Callable[[Path], np.ndarray]] = {
    "array": _read_array,
    "dicom": _read_dicom,
    "picture": _read_picture,
}
SIZES: dict[str, Callable[[Path], tuple[int, ...]]] = {
    "array": _array_size,
    "dicom": _dicom_size,
    "picture": _picture_size,
}
"""What reads from a header the size that a file claims: (height, width), or (n, height, width)."""
