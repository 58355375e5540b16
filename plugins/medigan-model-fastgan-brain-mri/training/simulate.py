"""Slices of deformed brains, made from the ICBM 2009 template.

nilearn's wheel carries the template: the average T1-weighted image of 152
adults without the skull, and maps of where grey and white matter lie in it.
:class:`Simulator` deforms it in three dimensions and changes its contrast, both
by ``COEFFICIENTS`` numbers that are normally distributed. The same numbers at
several heights are slices of one brain.

Sources of the template: Fonov et al., "Unbiased average age-appropriate atlases
for pediatric studies", NeuroImage 2011,
https://doi.org/10.1016/j.neuroimage.2010.07.033, and "Unbiased nonlinear
average age-appropriate brain templates from birth to adulthood", NeuroImage
2009, https://doi.org/10.1016/S1053-8119(09)70884-5.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
import torch.nn.functional as nnf
from nilearn import datasets
from scipy import ndimage

SIZE = 128
"""Pixels along each side of a slice."""
SPACING = 1.6
"""Side of a pixel in mm."""
CENTRE = (0.0, -17.0)
"""MNI coordinates x and y, in mm, of the middle of a slice."""
REACH = (102.4, 102.4, 90.0)
"""Half of the box in mm (x, y, z) that the waves of the deformation span."""
MODES = tuple(mode for mode in itertools.product(range(3), repeat=3) if 1 <= sum(mode) <= 2)
"""Half-waves along x, y and z of each wave of the deformation."""
DISPLACEMENT = 1.0
"""Deviation in mm of the longest waves' displacement; shorter ones have less."""
VENTRICLES = ((-14.0, -12.0, 14.0), (14.0, -12.0, 14.0))
VENTRICLE_REACH = (13.0, 30.0, 15.0)
"""MNI coordinates of the middle of the lateral ventricles, and how far they reach, in mm."""
COARSE = 33
"""Points along each side at which the deformation, which is smooth, is computed."""
PARTS = {"scale": 3, "turn": 3, "shift": 2, "ventricles": 1, "contrast": 4, "bias": 5}
PARTS["waves"] = 3 * len(MODES)
COEFFICIENTS = sum(PARTS.values())
"""Numbers that describe one brain and one scan."""


class Simulator:
    """Makes slices from coefficients and heights; reads the template once."""

    def __init__(self) -> None:
        loaders = (
            datasets.load_mni152_template,
            datasets.load_mni152_gm_template,
            datasets.load_mni152_wm_template,
        )
        images = [load(resolution=1) for load in loaders]
        # Pixels are larger than voxels: what is finer than they can show is smoothed first.
        t1, grey, white = (
            ndimage.gaussian_filter(np.asarray(image.dataobj, np.float32), 0.5) for image in images
        )
        detail = t1 - ndimage.gaussian_filter(t1, 1.5)
        volume = np.stack([t1, detail, grey, white]).transpose(0, 3, 2, 1)  # z, y, x
        self.volume = torch.from_numpy(np.ascontiguousarray(volume))[None]
        affine = images[0].affine
        self._origin = torch.tensor(affine[:3, 3], dtype=torch.float32)
        self._last = torch.tensor([n - 1 for n in t1.shape], dtype=torch.float32)

    def slices(self, coefficients: np.ndarray, heights: np.ndarray) -> torch.Tensor:
        """Make slices.

        Parameters
        ----------
        coefficients
            (N, COEFFICIENTS), normally distributed.
        heights
            (N,), z of each slice in mm.

        Returns
        -------
        (N, 3, SIZE, SIZE) float32 in [-1, 1]: T1-weighted image, and where
        grey and white matter lie (-1: surely not, 1: surely). Rows run from
        front to back, columns from the brain's right to its left.
        """
        numbers = torch.from_numpy(coefficients.astype(np.float32))
        drawn = dict(zip(PARTS, numbers.split(list(PARTS.values()), dim=1), strict=True))
        z = torch.from_numpy(heights.astype(np.float32))[:, None, None, None]
        shape = (len(numbers), COARSE, COARSE)
        points = torch.cat([_plane(COARSE).expand(*shape, 2), z.expand(*shape, 1)], dim=-1)
        places = 2 * (self._deform(points, drawn) - self._origin) / self._last - 1
        places = nnf.interpolate(places.movedim(3, 1), SIZE, mode="bilinear", align_corners=True)
        t1, detail, grey, white = nnf.grid_sample(
            self.volume, places.movedim(1, 3)[None], align_corners=True
        )[0]
        image = self._scan(t1, detail, drawn)
        return torch.stack([2 * image - 1, 2 * grey - 1, 2 * white - 1], dim=1)

    def _deform(self, points: torch.Tensor, drawn: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return where in the template (N, height, width, 3) points in mm come from."""
        centre = torch.tensor([*CENTRE, 15.0])
        offset = points - centre
        phase = torch.pi / 2 * (offset / torch.tensor(REACH) + 1)
        waves = torch.stack(
            [
                torch.cos(phase * torch.tensor(mode)).prod(dim=-1) / sum(n * n for n in mode) ** 0.5
                for mode in MODES
            ],
            dim=-1,
        )
        weights = DISPLACEMENT * 2**0.5 * drawn["waves"].view(-1, 1, len(MODES), 3)
        moved = (waves.flatten(1, 2)[:, :, None] @ weights).view(points.shape)

        for middle in VENTRICLES:
            away = points - torch.tensor(middle)
            near = torch.exp(-((away / torch.tensor(VENTRICLE_REACH)) ** 2).sum(-1, True) / 2)
            growth = (0.18 * drawn["ventricles"]).clamp(-0.45, 0.45)[:, None, None]
            moved = moved - growth * near * away

        scale = 1 - 0.03 * drawn["scale"]
        offset = offset * scale[:, None, None]
        rotation = _rotation(0.03 * drawn["turn"])
        offset = (offset.flatten(1, 2) @ rotation).view(points.shape)
        shift = nnf.pad(drawn["shift"], (0, 1))[:, None, None]
        return offset + centre + shift + moved

    def _scan(
        self, t1: torch.Tensor, detail: torch.Tensor, drawn: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        """Turn the template's values into an image in [0, 1] of its own contrast."""
        fluid, grey, white, sharp = drawn["contrast"].clamp(-2, 2)[:, :, None, None].unbind(1)
        values = t1 + (0.8 + 0.3 * sharp) * detail
        # Levels of fluid, grey and white matter in the template, and in the image.
        before = (0.0, 0.30, 0.68, 0.88, 1.05)
        bright = 0.82 + 0.05 * white
        after = (0 * fluid, 0.14 + 0.03 * fluid, 0.46 + 0.05 * grey, bright, bright + 0.12)
        image = torch.zeros_like(values)
        for (low, high), (start, end) in zip(
            itertools.pairwise(before), itertools.pairwise(after), strict=True
        ):
            image = image + (end - start) * ((values - low) / (high - low)).clamp(0, 1)
        return (image * self._bias(drawn["bias"])).clamp(0, 1)

    def _bias(self, drawn: torch.Tensor) -> torch.Tensor:
        """Return the smooth (N, SIZE, SIZE) field by which a coil brightens some regions."""
        x, y = ((_plane(SIZE) - torch.tensor(CENTRE)) / REACH[0]).unbind(-1)
        shapes = torch.stack([x, y, x * y, x * x - 0.33, y * y - 0.33])
        return torch.exp(0.08 * torch.einsum("nk,kij->nij", drawn, shapes))


def _plane(count: int) -> torch.Tensor:
    """Return MNI x and y of ``count`` x ``count`` points from the first pixel to the last."""
    half = (SIZE - 1) / 2 * SPACING
    steps = torch.linspace(-half, half, count)
    # Seen from the feet, as radiologists do: the brain's left is on the right.
    x, y = CENTRE[0] - steps[None, :], CENTRE[1] - steps[:, None]
    return torch.stack(torch.broadcast_tensors(x, y), dim=-1)


def _rotation(angles: torch.Tensor) -> torch.Tensor:
    """Return the (N, 3, 3) rotations about x, y and z by (N, 3) angles in radians."""
    a, b, c = angles.unbind(1)
    zero = torch.zeros_like(a)
    skew = torch.stack([zero, -c, b, c, zero, -a, -b, a, zero], dim=1).view(-1, 3, 3)
    return torch.linalg.matrix_exp(skew)


def draw(
    rng: np.random.Generator, count: int, heights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the coefficients and heights of ``count`` slices.

    Returns
    -------
    (count, COEFFICIENTS) float32 and (count,) float64, each one of ``heights``.
    """
    coefficients = rng.standard_normal((count, COEFFICIENTS), dtype=np.float32)
    return coefficients, rng.choice(heights, size=count)


def as_delivered(slices: torch.Tensor) -> np.ndarray:
    """Turn (N, 3, height, width) in [-1, 1] into what the model delivers.

    (N, height, width, 3) float32: the image in [0, 1] in steps of 8 bits, and
    the two masks, 0 or 1.
    """
    values = slices.movedim(1, -1).numpy().clip(-1, 1) / 2 + 0.5
    image = np.rint(values[..., :1] * 255) / 255
    return np.concatenate([image, values[..., 1:] > 0.5], axis=-1).astype(np.float32)


def simulate(simulator: Simulator, rng: np.random.Generator, heights: np.ndarray) -> np.ndarray:
    """Simulate one slice at each of the heights, in the form of :func:`as_delivered`."""
    coefficients, _ = draw(rng, len(heights), heights)
    batches = range(0, len(heights), 16)
    parts = [simulator.slices(coefficients[n : n + 16], heights[n : n + 16]) for n in batches]
    return as_delivered(torch.cat(parts))
