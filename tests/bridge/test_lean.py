"""A robot's computer: NumPy, pyzmq and msgpack, and nothing else that we depend on."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# Everything that pyproject.toml names beyond the three, and what comes with it
PROGRAM = """
import importlib.abc, sys, threading, tempfile
ABSENT = {"jax", "jaxlib", "flax", "optax", "orbax", "mujoco", "brax", "onnx", "onnxruntime",
          "tyro", "rich", "matplotlib", "PIL", "av", "jaxtyping"}

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from pathlib import Path
import numpy as np
from robot_gcrl.bridge import OperatorClient, Pacer, RobotClient, load_profile, parse_endpoint
from robot_gcrl.bridge.server import PolicyServer
from robot_gcrl.bridge.settings import Settings
from robot_gcrl.bridge.stops import StopBook
from robot_gcrl.policy.runtime import make_runtime, read_policy
from tests.bridge.fakes import TowardsGoal, cart_contract, cart_profile

load_profile("ant"), load_profile("arm")
folder = Path(tempfile.mkdtemp())
endpoint = parse_endpoint(f"ipc://{folder}/s")
contract, over = cart_contract(), threading.Event()
server = PolicyServer(contract, TowardsGoal(), Settings(policy="cart"), StopBook(folder / "stops"),
                      endpoint=endpoint)
thread = threading.Thread(target=server.run, args=(lambda: not over.is_set(),))
thread.start()
position, states, goal = np.zeros(2), set(), None
robot = RobotClient(contract, cart_profile(), robot="cart0", endpoint=endpoint, position=position,
                    velocity=position)
pacer = Pacer(20_000_000)
with robot, OperatorClient(endpoint, None, "me") as operator:
    for step in range(500):
        pacer.wait()
        tick = robot.step(np.append(position, (0, 0)).astype(np.float32), position, np.zeros(2))
        position = tick.ctrl
        states.add(tick.state)
        operator.states()
        if goal is None and operator.state == "connected" and robot.link.session:
            goal = operator.goal("cart0", np.array([0.3, -0.3]), 5.0)
        if np.abs(position - (0.3, -0.3)).max() < 1e-3:
            break
over.set(); thread.join(); server.close()
print(goal.code, "run" in states, np.round(position, 2).tolist(), sorted(ABSENT & set(sys.modules)))
"""


def test_a_robot_needs_numpy_pyzmq_and_msgpack_alone(tmp_path: Path) -> None:
    # Seen to fail: with `import mujoco` in robot_gcrl/policy/runtime/simulation.py
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.stdout.splitlines() == ["0 True [0.3, -0.3] []"], ran.stderr
