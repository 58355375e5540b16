"""Makes patches of mammograms with calcifications, by the published code."""

from medigan_hub.runtimes.published import ArchiveOnly

plugin = ArchiveOnly(__file__)
