"""The wheel, the sdist and the editable install hold what a checkout holds."""

import itertools
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import robot_gcrl

ROOT = Path(__file__).resolve().parent.parent


def build(source: Path, out: Path, target: str) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (built,) = out.iterdir()
    return built


def content(folder: str) -> set[str]:
    files = (p for p in (ROOT / folder).rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {f"robot_gcrl/{p.relative_to(ROOT)}" for p in files}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("sdist"), "sdist")


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    # By way of the sdist, as `python -m build` and installers from an sdist do
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    (source,) = unpacked.iterdir()
    return build(source, tmp_path_factory.mktemp("wheel"), "wheel")


def test_a_wheel_made_from_the_sdist_holds_the_rooms_of_content(wheel: Path) -> None:
    # Seen to fail: without the force-include of "assets" the MJCF files were missing
    names = set(zipfile.ZipFile(wheel).namelist())
    for room in ("assets", "tasks", "controllers"):
        assert content(room) <= names
    assert "robot_gcrl/tasks/__init__.py" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    top = {name.split("/")[0] for name in names}
    assert top == {"robot_gcrl", next(n for n in top if n.endswith(".dist-info"))}


def test_the_installed_wheel_lists_its_tasks(wheel: Path, tmp_path: Path) -> None:
    # Seen to fail: with `room` looking beside the package alone, "The folder 'tasks' is missing"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    # Isolated from the checkout, with this environment's dependencies behind the wheel's content
    program = (
        "import sys; from robot_gcrl.cli import main; import robot_gcrl;"
        f"assert robot_gcrl.__file__.startswith({str(tmp_path / 'site')!r}), robot_gcrl.__file__;"
        "sys.exit(main(['tasks']))"
    )
    listed = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.returncode == 0, listed.stderr
    assert any(line.startswith("ant_maze[_LAYOUT] ") for line in listed.stdout.splitlines())


def test_the_entry_point_of_the_wheel_is_the_command_line(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("entry_points.txt"))
        assert "robot-gcrl = robot_gcrl.cli:main" in archive.read(name).decode()


def test_the_constraints_pin_every_dependency_and_name_no_address() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"], *itertools.chain(*extras.values())]
    wanted += project["dependency-groups"]["docs"]
    text = (ROOT / "constraints.txt").read_text()
    pinned = {line.split("==")[0] for line in text.splitlines() if "==" in line}
    for requirement in wanted:
        name = requirement.split(">=")[0].split("[")[0]
        assert name in pinned, f"{name} is not pinned: make constraints"
    assert "://" not in text


def test_the_citation_names_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.findall(r"^version: (.*)$", citation, re.MULTILINE) == [robot_gcrl.__version__]


def test_the_citation_names_the_papers_that_the_readme_starts_from() -> None:
    # Seen to fail: without JaxGCRL's
    named = re.findall(r"arXiv (\d+\.\d+)", (ROOT / "README.md").read_text())
    assert named
    cited = re.findall(r"arXiv:(\d+\.\d+)", (ROOT / "CITATION.cff").read_text())
    assert sorted(cited) == sorted(set(named))


def test_the_image_installs_what_the_readme_says() -> None:
    # Seen to fail: without libegl-mesa0 in the Dockerfile
    image = (ROOT / "Dockerfile").read_text()
    packages = re.findall(r"apt-get install ([\w .-]+)`", (ROOT / "README.md").read_text())
    wanted = {name for line in packages for name in line.split()}
    assert "libegl1" in wanted
    assert wanted <= set(image.split())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra in re.findall(r"EXTRA=(\w+)", image):
        assert extra in project["optional-dependencies"]
