"""Writes docs/licences.md: the licence of every package that an installation may bring.

    python tools/licences.py

Licences are what the packages' own metadata say. A package that is not installed here keeps the row
that the page has; `tests/tools/test_licences.py` says when the page no longer fits.
"""

import re
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "licences.md"

# What stands above the table, and not in it
ABOVE = ("nvidia-", "jax-cuda12-")

HEAD = """# Licences

robot-gcrl is under the [Apache License 2.0](../LICENSE). Below stands every package that an
installation may bring, and what its own metadata say of its licence (an identifier of SPDX, or the
packages' own words), in the versions of [constraints.txt](../constraints.txt).
`python tools/licences.py` writes this page; a test compares it with what is installed.

The extra `cuda` brings, besides JAX's plugins (Apache-2.0), NVIDIA's libraries in wheels,
`nvidia-*`, under NVIDIA's own proprietary terms. Stable-Baselines3 (MIT) and PyTorch are named in
[adapters](adapters.md) and brought by nothing. MJCF and numbers of robots: their sources stand in
[assets](../assets/README.md).

| package | licence | brought by |
|---|---|---|
"""


def named() -> dict[str, list[Requirement]]:
    """What pyproject.toml asks for: by extra, `docs` for its group, "" for every installation."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lists = {"": project["project"]["dependencies"]} | project["project"]["optional-dependencies"]
    lists |= {"docs": project["dependency-groups"]["docs"]}
    return {name: [Requirement(line) for line in lines] for name, lines in lists.items()}


def brought(requirements: Iterable[Requirement]) -> set[str]:
    """Canonical names of what they install, as far as the metadata installed here tell."""
    found: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(r.name), e) for r in requirements for e in ("", *r.extras)]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in found:
            continue
        found.add((name, extra))
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for each in map(Requirement, lines):
            if each.marker is None or each.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(each.name), e) for e in ("", *each.extras)]
    return {name for name, _ in found}


def licence(name: str) -> str | None:
    """What a package's metadata say of its licence; None if it is not installed."""
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    if "License-Expression" in about:
        return about["License-Expression"]
    classified = [
        line.rpartition(" :: ")[2]
        for line in about.get_all("Classifier") or []
        if line.startswith("License :: ")
    ]
    if classified and classified != ["OSI Approved"]:
        return ", ".join(classified)
    free = about["License"].strip() if "License" in about else ""
    # Some put the whole text there
    return free.splitlines()[0][:60] if free else "not stated"


def rows() -> dict[str, tuple[str, str]]:
    """Licence and what brings it, by canonical name, as the page has them."""
    found = re.findall(r"^\| `(\S+)` \| (.+) \| (.+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return {name: (licence, by) for name, licence, by in found}


def main() -> int:
    """Writes the page; returns 0."""
    table = rows() if PAGE.exists() else {}
    bringers: dict[str, list[str]] = {}
    for extra, requirements in named().items():
        for name in brought(requirements):
            bringers.setdefault(name, []).append(extra)
    for name, extras in bringers.items():
        before = table.get(name, (None, None))[0]
        by = "every installation" if "" in extras else ", ".join(f"`{e}`" for e in sorted(extras))
        table[name] = (licence(name) or before or "not stated", by)
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    for name in re.findall(r"^([a-z0-9-]+)==", pinned, re.MULTILINE):
        # For another system or Python than this one
        if name not in bringers and not name.startswith(ABOVE):
            before = table.get(name, (None, None))[0]
            table[name] = (licence(name) or before or "not stated", "other systems")
    lines = [f"| `{name}` | {said} | {by} |\n" for name, (said, by) in sorted(table.items())]
    PAGE.write_text(HEAD + "".join(lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
