"""How much memory a run needs at least, beside how much there is.

The estimate counts what is large: the replay, the networks with Adam's moments and gradients, the
activations of one gradient step, the worlds. On a CPU the announced sum also holds the process
itself: what is resident when the run is announced, and what compiling will add.
"""

from pathlib import Path
from typing import NamedTuple

import jax
import mujoco

from robot_gcrl.agents.baselines.config import BRAX, unread
from robot_gcrl.contract.contract import Contract
from robot_gcrl.errors import ConfigError
from robot_gcrl.train.brax_plan import batch_rows
from robot_gcrl.train.config import TrainConfig, flat, option

_FLOAT = 4
# Parameters, gradients and Adam's two moments
_COPIES = 4
# Per block of four layers: what is kept of it; and the inside of one block, which is recomputed
_KEPT, _INSIDE = 1, 12
# Of each layer beside its kernel: the bias of Dense, scale and bias of its norm, where it has them
_VECTORS = {"layer": 3, "rms": 2, "hyperspherical": 1}
# Of a world's numbers: the state, what a step begins with, what it ends with, what crosses over
_STATES = 4
# What a process grows by after the announcement beyond the rest: compilers, compiled programs, the
# libraries that save. Measured with the native engine (docs/benchmarks.md); MJX needs more
_COMPILED = 580 * 2**20


class Memory(NamedTuple):
    """Bytes that a run needs at least, by what needs them."""

    replay: int
    networks: int
    worlds: int


class NetworkPart(NamedTuple):
    """Networks of one kind.

    Attributes:
      name: of the kind.
      number: how many.
      inputs: numbers that each takes.
      depth: of each.
      width: of each.
      outputs: numbers that each gives.
      targets: slowly following copies of each.
    """

    name: str
    number: int
    inputs: int
    depth: int
    width: int
    outputs: int
    targets: int


def estimate(
    contract: Contract, model: mujoco.MjModel, config: TrainConfig, rows: int | None = None
) -> Memory:
    """The least memory of a run [bytes]; `rows` are those of its dataset, if it learns from one."""
    agent = config.agent
    networks = 0
    for part in network_parts(contract, config):
        width, depth = part.width, part.depth
        vectors = _VECTORS[agent.norm]
        layers = (part.inputs + vectors) + depth * (width + vectors)
        if agent.norm == "hyperspherical":  # the shift's row of the kernel, and lerp
            layers += 1 + depth // 4
        layers *= width
        head = (width + 1) * part.outputs
        head += (2 if agent.norm == "layer" else 1) * width * agent.final_norm
        activations = batch_rows(config) * width * (_KEPT * depth // 4 + _INSIDE)
        networks += part.number * ((layers + head) * (_COPIES + part.targets) + activations)
    logits = agent.num_critics * agent.batch_size**2 * (config.algorithm == "crl")
    return Memory(
        replay=(_stored_rows(config) if rows is None else rows)
        * _row_size(contract, config, rows)
        * _FLOAT,
        networks=(networks + logits) * _FLOAT,
        worlds=0
        if rows is not None
        else worlds_bytes(contract, model, config.engine, config.num_envs),
    )


def network_parts(contract: Contract, config: TrainConfig) -> tuple[NetworkPart, ...]:
    """The networks of a run's algorithm, the actor last."""
    agent, baseline = config.agent, config.baseline
    observation, goal = contract.observation_size, contract.goal_size
    decided = agent.chunk * contract.action_size
    sizes = agent.depth, agent.width
    actor = NetworkPart(
        "actor",
        1,
        observation + goal,
        agent.actor_depth,
        agent.actor_width or agent.width,
        2 * decided,
        int(config.algorithm == "td3_her") + (agent.ema_decay > 0.0),
    )
    if config.algorithm == "crl":
        inputs = {"sa_encoder": observation + decided, "g_encoder": goal}
        count, outputs = agent.num_critics, agent.embedding_size
        targets = int(agent.bootstrap > 0.0)
        encoders = (NetworkPart(n, count, i, *sizes, outputs, targets) for n, i in inputs.items())
        return (*encoders, actor)
    if config.algorithm == "gcbc":
        return (actor,)
    if config.algorithm == "ppo":
        return (NetworkPart("value", 1, observation + goal, *sizes, 1, 0), actor)
    inputs = observation + decided + goal
    return (NetworkPart("value", baseline.num_critics, inputs, *sizes, 1, targets=1), actor)


def _stored_rows(config: TrainConfig) -> int:
    """PPO keeps no more than what its update goes through."""
    if config.algorithm == "ppo":
        return config.num_envs * config.baseline.unroll
    return config.replay_capacity * config.num_envs


def _row_size(contract: Contract, config: TrainConfig, rows: int | None) -> int:
    """Numbers in a stored row."""
    observation, action, goal = contract.observation_size, contract.action_size, contract.goal_size
    if config.algorithm in BRAX:
        # Both states with their goals, reward, discount and truncation; of PPO also its policy
        return 2 * (observation + goal) + action * (4 if config.algorithm == "ppo" else 1) + 3
    # Under realism what was achieved is stored beside what was shown
    has_both = config.randomize != "off" and rows is None
    goals = has_both + (config.algorithm in ("sac_her", "td3_her"))
    return observation + action + 1 + goals * goal


def worlds_bytes(contract: Contract, model: mujoco.MjModel, engine: str, num_envs: int) -> int:
    """What N worlds take beside the program that steps them [bytes]."""
    numbers = model.nq + 3 * model.nv + model.na + model.nsensordata
    numbers += contract.observation_size + contract.goal_size + 2 * contract.action_size
    world = _STATES * numbers * _FLOAT
    if engine == "native":
        # A row of the Batch and the fields that are read back, in float64
        kept = mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_INTEGRATION)
        return num_envs * (world + (kept + model.nsensordata) * 2 * _FLOAT)
    # All of MuJoCo's data, in float32
    return num_envs * (world + mujoco.MjData(model).nbuffer // 2)


def memory_bytes(
    contract: Contract, model: mujoco.MjModel, config: TrainConfig, rows: int | None = None
) -> int:
    """The memory of a run in all [bytes]: on an accelerator its own, else also the process's."""
    needs = sum(estimate(contract, model, config, rows))
    resident = resident_bytes()
    if resident is None or jax.default_backend() != "cpu":
        return needs
    return resident + _COMPILED + needs


def resident_bytes() -> int | None:
    """Resident memory of this process; None where the system does not tell (proc(5): Linux)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(x.split()[1]) for x in lines if x.startswith("VmRSS:")), None)


def available_bytes() -> int | None:
    """Memory that the default device, or on a CPU this machine, has left; None if unknown."""
    device = jax.devices()[0]
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        limit = stats.get("bytes_limit")
        return None if limit is None else limit - stats.get("bytes_in_use", 0)
    return host_available_bytes()


def host_available_bytes() -> int | None:
    """Memory that this machine, or the container, has left; None if unknown."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    values = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    left = [1024 * values["MemAvailable"]] if "MemAvailable" in values else []
    return min(left + _container_left(), default=None)


def check_memory(
    contract: Contract,
    model: mujoco.MjModel,
    config: TrainConfig,
    available: int | None = None,
    *,
    rows: int | None = None,
) -> None:
    """Fails if a run cannot fit.

    Args:
      contract: of the task.
      model: of the task.
      config: of the run.
      available: bytes; None asks the device or the machine.
      rows: of the dataset that the run learns from; None if it collects.

    Raises:
      ConfigError: it needs more than is available.
    """
    needs = estimate(contract, model, config, rows)
    available = available_bytes() if available is None else available
    if available is None or sum(needs) <= available:
        return
    largest = max(needs._fields, key=lambda name: getattr(needs, name))
    lower = {
        "replay": _options(config, "replay_capacity", "num_envs", "baseline.unroll")
        if rows is None
        else f"the rows of --dataset ({rows:,})",
        "networks": _options(
            config, "agent.width", "agent.depth", "agent.batch_size", "baseline.unroll"
        ),
        "worlds": _options(config, "num_envs"),
    }[largest]
    raise ConfigError(
        f"The run needs at least {sum(needs):,} bytes of memory (replay {needs.replay:,}, networks "
        f"{needs.networks:,}, worlds {needs.worlds:,}). Expected at most the {available:,} that "
        f"are free. Lower {lower}."
    )


def _options(config: TrainConfig, *names: str) -> str:
    """Those of the settings that the algorithm reads, with their values."""
    values, ignored = flat(config), unread(config.algorithm)
    said = [f"{option(name)} ({values[name]})" for name in names if name not in ignored]
    return " or ".join(part for part in (", ".join(said[:-1]), said[-1]) if part)


def _container_left() -> list[int]:
    """What a control group leaves of its limit, if this process is in one with a limit."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        group = Path("/sys/fs/cgroup")
        try:
            return [int((group / limit).read_text()) - int((group / used).read_text())]
        except (OSError, ValueError):  # no such group, or the limit is "max"
            continue
    return []
