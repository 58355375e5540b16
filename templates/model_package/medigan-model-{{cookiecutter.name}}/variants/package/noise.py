"""The model {{ cookiecutter.name }}."""

from medigan_hub.plugin import NoiseToImage
{% if cookiecutter.framework != "onnx" %}
from {{ cookiecutter.__package }}.network import build
{% endif %}

plugin = NoiseToImage(__file__{{ cookiecutter.__network }})
