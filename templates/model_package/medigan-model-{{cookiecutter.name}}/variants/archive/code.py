{% set kind = cookiecutter.__kind %}
{% set facts = cookiecutter._facts %}
"""The model in medigan's own form: a function that makes samples. TODO: put yours here.

It runs in a process and an environment of its own, and may need whatever ``dependencies`` of
metadata.json's section ``archive`` names. NumPy's random numbers are seeded before each call.
"""

{% if kind == "image" %}
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = {{ facts.size[0] }}


def generate(model_file, num_samples, output_path, save_images=False, input_path=None):
    """Return ``num_samples`` images, uint8 (height, width), or write them into ``output_path``.

    They are made from the images in the folder ``input_path``; without one, from discs.
    """
    kernel = np.load(model_file)["kernel"]
    if input_path is None:
        given = [disc() for _ in range(num_samples)]
    else:
        paths = sorted(Path(input_path).glob("*.png"))[:num_samples]
        given = [np.asarray(Image.open(path).convert("L")) for path in paths]
    images = [translate(image, kernel) for image in given]
    if not save_images:
        return images
    for number, image in enumerate(images):
        Image.fromarray(image).save(Path(output_path) / f"{number}.png")
    return None


def translate(image, kernel):
    """Convolve an image with a kernel of odd size."""
    values = np.pad(image / 127.5 - 1, len(kernel) // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(values, kernel.shape)
    values = np.tanh((windows * kernel).sum(axis=(-2, -1)))
    return np.rint((values + 1) * 127.5).astype(np.uint8)


def disc():
    """Draw a disc somewhere."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    row, column = np.random.uniform(0.3, 0.7, 2) * SIZE
    radius = np.random.uniform(0.1, 0.3) * SIZE
    inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
    return np.where(inside, 255, 0).astype(np.uint8)
{% else %}
import struct
import zlib
from pathlib import Path

import numpy as np

LATENT = {{ facts.latent }}
"""Length of the latent vector."""
{% if kind == "class" %}
CLASSES = ({% for word in facts.classes %}{{ word | tojson }}{{ ("," if loop.length == 1 else "") if loop.last else ", " }}{% endfor %})
{% endif %}
SIZE = 32
WAVES = 8


{% if kind == "class" %}
def generate(model_file, num_samples, output_path, save_images=False, label="{{ facts.classes[0] }}"):
    """Return images of a class, uint8 (32, 32), or write them into ``output_path``."""
    weights = np.load(model_file)
    latents = np.random.standard_normal((num_samples, LATENT))
    classes = np.tile(np.eye(len(CLASSES))[CLASSES.index(label)], (num_samples, 1))
    images = draw(np.concatenate([latents, classes], axis=1), weights)
{% else %}
def generate(model_file, num_samples, output_path, save_images=False):
    """Return ``num_samples`` images, uint8 (32, 32), or write them into ``output_path``."""
    weights = np.load(model_file)
    latents = np.random.standard_normal((num_samples, LATENT))
    images = draw(latents, weights)
{% endif %}
    if not save_images:
        return list(images)
    for number, image in enumerate(images):
        (Path(output_path) / f"{number}.png").write_bytes(png(image))
    return None


def draw(vectors, weights):
    """Turn vectors into the strengths of waves, and these into images."""
    strengths = (vectors @ weights["kernel"] + weights["bias"]).reshape(-1, WAVES, WAVES)
    places = (np.arange(SIZE) + 0.5) * np.pi / SIZE
    waves = np.cos(places[:, np.newaxis] * np.arange(WAVES))
    values = np.tanh(waves @ strengths @ waves.T)
    return np.rint((values + 1) * 127.5).astype(np.uint8)


def png(image):
    """Return a grey image as a PNG file (W3C, "Portable Network Graphics", third edition)."""
    rows = b"".join(b"\0" + row.tobytes() for row in image)
    header = struct.pack(">2I5B", image.shape[1], image.shape[0], 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    file = b"\x89PNG\r\n\x1a\n"
    for kind, content in chunks:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        file += struct.pack(">I", len(content)) + kind + content + checksum
    return file
{% endif %}
