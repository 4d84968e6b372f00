"""What brax's trainers still ask of JAX.

brax 0.14.2 calls `jax.device_put_replicated` in PPO, SAC and APG, which JAX 0.10 no longer has. It
is put back where it is missing, with the documented behavior of the old one: a copy on each device,
along a new leading axis. A test of this module says when brax does without.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def provide() -> None:
    """Puts `jax.device_put_replicated` back, if this JAX has none."""
    if not hasattr(jax, "device_put_replicated"):
        jax.device_put_replicated = put_replicated


def put_replicated(tree: Any, devices: Sequence[Any]) -> Any:
    """The arrays [..] of a tree as [D, ..], one copy on each of D devices."""
    sharding = NamedSharding(Mesh(np.array(devices), ("devices",)), PartitionSpec("devices"))

    def put(leaf: Any) -> jax.Array:
        leaf = jnp.asarray(leaf)
        return jax.device_put(jnp.broadcast_to(leaf, (len(devices), *leaf.shape)), sharding)

    return jax.tree.map(put, tree)
