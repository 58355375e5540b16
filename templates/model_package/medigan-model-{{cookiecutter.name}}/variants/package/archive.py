"""The model {{ cookiecutter.name }}."""

from medigan_hub.plugin import ArchiveOnly

plugin = ArchiveOnly(__file__)
