"""How the bundled models fare by several extractors, and whether these agree.

    python docs/judged_models.py --data judged > agreement.md

Makes the held-out images of each model (``training/held_out.py`` of its plugin), judges the model
by them, as images are and after min-max, and prints tables in Markdown; the picture goes to
``docs/images/judged-models.svg``. With ``--data`` held-out images are kept, and used again. Needs
the bundled models with their extras ``training``, and the extra ``evaluation``.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import TYPE_CHECKING

from medigan_hub import Hub
from medigan_hub.errors import HubError
from medigan_hub.evaluation import extractors, picture
from medigan_hub.evaluation.digits import places, shown
from medigan_hub.evaluation.orders import Order, agreement
from medigan_hub.evaluation.results import Evaluation, Figure

if TYPE_CHECKING:
    from medigan_hub.generation import Wishes

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "judged-models.svg"
MODELS = ("cdcgan-breast-mass", "cyclegan-dbt", "fastgan-brain-mri", "singan-fundus")
EXTRACTORS = ("texture", "radiomics", "random")
METRICS = ("KID", "FD")
LEADING = METRICS[0]
NORMALIZE = ("none", "minmax")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, help="folder that keeps held-out images; else a temporary one"
    )
    parser.add_argument("-n", type=int, default=200, help="images of each set")
    parser.add_argument("--seed", type=int, default=0, help="of samples, groups and splits")
    parser.add_argument(
        "--extractor",
        action="append",
        choices=(*EXTRACTORS, "imagenet"),
        help=f"by default those of {', '.join(EXTRACTORS)} that are installed",
    )
    parser.add_argument("--picture", type=Path, default=PICTURE, help="file for the picture")
    arguments = parser.parse_args()
    place = arguments.picture.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        data = arguments.data or Path(temporary)
        data.mkdir(parents=True, exist_ok=True)
        before = Path.cwd()
        os.chdir(data)  # so that results name files, and no folder of this machine
        try:
            wanted = arguments.extractor or installed(EXTRACTORS)
            judged = {name: judge(name, wanted, arguments.n, arguments.seed) for name in MODELS}
        except HubError as error:
            sys.exit(f"error: {error}")
        finally:
            os.chdir(before)  # or the temporary folder could not go
    place.write_text(picture.svg(judged), "utf-8")
    print("\n\n".join("\n".join(part) for part in report(judged)))


def installed(names: Sequence[str]) -> list[str]:
    """Return those extractors that can be used here; say which can't."""
    found = []
    for name in names:
        missing = extractors.find(name).missing()
        if missing is None:
            found.append(name)
        else:
            print(f"without {name}: {missing}", file=sys.stderr)
    return found


def judge(name: str, wanted: Sequence[str], count: int, seed: int) -> Evaluation:
    """Judge a model by its held-out images."""
    print(f"judging {name}", file=sys.stderr)
    folder = held_out(name, count)
    return Hub().evaluate(
        folder / "held_out.npy",
        f"model:{name}",
        extractors=wanted,
        metrics=METRICS,
        normalize="both",
        num_samples=count,
        **wishes(name, folder, seed),
    )


def wishes(name: str, folder: Path, seed: int) -> Wishes:
    """Return what makes a model's samples such as the held-out images are."""
    found: dict[str, Wishes] = {
        "cdcgan-breast-mass": {"balance": True},
        "cyclegan-dbt": {"inputs": folder / "held_out_mammograms.npy"},
        "fastgan-brain-mri": {},
        "singan-fundus": {"options": {"height": 64, "width": 64}},
    }
    return {"seed": seed, **found[name]}


def held_out(name: str, count: int) -> Path:
    """Return the folder with a model's held-out images, below the current one; make it if need be.

    It has its name once it is whole.
    """
    folder = Path(f"{name}-{count}")
    if not folder.exists():
        script = ROOT / "plugins" / f"medigan-model-{name}" / "training" / "held_out.py"
        with tempfile.TemporaryDirectory(dir=".") as begun:
            made = Path(begun, "made")
            made.mkdir()
            subprocess.run(  # noqa: S603 (a script of this project)
                [sys.executable, script, "-n", str(count)], cwd=made, check=True, stdout=sys.stderr
            )
            made.rename(folder)
    return folder


def report(judged: Mapping[str, Evaluation]) -> Iterator[list[str]]:
    """Yield the parts of the page."""
    yield [
        "| model | extractor | normalized | N | KID (95 %) | real against real | FD (95 %) | real "
        "against real |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(
            line(name, each, prepared, *cells(evaluation, each, prepared))
            for name, evaluation in judged.items()
            for each, prepared in product(evaluation.extractors, NORMALIZE)
        ),
    ]
    yield [
        "Real against real: mean and standard deviation over splits of the held-out images. FD "
        "that is called biased was measured on too few images for its number of features."
    ]
    wanted = list(product(next(iter(judged.values())).extractors, NORMALIZE))
    orders = {
        each if prepared == "none" else f"{each}, min-max": ordered(judged, each, prepared)
        for each, prepared in wanted
    }
    yield [
        f"| extractor | order by {LEADING}, the nearest first | pairs told apart by intervals |",
        "| --- | --- | --- |",
        *(
            line(name, ", ".join(order.names), f"{len(order.decided)} of {order.num_pairs}")
            for name, order in orders.items()
        ),
    ]
    yield [
        "Each model is held against held-out images of its own, so that an order says how far each "
        "is from what it imitates. It mixes that with how much images of its kind differ, as every "
        "list of models of several organs does."
    ]
    yield [
        "| one | other | Spearman | Kendall | pairs told apart by both | in the same order |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            line(
                each.one,
                each.other,
                shown(each.spearman, 2),
                shown(each.kendall, 2),
                f"{each.decided_by_both} of {each.num_pairs}",
                str(each.agreed),
            )
            for each in agreement(orders)
        ),
    ]


def ordered(judged: Mapping[str, Evaluation], extractor: str, prepared: str) -> Order:
    """Return the order that the leading figure gives to models, each with real images of its own.

    ``orders.order`` makes none of these, for they differ in more than the model.
    """
    found = {name: figure(each, LEADING, extractor, prepared) for name, each in judged.items()}
    names = sorted(found, key=lambda name: found[name].value)
    decided = frozenset(
        (nearer, farther)
        for nearer, farther in combinations(names, 2)
        if interval(found[nearer])[1] < interval(found[farther])[0]
    )
    badness = {name: found[name].value for name in names}
    return Order(LEADING, extractor, prepared, badness, decided)


def interval(found: Figure) -> tuple[float, float]:
    """Return the ends of a figure's interval: everything, where there is none."""
    if found.low is None or found.high is None:
        return -math.inf, math.inf
    return found.low, found.high


def figure(evaluation: Evaluation, metric: str, extractor: str, prepared: str) -> Figure:
    """Return a figure of an evaluation."""
    return next(
        each
        for each in evaluation.figures
        if (each.metric, each.extractor, each.normalize) == (metric, extractor, prepared)
    )


def cells(evaluation: Evaluation, extractor: str, prepared: str) -> Iterator[str]:
    """Yield N, and for each metric the value with its interval, and the baseline."""
    found = [figure(evaluation, metric, extractor, prepared) for metric in METRICS]
    yield f"{found[0].num_real}, {found[0].num_synthetic}"
    for each in found:
        digits = places(each)
        words = shown(each.value, digits)
        if each.biased:
            words += ", biased"
        elif each.low is not None:
            words += f" ({shown(each.low, digits)} to {shown(each.high, digits)})"
        yield words
        yield baseline(each)


def baseline(found: Figure) -> str:
    """Return what a figure's baseline is: mean, deviation, and images in each set."""
    base = found.baseline
    if base is None:
        return "-"
    low, high = base.value - base.spread, base.value + base.spread
    digits = places(replace(found, value=base.value, low=low, high=high))
    return f"{shown(base.value, digits)} ± {shown(base.spread, digits)}, N = {base.num_images}"


def line(*texts: str) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(texts)} |"


if __name__ == "__main__":
    main()
