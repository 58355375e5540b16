"""What columns say of images: tables, data sets and elements of DICOM; and whose they are."""

from __future__ import annotations

import numpy as np
import pytest

from medigan_hub.errors import RequestError
from medigan_hub.evaluation import sources
from support.dicoms import dicom


@pytest.fixture
def series(tmp_path):
    """Four DICOM files of two patients, of which one has no age."""
    folder = tmp_path / "dicom"
    folder.mkdir()
    for n in range(4):
        more = {"PatientAge": f"0{40 + n}Y"} if n != 2 else {}
        file = dicom(
            np.full((4, 4), n, np.uint8),
            PatientID=f"P{n // 2}",
            PatientSex="FM"[n % 2],
            KVP=28 + n,
            Rows=4,
            Columns=4,
            **more,
        )
        (folder / f"{n}.dcm").write_bytes(file)
    return folder


def test_an_element_of_dicom_is_a_column(series):
    images = sources.find(series)
    assert sources.column(images, "PatientSex") == ["F", "M", "F", "M"]
    assert sources.column(images, "KVP") == ["28.0", "29.0", "30.0", "31.0"]


def test_a_gap_names_the_image(series):
    with pytest.raises(RequestError, match=r"PatientAge says nothing of 2\.dcm"):
        sources.column(sources.find(series), "PatientAge")


@pytest.mark.parametrize("name", ["PatientHeight", "sex", "", "PixelData"])
def test_what_no_file_has_is_no_column(series, name):
    with pytest.raises(RequestError, match="has no column"):
        sources.column(sources.find(series), name)


def test_patients_are_told_by_an_element(series):
    images = sources.find(series, patients="PatientID")
    assert [item.group for item in images.items] == ["P0", "P0", "P1", "P1"]


def test_a_table_goes_before_the_files(series, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("file,PatientSex\n" + "".join(f"{n}.dcm,X{n}\n" for n in range(4)))
    images = sources.find(series, table=table)
    assert sources.column(images, "PatientSex") == ["X0", "X1", "X2", "X3"]
    assert sources.columns(images) == ["PatientSex"]


def test_sets_of_one_patient_are_not_apart(series, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    file = dicom(np.full((4, 4), 9, np.uint8), PatientID="P1", Rows=4, Columns=4)
    (other / "new.dcm").write_bytes(file)
    one, two = (sources.find(each, patients="PatientID") for each in (series, other))
    with pytest.raises(
        RequestError, match=r"new\.dcm of .*other and 3\.dcm of .* one patient"
    ) as e:
        sources.check_patients_apart(one, two)
    assert "P1" not in str(e.value)
    (other / "new.dcm").write_bytes(file.replace(b"P1", b"P7"))
    sources.check_patients_apart(one, sources.find(other, patients="PatientID"))
