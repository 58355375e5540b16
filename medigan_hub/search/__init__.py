"""Finding models by words and fields, and ranking them by how they scored.

``query`` reads what is asked, ``synonyms`` knows words of one meaning, ``fields``
says what of a model is searched, ``index`` looks it up, ``ranking`` sorts by a
metric, ``measured`` has what a benchmark measured, ``choice`` takes one.
"""

from medigan_hub.search.index import CRITERIA, Criteria, Index, Match, Result

__all__ = ["CRITERIA", "Criteria", "Index", "Match", "Result"]
