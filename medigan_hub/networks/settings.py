"""What a caller says of a network beside its tensors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from numbers import Real
from typing import Any

from medigan_hub.errors import HubError


def check(
    name: str, given: Mapping[str, Any], told: Mapping[str, Any], known: Collection[str]
) -> None:
    """Refuse settings that a network lacks, and sizes other than those that its tensors tell.

    Parameters
    ----------
    name
        The network's.
    given
        Settings by name.
    told
        What the tensors tell.
    known
        The settings that they can't tell.

    Raises
    ------
    HubError
        A setting is unknown, or contradicts the tensors.
    """
    unknown = ", ".join(sorted(set(given).difference(known, told)))
    if unknown:
        raise HubError(
            f"the network {name} has no setting {unknown}; it has {', '.join(known) or 'none'}"
        )
    for key in given:
        if key in told and _plain(given[key]) != _plain(told[key]):
            raise HubError(
                f"{key} is {given[key]!r}, but it is {told[key]!r} in the {name} that these "
                "weights belong to; leave it out, or use the weights that it describes"
            )


def fraction(name: str, value: float) -> float:
    """Return a setting from 0 to 1.

    Raises
    ------
    HubError
        It is no such number.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value <= 1:
        raise HubError(f"{name} is {value!r}; it must be a number from 0 to 1")
    return float(value)


def switch(name: str, value: bool) -> bool:
    """Return a setting that is true or false.

    Raises
    ------
    HubError
        It is neither.
    """
    if not isinstance(value, bool):
        raise HubError(f"{name} is {value!r}; it must be True or False")
    return value


def _plain(value: Any) -> Any:
    """Make equal what tuples and lists hold alike."""
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
