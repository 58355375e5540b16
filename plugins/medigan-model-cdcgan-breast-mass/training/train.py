"""Train the generator of patches and masks against a discriminator.

The discriminator judges a patch and its mask together, given the class. Patches
are first learned at 32 pixels a side, then at 64, then at 128, where a step costs
most. Layers for a larger size change nothing at first. A run that was interrupted
goes on from its last checkpoint when it is started again with the same options.

Sources
-------
* Radford, Metz & Chintala, "Unsupervised representation learning with deep
  convolutional generative adversarial networks", ICLR 2016,
  https://arxiv.org/abs/1511.06434: the discriminator's strided convolutions.
* Miyato & Koyama, "cGANs with projection discriminator", ICLR 2018,
  https://arxiv.org/abs/1802.05637: how it is told the class.
* Mescheder, Geiger & Nowozin, "Which training methods for GANs do actually
  converge?", ICML 2018, https://arxiv.org/abs/1801.04406: the gradient penalty
  on real images, and the loss.
* Karras et al., "Progressive growing of GANs for improved quality, stability,
  and variation", ICLR 2018, https://arxiv.org/abs/1710.10196: sizes one after
  another, deviation over the batch as a feature, and exporting a running average
  of the weights.
* Karras et al., "Analyzing and improving the image quality of StyleGAN", CVPR
  2020, https://arxiv.org/abs/1912.04958: sums of images of several sizes in place
  of fading, and the penalty in every few steps only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
import typer
from keras import layers, ops
from PIL import Image
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn
from scipy import ndimage

from medigan_model_cdcgan_breast_mass.network import (
    CLASSES,
    LATENT,
    SIZE,
    SMALLEST,
    WIDTHS,
    generators,
)

JUDGE_WIDTHS = (16, 32, 48, 64, 96, 96)
"""Channels of the discriminator's features at 128, 64, 32, 16, 8 and 4 pixels."""
SIZES = (32, 64, 128)
"""Sides of the patches in the order in which they are learned."""
STEPS = (3000, 2100, 4200)
"""Training steps at each of the sizes."""
BATCH = (16, 16, 8)
"""Patches a step at each of the sizes."""
PENALTY_EVERY = 8
"""Steps from one gradient penalty to the next."""
MASK_BLUR = 0.7
"""Gaussian blur of the real masks in pixels: the generator can't draw a hard step."""


def discriminators(widths: Sequence[int] = JUDGE_WIDTHS) -> dict[int, keras.Model]:
    """Return discriminators of patches of 32, 64 and 128 pixels that share their layers.

    They take patches with masks (N, size, size, 2) in [-1, 1] and one-hot classes
    (N, 2), and return scores (N, 1): the higher, the more real.
    """
    sides = [SIZE >> level for level in range(len(widths))]
    entries = {side: layers.Conv2D(n, 1) for side, n in zip(sides, widths, strict=True)}
    halvings = {
        side: layers.Conv2D(
            n,
            4,
            strides=2,
            padding="same",
            # A larger size begins with the judgement of the smaller one.
            kernel_initializer="zeros" if side > SMALLEST else "glorot_uniform",
        )
        for side, n in zip(sides, widths[1:], strict=False)
    }
    last = layers.Conv2D(widths[-1], 3, padding="same")
    dense, final = layers.Dense(widths[-1]), layers.Dense(1)
    match = layers.Dense(widths[-1], use_bias=False)

    def judge(size: int) -> keras.Model:
        pair = keras.Input((size, size, 2), name="pair")
        label = keras.Input((len(CLASSES),), name="label")
        x = entries[size](pair)
        small = pair
        for side in sides[sides.index(size) : -1]:
            x = _active(halvings[side](_active(x)))
            small = layers.AveragePooling2D(2)(small)
            if side > SMALLEST:
                x = x + entries[side // 2](small)
        # How much the batch varies shows when the generator always draws the same.
        spread = ops.mean(ops.sqrt(ops.var(x, axis=0, keepdims=True) + 1e-8))
        x = layers.Concatenate()([x, ops.zeros_like(x[..., :1]) + spread])
        x = _active(dense(layers.Flatten()(_active(last(x)))))
        score = final(x) + ops.sum(x * match(label), axis=-1, keepdims=True)
        return keras.Model([pair, label], score, name=f"discriminator_{size}")

    return {size: judge(size) for size in SIZES}


def _active(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.LeakyReLU(0.2)(x)


@dataclass(eq=False)
class Training:
    """All that is trained and its optimisers. ``average`` is the generator that gets exported."""

    widths: Sequence[int]
    judge_widths: Sequence[int]
    learning_rate: float
    penalty: float
    makers: dict[int, keras.Model] = field(init=False)
    averages: dict[int, keras.Model] = field(init=False)
    judges: dict[int, keras.Model] = field(init=False)
    optimisers: dict[int, tuple[keras.optimizers.Optimizer, keras.optimizers.Optimizer]] = field(
        init=False
    )

    def __post_init__(self) -> None:
        self.makers, self.averages = generators(self.widths), generators(self.widths)
        self.averages[SIZE].set_weights(self.makers[SIZE].get_weights())
        self.judges = discriminators(self.judge_widths)
        self.optimisers = {}
        for size in SIZES:
            pair = tuple(
                keras.optimizers.Adam(self.learning_rate, beta_1=0.0, beta_2=0.99) for _ in range(2)
            )
            pair[0].build(self.makers[size].trainable_variables)
            pair[1].build(self.judges[size].trainable_variables)
            self.optimisers[size] = pair

    @tf.function(autograph=False)
    def step(
        self,
        real: tf.Tensor,
        label: tf.Tensor,
        latent: tf.Tensor,
        noise: tf.Tensor,
        keep: tf.Tensor,
        penalise: bool,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Update both networks and the average once.

        ``keep`` is the share of the average that stays. Returns the losses and
        the share of real patches that are judged to be real.
        """
        size = real.shape[1]
        maker, judge, average = self.makers[size], self.judges[size], self.averages[size]
        with tf.GradientTape(persistent=True) as tape:
            fake = maker([latent, label, noise])
            fooled = judge([fake, label])
            seen = judge([real, label])
            maker_loss = tf.reduce_mean(tf.nn.softplus(-fooled))
            judge_loss = tf.reduce_mean(tf.nn.softplus(fooled) + tf.nn.softplus(-seen))
            total = judge_loss
            if penalise:
                with tf.GradientTape() as inner:
                    inner.watch(real)
                    score = tf.reduce_sum(judge([real, label]))
                slope = tf.reduce_sum(tf.square(inner.gradient(score, real)), axis=(1, 2, 3))
                total += (
                    PENALTY_EVERY * self.penalty * (size / SIZE) ** 2 / 2 * tf.reduce_mean(slope)
                )
        for optimiser, network, loss in zip(
            self.optimisers[size], (maker, judge), (maker_loss, total), strict=True
        ):
            variables = network.trainable_variables
            optimiser.apply(tape.gradient(loss, variables), variables)
        for mean, now in zip(average.variables, maker.variables, strict=True):
            mean.assign(keep * mean + (1 - keep) * now)
        return maker_loss, judge_loss, tf.reduce_mean(tf.cast(seen > 0, tf.float32))


def load_pairs(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return patches with masks, (N, 128, 128, 2) uint8, and labels, (N,)."""
    with np.load(path) as stored:
        masks = stored["masks"].astype(np.uint8) * 255
        masks = ndimage.gaussian_filter(masks, (0, MASK_BLUR, MASK_BLUR))
        return np.stack([stored["images"], masks], axis=-1), stored["labels"]


def draw_batch(
    pairs: np.ndarray, labels: np.ndarray, count: int, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw what a step needs: real pairs, turned, flipped and shrunk to ``size`` pixels a side,
    their labels, latent vectors and noise.
    """
    chosen = rng.integers(len(pairs), size=count)
    real = np.stack([np.rot90(pairs[i], int(rng.integers(4))) for i in chosen])
    flip = rng.random(count) < 0.5
    real[flip] = real[flip, :, ::-1]
    pool = SIZE // size
    small = real.reshape(count, size, pool, size, pool, 2).mean((2, 4), dtype=np.float32)
    return (
        small / 127.5 - 1,
        np.eye(2, dtype=np.float32)[labels[chosen]],
        rng.standard_normal((count, LATENT), np.float32),
        rng.standard_normal((count, SIZE, SIZE, 1), np.float32),
    )


def save_sample(path: Path, network: keras.Model) -> None:
    """Write 32 samples as a PNG: two rows of each class, the masks below the patches."""
    rng = np.random.default_rng(0)
    label = np.eye(2, dtype=np.float32)[np.arange(32) // 16]
    latent = rng.standard_normal((32, LATENT), np.float32)
    noise = rng.standard_normal((32, SIZE, SIZE, 1), np.float32)
    made = np.concatenate(
        [network([latent[i : i + 8], label[i : i + 8], noise[i : i + 8]]) for i in range(0, 32, 8)]
    )
    pixels = np.clip((made + 1) * 127.5, 0, 255).astype(np.uint8)
    rows = []
    pixels = pixels.repeat(SIZE // pixels.shape[1], 1).repeat(SIZE // pixels.shape[1], 2)
    for row in np.split(pixels, 4):
        rows += [np.concatenate(list(row[..., channel]), axis=1) for channel in (0, 1)]
    Image.fromarray(np.concatenate(rows)).save(path)


def main(
    data: Annotated[Path, typer.Option(help="Folder that simulate.py wrote.")] = Path("data"),
    out: Annotated[Path, typer.Option(help="Checkpoints, samples and weights.")] = Path("run"),
    steps: Annotated[
        tuple[int, int, int], typer.Option(help="Training steps at 32, 64 and 128 pixels.")
    ] = STEPS,
    until: Annotated[int | None, typer.Option(min=1, help="Stop after this step.")] = None,
    batch: Annotated[
        tuple[int, int, int], typer.Option(help="Patches a step at 32, 64 and 128 pixels.")
    ] = BATCH,
    learning_rate: Annotated[float, typer.Option(help="Adam, before the decay.")] = 5e-4,
    penalty: Annotated[float, typer.Option(help="Weight of the gradient penalty.")] = 0.2,
    average: Annotated[float, typer.Option(help="Decay of the weight average.")] = 0.998,
    width: Annotated[float, typer.Option(help="Factor of all networks' channels.")] = 1.0,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 300,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = os.cpu_count() or 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and batches.")] = 1,
) -> None:
    """Train the generator and export its averaged weights as OUT/generator.weights.h5."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(seed)
    (out / "samples").mkdir(parents=True, exist_ok=True)
    pairs, labels = load_pairs(data / "train.npz")
    widths, judge_widths = ([int(n * width) for n in each] for each in (WIDTHS, JUDGE_WIDTHS))
    training = Training(widths, judge_widths, learning_rate, penalty)
    done = tf.Variable(0, dtype=tf.int64)
    checkpoint = tf.train.Checkpoint(
        maker=training.makers[SIZE],
        average=training.averages[SIZE],
        judge=training.judges[SIZE],
        optimisers=[each for pair in training.optimisers.values() for each in pair],
        done=done,
    )
    manager = tf.train.CheckpointManager(checkpoint, out / "checkpoints", max_to_keep=2)
    manager.restore_or_initialize()

    start, sums = time.perf_counter(), np.zeros(3)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    first, total = int(done.numpy()), sum(steps)
    last = min(total, until or total)
    # The size and the step within its stage, for every step.
    plan = [(stage, n) for stage, count in enumerate(steps) for n in range(count)]
    with Progress(*columns) as progress:
        task = progress.add_task("training", total=last, completed=first)
        for step in range(first, last):
            stage, n = plan[step]
            rng = np.random.default_rng([seed, step])  # so a resumed run sees the same batches
            for optimiser in training.optimisers[SIZES[stage]]:
                optimiser.learning_rate.assign(learning_rate * min(1.0, 3 * (1 - step / total)))
            # The average starts as a plain mean, so early exports are of use too.
            keep = tf.constant(min(average, (1 + n) / (10 + n)), tf.float32)
            drawn = draw_batch(pairs, labels, batch[stage], SIZES[stage], rng)
            found = training.step(*map(tf.constant, drawn), keep, step % PENALTY_EVERY == 0)
            sums += [float(value) for value in found]
            progress.advance(task)
            if (step + 1) % save_every == 0 or step + 1 == last:
                done.assign(step + 1)
                manager.save()
                training.averages[SIZE].save_weights(out / "generator.weights.h5")
                sheet = out / "samples" / f"{step + 1:06d}.png"
                save_sample(sheet, training.averages[SIZES[stage]])
                means = sums / (step % save_every + 1)
                names = ("generator", "discriminator", "real judged real")
                words = ", ".join(f"{name} {x:.3f}" for name, x in zip(names, means, strict=True))
                line = f"step {step + 1} at {SIZES[stage]} pixels: {words}"
                progress.console.print(f"{line}; {time.perf_counter() - start:.0f} s")
                sums[:] = 0
    typer.echo(f"weights in {out / 'generator.weights.h5'}")


if __name__ == "__main__":
    typer.run(main)
