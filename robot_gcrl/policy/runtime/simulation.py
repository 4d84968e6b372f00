"""What a simulator that plays the robot needs to know of a task, as JSON: no task code, no JAX."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_gcrl.contract import Contract, Field, Healthy
from robot_gcrl.contract.observe import Layout


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What a simulator that plays the robot must know beside the scene.

    Attributes:
      nq: size of qpos.
      nv: size of qvel.
      nsensordata: size of sensordata.
      substeps: physics steps per control step.
      episode_length: control steps.
      camera: name of the camera that shows the scene.
    """

    nq: int
    nv: int
    nsensordata: int
    substeps: int
    episode_length: int
    camera: str


def layout_to_json(contract: Contract, layout: Layout, simulation: Simulation) -> str:
    """What `layout_from_json` reads: addresses, terminal states, sizes."""
    content = {name: addresses.tolist() for name, addresses in vars(layout).items()}
    content["terminal"] = [dataclasses.asdict(limit) for limit in contract.healthy]
    content["simulation"] = dataclasses.asdict(simulation)
    return json.dumps(content, indent=1, allow_nan=False)


def layout_from_json(
    contract: Contract, content: dict[str, Any]
) -> tuple[Contract, Layout, Simulation]:
    """The contract with its terminal states, the layout and the simulation's sizes.

    Raises:
      ValueError, TypeError, KeyError, ContractError: it is not what `layout_to_json` writes.
    """
    simulation = Simulation(**content["simulation"])
    healthy = tuple(
        Healthy(
            field=Field(**limit["field"] | {"components": tuple(limit["field"]["components"])}),
            low=limit["low"],
            high=limit["high"],
        )
        for limit in content["terminal"]
    )
    columns = simulation.nq + simulation.nv + simulation.nsensordata
    components = sum(len(limit.field.components) for limit in healthy)
    layout = Layout(
        inputs=_addresses(content["inputs"], len(contract.inputs), columns),
        healthy=_addresses(content["healthy"], components, columns),
        actuators=_addresses(content["actuators"], contract.action_size, contract.action_size),
    )
    return dataclasses.replace(contract, healthy=healthy), layout, simulation


def _addresses(values: list[int], count: int, limit: int) -> np.ndarray:
    addresses = np.array(values, np.int32)
    if addresses.shape != (count,) or not ((addresses >= 0) & (addresses < limit)).all():
        raise ValueError(f"addresses {values}")
    return addresses
