"""The cache of a model under check: what it needs of the hub's, and nothing else.

The hub's own is never shown to the model, which could otherwise write permissions and
pins into it that hold for every other.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import astuple
from pathlib import Path

from medigan_hub import weights
from medigan_hub.errors import OutputError
from medigan_hub.files import cache_folder
from medigan_hub.metadata import ModelMetadata, WeightsFile
from medigan_hub.runtimes.archive import environments, permission
from medigan_hub.weights.places import place_of


def lend(model: ModelMetadata, cache: Path, *, allow_archive_code: bool) -> bool:
    """Put a model's remote weights, verified, and its environment into a new cache.

    Returns whether published code may run: now or before, the user has said so.

    Weights are copied, since the model may write to its cache; the environment of
    published code is a link, through which nothing can be written where the kernel has
    Landlock.

    Raises
    ------
    NetworkError, WeightsError
        The weights can't be had, or are not those that were published.
    PluginError
        The environment can't be made.
    OutputError
        There is no room.
    """
    try:
        cache.mkdir()
        sums = dict[WeightsFile, str | None]()
        for file in model.files:
            sums[file] = file.sha256
            if file.is_remote:
                source, sums[file] = astuple(weights.fetch(model, file))
                place = place_of(model, file).path.relative_to(cache_folder().absolute())
                (cache / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, cache / place)
        published = [each.files[0] for each in model.weights if each.runtime == "archive"]
        known = [sha256 for file in published if (sha256 := sums.get(file)) is not None]
        allowed = allow_archive_code or any(map(permission.is_given, known))
        if model.runtimes[0] == "archive" and model.archive is not None and allowed:
            folder = environments.environment(model.archive.dependencies).parent.parent
            (cache / "environments").mkdir()
            _show(folder, cache / "environments" / folder.name)
        return allowed
    except OSError as error:
        raise OutputError(
            f"what {model.name} needs can't be copied to {cache}: {error.strerror or error}; "
            "TMPDIR may name a folder with more room"
        ) from error


def _show(folder: Path, link: Path) -> None:
    try:
        link.symlink_to(folder, target_is_directory=True)
    except OSError:  # on Windows, where not every user may
        if os.name != "nt":
            raise
        shutil.copytree(folder, link, symlinks=True)
