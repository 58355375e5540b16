"""The shipped documents, held against the facts of medigan's model list."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from medigan_hub import metadata
from medigan_hub.catalogue import sources
from medigan_hub.contribution import convert
from medigan_hub.errors import MetadataError
from support import REFERENCE, ROOT
from support.entries import entry

FACTS = json.loads((REFERENCE / "medigan-list.json").read_text("utf-8"))
DOCUMENTS = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sources.SHIPPED.glob("*.json")
}
PUBLISHED = {d["medigan_id"]: d for d in DOCUMENTS.values() if d["medigan_id"]}

# Where the list contradicts itself, what is right, and why in the document's notes.
CORRECTED_DATASETS = {
    "00012_C-DCGAN_MMG_MASSES": "BCDR",
    "00019_PGGAN_CHEST_XRAY": "ChestX-ray14",
}
SPELLED_OUT_DATASETS = {"DUKE": "Duke-Breast-Cancer-MRI"}
HIGHER_IS_BETTER = ("SSIM", "PSNR", "_ratio", "_delta", "f1", "AUC", "AUPRC", "IoU")

each_published_model = pytest.mark.parametrize("medigan_id", sorted(FACTS))


def test_all_published_models_are_there():
    assert sorted(PUBLISHED) == sorted(FACTS)
    assert len(FACTS) == 23


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_a_document_is_valid_and_named_as_its_file(name):
    assert metadata.validate(DOCUMENTS[name]) == []
    assert DOCUMENTS[name]["name"] == name
    assert all(entry["evidence"] for entry in DOCUMENTS[name]["weights"])


def test_plugins_of_this_project_are_known_as_they_describe_themselves():
    found = list(ROOT.glob("plugins/*/*/metadata.json"))
    assert found
    for path in found:
        document = json.loads(path.read_text("utf-8"))
        assert DOCUMENTS[document["name"]] == document


def test_plugin_names_are_unique():
    assert len({document["plugin"] for document in DOCUMENTS.values()}) == len(DOCUMENTS)


@each_published_model
def test_every_figure_is_carried_over_and_none_is_added(medigan_id):
    facts = Counter(
        (metric.removeprefix("downstream_task."), float(value))
        for metric, value in FACTS[medigan_id]["figures"]
    )
    figures = PUBLISHED[medigan_id]["performance"]
    assert Counter((figure["metric"], figure["value"]) for figure in figures) == facts


@each_published_model
def test_every_figure_says_how_it_was_taken(medigan_id):
    for figure in PUBLISHED[medigan_id]["performance"]:
        metric = figure["metric"]
        if metric.startswith("turing_test"):
            assert (figure["better"], figure["ideal"]) == (None, 0.5)
            assert "years of experience" in figure["compares"]
            continue
        higher = metric.endswith(HIGHER_IS_BETTER) or "dice" in metric.lower().split(".")[-1]
        higher = higher and not metric.endswith("dice_loss")
        assert figure["better"] == ("higher" if higher else "lower"), metric
        assert figure["compares"]
        if metric.startswith("FID"):
            assert figure["num_images"] == FACTS[medigan_id]["FID_no_images"]
            assert ("RadImageNet" in figure["extractor"]) == ("RADIMAGENET" in metric)
            assert figure["normalized"] is None  # the list doesn't say


@each_published_model
def test_weights_and_archive_are_those_of_the_list(medigan_id):
    facts, document = FACTS[medigan_id], PUBLISHED[medigan_id]
    archive = document["archive"]
    place = f"/records/{facts['record']}/files/{facts['file']}"
    for weights in document["weights"]:
        [file] = weights["files"]
        assert (file["record"], file["file"]) == (facts["record"], facts["file"])
        assert file["member"] == facts["model_name"] + (facts["extension"] or "")
        assert file["url"] == f"https://zenodo.org{place}"
    assert (archive["package"], archive["function"]) == (facts["package_name"], facts["function"])
    assert archive["arguments"] == facts["custom"]
    assert archive["dependencies"] == facts["dependencies"]


@each_published_model
def test_size_and_latent_are_those_of_the_list(medigan_id):
    facts, document = FACTS[medigan_id], PUBLISHED[medigan_id]
    latent = document["latent"]
    assert (latent["size"] if latent else None) == facts["latent"]
    for output in document["outputs"]:
        if output["kind"] != "label":
            size = output.get("default_size") or output["shape"][:2]
            assert size == [int(number) for number in facts["image_size"][:2]]


@each_published_model
def test_what_it_was_trained_on_and_may_be_used_for_is_that_of_the_list(medigan_id):
    facts, document = FACTS[medigan_id], PUBLISHED[medigan_id]
    (dataset,) = document["training_data"]
    (expected,) = facts["dataset"]
    expected = CORRECTED_DATASETS.get(medigan_id, SPELLED_OUT_DATASETS.get(expected, expected))
    assert dataset["name"].casefold() == expected.casefold()
    assert dataset["access"] == {"non-public": "restricted"}.get(facts["dataset_type"], "public")
    licences = {None: None, "MIT": "MIT", "BSD": "BSD", "BSD License": "BSD"}
    licences["GNU GENERAL PUBLIC LICENSE"] = "GPL"
    assert document["licence"] == licences[facts["license"]]
    assert str(document["year"]) in f"{facts['year']} {facts['trained_date']}"


@each_published_model
def test_its_publications_are_named(medigan_id):
    named = {publication.get("doi") for publication in PUBLISHED[medigan_id]["publications"]}
    listed = [doi.removeprefix("https://doi.org/") for doi in FACTS[medigan_id]["doi"] or ()]
    assert {doi for doi in listed if doi} <= named


def test_what_the_list_leaves_open_is_said():
    for document in PUBLISHED.values():
        notes = " ".join(document["notes"])
        assert (document["licence"] is None) == ("names no licence" in notes)
        assert (document["version"] == "0.0.0") == ("gives no version" in notes)


@pytest.mark.parametrize(
    ("medigan_id", "slip"),
    [
        ("00012_C-DCGAN_MMG_MASSES", "field names CBIS-DDSM as the data set and its title BCDR"),
        ("00019_PGGAN_CHEST_XRAY", "field names Node21 as the data set and its title ChestX-ray14"),
        ("00020_PGGAN_CHEST_XRAY", "1028 x 1028 pixels in one place and 1024 x 1024 in another"),
        ("00021_CYCLEGAN_BRAIN_MRI_T1_T2", "image size as text"),
        ("00022_WGAN_CARDIAC_AGING", "names the architecture pix2pix"),
        ("00023_PIX2PIXHD_BREAST_DCEMRI", "figures 0.797, 0.790 as text"),
    ],
)
def test_a_slip_of_the_list_is_corrected_and_noted(medigan_id, slip):
    assert slip in " ".join(PUBLISHED[medigan_id]["notes"])


@each_published_model
def test_arguments_of_the_published_function_can_be_set_or_are_accounted_for(medigan_id):
    document = PUBLISHED[medigan_id]
    settings = {p["name"]: p for group in ("conditions", "options") for p in document[group]}
    notes = " ".join(document["notes"])
    for argument, default in document["archive"]["arguments"].items():
        setting = settings.get(argument.lower())
        if setting is None:
            assert argument in notes, f"{argument} is neither a setting nor in the notes"
        else:
            # Numbers may be texts in the list, and a square size a pair.
            defaults = default if isinstance(default, list) else [default]
            assert {str(setting["default"])} == set(map(str, defaults))


def test_models_that_look_alike_differ_in_name_and_title():
    assert len({document["title"] for document in DOCUMENTS.values()}) == len(DOCUMENTS)


# The converter, for lists that are not shipped.


def test_an_entry_of_medigans_form_becomes_a_valid_document():
    document = convert.convert("00099_TOY_MODEL", entry())
    assert metadata.validate(document) == []
    assert (document["name"], document["version"]) == ("toy-model", "1.0.0")
    assert [output["shape"] for output in document["outputs"]] == [[64, 32, 1], [64, 32, 1]]
    assert document["generates"] == ["mass", "mass mask"]
    assert document["publications"] == [{"doi": "10.1000/toy"}]
    (option,) = document["options"]
    assert option["description"] == "How strong it is"
    assert (option["name"], option["type"], option["default"]) == ("strength", "number", 0.5)
    (figure,) = document["performance"]
    assert (figure["metric"], figure["value"], figure["num_images"]) == ("FID", 12.5, 30)


def test_the_dependencies_tell_the_framework():
    document = convert.convert("00099_TOY", entry(execution={"dependencies": ["tensorflow-cpu"]}))
    assert (document["framework"], document["weights"][0]["format"]) == ("TensorFlow", "tensorflow")
    assert metadata.validate(document) == []


def test_a_difference_names_its_metric_where_subtraction_tells():
    trained = {"trained_on_real": {"f1": 0.7, "AUC": 0.8}}
    trained["trained_on_real_and_fake"] = {"f1": 0.75, "AUC": 0.9}
    (delta,) = [
        figure
        for figure in convert.figures({"CLF_delta": 0.05, "CLF": trained})
        if figure["metric"] == "CLF_delta"
    ]
    assert delta["compares"].endswith("minus one trained on real alone, in f1")


def test_what_the_entry_leaves_open_is_noted():
    changed = entry(
        selection={"license": None, "dataset": ["Others"], "height": 65},
        description={"version": None},
    )
    notes = " ".join(convert.convert("00099_TOY", changed)["notes"])
    for text in ("no licence", "Others as the data set", "65 x 32 pixels", "no version"):
        assert text in notes


@pytest.mark.parametrize(
    "changes",
    [
        {"selection": {"dataset": None}},
        {"execution": {"package_link": "https://example.org/toy.zip"}},
        {"selection": {"performance": {"FID": "good"}}},
    ],
)
def test_an_entry_that_lacks_something_is_an_error_that_names_it(changes):
    with pytest.raises(MetadataError, match="00099_TOY can't be converted"):
        convert.convert("00099_TOY", entry(**changes))


def test_the_command_writes_documents_and_keeps_those_that_are_there(tmp_path, capsys):
    source = tmp_path / "global.json"
    source.write_text(json.dumps({"00099_TOY": entry()}))
    for _ in range(2):
        convert.main([str(source), "-o", str(tmp_path / "out")])
    captured = capsys.readouterr()
    assert captured.out.count("00099_TOY.json") == 1
    assert "is there already and kept" in captured.err
    assert metadata.load(tmp_path / "out" / "00099_TOY.json").name == "toy"


@pytest.mark.parametrize("content", ["[]", "{", "[" * 100_000])
def test_the_command_ends_with_one_line_on_a_bad_file(tmp_path, content):
    source = tmp_path / "global.json"
    source.write_text(content)
    with pytest.raises(SystemExit, match=r"^error: .*global\.json is not"):
        convert.main([str(source), "-o", str(tmp_path / "out")])


def test_one_bad_entry_does_not_stop_the_others(tmp_path, capsys):
    source = tmp_path / "global.json"
    source.write_text(json.dumps({"00098_BAD": {}, "../00097": entry(), "00099_TOY": entry()}))
    with pytest.raises(SystemExit):
        convert.main([str(source), "-o", str(tmp_path / "out")])
    captured = capsys.readouterr()
    written = sorted(path.name for path in tmp_path.glob("**/*.json"))
    assert written == ["00099_TOY.json", "global.json"]
    assert "error: 00098_BAD can't be converted" in captured.err
    assert "error: ../00097 gives no valid document: " in captured.err
