"""The site's pages: what is linked to and is no page becomes one, at the place that links mean."""

import re
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tests.programs import ROOT, load_program


@pytest.fixture(scope="module")
def site() -> ModuleType:
    for needed in ("mkdocs", "nbconvert"):
        pytest.importorskip(needed, reason="needs the group docs: make test installs it")
    return load_program("tools/docs_site.py")


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("tasks.md#realism", "tasks.md#realism"),
        ("../controllers/template.py", "../controllers/template.py.md"),
        ("../controllers/profiles/", "../controllers/profiles/index.md"),
        ("../controllers", "../controllers/README.md"),
        ("viewer.webp", "viewer.webp"),
        ("https://arxiv.org/abs/2503.14858", "https://arxiv.org/abs/2503.14858"),
        ("#here", "#here"),
        ("missing.md", "missing.md"),  # MkDocs says so
    ],
)
def test_a_link_leads_to_the_page_that_shows_it(site: ModuleType, link: str, expected: str) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="docs/serving.md"))
    assert site.on_page_markdown(f"see [it]({link}).", page=page) == f"see [it]({expected})."


def test_code_is_left_as_it_is(site: ModuleType) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="docs/serving.md"))
    text = "```python\na[0](../controllers)\n```\n"
    assert site.on_page_markdown(text, page=page) == text


def test_a_fence_is_longer_than_those_of_the_file(
    site: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seen to fail: with a fence of three, and where a fence of the file is indented
    monkeypatch.setattr(site, "ROOT", tmp_path)
    for inner, outer in (("a = 1", "```"), ("````", "`````"), ("  ```", "````")):
        (tmp_path / "x.py").write_text(f"{inner}\n")
        assert site.source("x.py") == f"# x.py\n\n{outer}python\n{inner}\n{outer}\n"


def test_the_menu_names_every_page_and_nothing_else(site: ModuleType) -> None:
    # Seen to fail: with docs/gallery.md in the menu and not in the folder
    menu = re.findall(r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text().split("\nnav:\n")[1], re.M)
    notebooks = [f"{p.relative_to(ROOT)}.md" for p in (ROOT / "docs" / "notebooks").glob("*.ipynb")]
    assert sorted(menu) == sorted([*site.pages(), *notebooks])


def test_pages_load_nothing_from_other_hosts() -> None:
    settings = (ROOT / "mkdocs.yml").read_text()
    assert "font: false" in settings
    assert "://" not in settings
