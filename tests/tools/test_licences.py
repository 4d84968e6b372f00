"""docs/licences.md: every package that is named or pinned stands there, as its metadata have it."""

import re
from importlib import metadata
from types import ModuleType

import pytest

from tests.programs import ROOT, load_program

PINS = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


@pytest.fixture(scope="module")
def licences() -> ModuleType:
    return load_program("tools/licences.py")


def test_what_is_pinned_or_named_has_a_row(licences: ModuleType) -> None:
    # Seen to fail: without the row of appnope, which macOS alone installs
    wanted = {name for name, _ in PINS.findall((ROOT / "constraints.txt").read_text())}
    wanted |= {r.name.lower() for each in licences.named().values() for r in each}
    wanted = {name for name in wanted if not name.startswith(licences.ABOVE)}
    assert sorted(wanted - set(licences.rows())) == [], "make licences"


def test_the_page_says_what_the_installed_packages_say(licences: ModuleType) -> None:
    pins = PINS.findall((ROOT / "constraints.txt").read_text())
    # The first line of a package is the oldest Python's, of which the page speaks; and an
    # environment may have been made with another version, as Python 3.11 does with setuptools
    pinned = dict(reversed(pins))
    here = {each.name.lower().replace("_", "-"): each.version for each in metadata.distributions()}
    wrong = {
        name: (said, now)
        for name, (said, _) in licences.rows().items()
        if here.get(name) == pinned.get(name, "") and (now := licences.licence(name)) != said
    }
    assert wrong == {}, "make licences"
