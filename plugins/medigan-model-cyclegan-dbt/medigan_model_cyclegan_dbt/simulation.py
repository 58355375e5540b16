"""Mammograms of procedural breast phantoms.

A phantom (see :mod:`.phantom`) is a compressed breast with skin, adipose and
fibroglandular tissue, fibrous septa (Cooper's ligaments), vessels, now and then
a mass or calcifications and, in oblique views, the pectoral muscle.
:func:`simulate_mammogram` projects a random one and shows it the way a clinical
workstation would. It needs NumPy only.
"""

from __future__ import annotations

import numpy as np

from medigan_model_cyclegan_dbt.phantom import ADIPOSE, Phantom, make_phantom


def simulate_mammogram(rng: np.random.Generator, size: int = 256) -> np.ndarray:
    """Simulate the mammogram of a random breast.

    Parameters
    ----------
    rng
        Source of all randomness: the same state gives the same image.
    size
        Pixels along each side of the square image, at least 32; the field of
        view stays 204.8 mm.

    Returns
    -------
    numpy.ndarray
        (size, size) float32 in [0, 1]; air is 0, dense tissue bright.
    """
    return render_mammogram(make_phantom(rng, size), rng)


def render_mammogram(phantom: Phantom, rng: np.random.Generator) -> np.ndarray:
    """Project ``phantom`` once and process the projection for display.

    The steps are those of a full-field digital system: Beer-Lambert
    attenuation, detector blur, quantum noise, logarithm, equalisation of the
    thinner margin of the breast, edge enhancement, window and tone curve. Their
    settings vary from one call to the next as they do between manufacturers.

    Returns
    -------
    numpy.ndarray
        (size, size) float32 in [0, 1].
    """
    line_integral = phantom.attenuation.sum(axis=0) * np.float32(phantom.layer / 10)
    line_integral = blur(line_integral, rng.uniform(0.25, 0.5) / phantom.pitch)
    photons = rng.uniform(0.5, 2.0) * 1e6 * phantom.pitch**2
    measured = add_quantum_noise(line_integral, photons, rng)

    # Thinner margin: add the fat that would fill the gap up to full thickness.
    gap = blur(phantom.thickness - phantom.path, 2.0 / phantom.pitch)
    level = measured + np.float32(rng.uniform(0.65, 0.97) * ADIPOSE / 10) * gap
    inside = phantom.path > 0.5 * phantom.thickness
    fill = np.float32(level[inside].mean()) if inside.any() else np.float32(0)
    tissue = np.clip(blur(phantom.path, 0.6) / (0.2 * phantom.thickness) - 0.1, 0, 1)
    level = np.where(tissue > 0, level, fill)
    level += np.float32(rng.uniform(0.1, 0.7)) * (level - blur(level, 3.0 / phantom.pitch))
    level += np.float32(rng.uniform(0.0, 0.8)) * (level - blur(level, 1.0 / phantom.pitch))
    return show(level, tissue, inside, rng, dark=(0.22, 0.5), bright=(0.8, 1.0))


def show(
    level: np.ndarray,
    tissue: np.ndarray,
    inside: np.ndarray,
    rng: np.random.Generator,
    dark: tuple[float, float],
    bright: tuple[float, float],
) -> np.ndarray:
    """Window ``level`` for display.

    Parameters
    ----------
    level
        (height, width) image of any scale.
    tissue
        (height, width) in [0, 1]: 0 where there is air, which is shown black.
    inside
        (height, width) bool: the pixels that the window is set on.
    rng
        Draws the window and the tone curve.
    dark, bright
        Ranges of the grey levels, in [0, 1], given to the 5 % darkest and the
        0.5 % brightest pixels inside the breast.
    """
    values = level[inside] if inside.any() else level.ravel()
    low, high = np.percentile(values, (5, 99.5))
    shown_low, shown_high = rng.uniform(*dark), rng.uniform(*bright)
    image = (level - low) / max(float(high - low), 1e-6)
    curve = rng.uniform(0.8, 1.35)
    image = np.sign(image) * np.abs(image) ** curve
    image = shown_low + (shown_high - shown_low) * image
    image = np.where(image > 0.9, 0.9 + 0.1 * np.tanh((image - 0.9) / 0.1), image)
    return (np.clip(image, 0.02, 1) * tissue).astype(np.float32)


def add_quantum_noise(
    line_integral: np.ndarray, photons: float, rng: np.random.Generator
) -> np.ndarray:
    """Return the line integrals that a detector measures with ``photons`` a pixel in air.

    With the hundreds of photons and more that reach a pixel, the Poisson
    distribution is taken as normal.
    """
    expected = np.float32(photons) * np.exp(-line_integral)
    noise = rng.standard_normal(expected.shape, dtype=np.float32)
    counted = np.maximum(expected + np.sqrt(expected) * noise, 1)
    return np.log(np.float32(photons) / counted)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Convolve (height, width) ``image`` with a Gaussian of ``sigma`` pixels, edges mirrored."""
    margin = int(3 * sigma) + 1
    padded = np.pad(image, min(margin, min(image.shape) - 1), mode="reflect")
    pad = (padded.shape[0] - image.shape[0]) // 2
    fy = np.fft.fftfreq(padded.shape[0]).astype(np.float32)[:, None]
    fx = np.fft.rfftfreq(padded.shape[1]).astype(np.float32)[None]
    gain = np.exp(np.float32(-2 * (np.pi * sigma) ** 2) * (fy**2 + fx**2))
    smooth = np.fft.irfft2(np.fft.rfft2(padded) * gain, s=padded.shape)
    return smooth[pad : pad + image.shape[0], pad : pad + image.shape[1]].astype(np.float32)
