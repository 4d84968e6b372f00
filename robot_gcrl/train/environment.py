"""What the process environment must say before JAX is imported."""

import os
from collections.abc import MutableMapping
from pathlib import Path


def prepare_environment(
    environ: MutableMapping[str, str] = os.environ, *, shares_cores: bool = False
) -> None:
    """Sets the variables that JAX reads on import, where the user has not set them.

    The compilation cache lies under XDG_CACHE_HOME, so that a second start of the same program is
    quick; JAX itself creates the folder.

    Args:
      environ: what is set.
      shares_cores: whether the native engine steps worlds while the program computes. Then XLA is
        held to one thread (it reads NPROC): at the sizes of a laptop a second one adds nothing to
        the learner, and takes turns with the physics on the core that is the engine's.
    """
    cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache / "robot-gcrl" / "jax"))
    if shares_cores:
        environ.setdefault("NPROC", "1")
