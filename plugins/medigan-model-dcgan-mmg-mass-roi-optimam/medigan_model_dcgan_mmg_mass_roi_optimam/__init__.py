"""Makes patches of mammograms with masses."""

from medigan_hub.plugin import Dcgan, build

plugin = Dcgan(__file__, torch=lambda tensors: build("dcgan128-leaky", tensors))
