"""Pictures of everyday formats: upright, the right way round, and with all their levels."""

from __future__ import annotations

import io
import struct
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from medigan_hub import RequestError, inputs
from medigan_hub.errors import HubNote
from medigan_hub.reading import Reading
from support.pictures import COMPRESSIONS, exif, png, tiff, turned

RNG = np.random.default_rng(7)
HEIGHT, WIDTH = 19, 33
"""No multiples of 8 or 16, so that rows and tiles end within a byte and within a tile."""
FULL = {1: np.uint8, 2: np.uint8, 4: np.uint8, 8: np.uint8, 12: np.uint16, 16: np.uint16}
ORIENTATIONS = range(1, 9)


def stored(bits: int, channels: int = 1) -> np.ndarray:
    """Return random levels, from black to white."""
    pixels = RNG.integers(0, 2**bits, (HEIGHT, WIDTH, channels), FULL[bits])
    pixels[0, 0], pixels[0, 1] = 0, 2**bits - 1
    return pixels if channels > 1 else pixels[:, :, 0]


def shown(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Return levels as a model takes them, were they of 16 bits."""
    image = np.rint(pixels.astype(np.float64) * 65535 / (2**bits - 1)).astype(np.uint16)
    return image if image.ndim == 3 else image[:, :, np.newaxis]


def read(folder, content: bytes, suffix: str = "tif", **wishes) -> np.ndarray:
    """Return the image in a file, were it of 16 bits."""
    path = folder / f"picture.{suffix}"
    path.write_bytes(content)
    image = inputs.read(path, Reading(**wishes))
    return image * np.uint16(257) if image.dtype == np.uint8 else image


def refused(folder, content: bytes, message: str, suffix: str = "tif") -> None:
    path = folder / f"picture.{suffix}"
    path.write_bytes(content)
    with pytest.raises(RequestError, match=message) as error:
        inputs.read(path)
    assert path.name in str(error.value)
    assert "\n" not in str(error.value)


def saved(pixels: np.ndarray, form: str, **how) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, form, **how)
    return stream.getvalue()


def takes_codecs(bits: int, compression: str, order: str, photometric: int) -> bool:
    """Tell whether a grey TIFF is of those that neither Pillow nor tifffile reads by itself."""
    if find_spec("imagecodecs"):
        return False
    if bits == 12:
        return order == ">" or photometric == 0
    return bits == 16 and compression == "lzw" and order == ">" and photometric == 0


LAYOUTS = [{}, {"rows": 5}, {"tile": 16}]


@pytest.mark.parametrize("layout", LAYOUTS, ids=["strip", "strips", "tiles"])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16])
def test_a_grey_tiff_is_read_as_its_tags_say(tmp_path, bits, layout):
    pixels = stored(bits)
    for compression in COMPRESSIONS:
        for order in "<>":
            for photometric in (0, 1):  # white is 0, black is 0
                content = tiff(
                    pixels,
                    bits=bits,
                    photometric=photometric,
                    order=order,
                    compression=compression,
                    **layout,
                )
                wanted = shown(pixels if photometric else 2**bits - 1 - pixels, bits)
                how = (bits, compression, order, photometric)
                if takes_codecs(*how):
                    refused(tmp_path, content, "takes the package imagecodecs to read; install th")
                else:
                    assert np.array_equal(read(tmp_path, content), wanted), how


@pytest.mark.parametrize("layout", LAYOUTS, ids=["strip", "strips", "tiles"])
@pytest.mark.parametrize(("bits", "channels"), [(1, 1), (4, 1), (8, 1), (16, 1), (8, 3), (16, 3)])
def test_a_tiff_is_turned_upright_without_losing_a_pixel(tmp_path, bits, channels, layout):
    pixels = stored(bits, channels)
    how = {"bits": bits, "photometric": 1 if channels == 1 else 2, **layout}
    for orientation in ORIENTATIONS:
        for compression in ("none", "deflate"):
            content = tiff(
                turned(pixels, orientation),
                orientation=orientation,
                compression=compression,
                **how,
            )
            image = read(tmp_path, content)
            assert np.array_equal(image, shown(pixels, bits)), (orientation, compression)


@pytest.mark.parametrize("layout", LAYOUTS, ids=["strip", "strips", "tiles"])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_colour_tiff_keeps_every_bit_of_every_colour(tmp_path, bits, planar, layout):
    pixels = stored(bits, 3)
    for order in "<>":
        for compression in COMPRESSIONS:
            content = tiff(
                pixels,
                bits=bits,
                photometric=2,
                order=order,
                compression=compression,
                planar=planar,
                **layout,
            )
            is_packed = planar and bits == 16 and compression == "lzw"
            if is_packed and not find_spec("imagecodecs"):
                refused(tmp_path, content, "takes the package imagecodecs")
            else:
                image = read(tmp_path, content)
                assert np.array_equal(image, shown(pixels, bits)), (order, compression)


def test_the_stored_rows_of_a_turned_tiff_are_not_mixed_up(tmp_path):
    """Of one strip, Pillow would take rows of another length."""
    pixels = (np.arange(48 * 32).reshape(48, 32) % 251).astype(np.uint8)
    path = tmp_path / "turned.tif"
    path.write_bytes(tiff(pixels, orientation=6))
    wanted = np.rot90(pixels, -1)
    assert np.array_equal(inputs.read(path)[:, :, 0], wanted)
    with Image.open(path) as picture:
        assert np.array_equal(inputs.find(picture)[0][:, :, 0], wanted)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_fractions_in_a_tiff_are_read(tmp_path, kind):
    pixels = RNG.random((HEIGHT, WIDTH)).astype(kind)
    for photometric in (0, 1):
        for order in "<>":
            content = tiff(
                pixels,
                bits=pixels.itemsize * 8,
                sample_format=3,
                photometric=photometric,
                order=order,
            )
            levels = np.rint(pixels.astype(np.float64) * 65535).astype(np.uint16)[:, :, np.newaxis]
            image = read(tmp_path, content)
            assert np.array_equal(image, levels if photometric else 65535 - levels)


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32])
def test_whole_numbers_with_a_sign_are_read_with_it(tmp_path, kind):
    pixels = RNG.integers(-100, 101, (HEIGHT, WIDTH)).astype(kind)
    pixels[0, :2] = -100, 100
    for order in "<>":
        content = tiff(pixels, bits=pixels.itemsize * 8, sample_format=2, order=order)
        refused(tmp_path, content, "values from -100 to 100; scale them to 0 to 65535")
        wanted = np.rint((pixels.astype(np.float64) + 100) * 65535 / 200)
        assert np.array_equal(read(tmp_path, content, window=(0, 200))[:, :, 0], wanted)


@pytest.mark.parametrize("order", "<>")
def test_whole_numbers_of_32_bits_are_read(tmp_path, order):
    pixels = stored(16)
    assert np.array_equal(
        read(tmp_path, tiff(pixels.astype(np.uint32), bits=32, order=order)), shown(pixels, 16)
    )
    too_many = tiff(np.full((2, 2), 2**31 + 5, np.uint32), bits=32, order=order)
    refused(tmp_path, too_many, "scale them to 0 to 65535")


@pytest.mark.parametrize("order", "<>")
def test_a_big_tiff_is_read(tmp_path, order):
    for bits in (8, 16):
        pixels = stored(bits)
        content = tiff(pixels, bits=bits, order=order, big=True, rows=4)
        assert np.array_equal(read(tmp_path, content), shown(pixels, bits))


def test_each_page_of_a_tiff_is_an_image(tmp_path):
    pixels = stored(8)
    path = tmp_path / "pages.tif"
    path.write_bytes(tiff(turned(pixels, 6), turned(255 - pixels, 6), orientation=6))
    images = inputs.find(path)
    assert [images.name(place) for place in range(2)] == [
        "pages.tif (frame 0)",
        "pages.tif (frame 1)",
    ]
    assert np.array_equal(images[0][:, :, 0], pixels)
    assert np.array_equal(images[1][:, :, 0], 255 - pixels)
    path.write_bytes(tiff(pixels, pixels[:-1]))
    with pytest.raises(RequestError, match=r"pages\.tif holds pictures of several sizes"):
        inputs.find(path)


def test_colours_of_a_tiff_in_other_forms_are_read_or_refused(tmp_path):
    pixels = stored(8, 3)
    levels = [tuple(RNG.integers(0, 256, 256) * 257) for _ in range(3)]
    table = np.stack(levels, axis=-1)
    content = tiff(pixels[:, :, 0], photometric=3, tags={320: sum(levels, ())})
    assert np.array_equal(read(tmp_path, content), table[pixels[:, :, 0]])
    inks = np.dstack([255 - pixels, np.zeros((HEIGHT, WIDTH), np.uint8)])
    content = tiff(inks, photometric=5)
    assert np.array_equal(read(tmp_path, content), shown(pixels, 8))
    refused(tmp_path, tiff(pixels, photometric=8), "is a picture in LAB; save it as grey, or as")
    deep = np.dstack([stored(16, 3), stored(16)])
    refused(tmp_path, tiff(deep, bits=16, photometric=5), "CMYK;16L in TIFF.* keeps a part only")
    transparent = tiff(stored(1), bits=1, photometric=4)
    refused(tmp_path, transparent, "is a TIFF of a form that can't be read")


def test_what_is_opaque_throughout_is_the_picture_and_what_is_not_is_refused(tmp_path):
    for bits in (8, 16):
        opaque = np.full((HEIGHT, WIDTH), 2**bits - 1, FULL[bits])
        clear = opaque.copy()
        clear[3, 4] -= 1
        pixels = stored(bits, 3)
        forms = [
            (
                "tif",
                lambda array, bits=bits: tiff(array, bits=bits, photometric=2, tags={338: (2,)}),
            ),
            ("png", lambda array, bits=bits: png(array, bits, 6)),
            ("png", lambda array, bits=bits: png(array, bits, 6, interlaced=True)),
        ]
        for suffix, encode in forms:
            image = read(tmp_path, encode(np.dstack([pixels, opaque])), suffix)
            assert np.array_equal(image, shown(pixels, bits))
            refused(tmp_path, encode(np.dstack([pixels, clear])), "can be seen through", suffix)
    opaque = opaque.astype(np.uint8)
    grey = np.dstack([stored(8), opaque])
    assert np.array_equal(read(tmp_path, png(grey, 8, 4), "png"), shown(grey[:, :, 0], 8))
    refused(tmp_path, png(stored(16, 2), 16, 4), r"LA;16B in PNG.* of 16 bits in PNG", "png")


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_grey_png_keeps_its_levels_and_is_turned(tmp_path, bits, interlaced):
    pixels = stored(bits)
    for orientation in ORIENTATIONS:
        content = png(
            turned(pixels, orientation),
            bits,
            before={b"eXIf": exif(orientation)},
            interlaced=interlaced,
        )
        assert np.array_equal(read(tmp_path, content, "png"), shown(pixels, bits)), orientation


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_colour_png_keeps_its_levels_and_is_turned(tmp_path, bits, interlaced):
    pixels = stored(bits, 3)
    for orientation in ORIENTATIONS:
        block = {b"eXIf": exif(orientation)}
        content = png(turned(pixels, orientation), bits, 2, before=block, interlaced=interlaced)
        assert np.array_equal(read(tmp_path, content, "png"), shown(pixels, bits)), orientation


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_level_that_a_png_calls_clear_is_not_taken_for_one(tmp_path, bits):
    pixels = stored(bits)
    for level in {int(pixels[3, 3]), int(pixels[4, 4])}:
        content = png(pixels, bits, before={b"tRNS": struct.pack(">H", level)})
        refused(tmp_path, content, "can be seen through", "png")
    if bits > 1:
        pixels[pixels == 1] = 0
        content = png(pixels, bits, before={b"tRNS": struct.pack(">H", 1)})
        assert np.array_equal(read(tmp_path, content, "png"), shown(pixels, bits))
    if bits >= 8:
        pixels = stored(bits, 3)
        content = png(pixels, bits, 2, before={b"tRNS": struct.pack(">3H", *pixels[3, 3].tolist())})
        refused(tmp_path, content, "can be seen through", "png")
        pixels[(pixels == (1, 2, 3)).all(axis=-1)] = 0
        content = png(pixels, bits, 2, before={b"tRNS": struct.pack(">3H", 1, 2, 3)})
        assert np.array_equal(read(tmp_path, content, "png"), shown(pixels, bits))


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_colours_of_a_palette_are_read(tmp_path, bits):
    palette = np.array([[0, 0, 0], [10, 20, 30], [40, 50, 60], [255, 254, 253]], np.uint8)
    pixels = RNG.integers(0, 4, (HEIGHT, WIDTH), np.uint8)
    for more in ({}, {b"tRNS": b"\xff\xff\xff"}):
        content = png(pixels, bits, 3, before={b"PLTE": palette.tobytes(), **more})
        assert np.array_equal(read(tmp_path, content, "png"), shown(palette[pixels], 8))
    clear = {b"PLTE": palette.tobytes(), b"tRNS": b"\xff\x80"}
    refused(tmp_path, png(pixels, bits, 3, before=clear), "can be seen through", "png")


def test_a_png_that_says_that_all_16_bits_count_is_taken_at_its_word(tmp_path):
    pixels = RNG.integers(0, 3000, (HEIGHT, WIDTH)).astype(np.uint16)
    content = png(pixels, 16, before={b"sBIT": b"\x10"})
    assert np.array_equal(read(tmp_path, content, "png")[:, :, 0], pixels)
    with Image.open(tmp_path / "picture.png") as picture:
        assert np.array_equal(inputs.find(picture)[0][:, :, 0], pixels)
    colours = np.stack([pixels, pixels // 2, pixels // 3], axis=-1)
    content = png(colours, 16, 2, before={b"sBIT": b"\x10\x10\x10"})
    assert np.array_equal(read(tmp_path, content, "png"), colours)
    content = png(pixels, 16, before={b"sBIT": b"\x0c"})
    with pytest.warns(HubNote, match="taken as 12 bits, since the brightest pixel"):
        read(tmp_path, content, "png")


@pytest.mark.parametrize("white", [1, 100, 255, 1000, 4095, 65535])
@pytest.mark.parametrize("plain", [False, True])
def test_portable_pictures_have_the_white_that_they_name(tmp_path, white, plain):
    pixels = RNG.integers(0, white + 1, (HEIGHT, WIDTH, 3))
    wanted = np.rint(pixels * (65535 if white > 255 else 255) / white)
    wanted *= 1 if white > 255 else 257

    def content(magic: bytes, values: np.ndarray) -> bytes:
        head = b"%b\n# a comment\n%d %d\n%d\n" % (magic, WIDTH, HEIGHT, white)
        if plain:
            return head + " ".join(map(str, values.ravel())).encode() + b"\n"
        return head + values.astype(">u2" if white > 255 else "u1").tobytes()

    grey, colour = (b"P2", b"P3") if plain else (b"P5", b"P6")
    image = read(tmp_path, content(grey, pixels[:, :, 0]), "pgm")
    assert np.array_equal(image, wanted[:, :, :1])
    if white > 255:
        refused(tmp_path, content(colour, pixels), "RGB in PPM.* keeps a part only", "ppm")
    else:
        assert np.array_equal(read(tmp_path, content(colour, pixels), "ppm"), wanted)


def test_ones_are_black_in_portable_bitmaps(tmp_path):
    pixels = stored(1)
    head = b"%d %d\n" % (WIDTH, HEIGHT)
    packed = b"P4\n" + head + np.packbits(pixels, axis=1).tobytes()
    plain = b"P1\n" + head + " ".join(map(str, pixels.ravel())).encode() + b"\n"
    for content in (packed, plain):
        assert np.array_equal(read(tmp_path, content, "pbm"), shown(1 - pixels, 1))


def test_a_photograph_is_turned_upright(tmp_path):
    upright = np.full((48, 96), 64, np.uint8)
    upright[:16], upright[:, :16] = 255, 128
    for orientation in ORIENTATIONS:
        block = b"Exif\0\0" + exif(orientation)
        content = saved(turned(upright, orientation), "JPEG", quality=95, exif=block)
        image = read(tmp_path, content, "jpg") // 257
        assert image.shape == (48, 96, 1)
        assert np.abs(image[:, :, 0].astype(int) - upright).max() < 12, orientation
    for damaged in (b"Exif\0\0" + exif(9), b"Exif\0\0II*\0\xff\xff", b"Exif\0\0rubbish"):
        content = saved(upright, "JPEG", quality=95, exif=damaged)
        image = read(tmp_path, content, "jpg") // 257
        assert np.abs(image[:, :, 0].astype(int) - upright).max() < 12


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_colours_of_jpeg_files_are_those_that_are_seen(tmp_path, mode):
    step = np.zeros((32, 32, 3), np.uint8)
    step[:16], step[16:] = (255, 0, 64), (0, 128, 255)
    picture = Image.fromarray(step).convert(mode)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=100, subsampling=0)
    image = read(tmp_path, stream.getvalue(), "jpg") // 257
    wanted = np.asarray(picture.convert("L"))[:, :, np.newaxis] if mode == "L" else step
    assert np.abs(image.astype(int) - wanted).max() < 6


@pytest.mark.parametrize("compression", ["jpeg", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_tiff_files_of_libtiff_are_read(tmp_path, compression):
    pixels = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
    for array in (pixels, np.dstack([pixels] * 3)):
        image = read(tmp_path, saved(array, "TIFF", compression=compression)) // 257
        wanted = array if array.ndim == 3 else array[:, :, np.newaxis]
        assert np.abs(image.astype(int) - wanted).max() <= (2 if compression == "jpeg" else 0)
    if compression != "jpeg":
        deep = stored(16)
        assert np.array_equal(
            read(tmp_path, saved(deep, "TIFF", compression=compression)), shown(deep, 16)
        )


@pytest.mark.parametrize(("form", "suffix"), [("GIF", "gif"), ("PNG", "apng"), ("WEBP", "webp")])
def test_the_frames_of_a_film_are_images(tmp_path, form, suffix):
    films = [
        np.full((5, 4, 3), (place * 40, 100, 255 - place * 40), np.uint8) for place in range(4)
    ]
    first, *rest = map(Image.fromarray, films)
    stream = io.BytesIO()
    first.save(stream, form, save_all=True, append_images=rest)
    path = tmp_path / f"film.{suffix}"
    path.write_bytes(stream.getvalue())
    if form == "WEBP":
        with pytest.raises(RequestError, match=r"film\.webp is not an image that can be read; giv"):
            inputs.find(path)
        return
    assert np.array_equal(list(inputs.find(path)), films)
    assert np.array_equal(inputs.find(path)[2], films[2])  # not after those before it


def test_images_of_pillow_are_read_as_their_files_are(tmp_path):
    pixels, grey, deep = stored(8), stored(16), stored(16, 3)
    path = tmp_path / "picture"

    def given(content: bytes, *, loaded: bool = False) -> np.ndarray:
        path.write_bytes(content)
        with Image.open(path) as picture:
            if loaded:
                picture.load()
            return inputs.find(picture)[0]

    turned_png = png(turned(pixels, 5), before={b"eXIf": exif(5)})
    assert np.array_equal(given(turned_png)[:, :, 0], pixels)
    assert np.array_equal(given(tiff(grey, bits=16, photometric=0)), 65535 - shown(grey, 16))
    message = "image 0 is a picture in a form .* keeps a part only; give the path of its file, or"
    with pytest.raises(RequestError, match=message):
        given(png(deep, 16, 2))
    for loaded in (False, True):
        with pytest.raises(RequestError, match=message):
            given(tiff(deep, bits=16, photometric=2), loaded=loaded)
