"""Pictures of several samples."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from medigan_hub import Hub, RequestError, generation, preview
from medigan_hub.cli import main
from support import toys


@pytest.mark.parametrize("count", [1, 5, 12])
def test_a_preview_shows_every_sample_and_says_that_it_is_synthetic(install, count):
    install()
    hub = Hub()
    picture = np.asarray(hub.preview("toy-noise", count, seed=1))
    (batch,) = hub.generate("toy-noise", count, seed=1, batch_size=count)
    windows = np.lib.stride_tricks.sliding_window_view(picture[:, :, 0], (8, 6))
    for image in batch.arrays["image"]:
        assert (windows == image[:, :, 0]).all(axis=(-1, -2)).any()
    caption = picture[-20:]
    assert (caption == 255).any(), "white letters"


def test_a_caption_fits_into_the_picture_of_one_small_sample(install):
    install()
    picture = np.asarray(Hub().preview("toy-noise", 1))
    assert not (picture[-20:, -4:] == 255).any(), "letters end before the edge"


def test_a_sample_bears_its_labels(install, document):
    view = {"name": "view", "type": "string", "description": "View.", "default": "cc"}
    document["conditions"] = [view | {"choices": ["cc", "mlo"]}]
    label = {"name": "view", "kind": "label", "shape": [], "dtype": "uint8", "range": [0, 1]}
    document["outputs"].append(label | {"classes": ["cc", "mlo"]})
    install(document=document)
    shown = {
        view: np.asarray(Hub().preview("toy-noise", 1, conditions={"view": view}))
        for view in ("cc", "mlo")
    }
    rows = min(picture.shape[0] for picture in shown.values())
    columns = min(picture.shape[1] for picture in shown.values())
    one, other = (picture[:rows, :columns] for picture in shown.values())
    differs = np.argwhere((one != other).any(axis=-1))
    assert len(differs) > 10
    assert differs[:, 0].max() < 6 + 16, "the words are above the image"


# Noise that keeps away from the background's level, under a condition that scales it. What a sample
# draws beside its latent vector shows in a row of pixels.
SCALED = toys.code("scaled")


@pytest.fixture
def conditional(document):
    """A document with the conditions weight, view, and one whose values are not known."""
    weight = {"name": "weight", "type": "integer", "description": "Weight.", "default": None}
    view = {"name": "view", "type": "string", "description": "View.", "default": None}
    offset = {"name": "offset", "type": "number", "description": "Years.", "default": None}
    document["conditions"] = [
        weight | {"minimum": 40, "maximum": 100, "unit": "kg"},
        view | {"choices": ["cc", "mlo"]},
        offset,
    ]
    return document


@pytest.fixture
def hub(install, conditional):
    install(document=conditional, code=SCALED)
    return Hub()


@pytest.fixture
def written(monkeypatch):
    """The texts that are drawn into pictures."""
    texts = []
    draw = ImageDraw.ImageDraw.text

    def text(self, place, words, *arguments):
        texts.append((place, words))
        draw(self, place, words, *arguments)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    return texts


def place(picture, image):
    """Return where an 8-bit image stands in a picture: (y, x), the only such place."""
    shown = preview.to_screen(image)
    windows = np.lib.stride_tricks.sliding_window_view(
        np.asarray(picture), shown.shape, axis=(0, 1, 2)
    )
    (found,) = np.argwhere((windows == shown).all(axis=(-1, -2, -3)))
    return tuple(found[:2].tolist())


def images(hub, count, **wishes):
    batches = hub.generate("toy-noise", count, **wishes)
    return np.concatenate([batch.arrays["image"] for batch in batches])


def test_a_grid_has_the_rows_and_columns_asked_for(install):
    install()
    hub = Hub()
    picture = hub.preview("toy-noise", grid=(2, 5), seed=3)
    places = [place(picture, image) for image in images(hub, 10, seed=3)]
    ys, xs = zip(*places, strict=True)
    assert places == [(y, x) for y in sorted(set(ys)) for x in sorted(set(xs))]
    assert (len(set(ys)), len(set(xs))) == (2, 5)
    again = hub.preview("toy-noise", 10, grid=(2, 5), seed=3)
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(again))


def test_an_interpolation_leads_from_seed_to_seed(install, written):
    install()
    hub = Hub()
    picture = hub.preview("toy-noise", 5, interpolate=(7, 8))
    plugin = hub.model("toy-noise").plugin
    ends = [generation.request(plugin.metadata, 1, seed=seed).latents([0])[0] for seed in (7, 8)]
    between = images(hub, 5, latents=np.linspace(*ends, 5))
    np.testing.assert_array_equal(
        between[[0, 4], 0], [images(hub, 1, seed=s)[0, 0] for s in (7, 8)]
    )
    places = [place(picture, image) for image in between]
    assert len({y for y, _ in places}) == 1
    assert [x for _, x in places] == sorted({x for _, x in places})
    headings = {words: x for (x, _), words in written if words.startswith("seed")}
    assert headings == {"seed 7": places[0][1], "seed 8": places[4][1]}
    assert written[-1][1] == "Synthetic - toy-noise 1.0.0 - seed 7 to seed 8"
    assert picture.info["Seed"] == "7 to 8"


def test_an_interpolation_shows_eight_pictures(hub):
    hub.preview("toy-noise", interpolate=(7, 8))
    assert sys.modules["medigan_model_toy_noise"].made == [1] * 8


def test_an_interpolation_changes_nothing_but_the_latent_vector(hub):
    picture = hub.preview("toy-noise", 4, interpolate=(7, 8))
    (first,) = images(hub, 1, seed=7)
    y, x = place(picture, first)
    noise = np.lib.stride_tricks.sliding_window_view(np.asarray(picture)[y, :, 0], 6)
    assert (noise == first[0, :, 0]).all(axis=1).sum() == 4, "what else a sample draws"
    request = generation.request(hub.model("toy-noise").metadata, 1, seed=7)
    drawn = {name: request.condition(name, [0])[0] for name in ("weight", "view")}
    (last,) = images(
        hub, 1, seed=7, conditions=drawn, latents=replace(request, seed=8).latents([0])
    )
    assert place(picture, last)[1] > x


def test_a_comparison_shows_the_same_samples_at_each_choice(hub, written):
    picture = hub.preview("toy-noise", across="view", seed=1, conditions={"weight": "50,60,70"})
    rows, columns = [], []
    for view in ("cc", "mlo"):
        conditions = {"view": view, "weight": [50, 60, 70]}
        made = images(hub, 3, seed=1, conditions=conditions)
        ys, xs = zip(*(place(picture, image) for image in made), strict=True)
        assert len(set(xs)) == 1, "a column for each value"
        rows.append(ys)
        columns.append(xs[0])
    assert rows[0] == rows[1] == tuple(sorted(set(rows[0]))), "a row for each sample"
    headings = {words: x for (x, _), words in written if words.startswith("view")}
    assert headings == {"view cc": columns[0], "view mlo": columns[1]}


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({}, [40, 52, 64, 76, 88, 100]),
        ({"conditions": {"weight": [70, 50]}}, [70, 50]),
        ({"conditions": {"weight": "70,50,90", "view": "cc"}}, [70, 50, 90]),
        ({"conditions": {"weight": 70}}, [70]),
        ({"balance": True}, [40, 52, 64, 76, 88, 100]),
    ],
)
def test_a_comparison_goes_over_the_values_given_or_over_the_range(hub, written, wishes, expected):
    hub.preview("toy-noise", 2, across="weight", **wishes)
    headings = [words for _, words in written if words.startswith("weight")]
    assert headings == [f"weight {weight} kg" for weight in expected]
    assert sys.modules["medigan_model_toy_noise"].made == [2] * len(expected)


def test_a_comparison_over_few_whole_numbers_shows_each_once(install, conditional, written):
    conditional["conditions"][0] |= {"minimum": 40, "maximum": 42}
    install(document=conditional, code=SCALED)
    Hub().preview("toy-noise", 1, across="weight")
    headings = [words for _, words in written if words.startswith("weight")]
    assert headings == ["weight 40 kg", "weight 41 kg", "weight 42 kg"]


def test_a_comparison_leaves_out_the_label_that_stands_above_the_column(
    install, conditional, written
):
    label = {"name": "weight", "kind": "label", "shape": [], "dtype": "float32"}
    conditional["outputs"] += [
        label | {"range": [40, 100]},
        label | {"name": "view", "range": [0, 1], "dtype": "uint8", "classes": ["cc", "mlo"]},
    ]
    install(document=conditional, code=SCALED)
    Hub().preview("toy-noise", 1, across="weight", conditions={"weight": "50,60", "view": "mlo"})
    assert [words for _, words in written[:-1]] == ["weight 50 kg", "weight 60 kg", "mlo", "mlo"]


def test_pictures_to_be_compared_are_stretched_by_the_same_amount(install, conditional):
    conditional["outputs"][0] |= {"dtype": "uint16", "range": [0, 65535]}
    code = SCALED.replace("latents * weights", "np.ones_like(latents) * weights")
    code = code.replace("image[:, 0, :, 0] = noise", "")
    install(document=conditional, code=code)
    hub = Hub()
    picture = hub.preview("toy-noise", 1, across="view", conditions={"weight": 50})
    white, black = (place(picture, np.full((8, 6), level, np.uint8)) for level in (255, 0))
    assert white < black


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"grid": (2, 3), "across": "view"}, "exclude each other"),
        ({"interpolate": (7, 8), "grid": (2, 3)}, "exclude each other"),
        ({"grid": (2, 3), "num_samples": 5}, "5 samples .* 2 x 3 holds 6; leave the number"),
        ({"grid": (0, 3)}, "number of rows is 0"),
        ({"grid": (2, 1.5)}, r"number of columns is 1\.5"),
        ({"grid": 6}, "the grid is 6; give rows and columns"),
        ({"grid": "23"}, "the grid is '23'; give rows and columns"),
        ({"interpolate": (7,)}, r"interpolation is \(7,\); give two seeds"),
        ({"interpolate": (-7, 8)}, "the seed is -7"),
        ({"interpolate": (7, 2**64)}, "the second seed is 18446744073709551616"),
        ({"interpolate": (7, 8), "num_samples": 1}, "number of pictures is 1"),
        ({"interpolate": (7, 8), "seed": 9}, "leave seed, indices, latents and balance"),
        ({"interpolate": (7, 8), "balance": True}, "leave seed, indices, latents and balance"),
        ({"interpolate": (7, 8), "latents": np.ones((1, 48))}, "leave seed, indices, latents"),
        ({"interpolate": (7, 8), "conditions": {"weight": "50,60"}}, "2 values of weight"),
        ({"across": "height"}, "no condition 'height'; it has weight, view, offset"),
        ({"across": "offset"}, "offset has neither choices nor a range; give the values"),
        ({"across": "weight", "conditions": {"weight": 5}}, "weight=5 is not possible"),
        ({"across": "weight", "conditions": ["weight"]}, "give a mapping"),
        ({"across": "view", "conditions": {"weight": "50,60"}, "num_samples": 3}, "2 values"),
    ],
)
def test_a_preview_says_what_is_wrong(hub, wishes, message):
    with pytest.raises(RequestError, match=message):
        hub.preview("toy-noise", **wishes)


def test_a_preview_says_what_a_model_does_not_have(install, document, drawing):
    del document["latent"]
    install(document=document, code=drawing)
    with pytest.raises(RequestError, match="toy-noise has no condition 'view'; it has none"):
        Hub().preview("toy-noise", across="view")
    with pytest.raises(RequestError, match="toy-noise has no latent vector"):
        Hub().preview("toy-noise", interpolate=(7, 8))


@pytest.fixture
def medigan(capsys, tmp_path, monkeypatch):
    """Return a function that runs the command: (exit code, standard error)."""
    monkeypatch.chdir(tmp_path)

    def run(arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stop:
            main(arguments.split())
        return int(stop.value.code or 0), capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("arguments", "wishes", "seed"),
    [
        ("--grid 2x3 --seed 4", {"grid": (2, 3), "seed": 4}, "4"),
        ("--interpolate 7,8 -n 3", {"interpolate": (7, 8), "num_samples": 3}, "7 to 8"),
        ("--conditions view", {"across": "view"}, "0"),
        (
            "--conditions weight --condition weight=50,60 -n 1",
            {"across": "weight", "conditions": {"weight": [50, 60]}, "num_samples": 1},
            "0",
        ),
    ],
)
def test_the_command_draws_the_same_pictures(hub, medigan, arguments, wishes, seed):
    assert medigan(f"preview toy-noise {arguments} -o made.png") == (0, "")
    with Image.open("made.png") as picture:
        np.testing.assert_array_equal(
            np.asarray(picture), np.asarray(hub.preview("toy-noise", **wishes))
        )
        assert (picture.text["Synthetic"], picture.text["Seed"]) == ("yes", seed)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("--grid 4", 2, "--grid 4: write it as ROWSxCOLUMNS, such as 4x8"),
        ("--grid 4x8x2", 2, "--grid 4x8x2: write it as"),
        ("--grid axb", 2, "--grid axb: write it as"),
        ("--grid 0x8", 1, "number of rows is 0"),
        ("--grid 2x2 -n 3", 1, "holds 4; leave the number of samples out"),
        ("--interpolate 7", 2, "--interpolate 7: write it as two seeds, such as 7,8"),
        ("--interpolate 7,8,9", 2, "--interpolate 7,8,9: write it as"),
        ("--interpolate 7,8 --grid 2x2", 1, "--grid, --interpolate and --conditions"),
        ("--interpolate 7,8 --seed 3", 1, "leave --seed"),
        ("--conditions height", 1, "no condition 'height'; it has weight, view, offset"),
    ],
)
def test_bad_input_is_one_line_and_draws_nothing(hub, medigan, tmp_path, arguments, code, message):
    found, err = medigan(f"preview toy-noise {arguments} -o made.png")
    assert found == code
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert not (tmp_path / "made.png").exists()


def test_a_preview_shows_masks_of_several_classes_and_volumes(install, document, drawing):
    mask = {"name": "tissue", "kind": "mask", "dtype": "uint8", "channels": ["tissue"]}
    document["outputs"][0]["shape"] = [5, 8, 6, 1]
    document["outputs"].append(mask | {"shape": [8, 6, 1], "range": [0, 3]})
    side = {"name": "side", "type": "string", "description": "Side.", "default": "left"}
    document["conditions"] = [side | {"choices": ["left", "right"]}]
    install(document=document, code=drawing)
    hub = Hub()
    (batch,) = hub.generate("toy-noise", 3)
    for wishes in ({}, {"across": "side", "conditions": {"side": "left"}}):
        picture = hub.preview("toy-noise", 3, **wishes)
        for arrays in (batch.arrays["image"][:, 2], batch.arrays["tissue"][1:] * 85):
            for image in arrays:
                place(picture, image)


@pytest.mark.parametrize(
    ("array", "window", "expected"),
    [
        (np.array([[0, 100, 255]], np.uint8), (), [0, 100, 255]),
        (np.array([[2, 100, 200]], np.uint8), (), [2, 100, 200]),
        (np.array([[0, 1, 1]], np.uint8), (), [0, 255, 255]),
        (np.array([[1, 1, 1]], np.uint8), (0, 1), [255, 255, 255]),
        (np.array([[0, 1, 3]], np.uint8), (0, 3), [0, 85, 255]),
        (np.array([[1000, 1500, 2000]], np.uint16), (), [0, 127, 255]),
        (np.array([[0, 32768, 65535]], np.uint16), (0, 65535), [0, 127, 255]),
        (np.array([[-1, 0, 1]], np.float32), (), [0, 127, 255]),
        (np.array([[-1, 0, 1]], np.float32), (0, 2), [0, 0, 127]),
        (np.array([[0, 100, 255]], np.uint8), (50, 150), [0, 127, 255]),
        (np.array([[0, 50, 100]], np.uint8), (None, 100), [0, 127, 255]),
        (np.array([[5, 5, 5]], np.float32), (), [0, 0, 0]),
    ],
)
def test_values_are_shown_from_black_to_white(array, window, expected):
    for shape in ((1, 3), (1, 3, 1)):
        shown = preview.to_screen(array.reshape(shape), *window)
        assert (shown.dtype, shown.shape) == (np.uint8, (1, 3, 3))
        assert (shown == np.array(expected)[:, np.newaxis]).all()


def test_colours_stay_and_of_a_volume_the_middle_is_shown():
    colours = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    np.testing.assert_array_equal(preview.to_screen(colours), colours)
    volume = np.stack([np.full((4, 5, 1), level, np.uint8) for level in (10, 20, 30)])
    np.testing.assert_array_equal(preview.to_screen(volume), np.full((4, 5, 3), 20))


@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 1), (8, 6, 3)])
@pytest.mark.parametrize(("count", "order"), [(1, [0]), (2, [0, 1]), (4, [0, 1, 2, 3, 2, 1])])
def test_an_animation_goes_there_and_back_and_says_what_it_is(shape, count, order):
    frames = [np.random.default_rng(k).integers(0, 256, shape, np.uint8) for k in range(count)]
    made = preview.animation(frames, {"Synthetic": "yes", "Model": "Lungenrundherd \u00e4 1.0.0"})
    with Image.open(io.BytesIO(made)) as picture:
        assert picture.text == {"Synthetic": "yes", "Model": "Lungenrundherd \u00e4 1.0.0"}
        assert getattr(picture, "n_frames", 1) == len(order)
        for position, number in enumerate(order):
            picture.seek(position)
            shown = np.asarray(picture.convert("RGB"))
            np.testing.assert_array_equal(shown, preview.to_screen(frames[number], 0, 255))
            if len(order) > 1:
                assert (picture.info["duration"], picture.info["loop"]) == (100, 0)
