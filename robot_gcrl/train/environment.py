"""What the process environment must say before JAX is imported."""

import itertools
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
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


def steps_natively(words: Sequence[str]) -> bool:
    """Whether `robot-gcrl train` with these words may step worlds with the native engine.

    Asked before anything of the package is imported; what is wrong in the words is told later.
    """
    given = dict(_pairs(words))
    engine = given.get("--engine")
    if engine is None and "--resume" in given:
        try:
            engine = json.loads((Path(given["--resume"]) / "config.json").read_text())["engine"]
        except (OSError, ValueError, KeyError, TypeError):
            return True
    return engine not in ("mjx", "warp")


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Options and their values, written `--name value` or `--name=value`."""
    for word, following in itertools.pairwise([*words, ""]):
        name, equals, value = word.partition("=")
        yield name, value if equals else following


_PREALLOCATE = "XLA_PYTHON_CLIENT_PREALLOCATE"
_FRACTION = "XLA_PYTHON_CLIENT_MEM_FRACTION"
_VISIBLE = "CUDA_VISIBLE_DEVICES"
# Longest wait for the driver's list of GPUs [s]
_PATIENCE = 20.0
# That it was this program who said it, and not the user
_LENT = "ROBOT_GCRL_LENDS_MEMORY"
# Of an accelerator's memory, that JAX takes where nothing says otherwise
_JAX_TAKES = 0.75


def lend_memory(environ: MutableMapping[str, str] = os.environ) -> None:
    """Takes no more of an accelerator's memory than is needed: the rest is for the runs begun here.

    To be called before JAX is imported.
    """
    if _PREALLOCATE not in environ:
        environ.update({_PREALLOCATE: "false", _LENT: "1"})


def visible_gpus(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """What CUDA_VISIBLE_DEVICES may name: what it does name, or every NVIDIA GPU of this machine.

    None where JAX_PLATFORMS leaves CUDA out.
    """
    platforms = environ.get("JAX_PLATFORMS", "")
    if platforms and not {"cuda", "gpu"} & set(platforms.lower().split(",")):
        return ()
    named = environ.get(_VISIBLE)
    if named is not None:
        # What follows -1 is not seen
        found = itertools.takewhile(lambda gpu: gpu not in ("", "-1"), named.split(","))
        return tuple(gpu.strip() for gpu in found)
    try:
        told = subprocess.run(
            ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=_PATIENCE, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(told.stdout.split())


def environment_of_runs(
    environ: Mapping[str, str] = os.environ,
    *,
    parallel: int,
    slot: int = 0,
    gpus: Sequence[str] = (),
) -> dict[str, str]:
    """The environment of runs that share this machine: each gets its part of the accelerators.

    Args:
      environ: of the process that begins them.
      parallel: how many run at once; one alone sees every GPU.
      slot: which of them this one is, from 0.
      gpus: that there are; see `visible_gpus`.
    """
    given = dict(environ)
    is_lent = bool(given.pop(_LENT, ""))
    if is_lent:
        del given[_PREALLOCATE]
    if parallel == 1:
        return given
    if gpus:
        given[_VISIBLE] = gpus[slot % len(gpus)]
    sharing = -(-parallel // max(len(gpus), 1))
    if is_lent and sharing > 1:
        given.setdefault(_FRACTION, f"{_JAX_TAKES / sharing:.3f}")
    return given
