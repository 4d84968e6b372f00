"""`import robot_gcrl as rg`: names load lazily, and nothing else does."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import robot_gcrl as rg

ROOT = Path(__file__).resolve().parent.parent

WIDER: dict[str, Any] = {"agent.width": 64}
HEAVY = {"jax", "jaxlib", "mujoco", "flax", "optax", "orbax", "matplotlib", "tyro", "av"}


def modules_after(statement: str) -> set[str]:
    program = f"import sys; {statement}; print(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(ended.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import robot_gcrl",
        "import robot_gcrl as rg; dir(rg); rg.__version__",
        "import robot_gcrl.train",
        "import robot_gcrl.train.config, robot_gcrl.agents.crl.config",
        "from robot_gcrl import TrainConfig",
    ],
)
def test_nothing_heavy_is_imported(statement: str) -> None:
    # Seen to fail: with `from robot_gcrl.env.make import make` outside TYPE_CHECKING
    assert not HEAVY & modules_after(statement)


def test_the_contract_needs_neither_jax_nor_mujoco() -> None:
    assert not (HEAVY & modules_after("import robot_gcrl.contract.observe"))


def test_every_public_name_exists_and_is_listed() -> None:
    for name in rg.__all__:
        assert getattr(rg, name) is not None
    assert set(rg.__all__) <= set(dir(rg))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'robot_gcrl' has no attribute 'trian'"):
        _ = rg.trian  # pyright: ignore[reportAttributeAccessIssue]  # the point of the test


@pytest.mark.parametrize("first", ["", "import robot_gcrl.train.config;"])
def test_train_is_callable_whichever_module_came_first(first: str) -> None:
    # Seen to fail: without _CallablePackage, "'module' object is not callable"
    program = (
        f"{first}import robot_gcrl as rg; import robot_gcrl.train.config as config;"
        "assert callable(rg.train); assert config.TrainConfig is rg.TrainConfig"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_make_gives_worlds_of_the_named_task() -> None:
    env = rg.make("reacher", num_worlds=3, engine="native")
    assert isinstance(env, rg.GoalEnv)


def test_make_train_config_takes_a_name_and_dotted_settings() -> None:
    config = rg.make_train_config("reacher", preset="smoke", seed=7, **WIDER)
    assert (config.task, config.preset, config.seed) == ("reacher", "smoke", 7)
    assert config.agent.width == 64


# Seen to fail: any other word stood for the evaluation's. In a process without the tests' hook.
def test_starts_and_goals_of_no_distribution_are_refused() -> None:
    program = "import robot_gcrl as rg; rg.make('reacher', num_worlds=2, goals='training')"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "Unknown goals 'training'. Did you mean 'train'?" in ended.stderr
