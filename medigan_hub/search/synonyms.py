"""One table of words that mean the same in this field, for search and filters."""

from __future__ import annotations

import re
from functools import cache

SYNONYMS = (
    # modalities
    ("mammography", "mammogram", "mammographic", "MMG", "x-ray mammography"),
    ("full-field digital mammography", "FFDM", "full-field digital", "digital mammography"),
    ("digital breast tomosynthesis", "DBT", "tomosynthesis"),
    ("x-ray", "xray", "radiograph", "radiography"),
    ("chest x-ray", "chest xray", "CXR", "thoracic x-ray", "lung x-ray", "chest radiograph"),
    ("MRI", "MR", "magnetic resonance imaging", "magnetic resonance"),
    ("T1-weighted MRI", "T1-weighted", "T1", "T1w"),
    ("T2-weighted MRI", "T2-weighted", "T2", "T2w"),
    ("T1-weighted contrast-enhanced MRI", "T1 contrast-enhanced", "T1c", "T1ce", "ceT1"),
    ("FLAIR MRI", "FLAIR", "fluid-attenuated inversion recovery"),
    ("DCE-MRI", "DCE", "dynamic contrast-enhanced MRI", "dynamic contrast-enhanced"),
    ("CT", "computed tomography", "CAT scan"),
    ("PET", "positron emission tomography"),
    ("ultrasound", "ultrasonography", "sonography"),
    ("endoscopy", "colonoscopy", "gastroscopy", "endoscopic"),
    ("gastrointestinal endoscopy", "GI endoscopy"),
    ("fundus photography", "fundoscopy", "retinography", "fundus"),
    ("OCT", "optical coherence tomography"),
    ("histopathology", "histology", "whole slide imaging", "WSI"),
    # organs
    ("breast", "breasts", "mammary gland"),
    ("brain", "cranial", "cerebral", "head"),
    ("lung", "pulmonary"),
    ("chest", "thorax", "thoracic"),
    ("heart", "cardiac", "cardiology"),
    ("colon", "bowel", "colorectal", "large intestine"),
    ("eye", "ocular", "retina", "retinal", "ophthalmic", "ophthalmology"),
    # findings
    ("tumour", "tumor", "neoplasm"),
    ("calcification", "microcalcification"),
    ("polyp", "adenoma"),
    ("oedema", "edema"),
    ("ageing", "aging"),
    ("region of interest", "ROI", "patch"),
    ("mask", "segmentation mask", "annotation"),
    ("grey", "gray", "greyscale", "grayscale"),
    ("colour", "color", "RGB"),
    # models and their tasks
    ("DCGAN", "DC-GAN", "deep convolutional GAN"),
    ("CycleGAN", "Cycle GAN", "cycle-consistent GAN"),
    ("FastGAN", "Fast GAN"),
    ("SinGAN", "single-image GAN"),
    ("pix2pixHD", "pix2pix HD"),
    ("conditional DCGAN", "C-DCGAN", "class-conditional DCGAN"),
    ("WGAN-GP", "WGANGP", "Wasserstein GAN with gradient penalty"),
    ("PGGAN", "ProGAN", "progressive GAN", "progressively growing GAN"),
    ("inpainting GAN", "inpaint generator"),
    ("inpainting", "inpaint"),
    ("image-to-image", "I2I", "image translation", "domain translation", "style transfer"),
    ("noise-to-image", "unconditional generation", "unconditional"),
    ("class-to-image", "class-conditional"),
    ("mask-to-image", "label-to-image"),
    ("PyTorch", "torch"),
    ("TensorFlow", "Keras"),
    ("ONNX", "onnxruntime"),
    # conditions of use
    ("licence", "license"),
    ("BSD", "BSD License"),
    ("GPL", "GNU General Public License"),
)
"""Each row is one meaning, its usual name first. Case and hyphens don't matter."""


def others(term: str) -> tuple[str, ...]:
    """Return the other terms of the same meaning.

    >>> others("CXR")[:2]
    ('chest x-ray', 'chest xray')
    >>> others("x-ray")[:2]
    ('xray', 'radiograph')
    """
    # xray and x-ray are one term here, and two to an index of words: both are returned.
    return tuple(other for other in _group(term) if other.casefold() != term.casefold())


@cache
def canonical(term: str) -> str:
    """Return what is the same for all terms of one meaning, however they are written.

    >>> canonical("x-ray") == canonical("XRAY") == canonical("radiographs")
    True
    """
    group = _group(term)
    return _key(group[0]) if group else _key(term)


def _group(term: str) -> tuple[str, ...]:
    return next((_table()[form] for form in _forms(term) if form in _table()), ())


@cache
def _table() -> dict[str, tuple[str, ...]]:
    return {_key(term): group for group in SYNONYMS for term in group}


def _forms(term: str) -> tuple[str, ...]:
    """Return the keys that a term may stand under: as it is, and as the plural of another."""
    key = _key(term)
    return tuple(dict.fromkeys((key, key.removesuffix("s"), key.removesuffix("es"))))


def _key(term: str) -> str:
    return re.sub(r"[\W_]+", "", term.casefold())
