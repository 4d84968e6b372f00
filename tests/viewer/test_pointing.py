"""What a person means who points: on tables, at cubes, with two fingertips, into a direction."""

import math

import mujoco
import numpy as np
import pytest

from robot_gcrl.contract import Contract, Field, GoalField, SuccessGroup
from robot_gcrl.viewer.goals import Handle, Marker, make_handles, make_markers
from robot_gcrl.viewer.ground import Ground
from robot_gcrl.viewer.headings import Heading
from robot_gcrl.viewer.pointing import Pointing
from robot_gcrl.viewer.rays import View
from robot_gcrl.viewer.world import World
from tests.bridge.fakes import cart_contract
from tests.viewer.worlds import make_show

CUBE = 0.06  # edge [m]
TABLE = 0.4  # height of its top [m]
DOWN = np.array([0.0, 0.0, -1.0])
# A table, a wall, a cube on the floor; a tip on the cart
SCENE = f"""
<mujoco>
  <option timestep="0.005"/>
  <worldbody>
    <camera name="scene" pos="0 0 5"/>
    <geom name="ground" type="plane" size="5 5 0.1"/>
    <geom name="table" type="box" pos="2 0 {TABLE - 0.05}" size="0.5 0.5 0.05"/>
    <geom name="unseen" type="box" pos="2 0 {TABLE}" size="0.5 0.5 0.05" group="3"/>
    <geom name="wall_0" type="box" pos="-2 0 0.5" size="0.5 0.5 0.5"/>
    <body name="cart" pos="0 0 0.1">
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="y" type="slide" axis="0 1 0"/>
      <geom name="cart" size="0.08" mass="1"/>
      <site name="left" pos="0.1 0 0"/>
      <site name="right" pos="-0.1 0 0"/>
    </body>
    <body name="cube" pos="0.5 0.5 {CUBE / 2}">
      <freejoint name="cube"/>
      <geom name="cube" type="box" size="{CUBE / 2} {CUBE / 2} {CUBE}"/>
    </body>
  </worldbody>
  <actuator>
    <position name="x" joint="x" kp="200" kv="20"/>
    <position name="y" joint="y" kp="200" kv="20"/>
  </actuator>
  <sensor>
    <framepos name="cube" objtype="body" objname="cube"/>
    <framepos name="left" objtype="site" objname="left"/>
    <framepos name="right" objtype="site" objname="right"/>
    <clock name="gap"/>
  </sensor>
</mujoco>
"""
LOW, HIGH = (-3.0, -3.0, 0.02), (3.0, 3.0, 0.5)


def contract_of(*groups: tuple[str, ...]) -> Contract:
    """Goals of these groups: "cube.xyz" is the cube's place, "gap" the width."""
    success, fields = [], []
    for group in groups:
        labels = []
        for name, _, axes in (word.partition(".") for word in group):
            for i, axis in enumerate(axes or "-"):
                label = f"{name}.{axis}" if axes else name
                bounds = (LOW[i], HIGH[i]) if axes else (0.0, 0.08)
                fields.append((label, name, i, bounds))
                labels.append(label)
        success.append(SuccessGroup(labels=tuple(labels), radius=0.1))
    return cart_contract(
        observation=(
            Field(source="qpos", name="x", unit="m"),
            Field(source="qpos", name="y", unit="m"),
            *(Field(source="sensor", name=name, components=(i,), unit="m")
              for _, name, i, _ in fields),
        ),
        goal=tuple(
            GoalField(label=label, source="sensor", name=name, component=i, unit="m",
                      low=low, high=high)
            for label, name, i, (low, high) in fields
        ),
        success=tuple(success),
    )  # fmt: skip


class Scene:
    """A world and what pointing there means."""

    def __init__(self, *groups: tuple[str, ...]) -> None:
        contract = contract_of(*groups)
        middle = tuple(((a + b) / 2).item() for a, b in zip(*contract.goal_bounds, strict=True))
        self.world = World(make_show(contract=contract, xml=SCENE, goals=(middle,)))
        self.pointing = Pointing(self.world.show, self.world.model)
        self.handles = make_handles(contract)

    def at(self, x: float, y: float, goal: np.ndarray | None = None, handle: int = 0) -> np.ndarray:
        goal = self.world.desk.wanted if goal is None else goal
        origin = np.array([x, y, 4.0])
        found = self.pointing.at(self.world.data, self.handles[handle], goal, origin, DOWN)
        assert found is not None
        return found


@pytest.mark.parametrize(
    ("x", "height"), [(0.0, 0.0), (2.0, TABLE), (2.49, TABLE), (2.51, 0.0), (-2.0, 0.0)]
)
def test_the_ground_is_a_table_or_the_floor_and_never_a_wall(x: float, height: float) -> None:
    # Seen to fail: with the wall taken for a table, and with the box that is not drawn
    ground = Ground(mujoco.MjModel.from_xml_string(SCENE))
    assert ground.height(x, 0.0) == pytest.approx(height)
    met = ground.meet(np.array([x, 0.0, 4.0]), DOWN)
    assert met is not None
    np.testing.assert_allclose(met, [x, 0.0, height], atol=1e-9)
    assert ground.meet(np.array([x, 0.0, 4.0]), -DOWN) is None


def test_a_ray_that_would_meet_the_floor_behind_a_table_meets_the_table() -> None:
    # Seen to fail: with the ray met at height 0, the goal lies a table's height further away
    ground = Ground(mujoco.MjModel.from_xml_string(SCENE))
    origin = np.array([2.0, -1.0, TABLE + 1.0])
    met = ground.meet(origin, np.array([0.0, 1.0, -1.0]) / math.sqrt(2.0))
    assert met is not None
    np.testing.assert_allclose(met, [2.0, 0.0, TABLE], atol=1e-9)


def test_a_marker_in_the_plane_stands_on_the_table() -> None:
    scene = Scene(("cube.xy",))
    scene.world.ask(np.array([2.0, 0.25]))
    (body,) = scene.world.data.mocap_pos
    np.testing.assert_allclose(body, [2.0, 0.25, TABLE], atol=1e-6)
    assert scene.world.desk.asked == 2
    scene.world.take_dragged_goal()  # nobody dragged it
    assert scene.world.desk.asked == 2


@pytest.mark.parametrize(("place", "ground"), [((1.0, -1.0), 0.0), ((2.0, 0.25), TABLE)])
def test_a_cube_is_put_on_the_ground_and_not_into_it(place, ground: float) -> None:
    # Seen to fail: with the place where the ray meets the ground
    scene = Scene(("cube.xyz",))
    np.testing.assert_allclose(scene.at(*place), [*place, ground + CUBE / 2], atol=1e-6)


def test_a_click_on_the_cube_or_the_robot_means_the_ground_behind() -> None:
    # Seen to fail: with any visible geom met, the cube is put to where it was touched
    scene = Scene(("cube.xyz",))
    slanted = np.array([0.0, 1.0, -1.0]) / math.sqrt(2.0)
    x, y = scene.world.data.qpos[:2]
    for middle in ((0.5, 0.5, CUBE / 2), (x, y, 0.1)):
        origin, goal = np.array(middle) - slanted, scene.world.desk.wanted
        found = scene.pointing.at(scene.world.data, scene.handles[0], goal, origin, slanted)
        expected = [middle[0], middle[1] + middle[2], CUBE / 2]
        assert found is not None
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_height_is_kept_within_bounds_and_a_place_is_not() -> None:
    scene = Scene(("left.xyz",))
    np.testing.assert_allclose(scene.at(1.0, 1.0), [1.0, 1.0, LOW[2]])  # the floor is lower
    assert scene.world.desk.ask(scene.at(1.0, 1.0))
    np.testing.assert_allclose(scene.at(4.0, 1.0), [4.0, 1.0, LOW[2]])
    assert not scene.world.desk.ask(scene.at(4.0, 1.0))


def test_a_tip_is_put_where_the_ray_meets_an_object_but_not_on_its_own_robot() -> None:
    scene = Scene(("left.xyz",))
    top = CUBE / 2 + CUBE
    np.testing.assert_allclose(scene.at(0.5, 0.5), [0.5, 0.5, top], atol=1e-6)
    x, y = scene.world.data.qpos[:2]
    np.testing.assert_allclose(scene.at(x, y), [x, y, LOW[2]], atol=1e-6)


def test_fingertips_grip_the_cube_that_is_clicked() -> None:
    # Seen to fail: with their distance kept, and with the gap left as it was
    scene = Scene(("left.xyz", "right.xyz"), ("gap",))
    apart = np.array([-1.0, 0.0, 0.1, 1.0, 0.0, 0.1, 0.01], np.float32)
    middle = (0.5, 0.5, CUBE / 2)
    for x in (0.48, 0.5, 0.52):
        gripped = scene.at(x, 0.5, apart)
        np.testing.assert_allclose(gripped, [*middle, *middle, CUBE], atol=1e-6)
    # On the floor nothing is gripped, and one alone leaves the other
    moved = scene.at(0.0, 1.0, apart)
    np.testing.assert_allclose(moved, [-1.0, 1.0, 0.02, 1.0, 1.0, 0.02, 0.01], atol=1e-6)
    one = scene.at(0.0, 1.0, apart, handle=1)
    np.testing.assert_allclose(one, [0.0, 1.0, 0.02, 1.0, 0.0, 0.1, 0.01], atol=1e-6)


def test_a_cube_slides_at_its_height_and_a_disk_on_its_table() -> None:
    slanted = np.array([0.0, 1.0, -1.0]) / math.sqrt(2.0)
    for groups, goal, height in (
        (("cube.xyz",), (0.0, 0.0, 0.25), 0.25),
        (("cube.xy",), (2.0, 0.0), TABLE),
    ):
        scene = Scene(groups)
        origin = np.array([1.0, 0.0, height + 0.5])
        moved = scene.pointing.slid(scene.handles[0], np.array(goal), origin, slanted)
        assert moved is not None
        np.testing.assert_allclose(moved, [1.0, 0.5, *goal[2:]], atol=1e-6)


def test_a_heading_points_to_where_the_ray_meets_its_plane() -> None:
    scene = Scene(("cube.xy",))
    handle, heading = (
        Handle(markers=(Marker(name="a", axes=(0, 1, None), radius=0.5),)),
        Heading("heading", 2, 3),
    )
    goal = np.array([1.0, 1.0, 1.0, 0.0], np.float32)
    for place, expected in (((1.0, 3.0), (0.0, 1.0)), ((0.0, 0.0), (-math.sqrt(0.5),) * 2)):
        turned = scene.pointing.turned(handle, heading, goal, np.array([*place, 3.0]), DOWN)
        assert turned is not None
        np.testing.assert_allclose(turned, [1.0, 1.0, *expected], atol=1e-6)
    # Seen to fail: at the marker itself every direction is as good
    assert scene.pointing.turned(handle, heading, goal, np.array([1.0, 1.0, 3.0]), DOWN) is None


def test_the_marker_that_is_pointed_at_is_moved() -> None:
    scene = Scene(("left.xyz", "right.xyz"))
    view = View(np.array([0.0, 0.0, 4.0]), DOWN, np.array([0.0, 1.0, 0.0]), 0.5, 2.0)
    pointing, handles = scene.pointing, scene.handles
    apart = np.array([-1.0, 0.0, 0.0, 1.0, 0.0, 0.0])
    for pixel, index in (((0.375, 0.5), 1), ((0.63, 0.51), 2), ((0.5, 0.5), 0), ((0.8, 0.9), 0)):
        assert pointing.nearest(view, handles, 0, apart, pixel) == index
    # Seen to fail: of two at one place the one was taken that comes first
    together = np.zeros(6)
    for chosen in range(3):
        assert pointing.nearest(view, handles, chosen, together, (0.5, 0.5)) == chosen


def test_two_things_have_a_handle_each() -> None:
    scene = Scene(("cube.xy",), ("left.xyz",))
    assert [handle.name for handle in scene.handles] == ["cube", "left"]
    assert len(make_markers(scene.world.contract)) == 2
