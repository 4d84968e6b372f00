"""docs/licences.md: every package that is named or pinned stands there, as its metadata have it."""

import re
from types import ModuleType

import pytest

from tests.programs import ROOT, load_program


@pytest.fixture(scope="module")
def licences() -> ModuleType:
    return load_program("tools/licences.py")


def test_what_is_pinned_or_named_has_a_row(licences: ModuleType) -> None:
    # Seen to fail: without the row of appnope, which macOS alone installs
    text = (ROOT / "constraints.txt").read_text()
    wanted = set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
    wanted |= {r.name.lower() for each in licences.named().values() for r in each}
    wanted = {name for name in wanted if not name.startswith(licences.ABOVE)}
    assert sorted(wanted - set(licences.rows())) == [], "make licences"


def test_the_page_says_what_the_installed_packages_say(licences: ModuleType) -> None:
    wrong = {
        name: (said, now)
        for name, (said, _) in licences.rows().items()
        if (now := licences.licence(name)) not in (None, said)
    }
    assert wrong == {}, "make licences"
