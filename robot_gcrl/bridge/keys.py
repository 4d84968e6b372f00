"""Making CURVE keys: secret files are nobody else's from their first byte.

See `robot_gcrl.bridge.certificates` for the folder and the format.
"""

import os
import stat
from pathlib import Path
from typing import NoReturn

import zmq

from robot_gcrl.bridge.certificates import (
    KEY_ROLES,
    NAME,
    PUBLIC,
    PUBLIC_SUFFIX,
    SECRET_SUFFIX,
)
from robot_gcrl.errors import BridgeError


def make_keys(directory: Path, *, role: str, name: str) -> tuple[Path, Path]:
    """Makes a pair of keys; returns the secret file and the public file.

    Args:
      directory: the folder of keys; made (0700) where it does not exist.
      role: "server", "robot" or "operator".
      name: the robot's id; for others any name.

    Raises:
      BridgeError: another role, a name that is no file name, a file of that name exists, a folder
        that others can read, or the disk refuses.
    """
    if role not in KEY_ROLES:
        raise BridgeError(
            f"The role {role!r} has no keys. Expected one of {', '.join(KEY_ROLES)}. Change the "
            "role."
        )
    if not NAME.fullmatch(name):
        raise BridgeError(
            f"A key cannot be called {name!r}. Expected 1 to 64 letters, digits, '.', '_' or '-', "
            "the first a letter or digit. Change the name (and the robot's id with it)."
        )
    secret_file = directory / f"{name}{SECRET_SUFFIX}"
    public_file = directory / PUBLIC / f"{name}{PUBLIC_SUFFIX}"
    public, secret = zmq.curve_keypair()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_private(directory)
        public_file.parent.mkdir(mode=0o700, exist_ok=True)
        for path in (secret_file, public_file):
            if path.exists():
                _refuse_overwriting(path)
        _write(secret_file, 0o600, _text(role, name, public, secret))
        try:
            _write(public_file, 0o644, _text(role, name, public, b""))
        except OSError:
            secret_file.unlink()  # half a pair would stand in the way of the next attempt
            raise
    except FileExistsError as error:
        _refuse_overwriting(Path(error.filename))
    except OSError as error:
        raise BridgeError(
            f"The keys of {name!r} cannot be written to {directory}: {error.strerror}. Expected a "
            "folder of yours. Choose another."
        ) from error
    return secret_file, public_file


def _text(role: str, name: str, public: bytes, secret: bytes) -> str:
    head = (
        "#   ZeroMQ CURVE **Secret** Certificate: for its owner alone, mode 600\n"
        if secret
        else "#   ZeroMQ CURVE Public Certificate: check where it is from\n"
    )
    lines = [head, "metadata", f"    role = {role}", f"    name = {name}", "curve"]
    lines.append(f'    public-key = "{public.decode()}"')
    if secret:
        lines.append(f'    secret-key = "{secret.decode()}"')
    return "\n".join(lines) + "\n"


def _write(path: Path, mode: int, text: str) -> None:
    # With the mode in open, the file is nobody else's at any moment; O_EXCL follows no link
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink()
        raise


def _require_private(directory: Path) -> None:
    mode = directory.stat().st_mode
    if mode & 0o077:
        raise BridgeError(
            f"The folder {directory} can be used by others (mode {stat.S_IMODE(mode):o}). Expected "
            f"its owner alone. Run: chmod 700 {directory}"
        )


def _refuse_overwriting(path: Path) -> NoReturn:
    raise BridgeError(
        f"The key {path} exists. Expected a name without keys. Choose another name, or remove the "
        "file: whoever uses that key is shut out then."
    )
