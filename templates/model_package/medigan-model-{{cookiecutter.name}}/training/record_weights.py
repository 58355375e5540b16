{% if cookiecutter.framework == "archive" %}
"""Pack the folder ``archive`` into the package, and put its SHA-256 into metadata.json.

    python training/record_weights.py

Run it after every change of the code or the weights in that folder.
"""
{% else %}
"""Put the SHA-256 of the package's weights into metadata.json.

    python training/record_weights.py

Run it after every change of that file.
"""
{% endif %}

from __future__ import annotations

import hashlib
import json
{% if cookiecutter.framework == "archive" %}
import zipfile
{% endif %}
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = PROJECT / "{{ cookiecutter.__package }}"
METADATA = PACKAGE / "metadata.json"
{% if cookiecutter.framework == "archive" %}
ARCHIVE = PROJECT / "archive"
{% endif %}


def record() -> str:
    """Return the SHA-256 of the weights' file, once metadata.json has it."""
    document = json.loads(METADATA.read_text("utf-8"))
    (file,) = document["weights"][0]["files"]
    path = PACKAGE / file["file"]
{% if cookiecutter.framework == "archive" %}
    pack(path)
{% endif %}
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    file["sha256"] = sha256
    METADATA.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return sha256
{% if cookiecutter.framework == "archive" %}


def pack(path: Path) -> None:
    """Write the archive: the same files always give the same bytes."""
    files = [
        file
        for file in sorted(ARCHIVE.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    ]
    with zipfile.ZipFile(path, "w") as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.relative_to(ARCHIVE).as_posix())  # of 1980
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
{% endif %}


if __name__ == "__main__":
    print(f"{METADATA}: SHA-256 {record()}")
