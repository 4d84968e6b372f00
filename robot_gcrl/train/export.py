"""`robot-gcrl export`: a run's checkpoint as a file that runs without this code."""

import math
from pathlib import Path
from typing import Literal

from robot_gcrl.errors import ConfigError
from robot_gcrl.policy.c_source import export_c
from robot_gcrl.policy.export import export_policy
from robot_gcrl.policy.onnx_file import export_onnx
from robot_gcrl.policy.runtime import read_policy
from robot_gcrl.train.assess import Checkpoint, restore_policy
from robot_gcrl.train.checkpoint import RunFolder
from robot_gcrl.train.loop import gradient_steps
from robot_gcrl.train.run_files import read_distillation

Format = Literal["policy", "onnx", "c"]

SUFFIX = ".policy"


def export_run(
    path: Path,
    *,
    checkpoint: Checkpoint = "best",
    format: Format = "policy",
    out: Path | None,
    with_critic: bool = False,
) -> Path:
    """Exports a run folder's checkpoint, or another format of a policy file, and returns where to.

    Args:
      path: run folder, or a policy file for the formats onnx and c.
      checkpoint: which of the run's checkpoints.
      format: "policy" (one file with everything), "onnx" (the graph alone) or "c" (sources).
      out: file, or for "c" a folder; None is RUN/policy/TASK with the format's suffix.
      with_critic: whether the policy file also holds the critic.

    Raises:
      RobotGcrlError: no such run or file, or it cannot be written; what was there is unharmed.
    """
    if path.is_file():
        if format == "policy":
            raise ConfigError(
                f"{path} is a policy file already. Expected a run folder for --format policy. "
                "Choose --format onnx or c, or a run folder."
            )
        if with_critic:
            raise ConfigError(
                f"{path} is a policy file, which holds its critic or does not. Expected a run "
                "folder for --with-critic. Name the run, or leave --with-critic out."
            )
        file = path
    else:
        target = out if format == "policy" else None
        file = _policy_of(path, checkpoint, target, with_critic=with_critic)
        if format == "policy":
            return file
    target = out or file.with_suffix("." + format)
    policy = read_policy(file)
    if format == "onnx":
        return export_onnx(policy, target)
    export_c(policy, target)
    return target


def _policy_of(run: Path, checkpoint: Checkpoint, out: Path | None, *, with_critic: bool) -> Path:
    task, agent, state, info = restore_policy(run, checkpoint, seed=0)
    config = RunFolder.open(run).config
    if with_critic and config.algorithm != "crl":
        raise ConfigError(
            f"The run {run} is of algorithm {config.algorithm!r}, whose critic no policy file can "
            "hold. Expected a run of crl, whose critic is two encoders. Leave --with-critic out."
        )
    if with_critic and config.agent.replan:
        raise ConfigError(
            f"The run {run} has agent.replan: its policy file gives the first action of a chunk, "
            "and its critic judges whole ones. Expected a run without it. Leave --with-critic out."
        )
    training = {
        "preset": config.preset,
        **({} if config.algorithm == "crl" else {"algorithm": config.algorithm}),
        "randomize": config.randomize,
        "seed": config.seed,
        "checkpoint": checkpoint,
        "iteration": info.iteration,
        "control_steps": info.control_steps,
        "gradient_steps": gradient_steps(config, info.iteration),
        "seconds": round(info.seconds, 1),
        # Of success at any step, at the last step and time at goal, on the eval goals
        "score": info.best_score if math.isfinite(info.best_score) else None,
    }
    distilled = read_distillation(run)
    if distilled is not None:
        # Its config.json has the seed and the budget of its teacher
        training |= {name: distilled[name] for name in ("seed", "gradient_steps")}
        training["distilled_from"] = Path(distilled["teacher"]).name
    target = out or run / "policy" / f"{task.name}{SUFFIX}"
    if out is None:
        target.parent.mkdir(exist_ok=True)
    return export_policy(task, agent, state, target, training=training, with_critic=with_critic)
