"""Names that a user may have meant."""

import difflib
from collections.abc import Iterable

# Of difflib's similarity, 0 to 1: below the first a name was not meant (as in difflib); nor is one
# that is less similar than the most similar by more than the second.
_LEAST, _MARGIN = 0.6, 0.1


def closest_first(name: str, known: Iterable[str]) -> list[str]:
    """The known names, the most similar first."""
    return sorted(known, key=lambda other: (-_similarity(name, other), other))


def likely(name: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """Of the known names those that were probably meant, the most similar first; may be empty."""
    names = closest_first(name, known)[:most]
    least = max(_LEAST, max((_similarity(name, n) for n in names), default=0.0) - _MARGIN)
    return [n for n in names if _similarity(name, n) >= least]


def _similarity(name: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other.lower(), name.lower()).ratio()
