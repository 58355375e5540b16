"""The generator: latent vector, class and pixel noise to a patch and the mask of its mass.

Four by four features of the latent vector are doubled in size five times. Sizes
grow by bilinear resizing followed by a convolution, not by a transposed
convolution, which leaves a grid. Features are normalised over channels at each
pixel and then scaled and shifted as latent vector and class say; nothing depends
on the other samples of a batch. The patch is a sum: an image of 32 pixels a side,
enlarged, and the detail that the features at 64 and at 128 pixels add to it.

Sources
-------
* Radford, Metz & Chintala, "Unsupervised representation learning with deep
  convolutional generative adversarial networks", ICLR 2016,
  https://arxiv.org/abs/1511.06434
* Odena, Dumoulin & Olah, "Deconvolution and checkerboard artifacts", Distill
  (2016), https://doi.org/10.23915/distill.00003
* Karras et al., "Progressive growing of GANs for improved quality, stability,
  and variation", ICLR 2018, https://arxiv.org/abs/1710.10196: normalisation at
  each pixel.
* Karras, Laine & Aila, "A style-based generator architecture for generative
  adversarial networks", CVPR 2019, https://arxiv.org/abs/1812.04948: noise for
  detail that the latent vector need not describe.
* Karras et al., "Analyzing and improving the image quality of StyleGAN", CVPR
  2020, https://arxiv.org/abs/1912.04958: the image as a sum over sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
from keras import layers

LATENT = 64
"""Length of the latent vector."""
SIZE = 128
"""Pixels along each side of a patch."""
CLASSES = ("benign", "malignant")
WIDTHS = (96, 96, 64, 48, 32, 16)
"""Channels of the features at 4, 8, 16, 32, 64 and 128 pixels."""
GRAIN = 0.03
"""Deviation of the quantum noise in a patch of values in [-1, 1], as in the training data."""
SMALLEST = 32
"""Side of the smallest image that is drawn; larger ones add detail to it."""


def generator(widths: Sequence[int] = WIDTHS) -> keras.Model:
    """Return a generator with initial weights.

    It takes latent vectors (N, 64), standard normal; classes (N, 2), one-hot in
    the order of ``CLASSES``; and noise (N, 128, 128, 1), standard normal. It
    returns (N, 128, 128, 2), by and large in [-1, 1]: the patch, and the mask,
    which is positive where there is mass.
    """
    return generators(widths)[SIZE]


def generators(widths: Sequence[int] = WIDTHS) -> dict[int, keras.Model]:
    """Return generators of patches of 32, 64 and 128 pixels a side that share their layers."""
    latent = keras.Input((LATENT,), name="latent")
    label = keras.Input((len(CLASSES),), name="label")
    noise = keras.Input((SIZE, SIZE, 1), name="noise")
    style = layers.Concatenate()([latent, layers.Dense(LATENT // 2)(label)])
    style = _active(layers.Dense(2 * LATENT)(style))
    style = _active(layers.Dense(2 * LATENT)(style))
    start = SIZE >> (len(widths) - 1)
    x = layers.Dense(start * start * widths[0])(style)
    x = layers.Reshape((start, start, widths[0]))(x)
    x = _modulated(x, style)
    made, image = {}, None
    for width in widths[1:]:
        x = _modulated(layers.Conv2D(width, 3, padding="same")(x), style)
        x = layers.UpSampling2D(interpolation="bilinear")(x)
        x = layers.Conv2D(width, 3, padding="same")(x)
        size = x.shape[1]
        pool = SIZE // size
        grain = layers.AveragePooling2D(pool)(noise) if pool > 1 else noise
        # The mean of n numbers varies less than one by the square root of n.
        x = layers.Add()([x, layers.Conv2D(width, 1, use_bias=False)(grain * float(pool))])
        x = _modulated(x, style)
        if size < SMALLEST:
            continue
        # Detail starts at nothing: a larger image begins as the smaller one, enlarged.
        first = "glorot_uniform" if image is None else "zeros"
        detail = layers.Conv2D(2, 3, padding="same", kernel_initializer=first)(x)
        if image is None:
            image = detail
        else:
            image = layers.UpSampling2D(interpolation="bilinear")(image) + detail
        drawn = _finished(image, noise) if size == SIZE else image
        made[size] = keras.Model([latent, label, noise], drawn, name=f"generator_{size}")
    return made


def _finished(image: keras.KerasTensor, noise: keras.KerasTensor) -> keras.KerasTensor:
    """Smooth patch and mask by a binomial filter of three, and add quantum noise to the patch.

    The filter stops the highest frequency, at which a pattern of dots could pass
    the discriminator's strides unseen.
    """
    x = keras.ops.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    for _ in range(2):
        x = layers.AveragePooling2D(2, strides=1)(x)
    return layers.Concatenate()([x[..., :1] + GRAIN * noise, x[..., 1:]])


def build(weights: Path) -> keras.Model:
    """Return the generator with the trained ``weights``, a ``.weights.h5`` file."""
    network = generator()
    network.load_weights(weights)
    return network


def _modulated(x: keras.KerasTensor, style: keras.KerasTensor) -> keras.KerasTensor:
    """Normalise over channels, scale and shift by ``style``, and let through what is positive."""
    width = x.shape[-1]
    scale = layers.Reshape((1, 1, width))(layers.Dense(width, bias_initializer="ones")(style))
    shift = layers.Reshape((1, 1, width))(layers.Dense(width)(style))
    # Channels of length one have a mean square of 1 / width.
    x = layers.UnitNormalization(axis=-1)(x) * width**0.5
    return _active(x * scale + shift)


def _active(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.LeakyReLU(0.2)(x)
