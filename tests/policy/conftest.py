from pathlib import Path

import pytest

from robot_gcrl.policy.runtime.file import PolicyFile
from tests.policy.policies import make_file


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> PolicyFile:
    """A small policy file with every kind of field; not to be changed."""
    path = tmp_path_factory.mktemp("policy") / "box.policy"
    return make_file(path, width=16, final_norm=True, normalize_observations=True)


@pytest.fixture(scope="session")
def believing(tmp_path_factory: pytest.TempPathFactory) -> PolicyFile:
    """The same with its critic; not to be changed."""
    path = tmp_path_factory.mktemp("critic") / "box.policy"
    return make_file(path, width=16, final_norm=True, normalize_observations=True, with_critic=True)


@pytest.fixture
def copied(file: PolicyFile, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    path = tmp_path / "box.policy"
    path.write_bytes(file.path.read_bytes())
    return path
