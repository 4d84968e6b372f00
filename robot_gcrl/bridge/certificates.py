"""Key files in ZeroMQ's certificate format: what they hold, and who else could have used them.

A folder of keys (0700) has secret files, and in `public/` who may connect:

    FOLDER/NAME.key_secret     of whoever holds it (0600), never copied to the other side
    FOLDER/public/NAME.key     of everybody that the owner of the folder trusts

The metadata say which role a key has and under which name: a robot's id, for an operator or a
server anything. What a key may do follows from that file on the server, never from what its owner
says.
"""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import zmq

from robot_gcrl.errors import BridgeError

KEY_ROLES = ("server", "robot", "operator")
PUBLIC = "public"
SECRET_SUFFIX = ".key_secret"
PUBLIC_SUFFIX = ".key"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a key may be called: safe as a file name and in the metadata."""

# Z85 of 32 bytes (ZeroMQ RFC 32)
_KEY = re.compile(rb"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
_LONGEST_FILE = 16 * 1024


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A key file.

    Attributes:
      path: of the file.
      role: "server", "robot" or "operator".
      name: the robot's id; of others a name for people.
      public: the public key, Z85.
      secret: the secret key, Z85; empty in a public file.
    """

    path: Path
    role: str
    name: str
    public: bytes
    secret: bytes = field(default=b"", repr=False)


def read_public(path: Path) -> Certificate:
    """The certificate of a public file.

    Raises:
      BridgeError: it is none, or others than its owner may write it.
    """
    content = _read(path, forbidden=0o022, what="written", mode="go-w")
    return _certificate(path, content, is_secret=False)


def read_secret(path: Path) -> Certificate:
    """The certificate of a secret file.

    Raises:
      BridgeError: it is none, or others than its owner may read it.
    """
    content = _read(path, forbidden=0o077, what="read", mode="600")
    return _certificate(path, content, is_secret=True)


def read_all_public(directory: Path) -> dict[bytes, Certificate]:
    """The certificates of all public files in a folder, by public key.

    Raises:
      BridgeError: one of them is not a certificate, two of them hold the same key, or others than
        the folder's owner may add to it.
    """
    _require_closed(directory)
    found: dict[bytes, Certificate] = {}
    for path in sorted(directory.glob(f"*{PUBLIC_SUFFIX}")):
        certificate = read_public(path)
        same = found.get(certificate.public)
        if same is not None:
            raise BridgeError(
                f"The files {same.path} and {path} hold the same key. Expected one file for each "
                "key, so that it has one role and name. Remove one of them."
            )
        found[certificate.public] = certificate
    return found


def find_secret(directory: Path, role: str) -> Certificate:
    """The only secret certificate of a role in a folder of keys.

    Raises:
      BridgeError: there is none, or several, or others may read it or write to the folder.
    """
    _require_closed(directory)
    secrets = [read_secret(path) for path in sorted(directory.glob(f"*{SECRET_SUFFIX}"))]
    found = [certificate for certificate in secrets if certificate.role == role]
    if len(found) != 1:
        names = ", ".join(certificate.path.name for certificate in found) or "none"
        raise BridgeError(
            f"The folder {directory} has {len(found)} secret keys of a {role} ({names}). Expected "
            f"one. Make one with: robot-gcrl keys {directory} --role {role} --name NAME; or remove "
            "the others."
        )
    return found[0]


def _read(path: Path, *, forbidden: int, what: str, mode: str) -> bytes:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())  # of what was opened, whatever the name means by now
            content = file.read(_LONGEST_FILE)
    except OSError as error:
        raise BridgeError(
            f"The key {path} cannot be read: {error.strerror}. Expected a file that robot-gcrl "
            "keys made. Check the path."
        ) from error
    if found.st_mode & forbidden:
        raise BridgeError(
            f"The key {path} can be {what} by others (mode {stat.S_IMODE(found.st_mode):o}). "
            f"Expected its owner alone. Run: chmod {mode} {path}; if others may have used it, make "
            "a new one."
        )
    return content


def _certificate(path: Path, content: bytes, *, is_secret: bool) -> Certificate:
    values: dict[bytes, bytes] = {}
    for line in content.splitlines():
        name, equals, value = line.partition(b"=")
        if equals and not line.lstrip().startswith(b"#"):
            values[name.strip()] = value.strip().strip(b"\"'")
    certificate = Certificate(
        path=path,
        role=_shown(values, b"role"),
        name=_shown(values, b"name"),
        public=values.get(b"public-key", b""),
        secret=values.get(b"secret-key", b"") if is_secret else b"",
    )
    wrong = _what_is_wrong(certificate, values, is_secret=is_secret)
    if wrong:
        raise BridgeError(
            f"The key {path} cannot be used: {wrong}. Expected a "
            f"{'secret' if is_secret else 'public'} file that robot-gcrl keys made. Make it again."
        )
    return certificate


def _what_is_wrong(
    certificate: Certificate, values: Mapping[bytes, bytes], *, is_secret: bool
) -> str:
    if certificate.role not in KEY_ROLES:
        return f"its role is {certificate.role!r}"
    if not NAME.fullmatch(certificate.name):
        return f"its name is {certificate.name!r}"
    if not _KEY.fullmatch(certificate.public):
        return "it holds no public key"
    if not is_secret and b"secret-key" in values:
        return "it holds a secret key"
    if is_secret and not _KEY.fullmatch(certificate.secret):
        return "it holds no secret key"
    if is_secret and zmq.curve_public(certificate.secret) != certificate.public:
        return "its public key does not belong to its secret key"
    return ""


def _shown(values: Mapping[bytes, bytes], name: bytes) -> str:
    return values.get(name, b"").decode(errors="replace")


def _require_closed(directory: Path) -> None:
    try:
        mode = directory.stat().st_mode
    except OSError as error:
        raise BridgeError(
            f"The folder of keys {directory} cannot be read: {error.strerror}. Expected one that "
            "robot-gcrl keys made. Check the path."
        ) from error
    if mode & 0o022:
        raise BridgeError(
            f"The folder {directory} can be written by others (mode {stat.S_IMODE(mode):o}): they "
            f"could let anybody in. Expected its owner alone. Run: chmod go-w {directory}"
        )
