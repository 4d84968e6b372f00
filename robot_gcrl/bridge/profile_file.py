"""Profiles as TOML files: `controllers/profiles/NAME.toml`, or a file of the user's own.

A file is flat. Every quantity of the actuators is an array in their order, or one value for all of
them; "none" stands where nothing is prescribed for an actuator, and a quantity that no actuator has
is left out. So a reader in another language needs no more of TOML than strings, numbers and arrays.
"""

import dataclasses
import math
import tomllib
import types
import typing
from pathlib import Path
from typing import Any, Literal, NoReturn

from robot_gcrl.bridge.profile import Profile
from robot_gcrl.errors import ProfileError, unknown_name
from robot_gcrl.rooms import room

_NONE = "none"


def profile_names() -> tuple[str, ...]:
    """The profiles that come with the library, sorted."""
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


def load_profile(reference: Path | str) -> Profile:
    """The profile of a name in controllers/profiles, or of a TOML file.

    Args:
      reference: a name of `profile_names()`, or a path that ends in ".toml".

    Raises:
      UnknownNameError: no profile has this name.
      ProfileError: the file cannot be read, or holds something else than a profile.
    """
    path = Path(reference)
    if path.suffix != ".toml":
        if str(reference) not in profile_names():
            raise unknown_name(
                "profile", str(reference), profile_names(), see="controllers/README.md"
            )
        path = _folder() / f"{reference}.toml"
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:  # TOML and Unicode errors are ValueErrors
        raise ProfileError(
            f"The profile {path} cannot be read: {error}. Expected a TOML file like those in "
            "controllers/profiles. Mend or name another one."
        ) from error
    return Profile(name=path.stem, **_read(content, path))


def _folder() -> Path:
    return room("controllers") / "profiles"


def _read(content: dict[str, Any], path: Path) -> dict[str, Any]:
    fields = {field.name: field for field in dataclasses.fields(Profile) if field.name != "name"}
    hints = typing.get_type_hints(Profile)
    for key in content:
        if key not in fields:
            raise unknown_name(
                f"key of the profile {path}:", key, fields, see="controllers/README.md"
            )
    optional = {name for name in fields if _is_optional(fields[name], hints[name])}
    missing = [name for name in fields if name not in content and name not in optional]
    if missing:
        raise ProfileError(
            f"The profile {path} lacks {', '.join(missing)}. Expected all of: "
            f"{', '.join(name for name in fields if name not in optional)}. Add what is missing."
        )
    actuators = content["actuators"]
    count = len(actuators) if isinstance(actuators, list) else 0
    if count == 0:
        _refuse(path, "actuators", actuators, "an array of names")
    values = {}
    for name in fields:
        if typing.get_origin(hints[name]) is tuple:
            values[name] = _column(name, content.get(name, _NONE), hints[name], count, path)
        elif name in content:
            values[name] = _value(name, content[name], hints[name], path)
    return values


def _is_optional(field: dataclasses.Field[Any], hint: Any) -> bool:
    # An array in which each value may be "none" may be left out as a whole, but not the joints:
    # whoever measures nothing shall say so
    if typing.get_origin(hint) is tuple:
        return type(None) in typing.get_args(typing.get_args(hint)[0]) and field.name != "joints"
    return field.default is not dataclasses.MISSING


def _column(name: str, value: Any, hint: Any, count: int, path: Path) -> tuple[Any, ...]:
    values = value if isinstance(value, list) else [value] * count
    if len(values) != count:
        raise ProfileError(
            f"The profile {path} has {len(values)} values of {name} for {count} actuators. "
            "Expected one for each, or a single one for all. Mend the file."
        )
    kind = typing.get_args(hint)[0]
    return tuple(
        _value(f"{name}[{i}]" if isinstance(value, list) else name, entry, kind, path)
        for i, entry in enumerate(values)
    )


def _value(name: str, value: Any, kind: Any, path: Path) -> Any:
    if isinstance(kind, types.UnionType):
        # in the file, "none" stands for None
        if value == _NONE:
            return None
        (kind,) = (k for k in typing.get_args(kind) if k is not type(None))
    # bool is an int to Python
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and is_number and math.isfinite(value):
        return float(value)
    choices = typing.get_args(kind) if typing.get_origin(kind) is Literal else None
    if kind is not float and isinstance(value, str) and value and (not choices or value in choices):
        return value
    expected = "a finite number" if kind is float else "a text"
    return _refuse(path, name, value, f"one of {', '.join(choices)}" if choices else expected)


def _refuse(path: Path, name: str, value: Any, expected: str) -> NoReturn:
    raise ProfileError(
        f"The profile {path} has {name} = {value!r}. Expected {expected}. Mend the file."
    )
