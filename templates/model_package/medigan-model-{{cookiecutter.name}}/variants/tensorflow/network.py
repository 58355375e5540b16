{% set kind = cookiecutter.__kind %}
{% set facts = cookiecutter._facts %}
"""The network. TODO: put yours here."""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

{% if kind == "image" %}
WIDTH = 8
"""Channels between the layers."""


def generator() -> keras.Model:
    """Return three convolutions, which turn (N, height, width, 1) into the same, in [-1, 1]."""
    image = keras.Input((None, None, 1), name="image")
    x = layers.Conv2D(WIDTH, 3, padding="same", name="first")(image)
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    x = layers.Conv2D(WIDTH, 3, padding="same", name="second")(x)
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    x = layers.Conv2D(1, 3, padding="same", activation="tanh", name="last")(x)
    return keras.Model([image], x)
{% else %}
LATENT = {{ facts.latent }}
"""Length of the latent vector."""
{% if kind == "class" %}
CLASSES = {{ facts.classes | length }}
{% endif %}
WIDTHS = (8, 8, 4)
"""Channels at 4, 8 and 16 pixels."""


def generator() -> keras.Model:
    """Return a generator: features of 4 x 4 pixels, doubled three times.

{% if kind == "class" %}
    It turns (N, LATENT) and one-hot (N, CLASSES) into (N, 32, 32, 1) in [-1, 1].
{% else %}
    It turns (N, LATENT) into (N, 32, 32, 1) in [-1, 1].
{% endif %}
    """
    first, second, third = WIDTHS
    latent = keras.Input((LATENT,), name="latent")
{% if kind == "class" %}
    label = keras.Input((CLASSES,), name="label")
    x = layers.Concatenate()([latent, label])
    x = layers.Dense(16 * first, name="first")(x)
{% else %}
    x = layers.Dense(16 * first, name="first")(latent)
{% endif %}
    x = layers.Reshape((4, 4, first))(x)
    for name, width in (("second", second), ("third", third), ("last", 1)):
        x = layers.LeakyReLU(negative_slope=0.2)(x)
        x = layers.Conv2DTranspose(width, 4, strides=2, padding="same", name=name)(x)
    return keras.Model([{{ "latent, label" if kind == "class" else "latent" }}], layers.Activation("tanh")(x))
{% endif %}


def build(weights: Path) -> keras.Model:
    """Return the network with the trained ``weights``, a ``.weights.h5`` file."""
    network = generator()
    network.load_weights(weights)
    return network
