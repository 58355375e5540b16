"""One known image, written in every form by chance: it is read as it was."""

from __future__ import annotations

import io

import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from medigan_hub import inputs
from support.pictures import exif, png, tiff, turned

BITS = st.sampled_from([1, 2, 4, 8, 12, 16])
BITS_OF_PNG = {1: 1, 2: 2, 4: 4, 8: 8, 12: 16, 16: 16}
UID = generate_uid(entropy_srcs=["medigan-hub"])


def as_png(draw, known, bits):
    colour = draw(st.sampled_from([0, 2, 3])) if bits <= 8 else draw(st.sampled_from([0, 2]))
    depth = max(BITS_OF_PNG[bits], 8 if colour == 2 else 1)
    orientation = draw(st.integers(1, 8))
    before, pixels, white = {}, known, 2**bits - 1
    if colour == 3:
        order = np.array(draw(st.permutations(range(2**bits))), np.uint8)
        greys = np.zeros(2**bits, np.uint8)
        greys[order] = np.rint(np.arange(2**bits) * 255 / white)
        before[b"PLTE"] = greys.repeat(3).tobytes()
        pixels = order[known]
    elif colour == 2:
        # Levels of fewer bits than a colour has are spread over all of them.
        pixels = known * (255 // white) if bits < 8 else known
        pixels = np.dstack([pixels] * 3)
    before[b"eXIf"] = exif(orientation)
    pixels = pixels.astype(np.uint16 if depth == 16 else np.uint8)
    interlaced = draw(st.booleans())
    return png(turned(pixels, orientation), depth, colour, before=before, interlaced=interlaced)


def as_tiff(draw, known, bits):
    orientation = draw(st.integers(1, 8))
    how = {
        "compression": draw(st.sampled_from(["none", "deflate", "packbits"])),
        "big": draw(st.booleans()),
        "orientation": orientation,
        **draw(st.sampled_from([{}, {"rows": 3}, {"tile": 16}])),
    }
    order, photometric = draw(st.sampled_from("<>")), draw(st.sampled_from([0, 1, 2]))
    if bits == 12:  # the form that Pillow reads by itself
        order, photometric, how["big"] = "<", 1, False
    if bits in (2, 4) and how["big"]:  # as above
        order = "<"
    if photometric == 2:
        depth = 8 if bits <= 8 else 16
        pixels = np.dstack([known * (255 // (2**bits - 1)) if bits < 8 else known] * 3)
        how["planar"] = draw(st.booleans())
    else:
        depth = bits
        pixels = known if photometric else 2**bits - 1 - known
    pixels = pixels.astype(np.uint16 if depth > 8 else np.uint8)
    return tiff(
        turned(pixels, orientation), bits=depth, order=order, photometric=photometric, **how
    )


def as_pgm(draw, known, bits):
    white = 2**bits - 1
    head = f"{known.shape[1]} {known.shape[0]}\n{white}\n".encode()
    if draw(st.booleans()):
        return b"P2\n" + head + " ".join(map(str, known.ravel())).encode() + b"\n"
    return b"P5\n" + head + known.astype(">u2" if white > 255 else "u1").tobytes()


def as_dicom(draw, known, bits):
    inverse, white = draw(st.booleans()), 2**bits - 1
    pixels = white - known if inverse else known
    slope, intercept = draw(st.sampled_from([(1, 0), (2, -1000), (0.5, 30), (1, -1024)]))
    shift = draw(st.sampled_from([0, 2 ** (bits - 1)]))  # stored with a sign
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = UID
    meta.TransferSyntaxUID = draw(st.sampled_from([ExplicitVRLittleEndian, ImplicitVRLittleEndian]))
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, UID
    dataset.Rows, dataset.Columns = known.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME1" if inverse else "MONOCHROME2"
    dataset.BitsAllocated = 8 if bits <= 8 else 16
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    dataset.PixelRepresentation = int(shift > 0)
    dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
    if draw(st.booleans()):
        low, high = (slope * end + intercept for end in (-shift, white - shift))
        dataset.WindowCenter, dataset.WindowWidth = (low + high + 1) / 2, high - low + 1
    stored = (pixels.astype(np.int64) - shift) & white
    if shift and draw(st.booleans()):  # the sign is spread over the bits that don't count
        stored = pixels.astype(np.int64) - shift
    content = stored.astype("<i8").astype("u1" if bits <= 8 else "<u2").tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OW"
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, dataset)
    return stream.getvalue()


def as_nifti(draw, known, bits):
    white = 2**bits - 1
    kinds = [np.uint16, np.int32, np.float32, np.float64] + [np.int16] * (bits <= 12)
    data = np.flip(known, (0, 1)).T[:, :, np.newaxis].astype(draw(st.sampled_from(kinds)))
    image_type = draw(st.sampled_from([nibabel.Nifti1Image, nibabel.Nifti2Image]))
    header = image_type.header_class(endianness=draw(st.sampled_from("<>")))
    image = image_type(data, np.diag([2, 2, 2, 1]), header, dtype=data.dtype)
    if draw(st.booleans()):
        image.header["cal_min"], image.header["cal_max"] = 0, white
    return image.to_bytes()


def as_array(draw, known, bits):
    if bits <= 8:
        values = known / (2**bits - 1)
    else:
        values = known.astype(draw(st.sampled_from([np.uint16, np.int32, np.uint64, ">u2"])))
    stream = io.BytesIO()
    channels = draw(st.sampled_from([(), (1,), (3,)]))
    values = np.broadcast_to(
        values.reshape(*known.shape, *(1 for _ in channels)), (*known.shape, *channels)
    )
    if draw(st.booleans()):
        np.savez(stream, values)
    else:
        np.save(stream, np.asarray(values, order=draw(st.sampled_from("CF"))))
    return stream.getvalue()


FORMS = (as_png, as_tiff, as_pgm, as_dicom, as_nifti, as_array)


@st.composite
def written(draw):
    """Draw an image, with black and white in it, and a file of it: (levels, bits, content)."""
    bits = draw(BITS)
    height, width = draw(st.integers(1, 9)), draw(st.integers(2, 20))
    seed = draw(st.integers(0, 2**32 - 1))
    known = np.random.default_rng(seed).integers(0, 2**bits, (height, width))
    known[0, 0], known[0, 1] = 0, 2**bits - 1
    form = draw(st.sampled_from(FORMS))
    return form.__name__, known, bits, form(draw, known, bits)


@pytest.mark.filterwarnings("ignore::medigan_hub.errors.HubNote")
@settings(
    max_examples=240,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(written())
def test_an_image_is_read_as_it_was_whatever_it_was_written_in(tmp_path, case):
    form, known, bits, content = case
    path = tmp_path / "image"
    path.write_bytes(content)
    image = inputs.read(path)
    assert image.shape[:2] == known.shape, form
    assert (image == image[:, :, :1]).all()
    found = image[:, :, 0].astype(np.float64) * (257 if image.dtype == np.uint8 else 1)
    wanted = known * (65535 / (2**bits - 1))
    assert np.abs(found - wanted).max() <= 1, form
