"""Whether samples of two bundled models help a task, on simulated images that they never saw.

    python docs/judged_utility.py --data /tmp/utility > utility.md    # or one: masses, brains

* masses: benign or malignant, of patches that ``cdcgan-breast-mass`` was trained on the like of. To
  learn and to test are its simulator's two held-out sets (``training/simulate.py``); the synthetic
  ones are the model's. By the probe, and by a small network.
* brains: the outline of grey matter, in slices that ``fastgan-brain-mri`` was trained on the like
  of. To learn and to test are slices of its simulator (``training/simulate.py``, of seeds of their
  own, at heights that the model did not see); the synthetic ones, with their masks, are the
  model's.

Prints tables in Markdown, each with its command; pictures go to ``docs/images/``. With ``--data``
images are kept, and used again. Needs the bundled models with their extras ``training``, and the
extra ``evaluation``.
"""

from __future__ import annotations

import argparse
import csv
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from judged_models import ROOT, line

from medigan_hub.evaluation.utility.results import Utility
from medigan_hub.evaluation.utility.table import ranged

IMAGES = ROOT / "docs" / "images"
MASSES = """
import sys; sys.path.insert(0, {folder!r})
import numpy as np
from simulate import make_set
if __name__ == "__main__":
    for name, kind in (("train", "floor"), ("test", "test")):
        np.savez(f"{{name}}.npz", **make_set(kind, {count}, 2026, 2))
"""
BRAINS = """
import sys; sys.path.insert(0, {folder!r})
import numpy as np, torch
from held_out import HEIGHTS
from simulate import Simulator, simulate
torch.set_num_threads(1)
simulator = Simulator()
for seed, name in ((100, "train"), (200, "test")):
    rng = np.random.default_rng(seed)
    made = simulate(simulator, rng, np.resize(HEIGHTS, {count}))
    np.savez(f"{{name}}.npz", images=np.rint(255 * made[..., 0]).astype(np.uint8),
             masks=made[..., 1] > 0)
"""
STUDIES: dict[str, tuple[str, str, list[list[str]]]] = {
    "masses": (
        "cdcgan-breast-mass",
        MASSES,
        [
            ["--label", "mass", "--table", "table.csv", "--balance", "--learner", learner]
            for learner in ("probe", "cnn")
        ],
    ),
    "brains": (
        "fastgan-brain-mri",
        BRAINS,
        [
            [
                *("--mask", "train=train-masks", "--mask", "test=test-masks"),
                *("--mask", "synthetic=grey_matter"),
            ]
        ],
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", metavar="masses|brains", help="by default both")
    parser.add_argument("--data", type=Path, help="folder that keeps images; else a temporary one")
    parser.add_argument("-n", type=int, default=600, help="images of each real set")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--pictures", type=Path, default=IMAGES, help="folder for pictures")
    arguments = parser.parse_args()
    pictures = arguments.pictures.resolve()
    if {*arguments.studies} - {*STUDIES}:
        parser.error(f"choose from {', '.join(STUDIES)}")
    with tempfile.TemporaryDirectory() as temporary:
        data = (arguments.data or Path(temporary)).resolve()
        for name in arguments.studies or STUDIES:
            model, code, ways = STUDIES[name]
            folder = data / f"{name}-{arguments.n}"
            if not folder.exists():
                make(folder, name, model, code, arguments.n)
            for words in ways:
                command = ["utility", "train", "test", f"model:{model}", *words]
                command += ["--repeats", str(arguments.repeats)]
                found, seconds = run(command, folder)
                learner = str(found.learner["name"])
                picture = pictures / f"utility-{name}-{learner}.svg"
                picture.write_text((folder / "out" / "utility.svg").read_text("utf-8"), "utf-8")
                print("\n".join(report(found, command, seconds)), flush=True)


def make(folder: Path, name: str, model: str, code: str, count: int) -> None:
    """Make the images of a study; the folder has its name once it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    training = ROOT / "plugins" / f"medigan-model-{model}" / "training"
    with tempfile.TemporaryDirectory(dir=folder.parent) as begun:
        made = Path(begun, "made")
        made.mkdir()
        script = made / "make.py"
        script.write_text(code.format(folder=str(training), count=count), "utf-8")
        python([str(script)], made, sys.stderr.fileno())
        WRITERS[name](made)
        made.rename(folder)


def of_masses(folder: Path) -> None:
    """Write patches as files, and a table of their classes."""
    rows = []
    for name in ("train", "test"):
        for n, (image, label) in enumerate(zip(*loaded(folder, name, "labels"), strict=True)):
            save(folder / name / f"{name}_{n:04}.png", image)
            rows.append([f"{name}_{n:04}.png", ("benign", "malignant")[label]])
    with (folder / "table.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["file", "mass"], *rows])


def of_brains(folder: Path) -> None:
    """Write slices and masks as files that are named alike."""
    for name in ("train", "test"):
        for n, (image, mask) in enumerate(zip(*loaded(folder, name, "masks"), strict=True)):
            save(folder / name / f"{name}_{n:04}.png", image)
            save(folder / f"{name}-masks" / f"{name}_{n:04}.png", 255 * mask.astype("uint8"))


WRITERS: dict[str, Callable[[Path], None]] = {"masses": of_masses, "brains": of_brains}


def loaded(folder: Path, name: str, what: str):  # type: ignore[no-untyped-def]
    """Return images, and what is known of each."""
    import numpy as np

    with np.load(folder / f"{name}.npz") as stored:
        return stored["images"], stored[what]


def save(path: Path, image) -> None:  # type: ignore[no-untyped-def]
    """Write a grey image."""
    from PIL import Image

    path.parent.mkdir(exist_ok=True)
    Image.fromarray(image).save(path)


def run(command: list[str], folder: Path) -> tuple[Utility, float]:
    """Return what a command finds, and how many seconds it takes."""
    start = time.perf_counter()
    python(["-m", "medigan_hub", *command, "-o", "out", "--json"], folder, subprocess.DEVNULL)
    return Utility.load(folder / "out"), time.perf_counter() - start


def python(words: list[str], folder: Path, output: int) -> None:
    """Run Python in a folder."""
    environment = {"PYTHONPATH": str(ROOT), **os.environ}
    subprocess.run(  # noqa: S603 (scripts and commands of this project)
        [sys.executable, *words], cwd=folder, check=True, stdout=output, env=environment
    )


def report(found: Utility, command: list[str], seconds: float) -> Iterator[str]:
    """Yield a part of the page."""
    yield f"```\nmedigan {shlex.join(command)}    # {seconds / 60:.1f} minutes\n```\n"
    yield f"{found.verdict}\n"
    heads = ("real images", "learned from", "ratio", f"{found.leading} (95 %)", "gain over real")
    yield line(*heads, "over controls")
    yield line(*["---"] * (len(heads) + 1))
    for arm in found.chosen():
        yield line(
            str(arm.num_real),
            arm.arm,
            "-" if arm.ratio is None else f"{arm.ratio:g}",
            ranged(arm),
            "-" if arm.gain is None else ranged(arm.gain, "+"),
            "-" if arm.gain_over_controls is None else ranged(arm.gain_over_controls, "+"),
        )
    yield ""


if __name__ == "__main__":
    main()
