"""Turns brain slices in T1 into T2 or back, by the published code."""

from medigan_hub.plugin import ArchiveOnly

plugin = ArchiveOnly(__file__)
