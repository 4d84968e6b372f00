"""What differs between two contracts, part by part, for the one who has to mend a robot."""

import json
from typing import Any

from robot_gcrl.contract.contract import Contract

MOST = 32
"""Most differences that are listed; the last row says how many more there are."""

LONGEST = 120
"""Longest text of a difference [characters]."""

Difference = tuple[str, str, str]


def differences(contract: Contract, other: str) -> tuple[Difference, ...]:
    """(name, expected, got) of each part of `contract` that differs from another contract's JSON.

    Names are paths: "observation[3].scale", "action.actuators[0]". What is no JSON object at all is
    one difference. The other contract comes from who knows where: nothing in it makes this fail,
    and no text gets longer than LONGEST.
    """
    try:
        got = json.loads(other)
        found = _walk("", json.loads(contract.canonical_json), got) if type(got) is dict else None
    except (ValueError, RecursionError):
        found = None
    if found is None:
        shown = _cut(json.dumps(other[:LONGEST])) if other else "nothing"
        return (("contract", "the JSON of a contract", shown),)
    if len(found) > MOST:
        rest = len(found) - MOST + 1
        found = [*found[: MOST - 1], ("...", f"{rest} more", f"{rest} more")]
    return tuple(found)


def _walk(path: str, expected: Any, got: Any) -> "list[Difference]":
    if isinstance(expected, dict) and isinstance(got, dict):
        keys = list(expected) + [key for key in got if key not in expected]
        found = [
            _walk(f"{path}.{k}" if path else k, expected.get(k, _ABSENT), got.get(k, _ABSENT))
            for k in keys
        ]
        return [row for rows in found for row in rows]
    if isinstance(expected, list) and isinstance(got, list):
        longest = max(len(expected), len(got))
        pairs = zip(_padded(expected, longest), _padded(got, longest), strict=True)
        return [row for i, (a, b) in enumerate(pairs) for row in _walk(f"{path}[{i}]", a, b)]
    if type(expected) is type(got) and expected == got:
        return []
    return [(_cut(path), _shown(expected), _shown(got))]


_ABSENT = object()


def _padded(values: list[Any], length: int) -> list[Any]:
    return values + [_ABSENT] * (length - len(values))


def _shown(value: Any) -> str:
    return _cut("absent" if value is _ABSENT else json.dumps(value, ensure_ascii=True))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
