"""Every test process reads these before JAX is imported."""

import os
from pathlib import Path

# Programs without callbacks (MJX, networks) compile once per checkout.
_CACHE = Path(__file__).resolve().parent.parent / ".cache" / "jax"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
