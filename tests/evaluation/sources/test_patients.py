"""Whose an image is: told by a column, or by the name of its file."""

from __future__ import annotations

import pytest
from PIL import Image

from medigan_hub import Hub, RequestError
from medigan_hub.evaluation import sources
from medigan_hub.reading import Reading

NAMES = ("P1_left.png", "P1_right.png", "P2_left.png")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "real"
    made.mkdir()
    for number, name in enumerate(NAMES):
        Image.new("L", (6, 5), number).save(made / name)
    return made


@pytest.fixture
def table(tmp_path):
    def written(*lines):
        path = tmp_path / "table.csv"
        path.write_text("\n".join(lines))
        return path

    return written


def groups(*given, **more):
    return [item.group for item in sources.find(*given, **more).items]


def test_a_regular_expression_tells_patients_by_names(folder):
    assert groups(folder, patients="^(P[0-9]+)_") == ["P1", "P1", "P2"]
    found = sources.find(folder, patients="^(P[0-9]+)_")
    assert [item.facts["patient"] for item in found.items] == ["P1", "P1", "P2"]
    assert len(list(found.images())) == 3


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_column_of_a_table_tells_patients(folder, table, mark):
    lines = ["file,age,who", *(f"{name},40,{name[:2]}" for name in NAMES)]
    rows = table(*(line.replace(",", mark) for line in lines))
    found = sources.find(folder, patients="who", table=rows)
    assert [item.group for item in found.items] == ["P1", "P1", "P2"]
    assert [item.facts["age"] for item in found.items] == ["40"] * 3


def test_a_column_of_a_data_set_tells_patients(install, document, tmp_path):
    document["conditions"] = [
        {"name": "who", "type": "string", "description": "Who.", "default": "a"}
        | {"choices": ["a", "b"]}
    ]
    install(document=document)
    Hub().save("toy-noise", 4, tmp_path / "out", balance=True)
    assert groups(tmp_path / "out", patients="who") == ["a", "b", "a", "b"]


def test_frames_go_with_the_row_of_their_file(tmp_path, table):
    frames = [Image.new("L", (6, 5), level) for level in range(2)]
    frames[0].save(tmp_path / "p.tif", save_all=True, append_images=frames[1:])
    found = sources.find(tmp_path / "p.tif", patients="who", table=table("file,who", "p.tif,P7"))
    assert [item.group for item in found.items] == ["P7", "P7"]


def test_a_name_of_several_files_is_not_enough(tmp_path, table):
    for name in ("a", "b"):
        (tmp_path / "real" / name).mkdir(parents=True)
        Image.new("L", (6, 5)).save(tmp_path / "real" / name / "1.png")
    reading = Reading(recursive=True)
    with pytest.raises(RequestError, match="several files are called so; write the folder before"):
        sources.find(tmp_path / "real", reading=reading, table=table("file,who", "1.png,P1"))
    rows = table("file,who", "a/1.png,P1", "b/1.png,P2")
    found = groups(tmp_path / "real", reading=reading, patients="who", table=rows)
    assert found == ["P1", "P2"]


@pytest.mark.parametrize(
    ("patients", "words"),
    [
        ("who", "patients 'who' is no column .there are no columns.; as a regular expression it"),
        ("(P1)_", "does not fit the name P2_left.png"),
        ("P([0-9", "and no regular expression"),
        ("(P)([0-9])", "it needs one group in brackets"),
        ("(x?)", "does not fit the name P1_left.png"),
    ],
)
def test_what_tells_no_patient_is_refused(folder, patients, words):
    with pytest.raises(RequestError, match=words):
        sources.find(folder, patients=patients)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["file,who", "P1_left.png,P1", "P1_right.png,P1"], "says nothing of P2_left.png; add"),
        (["file,who", *(f"{name}," for name in NAMES)], "P1_left.png has no patients; fill"),
        (["file,who", "P1_left.png", "P1_right.png,a", "P2_left.png,b"], "P1_left.png has no"),
        (["file,who", "P1_left.png,P1", "P1_left.png,P2"], "two rows of P1_left.png"),
        (["file,who", "P1_left.png,P1,extra"], "more cells than columns in the row of P1_left"),
        (["file,who,who", "P1_left.png,a,b"], "is no table: give a first line"),
        (["P1_left.png"], "is no table: give a first line"),
        ([], "is no table: give a first line"),
    ],
)
def test_a_table_with_gaps_is_refused(folder, table, lines, words):
    with pytest.raises(RequestError, match=words):
        sources.find(folder, patients="who", table=table(*lines))


def test_a_column_that_is_not_there_is_answered_with_those_that_are(folder, table):
    rows = table("file,age,who", *(f"{name},40,{name[:2]}" for name in NAMES))
    with pytest.raises(RequestError, match=r"'patient' is no column \(there are age, who\)"):
        sources.find(folder, patients="patient", table=rows)


def test_a_table_that_is_no_text_or_not_there_is_refused(folder, tmp_path):
    with pytest.raises(RequestError, match=r"gone\.csv can't be read: No such file"):
        sources.find(folder, table=tmp_path / "gone.csv")
    with pytest.raises(RequestError, match="it is no CSV file in UTF-8"):
        sources.find(folder, table=folder / NAMES[0])
