"""The policy as C99: one .c, one .h and a weights file that the assembler takes in.

`c/policy.c.in` is the program; what is made here are its tables and the weights, in the order of
its structures.
"""

import importlib.resources
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template

import numpy as np

import robot_gcrl
from robot_gcrl.contract import Contract
from robot_gcrl.policy.runtime.file import NUM_GOLDEN, PolicyFile
from robot_gcrl.policy.runtime.network import LAYERS, Network
from robot_gcrl.policy.runtime.plan import input_moments, observed_columns
from robot_gcrl.policy.runtime.trunk import part
from robot_gcrl.policy.write import write_file


def export_c(file: PolicyFile, directory: Path) -> Path:
    """Writes NAME.c, NAME.h and NAME.weights.bin to a folder and returns the path of NAME.c.

    NAME is that of the policy file, as an identifier.

    Raises:
      PolicyError: they cannot be written.
    """
    name = identifier(file.path.stem)
    weights = _weights_bytes(file)
    values = _values(file, name, len(weights))
    write_file(directory / f"{name}.weights.bin", weights)
    for ending in ("h", "c"):
        template = importlib.resources.files("robot_gcrl.policy") / "c" / f"policy.{ending}.in"
        text = Template(template.read_text()).substitute(values)
        write_file(directory / f"{name}.{ending}", text.encode())
    return directory / f"{name}.c"


def identifier(name: str) -> str:
    """The name in small letters, digits and underscores, beginning with a letter."""
    letters = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return letters if letters[:1].isalpha() else f"policy_{letters}".rstrip("_")


def _values(file: PolicyFile, name: str, weights_bytes: int) -> dict[str, str]:
    contract, network = file.contract, file.network
    action = contract.action
    units = {(f.source, f.name, c): f.unit for f, c in contract.components}
    normalizer = network.normalizer
    low, high = network.log_std_range or (0.0, 0.0)
    return {
        "task": _comment(contract.name),
        "version": robot_gcrl.__version__,
        "name": name,
        "NAME": name.upper(),
        "inputs": _lines(
            f"{source} {n}[{c}] [{units[source, n, c]}]" for source, n, c in contract.inputs
        ),
        "goal": _lines(
            f"{field.label} [{field.unit}], {field.low:g} to {field.high:g}"
            for field in contract.goal
        ),
        "actuators": _lines(
            f"{n}: {mode}, {low:g} to {high:g}"
            for n, mode, low, high in zip(
                action.actuators, action.modes, action.low, action.high, strict=True
            )
        ),
        "num_inputs": str(len(contract.inputs)),
        "num_goal": str(contract.goal_size),
        "num_actions": str(contract.action_size),
        "num_previous": str(contract.previous_action_size),
        "num_observation": str(contract.observation_size),
        "num_blocks": str(network.num_blocks),
        "num_golden": str(NUM_GOLDEN),
        "width": str(network.width),
        "num_outputs": str(network.num_outputs),
        "log_std_low": _number(low),
        "log_std_high": _number(high),
        "control_dt": repr(contract.control_dt),
        "sha256": contract.sha256,
        "tolerance": _number(file.tolerance),
        "weights_bytes": str(weights_bytes),
        "final_norm": str(int(network.final_norm)),
        "norm": network.norm.upper(),
        "shift": _number(network.shift),
        "epsilon": _number(network.layer_norm_epsilon),
        "limit": "INFINITY" if normalizer is None else _number(normalizer.limit),
        "observation": _observation_table(contract),
        "goal_scale": ", ".join(_number(scale) for scale in network.goal_scale),
        "actions": _action_table(contract),
        "num_decided": str(network.decided),
    } | _queue_values(name, network)


def _queue_values(name: str, network: Network) -> dict[str, str]:
    """What a policy with chunks of actions has in addition; nothing for others, as ever."""
    if not network.queue_size:
        return dict.fromkeys(_QUEUE_TEXTS, "") | {"take": "memcpy(action, decided, sizeof decided)"}
    macro = f"{name.upper()}_QUEUE"
    template = importlib.resources.files("robot_gcrl.policy") / "c" / "follow.c.in"
    about = (
        f" The queue is what is left of {network.chunk} actions that are decided on at once,\n *"
    )
    about += " executed one by one: 0 before the first step, and wherever they shall not go on."
    size = f"#define {macro} {network.queue_size} /* numbers of it */\n"
    texts = {name: _QUEUE_TEXTS[name].replace("QUEUE", macro) for name in _QUEUE_TEXTS}
    return texts | {"follow": template.read_text(), "about_queue": about, "queue_macro": size}


# Of a policy with chunks, by the place in the templates
_QUEUE_TEXTS = {
    "row_queue": ", queue",
    "row_next_queue": ", next queue",
    "golden_queues": ", queue[QUEUE], next_queue[QUEUE]",
    "queue_parameters": ",\n                  const float *queue, float *next_queue",
    "take": "follow(decided, goal, queue, action, next_queue)",
    "next_queue": ", next_queue[QUEUE]",
    "golden_arguments": ", golden->queue, next_queue",
    "compare_queue": (
        "        for (int i = 0; i < QUEUE; ++i) {\n"
        "            const float off = fabsf(next_queue[i] - golden->next_queue[i]);\n"
        "            if (!(off <= worst)) worst = off;\n"
        "        }\n"
    ),
    "plus_queue": " + QUEUE",
    "row_arguments": ", in + INPUTS + GOAL + PREVIOUS + ACTIONS, out + 2 * ACTIONS",
    "follow": "",
    "about_queue": "",
    "queue_macro": "",
}


def _observation_table(contract: Contract) -> str:
    columns = zip(observed_columns(contract), contract.components, strict=True)
    return "\n".join(
        f"    {{{column}, {field.transform.upper()}, {_number(field.scale)}}},"
        for column, (field, _) in columns
    )


def _action_table(contract: Contract) -> str:
    action = contract.action
    # A ctrl begins at the measured position only where it is one
    measured = np.where(action.is_position, contract.actuated_input, -1)
    columns = zip(action.offset, action.scale, action.low, action.high, strict=True)
    return "\n".join(
        f"    {{{int(is_delta)}, {index}, {', '.join(map(_number, numbers))}}},"
        for is_delta, index, numbers in zip(action.is_delta, measured, columns, strict=True)
    )


def _weights_bytes(file: PolicyFile) -> bytes:
    """The structure `Weights` of the C program."""
    network, weights, golden = file.network, file.weights, file.golden
    width = network.width
    kernel = weights["input/dense/kernel"]
    inputs = part(weights, "input")
    if network.norm == "hyperspherical":
        # The shift times its row of the kernel is what a bias is
        inputs["dense/bias"] = np.float32(network.shift) * kernel[-1]
        kernel = kernel[:-1]
    parts = [*input_moments(network, weights), kernel, *_norm(inputs, width)]
    for block in range(network.num_blocks):
        for layer in LAYERS:
            arrays = {k: v[block] for k, v in part(weights, f"blocks/{layer}").items()}
            if network.norm == "hyperspherical" and layer == LAYERS[-1]:
                arrays["norm/bias"] = weights["blocks/lerp"][block]
            parts += [arrays["dense/kernel"], *_norm(arrays, width)]
    parts += [weights.get(f"norm/{name}", np.zeros(width)) for name in ("scale", "bias")]
    parts += [weights["head/kernel"].T, weights["head/bias"], np.hstack([*golden.arrays.values()])]
    return b"".join(np.ascontiguousarray(array, "<f4").tobytes() for array in parts)


def _norm(arrays: Mapping[str, np.ndarray], width: int) -> list[np.ndarray]:
    """The structure `Norm`: what a norm does without is 0."""
    none = np.zeros(width)
    return [arrays.get(name, none) for name in ("dense/bias", "norm/scale", "norm/bias")]


def _number(value: float) -> str:
    """A literal that the compiler reads as the same float32."""
    text = str(np.float32(value))
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def _lines(texts: Iterable[str]) -> str:
    return "\n".join(f" *   {i} {_comment(text)}" for i, text in enumerate(texts))


def _comment(text: str) -> str:
    """What may stand in a comment: nothing that ends it or goes on in the next line."""
    return re.sub(r"[^ -~]|[\\?]|\*(?=/)|/(?=\*)", "_", text)
