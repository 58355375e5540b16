"""Pairs from end to end: files and arrays, masks, the table of the cases, and bad input."""

from __future__ import annotations

import csv
import io
import math
import sys

import numpy as np
import pytest

from medigan_hub import HubWarning, RequestError, plugins
from medigan_hub.errors import MissingDependencyError, OutputError
from medigan_hub.evaluation.metrics import find, find_pair, names, pair_names
from medigan_hub.evaluation.paired import compare
from medigan_hub.evaluation.pairs import PairMetric, Undefined
from medigan_hub.provenance import NOTICE
from support.image_sets import ArraySet, FileSet
from support.pictures import png

pytest.importorskip("scipy")
DIFFERENCES = ["MSE", "MAE", "NMSE", "PSNR"]


def images(count: int = 5, channels: int = 1, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = (16, 14, channels)
    return {f"{n}.png": rng.integers(1, 256, shape).astype(np.uint8) for n in range(count)}


def summary(result, name: str):
    return next(each for each in result.summaries if each.name == name)


def test_each_case_has_its_values_and_the_mean_is_theirs():
    real, synthetic = images(seed=0), images(seed=1)
    result = compare(ArraySet(real), ArraySet(synthetic), metrics=["mse", "MAE"])
    expected = [np.square(real[name] / 255 - synthetic[name] / 255).mean() for name in synthetic]
    assert [case.values["MSE"] for case in result.cases] == pytest.approx(expected)
    mse, mae = result.figures
    assert (mse.metric, mae.metric) == ("MSE", "MAE")
    assert mse.value == pytest.approx(np.mean(expected))
    assert mse.low < mse.value < mse.high
    assert (mse.better, mse.ideal, mse.extractor) == ("lower", 0, None)
    assert (mse.num_real, mse.num_synthetic, mse.groups) == (5, 5, 5)
    assert summary(result, "MSE").mean.median == pytest.approx(np.median(expected))


def test_8_and_16_bits_and_fractions_are_the_same_images(tmp_path):
    eight = images()
    for name, image in eight.items():
        for bits, values in ((8, image), (16, image.astype(np.uint16) * 257)):
            path = tmp_path / str(bits) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(png(values[:, :, 0], bits))
    files = [FileSet(tmp_path / bits) for bits in ("8", "16")]
    fractions = ArraySet(
        {name: np.float32(image) / np.float32(255) for name, image in eight.items()}
    )
    for one, other in (files, files[::-1], (fractions, files[1])):
        result = compare(one, other, metrics=["MSE"])
        assert [case.values["MSE"] for case in result.cases] == pytest.approx([0] * 5, abs=1e-14)


@pytest.mark.parametrize("forms", [(1, 3), (3, 1), (2, 1), (1, 4), (4, 3), (2, 4)])
def test_grey_images_are_the_same_in_any_number_of_channels(forms):
    grey = images()

    def form(channels: int) -> ArraySet:
        colours = 1 if channels < 3 else 3
        opacity = np.full((16, 14, channels - colours), 200, np.uint8)
        return ArraySet({n: np.dstack([i.repeat(colours, -1), opacity]) for n, i in grey.items()})

    result = compare(*map(form, forms), metrics=["MAE"])
    assert {case.values["MAE"] for case in result.cases} == {0}
    assert result.notes == ()


def test_inside_a_mask_the_rest_does_not_count(tmp_path):
    real = images()
    synthetic = {name: image.copy() for name, image in real.items()}
    masks = {name: np.zeros((16, 14, 1), np.uint8) for name in real}
    for number, name in enumerate(real):
        masks[name][2:9, 3:9] = 1 if number else 0
        synthetic[name][:2] = 255 - synthetic[name][:2]
    sets = (ArraySet(real), ArraySet(synthetic))
    result = compare(*sets, metrics=["MAE", "SSIM"], masks=ArraySet(masks))
    assert [each.name for each in result.summaries] == [
        "MAE",
        "MAE inside the mask",
        "SSIM",
        "SSIM inside the mask",
    ]
    assert summary(result, "MAE").mean.value > 0.01
    inside = summary(result, "MAE inside the mask")
    assert (inside.mean.value, inside.mean.count, inside.undefined) == (0, 4, {"it is empty": 1})
    assert "MAE inside the mask has no value for 1 of 5 pairs" in result.notes[0]
    whole, part = (summary(result, f"SSIM{where}").mean.value for where in ("", " inside the mask"))
    assert whole < part <= 1


def test_metrics_that_have_no_inside_are_taken_of_the_whole_alone():
    masks = {name: np.uint8(255) * (image > 128) for name, image in images().items()}
    sets = [ArraySet(masks)] * 3
    result = compare(*sets[:2], metrics=["HD95", "Dice"], masks=sets[2])
    assert [each.name for each in result.summaries] == [
        "HD95 (pixels)",
        "Dice",
        "Dice inside the mask",
    ]
    with pytest.raises(RequestError, match="none of HD95 is taken inside a mask; leave masks out"):
        compare(*sets[:2], metrics=["HD95"], masks=sets[2])


def test_distances_are_in_mm_where_files_say_the_distance_of_pixels(tmp_path):
    pytest.importorskip("pydicom")
    from support.dicoms import dicom

    masks = np.zeros((2, 20, 20), np.uint8)
    masks[0, 5:9, 4:8] = masks[1, 5:9, 7:11] = 255
    for name, mask in zip(("real", "synthetic"), masks, strict=True):
        (tmp_path / name).mkdir()
        file = dicom(mask, PixelSpacing=[0.5, 0.25])
        (tmp_path / name / "a.dcm").write_bytes(file)
    result = compare(FileSet(tmp_path / "real"), FileSet(tmp_path / "synthetic"), metrics=["HD95"])
    assert result.cases[0].values == {"HD95 (mm)": pytest.approx(3 * 0.25)}


def test_values_in_mm_and_in_pixels_are_never_averaged():
    masks = {name: np.uint8(255) * (image > 128) for name, image in images().items()}

    class Some(ArraySet):
        def spacing(self, place):
            return (0.1, 0.1) if place < 2 else None

    result = compare(Some(masks), ArraySet(masks), metrics=["HD95"])
    assert {each.name: each.mean.count for each in result.summaries} == {
        "HD95 (mm)": 2,
        "HD95 (pixels)": 3,
    }


def test_pairs_without_a_value_are_counted_and_left_out_of_the_mean():
    real = images()
    synthetic = images(seed=1) | {"0.png": real["0.png"], "1.png": real["1.png"]}
    result = compare(ArraySet(real), ArraySet(synthetic), metrics=["PSNR"])
    (psnr,) = result.figures
    values = [case.values.get("PSNR") for case in result.cases]
    assert values[:2] == [None, None]
    assert psnr.value == pytest.approx(np.mean(values[2:]))
    assert psnr.num_real == 3
    assert result.notes == (
        "PSNR has no value for 2 of 5 pairs, which its mean leaves out: the images are identical, "
        "and it is infinite (2)",
    )


def test_of_identical_sets_there_is_no_psnr_and_that_is_said():
    result = compare(ArraySet(images()), ArraySet(images()), metrics=DIFFERENCES)
    assert [figure.metric for figure in result.figures] == ["MSE", "MAE", "NMSE"]
    assert summary(result, "PSNR").mean is None
    assert "PSNR has no value for 5 of 5 pairs" in result.notes[0]


def test_images_of_one_patient_count_as_depending_on_each_other():
    real, synthetic = images(6), images(6, seed=1)
    groups = {name: f"patient {number // 2}" for number, name in enumerate(real)}
    (figure,) = compare(ArraySet(real, groups=groups), ArraySet(synthetic), metrics=["MSE"]).figures
    assert (figure.groups, figure.num_real) == (3, 6)
    alike = ArraySet(real, groups=dict.fromkeys(real, "one"))
    result = compare(alike, ArraySet(synthetic), metrics=["MSE"])
    assert (result.figures[0].low, result.figures[0].high) == (None, None)
    assert result.notes == ("MSE has no interval: that needs 3 patients, or files",)


def test_each_image_is_read_once_where_the_orders_are_the_same():
    made = {f"made {n}": image for n, image in enumerate(images(6, seed=1).values())}
    inputs = [f"{number // 2}.png" for number in range(6)]
    facts = {name: {"input": file} for name, file in zip(made, inputs, strict=True)}
    real, synthetic = ArraySet(images()), ArraySet(made, facts=facts)
    told = []
    result = compare(real, synthetic, metrics=["MSE"], progress=lambda *n: told.append(n))
    assert [case.real for case in result.cases] == inputs
    assert real.read == ["0.png", "1.png", "2.png"]
    assert (real.opened, synthetic.opened) == (1, 1)
    assert told == [(n, 6) for n in range(1, 7)]


def test_images_in_another_order_are_compared_with_their_own():
    real = images()
    synthetic = dict(reversed(images().items()))
    result = compare(ArraySet(real), ArraySet(synthetic), metrics=["MSE"])
    assert [case.values["MSE"] for case in result.cases] == [0] * 5


def test_the_table_has_a_row_for_each_case_and_says_what_it_is_of(tmp_path):
    real = {"=1+1.png": images()["0.png"]} | images()
    synthetic = {name: np.uint8(255) - image for name, image in real.items()}
    synthetic["1.png"] = real["1.png"]
    groups = {"0.png": "anna", "1.png": "bert", "2.png": "anna"}
    result = compare(ArraySet(real, groups=groups), ArraySet(synthetic), metrics=["MSE", "PSNR"])
    path = tmp_path / "new" / "cases.csv"
    result.write(path)
    rows = list(csv.DictReader(io.StringIO(path.read_text(), newline="")))
    assert list(rows[0]) == ["real", "synthetic", "group", "MSE", "PSNR", "undefined", "notice"]
    assert [row["synthetic"] for row in rows] == ["'=1+1.png", *images()]
    assert [row["group"] for row in rows] == ["0", "1", "2", "1", "3", "4"]
    assert "anna" not in path.read_text()
    assert {row["notice"] for row in rows} == {NOTICE}
    assert [float(row["MSE"]) for row in rows] == [case.values["MSE"] for case in result.cases]
    assert rows[2]["PSNR"] == ""
    assert rows[2]["undefined"] == "PSNR: the images are identical, and it is infinite"
    assert [each.name for each in path.parent.iterdir()] == ["cases.csv"]


def test_a_table_that_cannot_be_written_is_one_line(tmp_path):
    result = compare(ArraySet(images()), ArraySet(images()), metrics=["MSE"])
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cases.csv can't be written: .*; name another file"):
        result.write(tmp_path / "file" / "cases.csv")
    with pytest.raises(OutputError, match="is a folder in the place of a file"):
        result.write(tmp_path)


def changed(**others: np.ndarray) -> dict[str, np.ndarray]:
    return images() | {f"{name[1:]}.png": image for name, image in others.items()}


TWO = np.zeros((16, 14, 1), np.uint8)
TWO[3:5], TWO[6] = 100, 200
COLOURS = images(1, 3)["0.png"]


@pytest.mark.parametrize(
    ("synthetic", "metrics", "message"),
    [
        (
            changed(_2=np.zeros((16, 13, 1), np.uint8)),
            ["MSE"],
            "the synthetic 2.png has 16 x 13 pixels and the real 2.png 16 x 14; they are compared "
            "pixel by pixel: bring both to one size",
        ),
        (
            changed(_2=COLOURS),
            ["MSE"],
            "the real 2.png and the synthetic 2.png differ in their channels, 1 and 3; bring",
        ),
        (
            changed(_1=np.full((16, 14, 1), math.nan, np.float32)),
            ["MSE"],
            "the synthetic 1.png has float32 values that are no fractions from 0 to 1; "
            "scale them, and fill what is missing",
        ),
        (changed(_1=np.full((16, 14, 1), 2.0)), ["MSE"], "1.png has float64 values that are no"),
        (changed(_1=np.zeros((16, 14, 1), np.int32)), ["MSE"], "1.png has int32 values"),
        (
            changed(),
            ["Dice"],
            "the real 0.png has .* values beside 0, and is no mask; give one that is 0",
        ),
        (changed(), [], "there is no metric to compare pairs by; choose of SSIM, MS-SSIM, PSNR"),
        (
            changed(),
            ["SIM"],
            "there is no metric of pairs of images 'SIM'; did you mean SSIM.*use SSIM, MS-SSIM",
        ),
    ],
)
def test_bad_input_is_one_line_that_names_it(synthetic, metrics, message):
    with pytest.raises(RequestError, match=message):
        compare(ArraySet(images()), ArraySet(synthetic), metrics=metrics)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (TWO, "the mask 2.png has 2 values beside 0, and is no mask; give one that is 0 outside"),
        (COLOURS, "2.png shows colours, and is no mask; give one of black and white"),
        (TWO[:5] > 0, "2.png has bool values"),
        (
            TWO[:5] // 100 * 255,
            "the mask 2.png has 5 x 14 pixels and the real 2.png 16 x 14; they are compared",
        ),
    ],
)
def test_a_mask_that_is_none_is_named(mask, message):
    white = {name: np.full((16, 14, 1), 255, np.uint8) for name in images()}
    masks = ArraySet(white | {"2.png": mask})
    with pytest.raises(RequestError, match=message):
        compare(ArraySet(images()), ArraySet(images()), metrics=["MSE"], masks=masks)


def test_masks_with_pixels_of_other_distances_are_refused():
    masks = {name: np.uint8(255) * (image > 128) for name, image in images().items()}
    sets = [ArraySet(masks, spacing=(size, 0.1)) for size in (0.1, 0.11)]
    with pytest.raises(RequestError, match=r"real 0.png has pixels of 0.1 x 0.1 mm, and the synth"):
        compare(*sets, metrics=["HD95"])
    near = [ArraySet(masks, spacing=(size, 0.1)) for size in (0.1, 0.1004)]
    assert [each.name for each in compare(*near, metrics=["HD95"]).summaries] == ["HD95 (mm)"]


def test_a_set_that_ends_too_early_is_named():
    class Short(ArraySet):
        def images(self, start=0):
            yield from list(super().images(start))[: 3 - start]

    with pytest.raises(
        RequestError, match=r"short ends before the synthetic 3\.png; see that nothing changes it"
    ):
        compare(ArraySet(images()), Short(images(), title="short"), metrics=["MSE"])


def test_what_reads_ahead_is_let_go_of_where_a_pair_is_refused():
    closed = []

    class Ahead(ArraySet):
        def images(self, start=0):
            try:
                yield from super().images(start)
            finally:
                closed.append(self.title)

    other = images() | {"2.png": COLOURS}
    with pytest.raises(RequestError, match="differ in their channels") as error:
        compare(Ahead(images(), title="one"), Ahead(other, title="two"), metrics=["MSE"])
    assert sorted(closed) == ["one", "two"]
    assert "2.png" in str(error.value)  # whose traceback holds what was not closed


def test_what_is_not_installed_is_known_before_an_image_is_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    real = ArraySet(images())
    with pytest.raises(MissingDependencyError, match=r"pip install 'medigan-hub\[evaluation\]'"):
        compare(real, ArraySet(images()), metrics=["SSIM"])
    assert real.opened == 0


def test_a_metric_that_gives_no_number_is_no_part_of_the_mean():
    class Broken(PairMetric):
        name = "Broken"
        title = source = "none"

        def __call__(self, pair):
            if pair.real[0, 0, 0] == pair.real.max():
                raise Undefined("a\nreason")
            return math.nan

    result = compare(ArraySet(images()), ArraySet(images()), metrics=[Broken()])
    assert result.figures == []
    assert summary(result, "Broken").undefined["it is no number"] >= 1


def test_one_hook_brings_metrics_of_both_kinds():
    assert {"SSIM", "PSNR", "Dice", "HD95"} <= set(pair_names())
    assert not set(pair_names()) & set(names())
    assert find_pair("ms-ssim").name == "MS-SSIM"
    with pytest.raises(RequestError, match="there is no metric 'SSIM'"):
        find("SSIM")


LARGEST = """
import numpy as np
from medigan_hub.evaluation.pairs import PairMetric
from medigan_hub.plugin import hookimpl

class Largest(PairMetric):
    name = "Largest"
    title = "largest difference"
    source = "none"

    def __call__(self, pair):
        return float(np.abs(pair.real - pair.synthetic).max())

class plugin:
    @staticmethod
    @hookimpl
    def register_metrics():
        return [{thing}]
"""


def test_a_package_brings_a_metric_of_pairs(install):
    install("toy-largest", code=LARGEST.format(thing="Largest()"), group=plugins.EXTENSIONS)
    assert pair_names()[-1] == "Largest"
    black = {name: np.zeros((16, 14, 1), np.uint8) for name in images()}
    result = compare(ArraySet(images()), ArraySet(black), metrics=["largest"])
    assert result.cases[2].values == {"Largest": images()["2.png"].max() / 255}


def test_what_is_no_metric_is_told(install):
    install("toy-largest", code=LARGEST.format(thing="Largest"), group=plugins.EXTENSIONS)
    with pytest.warns(HubWarning, match="it is no Metric and no PairMetric"):
        assert "Largest" not in pair_names()
