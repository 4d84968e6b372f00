"""Every test process reads these before JAX is imported."""

import os
from pathlib import Path

import pytest

# Programs without callbacks (MJX, networks) compile once per checkout.
_CACHE = Path(__file__).resolve().parent.parent / ".cache" / "jax"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")

# Rooms whose tests keep time with clocks, sockets and screens
_ALONE = {"bench", "bridge", "controllers", "gate", "viewer"}
_HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(_HERE).parts[0] in _ALONE:
            item.add_marker(pytest.mark.alone)
