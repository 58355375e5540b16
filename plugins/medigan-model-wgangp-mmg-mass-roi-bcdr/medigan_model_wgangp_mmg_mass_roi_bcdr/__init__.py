"""Makes patches of mammograms with masses."""

from medigan_hub.plugin import Dcgan, build, entry

plugin = Dcgan(__file__, torch=lambda file: build("dcgan128", entry(file, "generator")))
