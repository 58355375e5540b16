"""Recipes are run: what they make must be what was made."""

from __future__ import annotations

import ast
import shlex
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from medigan_hub import Hub, RequestError, recipe
from medigan_hub.cli import main
from support import toys

# Every pixel depends on the latent vector, and on all that may be asked for.
CODE = toys.code("everything")
CONDITIONS = {
    "height": {"type": "number", "default": 0, "minimum": -100, "maximum": 100},
    "mass": {"type": "string", "default": "none", "choices": ["benign", "malignant", "none"]},
    "words": {"type": "string", "default": ""},
    "left": {"type": "boolean", "default": None},
}
OPTIONS = {
    "gain": {"type": "number", "default": 1},
    "size": {"type": "integer", "default": 3},
    "note": {"type": "string", "default": "none"},
    "flip": {"type": "boolean", "default": True},
}
INPUTS = [
    {"name": name, "kind": "image", "channels": ["intensity"], "required": False}
    for name in ("t1", "t2")
]


def described(model):
    return Hub().model(model).metadata


@pytest.fixture
def model(install, document, tmp_path, monkeypatch):
    for kind, declared in (("conditions", CONDITIONS), ("options", OPTIONS)):
        document[kind] = [{"name": n, "description": n, **rest} for n, rest in declared.items()]
    if find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    document["weights"][0]["runtime"] = "torch"  # which has two precisions
    install(document=document, code=CODE)
    monkeypatch.chdir(tmp_path)
    return "toy-noise"


@pytest.fixture
def latents():
    return np.random.default_rng(3).standard_normal((4, 48))


def run(text):
    """Run lines of Python as a user does; return the last batch."""
    names = {}
    exec(compile(text, "recipe", "exec"), names)  # noqa: S102 (what the lines are for)
    return names["batch"]


def run_command(text, capsys):
    while text.startswith("#"):
        text = text.partition("\n")[2]
    program, *arguments = shlex.split(text.replace(" \\\n", " "))
    assert program == "medigan"
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert not stop.value.code, capsys.readouterr().err


WISHES = [
    {},
    {"seed": 2**64 - 1, "batch_size": 3, "precision": "bfloat16", "runtime": "torch"},
    {"conditions": {"height": -7.25, "mass": "benign", "left": True}, "device": "cpu"},
    {"conditions": {"height": (1e-7, 3.0, -4.5, 0.1)}},
    {"conditions": {"mass": ("benign", "malignant"), "left": (True, False)}, "balance": True},
    {"conditions": {"words": 'it\'s "quoted" \\, 50 % of $HOME; `ls`\nof é 胸'}},
    {"options": {"flip": False, "size": -3, "note": "a, b", "gain": 1e22 / 3}},
    {"seed": np.uint8(9), "options": {"size": np.int64(5)}, "conditions": {"height": "5"}},
    {"indices": "6:10", "conditions": {"height": (0.5,) * 10}},
    {"conditions": {"words": "-- x=y"}, "options": {"note": ""}, "allow_archive_code": True},
]


@pytest.mark.parametrize("wishes", WISHES)
def test_the_lines_and_the_command_make_the_very_same_samples(
    model, wishes, contents, capsys, tmp_path
):
    hub = Hub()
    (made,) = hub.generate(model, 4, **{**wishes, "batch_size": 4})
    hub.save(model, 4, "expected", format="npz", **wishes)
    expected = contents(tmp_path / "expected")

    text = recipe.python(described(model), 4, wishes, output="by lines", format="npz")
    assert text.startswith("from medigan_hub import Hub\n\nhub = Hub()\nfor batch in hub.generate(")
    batch = run(text)
    if "batch_size" not in wishes:
        assert np.array_equal(batch.arrays["image"], made.arrays["image"])
    assert contents(tmp_path / "by lines") == expected

    text = recipe.command(described(model), 4, wishes, output="by command", format="npz")
    assert "#" not in text
    run_command(text, capsys)
    assert contents(tmp_path / "by command") == expected


def test_latents_read_back_bit_for_bit(model, contents, capsys, latents, tmp_path):
    hard = latents.astype(np.float32)
    hard[0, :8] = [-0.0, 1e-45, 3.4028235e38, 1.1754944e-38, 2**24, 1 / 3, 0.1, 16777219]
    hard[1] = np.random.default_rng(0).integers(2**23, 2**30, 48, np.uint32).view(np.float32)
    for wishes in ({"latents": hard, "seed": 5}, {"latents": hard.astype(np.float64).tolist()}):
        text = recipe.python(described(model), 3, wishes)
        assert text.startswith("import numpy as np\nfrom medigan_hub import Hub\n")
        assert text.count("np.array(") == 1
        names = {}
        exec(compile(text, "recipe", "exec"), names)  # noqa: S102 (as above)
        assert names["latents"].dtype == np.float32
        assert names["latents"].tobytes() == hard[:3].tobytes()
        Hub().save(model, 3, "expected", overwrite=True, **wishes)
        assert contents(tmp_path / "out") == contents(tmp_path / "expected")
        np.save("latents.npy", wishes["latents"])
        run_command(recipe.command(described(model), 3, wishes, output="again"), capsys)
        assert contents(tmp_path / "again") == contents(tmp_path / "expected")
        for name in ("out", "again"):
            (tmp_path / name).rename(tmp_path / f"{name}-{len(wishes)}")


def test_a_short_latent_vector_stays_on_one_line(model, document):
    from medigan_hub.metadata import ModelMetadata

    document["latent"]["size"] = 3
    text = recipe.python(
        ModelMetadata.from_document(document), 1, {"latents": np.array([[0.5, -1, 1e20]])}
    )
    assert "latents = np.array([[0.5, -1.0, 1e20]], dtype=np.float32)\n" in text


@pytest.fixture
def translator(install, document, tmp_path, monkeypatch):
    document |= {"name": "toy-two", "plugin": "medigan-model-toy-two", "inputs": INPUTS}
    install("toy-two", document=document, code=CODE)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return "toy-two"


def write(path, level):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((5, 4), level, np.uint8)).save(path)
    return path


def test_inputs_go_by_the_last_part_of_their_path(
    translator, contents, capsys, tmp_path, monkeypatch
):
    there = tmp_path / "somewhere"
    for level in (1, 2):
        write(there / "head's" / f"{level}.png", level)
        write(there / "- b=c" / f"{level}.png", level + 2)
    given = {"t1": str(there / "head's"), "t2": there / "- b=c"}
    wishes = {"inputs": given}
    Hub().save(translator, 1, tmp_path / "expected", **wishes)
    expected = contents(tmp_path / "expected")
    monkeypatch.chdir(there)
    run(recipe.python(described(translator), 1, wishes, output="../by lines"))
    assert contents(tmp_path / "by lines") == expected
    text = recipe.command(described(translator), 1, wishes, output="../by command")
    run_command(text, capsys)
    assert contents(tmp_path / "by command") == expected
    assert str(there) not in text + recipe.python(described(translator), 1, wishes)


def test_inputs_of_one_name_keep_their_folders(translator, contents, capsys, tmp_path):
    wishes = {
        "inputs": {name: write(tmp_path / "work" / name / "a.png", 9) for name in ("t1", "t2")}
    }
    text = recipe.python(described(translator), 1, wishes)
    assert 'inputs={"t1": "t1/a.png", "t2": "t2/a.png"}' in text
    run(text)
    run_command(recipe.command(described(translator), 1, wishes, output="again"), capsys)
    assert contents(tmp_path / "work" / "out") == contents(tmp_path / "work" / "again")


@pytest.mark.parametrize("name", ["a=b.png", "-n.png", "scan 1.png"])
def test_one_input_may_have_any_name(install, document, tmp_path, monkeypatch, capsys, name):
    document["inputs"] = INPUTS[:1]
    install(document=document, code=CODE)
    monkeypatch.chdir(tmp_path)
    wishes = {"inputs": str(write(tmp_path / name, 7))}
    text = recipe.command(described("toy-noise"), 1, wishes)
    run_command(text, capsys)
    assert (tmp_path / "out" / "t1" / "000000.png").is_file()
    (tmp_path / name).unlink()
    with pytest.raises(AssertionError, match="does not exist; name an image file"):
        run_command(text, capsys)


def test_what_the_command_line_cannot_say_is_said_in_a_comment(model, contents, capsys, tmp_path):
    wishes = {"seed": 4, "conditions": {"words": ("a", "b"), "height": 5.0}, "balance": True}
    text = recipe.command(described(model), 2, wishes)
    comment, line = text.splitlines()
    assert comment.startswith("# words=('a', 'b') can't be said on the command line; ")
    assert (
        line == "medigan generate toy-noise -n 2 -o out --seed 4 --condition height=5.0 --balance"
    )
    # One text with a comma, and choices, can be said.
    for conditions in ({"words": "a,b"}, {"mass": ("none", "none")}):
        assert "#" not in recipe.command(described(model), 2, {"conditions": conditions})
    Hub().save(model, 2, "expected", **wishes)
    run(recipe.python(described(model), 2, wishes))
    assert contents(tmp_path / "out") == contents(tmp_path / "expected")


def test_only_what_differs_from_the_defaults_is_written(model):
    defaults = {
        "seed": 0,
        "inputs": None,
        "conditions": {},
        "options": None,
        "balance": False,
        "latents": None,
        "batch_size": 8,
        "device": "auto",
        "precision": "float32",
        "runtime": "auto",
        "allow_archive_code": False,
    }
    assert recipe.python(described(model), 2, defaults) == (
        "from medigan_hub import Hub\n\n"
        "hub = Hub()\n"
        'for batch in hub.generate("toy-noise", 2):\n'
        '    batch.arrays["image"]  # (n, 8, 6, 1) uint8\n\n'
        'hub.save("toy-noise", 2, "out")\n'
    )
    assert (
        recipe.command(described(model), 2, defaults) == "medigan generate toy-noise -n 2 -o out\n"
    )


def test_long_lines_are_broken_as_a_formatter_breaks_them(model):
    conditions = {"height": (-2.5, 10.0), "mass": ("benign", "malignant"), "words": "w" * 40}
    text = recipe.python(
        described(model),
        2,
        {
            "seed": 123456789,
            "conditions": conditions,
            "options": {"note": "a"},
            "device": "cpu",
            "balance": True,
        },
    )
    assert text.split("hub = Hub()\n")[1].split("    batch.")[0] == (
        "for batch in hub.generate(\n"
        '    "toy-noise",\n'
        "    2,\n"
        "    seed=123456789,\n"
        "    conditions={\n"
        '        "height": [-2.5, 10.0],\n'
        '        "mass": ["benign", "malignant"],\n'
        f'        "words": "{"w" * 40}",\n'
        "    },\n"
        "    balance=True,\n"
        '    options={"note": "a"},\n'
        '    device="cpu",\n'
        "):\n"
    )
    text = recipe.python(
        described(model), 2, {"conditions": {"words": "w" * 30}, "seed": 123456789}
    )
    assert (
        "for batch in hub.generate(\n"
        f'    "toy-noise", 2, seed=123456789, conditions={{"words": "{"w" * 30}"}}\n'
        "):\n"
    ) in text


def test_no_line_is_longer_than_a_hundred_columns(model, latents):
    wishes = {"latents": latents, "conditions": {"height": tuple(range(60))}, "seed": 10**19}
    wishes["options"] = {"note": "w" * 30, "size": 1, "gain": 2}
    for text in (
        recipe.python(described(model), 4, wishes),
        recipe.command(described(model), 4, wishes),
    ):
        long = [line for line in text.splitlines() if len(line) > 100]
        assert not [line for line in long if "height=" not in line]  # one value can't be broken
    ast.parse(recipe.python(described(model), 4, wishes))


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"conditions": {"age": 3}}, "toy-noise has no condition 'age'"),
        ({"options": {"size": "big"}}, "size='big' is not possible"),
        ({"inputs": np.zeros((2, 2))}, "the input is a ndarray, which can't be written down; save"),
        ({"inputs": {"t1": ["a.png"]}}, "the input t1 is a list"),
    ],
)
def test_what_no_recipe_can_hold_is_refused(model, wishes, message):
    for write_down in (recipe.python, recipe.command):
        with pytest.raises(RequestError, match=message):
            write_down(described(model), 1, wishes)
