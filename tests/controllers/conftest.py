from collections.abc import Iterator

import pytest

from tests.controllers.cpp_build import build
from tests.controllers.cpp_rig import Rig


@pytest.fixture(scope="package")
def cpp(tmp_path_factory):
    """The folder with the programs of controllers/cpp."""
    return build(tmp_path_factory.mktemp("cpp"))


@pytest.fixture
def rig(cpp, tmp_path_factory, monkeypatch) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("r")
    folder.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    rig = Rig(cpp, folder)
    yield rig
    for process in rig.processes:
        process.kill()
        process.communicate()
