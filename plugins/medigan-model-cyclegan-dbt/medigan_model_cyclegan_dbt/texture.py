"""The pattern of fibroglandular tissue in a breast.

Burgess, Jacobson & Judy, "Human observer detection experiments with mammograms
and power-law noise", Med. Phys. 28 (2001) 419-437,
https://doi.org/10.1118/1.1355308, found the power spectrum of mammographic
texture to fall with about the third power of spatial frequency.
"""

from __future__ import annotations

import numpy as np

from medigan_model_cyclegan_dbt.outline import FIELD_MM, Shape


def fibrous_fraction(
    rng: np.random.Generator, shape: Shape, z: np.ndarray, thickness: float, size: int
) -> np.ndarray:
    """Fraction of fibroglandular tissue, (layers, size, size) in [0, 1].

    Glandular tissue is where a power-law random field, raised behind the
    nipple and lowered under the skin, exceeds the threshold that gives the
    breast its density. Septa are the sheets, vessels and ducts the curves,
    on which one or two smoother random fields vanish.
    """
    pitch, layer = FIELD_MM / size, thickness / len(z)
    y, x = _toward_nipple(shape, size)
    texture, _ = _random_fields(
        rng, (len(z), size, size), (layer, pitch, pitch), rng.uniform(1.3, 2.3),
        rng.uniform(3.0, 3.8), rng.uniform(50, 110), rng.uniform(0.9, 1.5),
    )  # fmt: skip
    coarse = size // 2
    sheets, crossing = _random_fields(
        rng, (len(z), coarse, coarse), (layer / rng.uniform(1.5, 3), 2 * pitch, 2 * pitch),
        rng.uniform(1.5, 2.6), 4.0, rng.uniform(12, 24), rng.uniform(2.5, 4.5),
    )  # fmt: skip
    texture = _sample(texture, y, x, pitch)
    sheets = _sample(sheets, y, x, 2 * pitch)
    crossing = _sample(crossing, y, x, 2 * pitch)

    # 0 under the skin and deep at the chest wall, 1 in the centre behind the nipple
    grid = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(pitch)
    fat = rng.uniform(3, 7) + rng.uniform(1, 4) * crossing[len(z) // 2]
    under_skin = np.clip((shape.distance - fat) / rng.uniform(8, 20), 0, 1)
    depth = (grid[None] - shape.reach * rng.uniform(0.35, 0.6)) / shape.reach
    off_axis = (grid[:, None] - shape.nipple[0] - rng.normal(0, 8)) / (0.55 * shape.reach)
    central = np.exp(-0.5 * (off_axis**2 + (depth / rng.uniform(0.25, 0.5)) ** 2))
    slab = 1 - (np.abs(z) / (thickness / 2)) ** 4
    bias = rng.uniform(1.5, 3.0) * central + 2.5 * (under_skin - 1)
    score = texture + bias + 1.2 * (slab[:, None, None] - 1)

    share = rng.choice([0.04, 0.11, 0.22, 0.4], p=[0.15, 0.35, 0.35, 0.15])
    share *= rng.uniform(0.7, 1.3)
    inside = shape.distance[::4, ::4] > 0
    threshold = np.quantile(score[::2, ::4, ::4][:, inside], 1 - share) if inside.any() else 0.0
    softness = rng.uniform(0.12, 0.4)
    gland = 1 / (1 + np.exp(np.clip((threshold - score) / softness, -30, 30)))

    width = rng.uniform(0.12, 0.2)
    septa = np.exp(-((sheets / width) ** 2)) * rng.uniform(0.2, 0.45)
    septa *= np.clip(0.5 + 0.5 * texture, 0.0, 1)  # they fade in and out
    vessels = np.exp(-(sheets**2 + crossing**2) / (1.6 * width) ** 2) * rng.uniform(0.5, 1.0)
    thin = np.maximum(septa, vessels) * (0.45 + 0.55 * under_skin)
    faint = np.clip(rng.uniform(0.02, 0.08) * (1 + texture), 0, 0.3)  # no fat is pure
    return np.maximum(gland * rng.uniform(0.8, 1.0), thin) * (1 - faint) + faint


def _random_fields(
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    stretch: float,
    slope: float,
    longest: float,
    shortest: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Two independent periodic Gaussian fields, mean 0 and variance 1, of one power spectrum.

    The spectrum falls with frequency to the power ``-slope`` between the
    wavelengths ``longest`` and ``shortest`` (mm); ``stretch`` elongates the
    structures along x. ``spacing`` is in mm, along z, y and x.
    """
    fz, fy, fx = (
        np.fft.fftfreq(n, d).astype(np.float32) for n, d in zip(shape, spacing, strict=True)
    )
    squared = fz[:, None, None] ** 2 + fy[:, None] ** 2 + (fx * stretch) ** 2
    gain = (squared + np.float32(longest**-2)) ** np.float32(-slope / 4)
    gain *= np.exp(-squared * np.float32(shortest**2))
    gain[0, 0, 0] = 0
    noise = rng.standard_normal((*shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    both = np.fft.fftn(noise * gain)
    scale = np.float32(1 / np.sqrt((gain**2).sum()))
    return both.real * scale, both.imag * scale


def _toward_nipple(shape: Shape, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (mm) in which strands that converge on the nipple run along the second axis."""
    grid = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(FIELD_MM / size)
    behind = 45.0  # the point of convergence lies beyond the nipple, so none shows
    dy = grid[:, None] - np.float32(shape.nipple[0])
    dx = np.float32(shape.nipple[1] + behind) - grid[None]
    radius = np.maximum(np.hypot(dy, dx), 10)
    scale = np.float32(0.6 * shape.reach + behind)
    return scale * np.arctan2(dy, dx) + FIELD_MM, scale * np.log(radius)


def _sample(field: np.ndarray, y: np.ndarray, x: np.ndarray, spacing: float) -> np.ndarray:
    """Interpolate the periodic (layers, height, width) ``field`` at y and x, (size, size) in mm."""
    layers, height, width = field.shape
    row, column = y / np.float32(spacing), x / np.float32(spacing)
    top, left = np.floor(row).astype(np.int32), np.floor(column).astype(np.int32)
    down, right = (row - top).astype(np.float32), (column - left).astype(np.float32)
    flat = np.ascontiguousarray(field).reshape(layers, -1)
    out = np.zeros((layers, row.size), np.float32)
    for step_y, weight_y in ((0, 1 - down), (1, down)):
        for step_x, weight_x in ((0, 1 - right), (1, right)):
            index = ((top + step_y) % height) * width + (left + step_x) % width
            out += flat.take(index.ravel(), axis=1) * (weight_y * weight_x).ravel()
    return out.reshape(layers, *row.shape)
