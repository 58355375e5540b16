"""DICOM, as hospitals have it.

``header`` is what pydicom finds in a file, ``layout`` how its pixels lie; ``pixels`` takes out
those of a frame, with ``codecs`` where they are compressed; ``display`` and ``tables`` bring them
into the form in which a viewer shows them. ``decoder`` does all of it in turn.
"""

from medigan_hub.inputs.decoders.dicom.decoder import DicomDecoder

__all__ = ["DicomDecoder"]
