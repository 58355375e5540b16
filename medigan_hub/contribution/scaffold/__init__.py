"""A package for a model, from a few answers: what ``medigan new`` makes.

The files come from the cookiecutter template ``templates/model_package``. A
``Start`` says what is known beforehand: nothing, what a checkpoint of PyTorch
tells, or an entry of medigan's own list; ``answers`` checks what is answered,
and ``making`` makes the package.
"""

from medigan_hub.contribution.scaffold.answers import Question, check, questions
from medigan_hub.contribution.scaffold.making import Made, create
from medigan_hub.contribution.scaffold.starts import Start, from_checkpoint, from_medigan

__all__ = [
    "Made",
    "Question",
    "Start",
    "check",
    "create",
    "from_checkpoint",
    "from_medigan",
    "questions",
]
