from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from medigan_hub import metadata
from medigan_hub.errors import MetadataError, RequestError
from medigan_hub.metadata import ModelMetadata, Parameter, documents
from support import ROOT


def test_a_valid_document_has_no_faults(document):
    assert metadata.validate(document) == []


def test_every_fault_is_reported_with_path_value_and_what_is_allowed(document):
    document["task"] = "magic"
    document["outputs"][0]["dtype"] = "float16"
    document["colour"] = "red"
    document["training_data"][0]["access"] = "maybe"
    document["weights"][0]["files"][0]["sha256"] = "abc"
    del document["privacy"]
    faults = "\n".join(metadata.validate(document))
    assert 'task: "magic" is not one of noise-to-image, class-to-image' in faults
    assert 'outputs[0].dtype: "float16" is not one of uint8, uint16' in faults
    assert "unknown key colour; known are schema_version, name" in faults
    assert 'training_data[0].access: "maybe" is not one of public' in faults
    assert 'weights[0].files[0].sha256: "abc" does not match the pattern' in faults
    assert "the document: lacks privacy" in faults


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("outputs", 0, "range"), [255, 0], "outputs[0].range: [255, 0] must rise"),
        (("outputs", 0, "channels"), ["r", "g"], "outputs[0].channels: 2 names for 1"),
        (("outputs", 0, "kind"), "mask", "outputs[0].kind"),
        (("outputs", 0, "shape"), [8, 6], "outputs[0].shape"),
        (("outputs", 0, "spacing_mm"), [1, 1, 1], "outputs[0].spacing_mm: 3 values for 2 axes"),
        (("outputs", 0, "orientation"), ["P", "L", "S"], "outputs[0].orientation: 3 values for 2"),
        (("outputs", 0, "orientation"), ["P", "A"], "outputs[0].orientation: ['P', 'A'] has two"),
        (("task",), "image-to-image", "inputs: a model with task image-to-image"),
        (("task",), "class-to-image", "conditions: a model with task class-to-image"),
    ],
)
def test_parts_that_contradict_each_other_are_faults(document, path, value, fault):
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert any(line.startswith(fault) for line in metadata.validate(document))


def test_defaults_and_names_of_parameters_are_checked(document):
    parameter = {
        "name": "age",
        "type": "integer",
        "description": "Age",
        "default": 7,
        "minimum": 20,
        "maximum": 90,
    }
    document["conditions"] = [parameter]
    document["options"] = [parameter | {"default": 30}]
    faults = metadata.validate(document)
    assert "conditions[0].default: 7 must be an integer from 20 to 90" in faults
    assert 'options[0].name: "age" is the name of another' in faults


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "a\x9b", "end\n"])
def test_a_line_holds_no_control_characters(document, text):
    document["title"] = text
    (fault,) = metadata.validate(document)
    assert fault.startswith("title: ")


def test_a_text_may_hold_line_breaks_but_nothing_that_moves_the_cursor(document):
    document["description"] = "Two\n\tlines."
    assert metadata.validate(document) == []
    document["description"] = "\x1b[2J"
    assert len(metadata.validate(document)) == 1


def test_a_publication_needs_a_title_or_a_way_to_find_it(document):
    document["publications"] = [{"doi": "10.1000/x"}, {"venue": "Toys"}]
    assert metadata.validate(document) == ["publications[1]: lacks title or doi or url"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("year",), 2020.0),
        (("outputs", 0, "shape", 0), 8.0),
        (("name",), "toy-noise\n"),
        (("plugin",), "medigan-model-toy\n"),
        (("version",), "1.0.0\n"),
        (("version",), "1." + "0" * 5000 + ".0"),
        (("licence",), "MIT\x1b[2J"),
        (("weights", 0, "files", 0, "url"), "https://example.org/\x1b"),
        (("publications",), [{"doi": "10.1000/}\\input{x}"}]),
        (("performance",), [{"metric": "M", "value": 1, "extractor": "\x9b"}]),
        (("performance",), [{"metric": "M", "value": 1, "interval": [0]}]),
        (("performance",), [{"metric": "M", "value": 1, "interval": [2, 1]}]),
        (("performance",), [{"metric": "M", "value": 1, "num_reference": 0}]),
        (("performance",), [{"metric": "M", "value": 1, "group": "a\nb"}]),
    ],
)
def test_what_only_looks_valid_is_a_fault(document, path, value):
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert len(metadata.validate(document)) == 1


def test_a_damaged_verdict_is_judged_anew(tmp_path, document, own_cache):
    path = tmp_path / "metadata.json"
    path.write_text(json.dumps(document))
    metadata.load(path)
    (verdict,) = (own_cache / "verdicts").iterdir()
    for damage in ("5", '{"a": 1}', "[1]", "{"):
        verdict.write_text(damage)
        assert metadata.load(path).name == "toy-noise"


def test_bundled_weights_need_a_file_and_a_hash(document):
    document["weights"][0]["files"] = [{"role": "network"}]
    assert metadata.validate(document) == ["weights[0].files[0]: lacks file, sha256"]


def test_a_runtime_has_one_set_of_weights_and_a_role_one_file(document):
    document["weights"] *= 2
    assert metadata.validate(document) == ['weights[1].runtime: "numpy" has weights already']
    del document["weights"][1]
    document["weights"][0]["files"] *= 2
    assert metadata.validate(document) == ["weights[0].files: more than one has the role network"]


def test_published_code_needs_to_be_told_how_it_is_called(document):
    document["weights"][0]["runtime"] = "archive"
    assert metadata.validate(document) == ["weights[0].runtime: archive needs the section archive"]


@pytest.mark.parametrize("file", ["/etc/passwd", "../other", "a/../../b", "C:\\weights"])
def test_weights_outside_the_package_are_a_fault(document, file):
    document["weights"][0]["files"][0]["file"] = file
    assert len(metadata.validate(document)) == 1


def test_a_document_of_another_type_is_a_fault_not_a_crash():
    assert metadata.validate([1, 2]) == ["the document: [1, 2] must be of type object"]


def test_reading_a_document_keeps_what_it_says(document):
    document["outputs"][0] |= {"spacing_mm": [0.5, 2], "orientation": ["P", "L"]}
    assert metadata.validate(document) == []
    model = ModelMetadata.from_document(document)
    assert model.name == "toy-noise"
    assert model.outputs[0].shape == (8, 6, 1)
    assert (model.outputs[0].spacing, model.outputs[0].orientation) == ((0.5, 2), ("P", "L"))
    assert model.latent is not None
    assert model.latent.size == 48
    assert model.document is document


def test_a_verdict_is_remembered_until_the_document_changes(
    tmp_path, document, own_cache, monkeypatch
):
    path = tmp_path / "metadata.json"
    path.write_text(json.dumps(document))
    metadata.load(path)
    assert len(list((own_cache / "verdicts").iterdir())) == 1

    monkeypatch.setattr(documents, "validate", lambda document: ["checked again"])
    metadata.load(path)  # remembered: validate is not called
    path.write_text(json.dumps(document | {"title": "Another"}))
    with pytest.raises(MetadataError, match="checked again"):
        metadata.load(path)


def test_a_bad_verdict_is_remembered_too(tmp_path, document):
    path = tmp_path / "metadata.json"
    path.write_text(json.dumps(document | {"task": "magic"}))
    for _ in range(2):
        with pytest.raises(MetadataError, match="task"):
            metadata.load(path)


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, document, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MEDIGAN_CACHE", str(tmp_path / "file" / "cache"))
    path = tmp_path / "metadata.json"
    path.write_text(json.dumps(document))
    assert metadata.load(path).name == "toy-noise"


@pytest.mark.parametrize("content", ["{", "", '{"value": NaN}', "[" * 100_000, "\0"])
def test_a_document_that_is_not_json_names_its_file(tmp_path, content):
    path = tmp_path / "metadata.json"
    path.write_text(content)
    with pytest.raises(MetadataError, match=r"metadata\.json is not JSON"):
        metadata.load(path)


AGE = Parameter("age", "integer", "", 50, minimum=20, maximum=90, unit="years")
SIDE = Parameter("side", "string", "", "left", choices=("left", "right"))
RADIUS = Parameter("radius", "number", "", 1.5, minimum=0)
FLAG = Parameter("flag", "boolean", "", False)


@pytest.mark.parametrize(
    ("parameter", "given", "value"),
    [
        (AGE, "33", 33),
        (AGE, 20, 20),
        (SIDE, "right", "right"),
        (RADIUS, "2", 2.0),
        (FLAG, "yes", True),
        (FLAG, False, False),
    ],
)
def test_a_parameter_takes_values_and_their_text(parameter, given, value):
    assert parameter.parse(given) == value


@pytest.mark.parametrize(
    ("parameter", "given", "allowed"),
    [
        (AGE, "old", "an integer from 20 to 90 years"),
        (AGE, 19, "an integer from 20 to 90 years"),
        (AGE, True, "an integer"),
        (AGE, 33.5, "an integer"),
        (SIDE, "top", "one of left, right"),
        (RADIUS, "-1", "a number of at least 0"),
        (RADIUS, "nan", "a number of at least 0"),
        (RADIUS, "inf", "a number of at least 0"),
        (FLAG, "maybe", "a boolean"),
    ],
)
def test_a_parameter_refuses_what_is_out_of_range(parameter, given, allowed):
    with pytest.raises(RequestError, match=allowed) as error:
        parameter.parse(given)
    assert repr(given) in str(error.value)


def test_an_undeclared_parameter_is_refused_with_those_that_are_declared():
    with pytest.raises(RequestError, match="toy has no condition 'sex'; it has age, side"):
        metadata.parse_parameters("condition", (AGE, SIDE), {"sex": "f"}, "toy")
    with pytest.raises(RequestError, match="it has none"):
        metadata.parse_parameters("option", (), {"sex": "f"}, "toy")


def test_parameters_that_are_not_given_take_their_defaults():
    assert metadata.parse_parameters("condition", (AGE, SIDE), {"age": "60"}, "toy") == {
        "age": 60,
        "side": "left",
    }


@pytest.mark.parametrize(
    ("condition", "label", "fault"),
    [
        ({"type": "string", "choices": ["cc", "mlo"]}, {"classes": ["cc"]}, "classes: lack mlo"),
        ({"type": "string"}, {}, "classes: lack the condition's choices"),
        ({"type": "number", "minimum": 0, "maximum": 300}, {}, "narrower than its condition's"),
    ],
)
def test_a_label_must_be_able_to_hold_its_condition(document, condition, label, fault):
    both = {"name": "view", "description": "View."}
    document["conditions"] = [both | {"default": None} | condition]
    output = {"kind": "label", "shape": [], "dtype": "uint8", "range": [0, 255]}
    document["outputs"].append(both | output | label)
    assert any(fault in found for found in metadata.validate(document))


def _command(*files, **environment):
    # As in a shell that is none of GitHub Actions, where the tests themselves may run.
    outside = {name: value for name, value in os.environ.items() if name != "GITHUB_ACTIONS"}
    return subprocess.run(
        [sys.executable, "-m", "medigan_hub.metadata", *map(str, files)],
        capture_output=True,
        text=True,
        env=outside | environment,
    )


def test_the_command_reports_all_mistakes_of_all_files(tmp_path, document):
    good, bad, none = (tmp_path / f"{name}.json" for name in ("good", "bad", "none"))
    good.write_text(json.dumps(document))
    mistakes = {
        **{"name": "Upper Case", "version": "1", "plugin": "a b", "title": "", "licence": 7},
        **{"task": "magic", "framework": 1, "organ": [], "modality": "MRI", "year": 1066},
        **{"training_data": [], "limitations": [], "authors": [{"orcid": "1"}], "doi": "1"},
        **{"latent": {"size": 0, "distribution": "flat"}, "privacy": "", "schema_version": 2},
        **{"outputs": [{"name": "X", "kind": "x", "shape": [0], "dtype": "int", "range": [1]}]},
    }
    bad.write_text(json.dumps(document | mistakes))
    result = _command(good, bad, none)
    lines = result.stdout.splitlines()
    assert result.returncode == 1
    assert result.stderr == ""
    assert lines[0] == f"{good}: valid"
    about = [line.removeprefix(f"{bad}: ") for line in lines if line.startswith(f"{bad}: ")]
    assert len(about) >= 20
    for key in mistakes:
        assert any(line.startswith((f"{key}:", f"{key}[", f"{key}.")) for line in about), key
    assert lines[-1].startswith(f"{none}: can't be read")
    assert _command(good).returncode == 0


def test_the_command_annotates_files_in_github_actions(tmp_path, document):
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(document | {"title": ""}))
    lines = _command(bad, GITHUB_ACTIONS="true").stdout.splitlines()
    assert any(line.startswith(f"::error file={bad},title=model metadata::title") for line in lines)
    assert "::" not in _command(bad).stdout


def test_the_hooks_and_workflow_for_maintainers_name_what_is_there():
    root = ROOT
    (hook,) = yaml.safe_load((root / ".pre-commit-hooks.yaml").read_text())
    assert re.search(hook["files"], "medigan_model_x/metadata.json")
    assert hook["entry"] == "python -m medigan_hub.metadata"
    workflow = yaml.safe_load((root / ".github" / "workflows" / "check-model.yml").read_text())
    steps = workflow["jobs"]["check"]["steps"]
    scripts = "\n".join(step.get("run", "") for step in steps)
    assert "python -m medigan_hub.metadata" in scripts
    assert "${{" not in scripts, "an input in a script would be code"
