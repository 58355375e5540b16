"""Makes patches of chest x-rays with lung nodules, by the published code."""

from medigan_hub.plugin import ArchiveOnly

plugin = ArchiveOnly(__file__)
