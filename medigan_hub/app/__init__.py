"""The app: models explored, run, steered and compared in a browser.

``server`` says where it listens, ``gate`` to whom and ``doors`` to what (``bodies`` reads
it); ``page`` says what is on the page: a tab each in ``explore``, ``generate``,
``steer``, ``compare`` and ``takeaway``. They share ``form`` (from a model's metadata to
fields, and back to wishes), ``session`` (what one user has uploaded and made), ``files``
(what of it comes and goes), ``work`` (long jobs) and ``pictures`` (from arrays to what a
browser shows). HTML stands in ``templates``; whatever goes into it is escaped.
"""
