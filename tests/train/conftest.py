import math
import shutil
from pathlib import Path

import pytest

from robot_gcrl.train.checkpoint import RunFolder
from tests.train.samples import SHA256, info, make_config, make_state


@pytest.fixture(scope="session")
def _saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "run"
    with RunFolder.create(path, make_config(path), SHA256) as folder:
        folder.save_last(make_state(3), info(3, score=-math.inf))
        folder.save_best(make_state(2).agent, info(2, score=0.25))
    return path


@pytest.fixture
def run(_saved: Path, tmp_path: Path) -> Path:
    """A run folder with a last checkpoint of iteration 3 and a best one of iteration 2."""
    return Path(shutil.copytree(_saved, tmp_path / "run"))
