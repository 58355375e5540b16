{% set kind = cookiecutter.__kind %}
{% set facts = cookiecutter._facts %}
"""Write small random weights into the archive, as they came with it, and pack it.

    python training/export_weights.py

TODO: write those of the trained network; record_weights.py alone packs what is there.
"""

from __future__ import annotations

import numpy as np
from record_weights import ARCHIVE, METADATA, record

WEIGHTS = ARCHIVE / "{{ cookiecutter.name | replace("-", "_") }}" / "weights.npz"


def main() -> None:
    rng = np.random.Generator(np.random.Philox(key=0))
{% if kind == "image" %}
    np.savez(WEIGHTS, kernel=rng.standard_normal((5, 5), dtype=np.float32) / 4)
{% else %}
    kernel = rng.standard_normal(({{ facts.latent + (facts.classes | length if kind == "class" else 0) }}, 64), dtype=np.float32)
    bias = rng.standard_normal(64, dtype=np.float32)
    np.savez(WEIGHTS, kernel=kernel / 16, bias=bias / 16)
{% endif %}
    print(f"{METADATA}: SHA-256 {record()}")


if __name__ == "__main__":
    main()
