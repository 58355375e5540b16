"""Makes patches of mammograms with calcifications, by the published code."""

from medigan_hub.plugin import ArchiveOnly

plugin = ArchiveOnly(__file__)
