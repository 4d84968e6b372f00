"""Files of trajectories for tests: small, random, and wrong in one way each."""

from pathlib import Path

import numpy as np

from robot_gcrl.contract.contract import Contract
from robot_gcrl.train.dataset_file import Rows


def terminals_of(lengths: tuple[int, ...]) -> np.ndarray:
    terminals = np.zeros(sum(lengths), bool)
    terminals[np.cumsum(lengths) - 1] = True
    return terminals


def random_rows(contract: Contract, *, lengths=(5, 3, 4), seed=0, nq=0, nv=0) -> Rows:
    rng = np.random.default_rng(seed)
    size = sum(lengths)
    terminals = terminals_of(lengths)
    terminated = np.zeros(size, bool)
    terminated[lengths[0] - 1] = True

    def draw(columns: int) -> np.ndarray:
        return rng.uniform(-1, 1, (size, columns)).astype(np.float32)

    return Rows(
        actions=draw(contract.action_size),
        terminals=terminals,
        terminated=terminated,
        observations=draw(contract.observation_size),
        qpos=draw(nq) if nq else None,
        qvel=draw(nv) if nv else None,
        goals=draw(contract.goal_size),
        contract=contract.canonical_json,
        task=contract.name,
        summary={"source": "test", "seed": seed},
    )


def save(path: Path, rows: Rows, **changes) -> Path:
    """Writes the arrays of `rows` as anybody would; None leaves an array out."""
    content = {k: v for k, v in rows._asdict().items() if k != "summary"} | changes
    arrays = {k: np.asarray(v) for k, v in content.items() if v is not None}
    with path.open("wb") as file:
        np.savez(file, **arrays)  # pyright: ignore
    return path
