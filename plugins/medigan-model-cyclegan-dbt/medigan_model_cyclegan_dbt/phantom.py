"""Procedural breast phantoms: small volumes of x-ray attenuation.

Linear attenuation coefficients are for 20 keV photons. Those of adipose
tissue, fibroglandular tissue and skin were computed from the elemental
compositions and densities that Hammerstein et al. measured, those of muscle
from the composition of ICRU Report 44 and those of calcifications from
hydroxyapatite (3.16 g/cm3), with elemental cross sections as in XrayDB. The
value for muscle equals the one that NIST tabulates (0.8205 cm2/g x 1.05 g/cm3).

Sources
-------
* Hammerstein et al., "Absorbed radiation dose in mammography", Radiology 130
  (1979) 485-491, https://doi.org/10.1148/130.2.485
* Johns & Yaffe, "X-ray characterisation of normal and neoplastic breast
  tissues", Phys. Med. Biol. 32 (1987) 675-695,
  https://doi.org/10.1088/0031-9155/32/6/002: carcinomas attenuate slightly
  more than fibroglandular tissue.
* Hubbell & Seltzer, "Tables of x-ray mass attenuation coefficients and mass
  energy-absorption coefficients", NIST Standard Reference Database 126,
  https://doi.org/10.18434/T4D01F
* Yaffe et al., "The myth of the 50-50 breast", Med. Phys. 36 (2009) 5437-5443,
  https://doi.org/10.1118/1.3250863: compressed thickness and volumetric density.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medigan_model_cyclegan_dbt.outline import FIELD_MM, Shape, make_shape, pillow
from medigan_model_cyclegan_dbt.texture import fibrous_fraction

ADIPOSE = 0.51
"""Linear attenuation coefficient of adipose tissue at 20 keV, in 1/cm."""
GLAND = 0.80
"""The same for fibroglandular tissue."""
MASS = 0.84
"""The same for a mass: about 5 % more than fibroglandular tissue."""
SKIN = 0.86
"""The same for skin."""
MUSCLE = 0.86
"""The same for skeletal muscle."""
CALCIFICATION = 20.7
"""The same for hydroxyapatite."""

N_LAYERS = 24
"""Number of layers into which the compressed breast is cut."""
MIN_SIZE = 32


@dataclass(frozen=True)
class Phantom:
    """A compressed breast.

    Attributes
    ----------
    attenuation
        Linear attenuation coefficient, (layers, size, size) float32 in 1/cm.
        Layer 0 lies on the detector; rows run along the chest wall, which
        stands at the left or the right image edge.
    pitch
        Side of a pixel in mm.
    layer
        Height of a layer in mm.
    path
        Tissue that a vertical ray crosses, (size, size) float32 in mm.
    view
        ``"CC"`` or ``"MLO"``.
    """

    attenuation: np.ndarray
    pitch: float
    layer: float
    path: np.ndarray
    view: str

    @property
    def thickness(self) -> float:
        """Compressed thickness in mm."""
        return self.layer * len(self.attenuation)


def make_phantom(rng: np.random.Generator, size: int = 256) -> Phantom:
    """Make a random compressed breast.

    Parameters
    ----------
    rng
        Source of all randomness: the same state gives the same breast.
    size
        Pixels along each side of the square field of view of 204.8 mm.
    """
    if size < MIN_SIZE:
        raise ValueError(f"size must be at least {MIN_SIZE} pixels, got {size}")
    pitch = FIELD_MM / size
    view = "MLO" if rng.random() < 0.5 else "CC"
    shape = make_shape(rng, size, view)
    thickness = float(np.clip(rng.normal(54.0, 11.0), 30.0, 70.0))
    layer = thickness / N_LAYERS
    z = (np.arange(N_LAYERS, dtype=np.float32) + 0.5) * layer - thickness / 2

    outer = pillow(shape.distance, z, thickness / 2, layer, 0.0)
    inner = pillow(shape.distance, z, thickness / 2, layer, rng.uniform(1.1, 2.0))
    fibrous = fibrous_fraction(rng, shape, z, thickness, size)
    volume = inner * (ADIPOSE + (GLAND - ADIPOSE) * fibrous)
    if view == "MLO":
        _add_muscle(rng, volume, inner, shape, z)
    volume += SKIN * (outer - inner)
    if rng.random() < 0.3:
        _add_mass(rng, volume, inner, shape, z, size)
    if rng.random() < 0.5:
        _add_calcifications(rng, volume, shape, z, pitch, layer)

    path = outer.sum(axis=0) * np.float32(layer)
    if rng.random() < 0.5:  # the other breast: chest wall at the right edge
        volume, path = volume[:, :, ::-1], path[:, ::-1]
    return Phantom(np.ascontiguousarray(volume), pitch, layer, np.ascontiguousarray(path), view)


def _add_muscle(
    rng: np.random.Generator, volume: np.ndarray, inner: np.ndarray, shape: Shape, z: np.ndarray
) -> None:
    """Put the pectoral muscle into the corner between the top edge and the chest wall."""
    size = volume.shape[1]
    grid = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(FIELD_MM / size)
    top = float(shape.edge[np.abs(shape.edge[:, 0]).argmin(), 1])
    wide = rng.uniform(0.3, 0.9) * float(np.clip(top, 20, 75))
    tall = rng.uniform(0.5, 1.1) * FIELD_MM
    down = grid[:, None] / tall
    bulge = rng.uniform(-0.05, 0.18) * np.sin(np.pi * np.clip(down, 0, 1))
    beyond = wide * (1 - down + bulge) - grid[None]  # mm inside the muscle's border
    # Little glandular tissue lies over the muscle.
    fade = np.float32(rng.uniform(0.4, 0.9)) * np.clip(beyond / 12 + 0.5, 0, 1)
    volume += fade * (ADIPOSE * inner - volume)
    half = np.float32(rng.uniform(0.15, 0.38) * (z[-1] - z[0]) / 2)
    lean = rng.uniform(0.1, 0.4) * rng.choice([-1, 1])
    share = np.clip((beyond + lean * z[:, None, None]) / 3, 0, 1)
    share *= np.clip((half - np.abs(z - rng.uniform(-0.3, 0.3) * half)) / 3 + 0.5, 0, 1)[
        :, None, None
    ]
    volume += share * (MUSCLE * inner - volume) * np.float32(rng.uniform(0.85, 1.0))


def _add_mass(
    rng: np.random.Generator,
    volume: np.ndarray,
    inner: np.ndarray,
    shape: Shape,
    z: np.ndarray,
    size: int,
) -> None:
    """Add one mass, round to lobed, with a more or less sharp margin."""
    y0, x0, z0 = _place(rng, shape, z)
    radius, lobes = rng.uniform(3, 10), rng.integers(3, 7)
    grid = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(FIELD_MM / size)
    dy, dx = grid[:, None] - y0, grid[None] - x0
    angle = np.arctan2(dy, dx)
    ripple = 1 + rng.uniform(0, 0.15) * np.sin(lobes * angle + rng.uniform(0, 6.3))
    ripple += rng.uniform(0, 0.08) * np.sin((2 * lobes + 1) * angle + rng.uniform(0, 6.3))
    across = np.hypot(dy * rng.uniform(0.8, 1.25), dx) / ripple
    away = np.sqrt(across**2 + ((z - z0)[:, None, None]) ** 2)
    share = 1 / (1 + np.exp(np.clip((away - radius) / rng.uniform(0.5, 2.0), -30, 30)))
    share *= np.float32(rng.uniform(0.5, 1.0))
    volume += (share * np.maximum(MASS * inner - volume, 0)).astype(np.float32)


def _add_calcifications(
    rng: np.random.Generator,
    volume: np.ndarray,
    shape: Shape,
    z: np.ndarray,
    pitch: float,
    layer: float,
) -> None:
    """Add a cluster of fine calcifications or a few coarse, scattered ones."""
    size = volume.shape[1]
    cluster = rng.random() < 0.4
    y0, x0, z0 = _place(rng, shape, z)
    for _ in range(rng.integers(6, 16) if cluster else rng.integers(1, 5)):
        if cluster:
            place = np.array([z0, y0, x0]) + rng.normal(0, 3.0, 3)
            diameter = rng.uniform(0.2, 0.6)
        else:
            y0, x0, z0 = _place(rng, shape, z)
            place, diameter = np.array([z0, y0, x0]), rng.uniform(0.4, 1.1)
        k = int((place[0] - z[0]) / layer + 0.5)
        row, column = int(place[1] / pitch), int(place[2] / pitch)
        if 0 <= k < len(z) and 0 < row < size and 0 < column < size and volume[k, row, column] > 0:
            share = min(np.pi / 6 * diameter**3 / (pitch**2 * layer), 1.0)
            # A grain seldom lies in the middle of a pixel: spread it over four.
            spread = np.outer(*(np.array([w, 1 - w]) for w in rng.random(2)))
            window = volume[k, row - 1 : row + 1, column - 1 : column + 1]
            window += (share * CALCIFICATION * spread).astype(np.float32)


def _place(rng: np.random.Generator, shape: Shape, z: np.ndarray) -> tuple[float, float, float]:
    """Draw a place (y, x, z in mm) well inside the breast."""
    y = shape.nipple[0] + rng.normal(0, 0.25) * shape.reach
    x = shape.reach * rng.uniform(0.2, 0.8)
    return float(y), float(x), float(z[0] + (z[-1] - z[0]) * rng.uniform(0.15, 0.85))
