"""What makes a site of the repository's pages: a hook of MkDocs (mkdocs.yml), run by `make docs`.

The site is laid out as the repository is: README.md is its home, docs/tasks.md its docs/tasks. A
relative link therefore leads to the same place on the site and in the repository's browser, and no
page is written twice. What a page links to and is no page itself (a program, a folder, a notebook)
is shown as a page of its own, `PATH.md`, to which the link is led.
"""

import os
import re
from pathlib import Path
from typing import Any

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("*.md", "*/README.md", "docs/**/*.md")
PICTURES = ("docs/**/*.webp", "docs/**/*.png", "docs/*.css")
NOTEBOOKS = "docs/notebooks/*.ipynb"

_LINK = re.compile(r"(?<=\]\()([^)#\s]+)((?:#[^)\s]*)?)(?=\))")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_LANGUAGES = {".cpp": "cpp", ".hpp": "cpp", ".py": "python", ".toml": "toml", ".txt": "text"}


def pages() -> list[str]:
    """Paths of the repository's pages, from its root; not those of tools, as .pytest_cache has."""
    found = {_path(p) for pattern in PAGES for p in ROOT.glob(pattern)}
    return sorted(path for path in found if not path.startswith("."))


def linked(page: str) -> list[str]:
    """Paths from the root of what a page links to and is neither a page nor a picture.

    Args:
        page: Its path from the root.
    """
    text = _FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    known = {*pages(), *(_path(p) for pattern in PICTURES for p in ROOT.glob(pattern))}
    found = {_target(page, link) for link, _ in _LINK.findall(text)}
    return sorted(path for path in found if path and path not in known)


def listing(folder: str) -> str:
    """A page of what a folder holds, with links."""
    children = [p for p in sorted((ROOT / folder).iterdir()) if not p.name.startswith(("_", "."))]
    lines = [f"- [{p.name}{'/' * p.is_dir()}]({p.name})" for p in children]
    return "\n".join([f"# {folder}", "", *lines, ""])


def source(path: str) -> str:
    """A page that shows a text file as it is."""
    text = (ROOT / path).read_text(encoding="utf-8")
    # A fence longer than any in the text
    longest = max([2, *(len(run) for run in re.findall(r"^ *(`+)", text, re.MULTILINE))])
    fence = "`" * (longest + 1)
    language = _LANGUAGES.get(Path(path).suffix, "text")
    return f"# {path}\n\n{fence}{language}\n{text.rstrip()}\n{fence}\n"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """The repository's pages, pictures and what they link to, in place of the folder docs/."""
    for file in [file for file in files if file.src_dir == config.docs_dir]:
        files.remove(file)
    for pattern in PICTURES:
        for picture in sorted(ROOT.glob(pattern)):
            files.append(File.generated(config, _path(picture), abs_src_path=str(picture)))
    for page in pages():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / page)))
    for notebook in sorted(ROOT.glob(NOTEBOOKS)):
        _add_notebook(files, config, _path(notebook))
    waiting = sorted({target for page in pages() for target in linked(page)})
    while waiting:
        target = waiting.pop()
        name = _page_of(target)
        if files.get_file_from_path(name) is None:
            folder = (ROOT / target).is_dir()
            content = listing(target) if folder else source(target)
            unlisted = InclusionLevel.NOT_IN_NAV
            files.append(File.generated(config, name, content=content, inclusion=unlisted))
            if folder:
                children = (_target(name, link) for link, _ in _LINK.findall(content))
                waiting += [c for c in children if c and files.get_file_from_path(c) is None]
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """A page's links to what is no page, led to the page that shows it."""

    def led(match: re.Match[str]) -> str:
        link, anchor = match.groups()
        target = _target(page.file.src_uri, link)
        if not target or target.endswith((".webp", ".png", ".css")):
            return match.group()
        start = Path(page.file.src_uri).parent
        return os.path.relpath(_page_of(target), start).replace(os.sep, "/") + anchor

    pieces, end = [], 0
    for fence in _FENCE.finditer(markdown):
        pieces += [_LINK.sub(led, markdown[end : fence.start()]), fence.group()]
        end = fence.end()
    return "".join([*pieces, _LINK.sub(led, markdown[end:])])


def _add_notebook(files: Files, config: MkDocsConfig, path: str) -> None:
    notebook = nbformat.read(ROOT / path, as_version=4)
    exporter = MarkdownExporter()
    stem = Path(path).stem
    text, resources = exporter.from_notebook_node(
        notebook, resources={"unique_key": stem, "output_files_dir": f"{stem}_files"}
    )
    note = f"\nThis page is `{path}`: run it with Jupyter in a checkout, from its own folder.\n"
    head, _, rest = text.strip().partition("\n")
    content = f"{head}\n{note}{rest}\n"
    files.append(File.generated(config, f"{path}.md", content=content))
    for name, data in resources.get("outputs", {}).items():
        uri = f"{Path(path).parent.as_posix()}/{name}"
        files.append(File.generated(config, uri, content=data))


def _path(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def _target(page: str, link: str) -> str | None:
    """The path from the root that a link of a page means; None of an address, or of nothing."""
    if "://" in link or link.startswith(("#", "mailto:")):
        return None
    path = Path(os.path.normpath((ROOT / page).parent / link))
    if not path.exists() or not path.is_relative_to(ROOT):
        return None  # MkDocs says so
    if path.is_dir() and (path / "README.md").exists():
        path = path / "README.md"
    return _path(path)


def _page_of(target: str) -> str:
    if target.endswith(".md"):
        return target
    return f"{target}/index.md" if (ROOT / target).is_dir() else f"{target}.md"
