"""Makes patches of mammograms with masses that are benign or malignant as asked."""

from medigan_hub.plugin import ConditionalDcgan, build, entry

plugin = ConditionalDcgan(__file__, torch=lambda file: build("dcgan128", entry(file, "generator")))
