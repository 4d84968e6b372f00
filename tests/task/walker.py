"""How a humanoid walks without any learning: two alternating phases and feedback on where it falls.

The idea is SIMBICON's (Yin, Loken, van de Panne: SIMBICON: Simple Biped Locomotion Control, ACM
Transactions on Graphics 26(3), 2007): the stance hip keeps the torso upright, the swing leg is
aimed by the distance of the center of mass from the stance foot and by its velocity. The gains were
found by a search (CMA-ES) for how long and how far it walks.
"""

from dataclasses import dataclass

import mujoco
import numpy as np

from robot_gcrl.task.registry import load_task

TASK = load_task("humanoid")


@dataclass(frozen=True, kw_only=True)
class Gains:
    """Angles [rad], stiffnesses [N m/rad], dampings [N m s/rad], the time of a phase [s]."""

    phase: float = 0.1714
    swing: float = -0.2851  # of the leg from the vertical, backwards
    swing_per_distance: float = -0.7222
    swing_per_speed: float = -0.3096
    spread: float = 0.0477  # of the leg, outwards
    spread_per_distance: float = -0.2213
    spread_per_speed: float = 0.529
    swing_knee: float = -1.6149
    stance_knee: float = -0.058
    pitch: float = 0.0176  # of the torso
    hip: float = 187.39
    knee: float = 150.11
    trunk: float = 144.4
    damping: float = 1.5274
    pitch_hip: float = 162.69
    roll_hip: float = 139.47


class Walker:
    """Torques for the state of a model, one call for each control step."""

    def __init__(self, model: mujoco.MjModel, gains: Gains = Gains()) -> None:
        self._gains, self._model = gains, model
        joints = [model.actuator(i).name for i in range(model.nu)]
        self._id = {name: i for i, name in enumerate(joints)}
        self._qpos = {name: model.joint(name).qposadr[0] for name in joints}
        self._dof = {name: model.joint(name).dofadr[0] for name in joints}
        self._swinging, self._time = "left", 0.0
        self._ctrl = np.zeros(model.nu)

    def __call__(self, data: mujoco.MjData, heading: float) -> np.ndarray:
        """The ctrl [17] that walks towards `heading` [rad]."""
        g, self._ctrl = self._gains, np.zeros(self._model.nu)
        swing = self._swinging
        stance = "right" if swing == "left" else "left"
        yaw, pitch, roll, turn = _attitude(data)
        offset = turn @ (data.subtree_com[1] - data.geom(f"{stance}_foot").xpos)[:2]
        speed, spin = turn @ data.qvel[:2], data.qvel[3:6]
        self._swing_leg(data, swing, pitch, roll, offset, speed)
        self._add(f"{stance}_hip_y", g.pitch_hip * (pitch - g.pitch) + 10 * g.damping * spin[1])
        outwards = -1.0 if stance == "left" else 1.0
        self._add(f"{stance}_hip_x", outwards * (g.roll_hip * roll + 10 * g.damping * spin[0]))
        self._hold(data, f"{stance}_knee", g.stance_knee, g.knee)
        self._hold(data, f"{swing}_hip_z", 0.0, 60.0)
        self._hold(data, f"{stance}_hip_z", 0.0, 60.0)
        error = np.clip((yaw - heading + np.pi) % (2 * np.pi) - np.pi, -0.4, 0.4)
        self._add(f"{stance}_hip_z", outwards * (40.0 * error + 5.0 * spin[2]))
        for joint in ("abdomen_x", "abdomen_y", "abdomen_z"):
            self._hold(data, joint, 0.0, g.trunk)
        for side in ("left", "right"):
            for joint in ("shoulder1", "shoulder2", "elbow"):
                self._hold(data, f"{side}_{joint}", 0.0, 5.0, 0.3)
        self._time += TASK.contract.control_dt
        if self._time >= g.phase:
            self._swinging, self._time = stance, 0.0
        low, high = self._model.actuator_ctrlrange.T
        return np.clip(self._ctrl, low, high)

    def _swing_leg(
        self,
        data: mujoco.MjData,
        side: str,
        pitch: float,
        roll: float,
        offset: np.ndarray,
        speed: np.ndarray,
    ) -> None:
        g = self._gains
        out = 1.0 if side == "left" else -1.0
        back = g.swing + g.swing_per_distance * offset[0] + g.swing_per_speed * speed[0]
        now = pitch + self._angle(data, "abdomen_y") + self._angle(data, f"{side}_hip_y")
        self._add(f"{side}_hip_y", g.hip * (np.clip(back, -1.2, 0.5) - now))
        self._add(f"{side}_hip_y", -g.damping * data.qvel[self._dof[f"{side}_hip_y"]])
        left = out * g.spread + g.spread_per_distance * offset[1] + g.spread_per_speed * speed[1]
        now = roll + self._angle(data, "abdomen_x") - out * self._angle(data, f"{side}_hip_x")
        self._add(f"{side}_hip_x", -out * 0.5 * g.hip * (np.clip(left, -0.5, 0.5) - now))
        self._add(f"{side}_hip_x", -g.damping * data.qvel[self._dof[f"{side}_hip_x"]])
        bent = self._time < 0.6 * g.phase
        self._hold(data, f"{side}_knee", g.swing_knee if bent else g.stance_knee, 0.2 * g.knee)

    def _angle(self, data: mujoco.MjData, joint: str) -> float:
        return float(data.qpos[self._qpos[joint]])

    def _add(self, joint: str, torque: float) -> None:
        self._ctrl[self._id[joint]] += torque

    def _hold(
        self,
        data: mujoco.MjData,
        joint: str,
        angle: float,
        stiffness: float,
        damping: float | None = None,
    ) -> None:
        damping = self._gains.damping if damping is None else damping
        error = angle - self._angle(data, joint)
        self._add(joint, stiffness * error - damping * data.qvel[self._dof[joint]])


def _attitude(data: mujoco.MjData) -> tuple[float, float, float, np.ndarray]:
    """Yaw, pitch and roll of the torso [rad], and the turn [2, 2] from world to its heading."""
    frame = data.body("torso").xmat.reshape(3, 3)
    yaw = float(np.arctan2(frame[1, 0], frame[0, 0]))
    turn = np.array(((np.cos(yaw), np.sin(yaw)), (-np.sin(yaw), np.cos(yaw))))
    ahead, left = turn @ frame[:2, 2]
    pitch = float(np.arctan2(ahead, frame[2, 2]))
    return yaw, pitch, -float(np.arctan2(left, frame[2, 2])), turn
