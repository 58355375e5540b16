"""The model {{ cookiecutter.name }}."""

from medigan_hub.runtimes.{{ cookiecutter.framework }} import NoiseToImage, {{ cookiecutter.__runtime }}
{% if cookiecutter.framework != "onnx" %}
from {{ cookiecutter.__package }}.network import build
{% endif %}

plugin = NoiseToImage(__file__, {{ cookiecutter.__runtime }}({{ "" if cookiecutter.framework == "onnx" else "build" }}))
