"""The model {{ cookiecutter.name }}."""

from medigan_hub.runtimes.published import ArchiveOnly

plugin = ArchiveOnly(__file__)
