"""A run that starts from another: what it takes over, what it says, what it refuses."""

import dataclasses
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.agents.crl.config import LEARNING, CrlConfig
from robot_gcrl.errors import CheckpointError, ConfigError
from robot_gcrl.task.registry import load_task
from robot_gcrl.train import start
from robot_gcrl.train.assess import evaluate_run, restore_policy
from robot_gcrl.train.checkpoint import CheckpointInfo, RunFolder
from robot_gcrl.train.config import TrainConfig, override
from robot_gcrl.train.loop import make_program
from robot_gcrl.train.metrics import read_metrics
from robot_gcrl.train.run_files import stored_config
from robot_gcrl.train.settings import make_train_config
from robot_gcrl.train.start import format_start, read_start
from robot_gcrl.train.train import train
from tests.train.samples import same_bits

TAKEN = ("actor", "critic", "log_temperature", "moments")


def _config(run: Path, **settings) -> TrainConfig:
    config = make_train_config("reacher", preset="smoke", engine="native", run=run)
    return override(config, {"steps": 512, "evaluations": 1} | settings)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of which every number that learning changes is another than at the start."""
    config = _config(tmp_path_factory.mktemp("source") / "run")
    task = load_task(config.task)
    state = make_program(task, config).init(0)
    random = np.random.default_rng(0)
    agent = jax.tree.map(
        lambda x: (
            (np.abs(x) + random.uniform(0.01, 0.2, x.shape)).astype(x.dtype)
            if np.issubdtype(x.dtype, np.floating)
            else x
        ),
        jax.device_get(state.agent),
    )
    with RunFolder.create(config.run, config, task.contract.sha256) as folder:
        info = {"iteration": 2, "control_steps": 512, "seconds": 1.0}
        folder.save_last(state._replace(agent=agent), info)
        folder.save_best(agent, info)
    return config.run


@pytest.fixture(scope="module")
def begun(source: Path) -> Path:
    """A run that took over and had no time to learn."""
    given = {"start_from": source, "from_checkpoint": "last", "minutes": 0.0}
    return train(_config(source.parent / "begun", seed=5, **given))


def _state(run: Path):
    config = stored_config(run)
    program = make_program(load_task(config.task), config)
    return RunFolder.open(run).restore_last(program.init(config.seed))


def test_networks_temperature_and_moments_are_those_of_the_run(source, begun):
    (_, _, learned, _), (state, info) = restore_policy(source, "last", seed=0), _state(begun)
    assert info.iteration == 0
    for name in TAKEN:
        assert same_bits(getattr(state.agent, name), getattr(learned, name)), name
    assert same_bits(state.agent.averaged, learned.actor)
    assert all(not np.asarray(x).any() for x in jax.tree.leaves(state.agent.actor_optimizer))
    assert int(state.iteration) == 0


def test_before_it_learns_it_succeeds_as_the_run_did(source, begun):
    here, there = (
        evaluate_run(run, episodes=32, engine="native", seed=3, checkpoint="last")
        for run in (begun, source)
    )
    rates = ("success_any", "success_final", "time_at_goal", "distance", "regions")
    assert {name: here[name] for name in rates} == {name: there[name] for name in rates}
    assert [line["control_steps"] for line in read_metrics(begun)] == [0]


def test_resumed_without_the_other_run_it_is_the_same_run(source, begun, tmp_path):
    straight = train(_config(tmp_path / "straight", seed=5, start_from=source,
                             from_checkpoint="last"))  # fmt: skip
    assert [x["control_steps"] for x in read_metrics(straight) if "success_any" in x] == [0, 512]
    shutil.copytree(begun, tmp_path / "resumed")
    stored = stored_config(tmp_path / "resumed")
    assert stored.start_from == source
    gone = dataclasses.replace(stored, start_from=tmp_path / "gone", minutes=None)
    train(gone, resume=True)
    assert same_bits(_state(straight)[0], _state(tmp_path / "resumed")[0])


def _patched(monkeypatch, task: str, config: TrainConfig) -> None:
    """Lets read_start find a run of `task` with these settings, without training one."""
    found = (load_task(task), None, None, CheckpointInfo(3, 768, 1.0))
    monkeypatch.setattr(start, "restore_policy", lambda *words, **more: found)
    monkeypatch.setattr(start, "stored_config", lambda run: config)


def _told(monkeypatch, before: str, task: str, **settings) -> str:
    config = make_train_config(task, preset="smoke", start_from="/old", **settings)
    _patched(monkeypatch, before, make_train_config(before, preset="smoke"))
    return format_start(config, read_start(load_task(task), config))


def test_an_ant_that_can_walk_starts_in_a_maze(monkeypatch):
    lines = _told(monkeypatch, "ant", "ant_maze").splitlines()
    assert lines[0] == (
        "  start    /old, checkpoint best of 768 control steps: actor, critic, temperature, moments"
    )
    told = {line.split(":")[0].strip() for line in lines[1:]}
    assert told >= {"name", "goal[0].low", "task", "near_goal_radius"}
    assert "           task: ant_maze here, ant there" in lines
    assert "           episode length [control steps]: 600 here, 200 there" in lines


def test_realism_may_be_added(monkeypatch):
    text = _told(monkeypatch, "reacher", "reacher", randomize="full")
    assert text.splitlines()[1:] == ["           randomize: full here, off there"]


def test_another_contract_is_refused_field_by_field(monkeypatch):
    with pytest.raises(ConfigError) as caught:
        _told(monkeypatch, "reacher", "point")
    text = str(caught.value)
    assert text.startswith(
        "Cannot start from another run: the task 'reacher' of /old differs from 'point' in the "
        "contract: "
    )
    assert 'action.actuators[0] is "' in text
    assert text.endswith(
        ". Expected the same observation, goal, action and control step. Choose a run of a task "
        "with the same contract."
    )


def test_another_rate_or_history_is_refused(monkeypatch):
    config = make_train_config("reacher", preset="smoke", start_from="/old")
    _patched(monkeypatch, "reacher", config)
    task = load_task("reacher")
    field = dataclasses.replace(
        task.contract.observation[-1], source="previous_action",
        name=task.contract.action.actuators[0], components=(0,),
    )  # fmt: skip
    observation = (*task.contract.observation, field)
    last = len(task.contract.observation)
    for change, words in (
        ({"control_dt": 0.1}, "control_dt is 0.05 there and 0.1 here"),
        ({"observation": observation}, f"observation[{last}] is absent there and {{"),
    ):
        other = dataclasses.replace(task, contract=dataclasses.replace(task.contract, **change))
        with pytest.raises(ConfigError) as caught:
            read_start(other, config)
        assert words in str(caught.value)


def test_other_networks_are_refused_setting_by_setting(monkeypatch):
    with pytest.raises(ConfigError) as caught:
        _told(monkeypatch, "reacher", "reacher", **{
            "agent.width": 64, "agent.normalize_observations": False, "agent.learning_rate": 1.0,
        })  # fmt: skip
    assert str(caught.value) == (
        "Cannot start from another run: the networks of /old are others than were asked for: "
        "--agent.width is 32 there and 64 here, --agent.normalize-observations is True there and "
        "False here. Expected settings of the agent under which they compute the same. Choose a "
        "run with these settings, or give the options of that run."
    )


def test_a_policy_file_is_refused(tmp_path):
    file = tmp_path / "reacher.policy"
    file.write_bytes(b"PK")
    run = tmp_path / "run"
    with pytest.raises(CheckpointError) as caught:
        train(_config(run, start_from=file))
    assert str(caught.value) == (
        f"Cannot start from {file}: it is a file. Expected a run folder: a policy file does not "
        "hold all that learns. Name the folder of the run that it was exported from."
    )
    assert not run.exists()


def test_a_run_that_is_missing_or_damaged_is_refused(source, tmp_path):
    missing, damaged, run = tmp_path / "missing", tmp_path / "damaged", tmp_path / "run"
    with pytest.raises(CheckpointError, match="is no run folder: it does not exist"):
        train(_config(run, start_from=missing))
    shutil.copytree(source, damaged)
    folder = next((damaged / "checkpoints" / "best").iterdir())
    next(path for path in (folder / "agent").rglob("*") if path.is_file()).write_bytes(b"")
    with pytest.raises(CheckpointError, match="is damaged"):
        train(_config(run, start_from=damaged))
    shutil.rmtree(damaged / "checkpoints" / "best")
    with pytest.raises(CheckpointError, match="has no checkpoint 'best'"):
        train(_config(run, start_from=damaged))
    assert not run.exists()


def test_a_checkpoint_without_a_run_is_refused(tmp_path):
    with pytest.raises(ConfigError) as caught:
        _config(tmp_path / "run", from_checkpoint="last")
    assert str(caught.value) == (
        "from_checkpoint is 'last' and there is no run to start from. Expected one whose "
        "checkpoint it is. Add --from RUN, or leave it out."
    )


# Other values than the smallest agent's, by setting
OTHER = {
    "depth": 8,
    "actor_depth": 8,
    "width": 8,
    "embedding_size": 3,
    "batch_size": 5,
    "final_norm": True,
    "head_init": "small",
    "input_bias": 1.0,
    "block_init": "zero",
    "normalize_observations": True,
    "learning_rate": 1e-3,
    "temperature_learning_rate": 1e-3,
    "initial_log_temperature": -1.0,
    "target_entropy_scale": 1.0,
    "logsumexp_penalty": 0.0,
    "gamma": 0.5,
    "loss": "symmetric_infonce",
    "actor_width": 8,
    "norm": "rms",
    "energy": "dot",
    "critic": "temporal_distance",
    "num_critics": 2,
    "chunk": 2,
    "eval_action": "mean",
    "cloning": 1.0,
    "random_goals": 0.5,
    "horizon_spread": 4.0,
    "rows_per_episode": 2,
    "ema_decay": 0.9,
    "moving_share": 0.5,
    "bootstrap": 0.5,
    "target_rate": 0.1,
}
BESIDE = {"target_rate": {"bootstrap": 0.5}}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(CrlConfig)])
def test_settings_of_learning_change_nothing_that_networks_compute(name):
    if name not in OTHER:
        assert name not in LEARNING, f"add another value of {name} to OTHER"
        return
    small = CrlConfig(width=4, embedding_size=2)
    changed = {name: OTHER[name], **BESIDE.get(name, {})}
    agents = [_agent(small), _agent(dataclasses.replace(small, **changed))]
    # What a run takes over is what the other one serves
    trees = [
        jax.eval_shape(lambda key, agent=agent: agent.served(agent.init(key)), jax.random.key(0))
        for agent in agents
    ]
    shapes = [[(x.shape, x.dtype) for x in jax.tree.leaves(tree)] for tree in trees]
    same = shapes[0] == shapes[1] and _computes(agents[0]) == _computes(agents[1])
    assert same == (name in LEARNING)


def _agent(config: CrlConfig):
    from robot_gcrl.agents.crl.agent import make_agent

    return make_agent(config, observation_size=3, action_size=1, goal_index=(0,))


def _computes(agent) -> list[float]:
    """Energy and mean action of an agent whose parameters do not depend on its settings."""

    def fixed(x: jax.Array) -> jax.Array:
        return (0.5 + 0.4 * jnp.sin(jnp.arange(x.size) + 1.0)).reshape(x.shape).astype(x.dtype)

    state = jax.tree.map(fixed, agent.init(jax.random.key(0)))
    observation, goal = jnp.array([[0.5, -1.0, 2.0]]), jnp.ones((1, 1))
    action = agent.act(state, observation, goal, None)
    return [float(action[0, 0]), float(agent.energy(state, observation, action, goal)[0])]


def test_the_option_is_spelled_from(tmp_path, monkeypatch):
    from robot_gcrl.train.options import parse_train

    monkeypatch.chdir(tmp_path)
    config, _ = parse_train(["--task", "reacher", "--preset", "smoke", "--from", "runs/old"])
    assert config.start_from == tmp_path / "runs" / "old"
    assert override(config, {"start_from": None}).from_checkpoint == "best"
