import pytest

from robot_gcrl.policy.runtime.file import PolicyFile
from tests.controllers.pushers import shared_pusher


@pytest.fixture(scope="session")
def pusher(tmp_path_factory: pytest.TempPathFactory) -> PolicyFile:
    """The ball that is pushed to its goal; not to be changed."""
    return shared_pusher(tmp_path_factory.getbasetemp())
