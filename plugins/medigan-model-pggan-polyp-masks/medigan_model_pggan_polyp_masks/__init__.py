"""Makes images of polyps with their masks, by a progressive GAN."""

from medigan_hub.plugin import PublishedNoise, build

plugin = PublishedNoise(__file__, torch=lambda tensors: build("pggan-polyp", tensors))
