"""Makes whole chest x-rays, by the published code."""

from medigan_hub.plugin import ArchiveOnly

plugin = ArchiveOnly(__file__)
