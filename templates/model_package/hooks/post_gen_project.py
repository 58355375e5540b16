"""Finishes a rendered package: checks the answers, keeps what was chosen, hashes the weights.

Runs in the folder of the package, with the standard library alone.
"""

import json
import re
import runpy
import shutil
import sys
from pathlib import Path

ANSWERS = "answers.json"
NAME = re.compile("[a-z][a-z0-9]*(-[a-z0-9]+)*")
ORCID = re.compile("[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{3}[0-9X]")
SUFFIXES = {
    "archive": ".npz",
    "onnx": ".onnx",
    "tensorflow": ".weights.h5",
    "torch": ".safetensors",
}


def check(answers):
    """Return what is wrong with the answers in one line, or nothing."""
    name, orcid = answers["name"], answers["orcid"]
    if not NAME.fullmatch(name) or len(name) > 64:
        return f"the name {name!r} is not possible; use lower case and hyphens, such as my-gan"
    if orcid and not (ORCID.fullmatch(orcid) and check_digit(orcid) == orcid[-1]):
        return f"{orcid} is no ORCID iD; it has the form 0000-0002-1825-0097"
    for key in ("title", "author", "affiliation", "organ", "modality", "licence"):
        text = answers[key]
        if not text.isprintable() or len(text) > 200 or not (text.strip() or key == "affiliation"):
            return f"the {key} {text!r} is not possible; give one line of at most 200 characters"
    return None


def check_digit(orcid):
    """Return the last character of an ORCID iD: ISO 7064, MOD 11-2."""
    total = 0
    for digit in orcid.replace("-", "")[:-1]:
        total = (total + int(digit)) * 2
    value = (12 - total % 11) % 11
    return "X" if value == 10 else str(value)


def finish(project):
    """Turn what was rendered into a package."""
    project = Path(project)
    answers = json.loads((project / ANSWERS).read_text("utf-8"))
    fault = check(answers)
    if fault:
        raise ValueError(fault)
    (project / ANSWERS).unlink()
    # pip compiles what it installs, this template too.
    for folder in [*project.rglob("__pycache__")]:
        shutil.rmtree(folder)
    package, training = project / answers["package"], project / "training"
    variants = project / "variants"
    (project / "package").rename(package)
    (variants / "package" / f"{answers['module']}.py").rename(package / "__init__.py")
    own = answers["network"] == "own" and answers["weights"] == "random"
    if answers["weights"] == "remote":
        shutil.rmtree(training)
    elif own:
        (package / "weights").mkdir()
        put_own(variants / answers["framework"], answers, project)
    else:
        (variants / "given" / "export_weights.py").rename(training / "export_weights.py")
        network = variants / "given" / f"{answers['network']}.py"
        network = network if network.exists() else variants / "given" / "network.py"
        network.rename(package / "network.py")
    shutil.rmtree(variants)
    metadata = package / "metadata.json"
    document = json.loads(metadata.read_text("utf-8"))
    metadata.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
    if own:
        runpy.run_path(str(training / "record_weights.py"))["record"]()
        for folder in [*project.rglob("__pycache__")]:
            shutil.rmtree(folder)


def put_own(variant, answers, project):
    """Put in a network of the package's own with small random weights."""
    framework, package = answers["framework"], project / answers["package"]
    weights = variant / f"{answers['kind']}{SUFFIXES[framework]}"
    (variant / "export_weights.py").rename(project / "training" / "export_weights.py")
    if framework == "archive":
        code = project / "archive" / answers["code"]
        code.mkdir(parents=True)
        (variant / "code.py").rename(code / "__init__.py")
        weights.rename(code / "weights.npz")
        return
    weights.rename(package / "weights" / f"generator{SUFFIXES[framework]}")
    folder = project / "training" if framework == "onnx" else package
    (variant / "network.py").rename(folder / "network.py")


if __name__ == "__main__":
    try:
        finish(Path.cwd())
    except ValueError as error:
        sys.exit(f"error: {error}")
