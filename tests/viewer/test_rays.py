"""From pixels to places: against numbers worked out by hand, and against what MuJoCo draws."""

import math
from typing import NamedTuple

import mujoco
import numpy as np
import pytest

from robot_gcrl.viewer import canvas
from robot_gcrl.viewer.rays import View, make_view, meet_model, meet_plane, project, ray

HALF = math.sqrt(0.5)
DOWN = View(
    position=np.array([1.0, 2.0, 10.0]),
    forward=np.array([0.0, 0.0, -1.0]),
    up=np.array([0.0, 1.0, 0.0]),
    tangent=0.5,
    aspect=2.0,
)
# From the south, down by 45 degrees
SLANTED = View(
    position=np.array([0.0, -10.0, 10.0]),
    forward=np.array([0.0, HALF, -HALF]),
    up=np.array([0.0, HALF, HALF]),
    tangent=0.5,
    aspect=2.0,
)


def on_ground(view: View, x: float, y: float, height: float = 0.0) -> np.ndarray:
    met = meet_plane(view.position, ray(view, x, y), height)
    assert met is not None
    return met


def seen_at(view: View, place: tuple[float, ...] | np.ndarray) -> tuple[float, float]:
    pixel = project(view, np.array(place))
    assert pixel is not None
    return pixel


@pytest.mark.parametrize(
    ("pixel", "height", "place"),
    [
        ((0.5, 0.5), 0.0, (1.0, 2.0, 0.0)),
        ((0.0, 0.0), 0.0, (-9.0, 7.0, 0.0)),
        ((1.0, 0.0), 0.0, (11.0, 7.0, 0.0)),
        ((0.0, 1.0), 0.0, (-9.0, -3.0, 0.0)),
        ((1.0, 1.0), 0.0, (11.0, -3.0, 0.0)),
        ((1.0, 1.0), 5.0, (6.0, -0.5, 5.0)),
        ((0.75, 0.5), 0.0, (6.0, 2.0, 0.0)),
    ],
)
def test_straight_down(pixel: tuple[float, float], height: float, place) -> None:
    # Seen to fail: with y counted from below, right and left exchanged, the aspect left out
    np.testing.assert_allclose(on_ground(DOWN, *pixel, height), place, atol=1e-12)


@pytest.mark.parametrize(
    ("pixel", "place"),
    [
        ((0.5, 0.5), (0.0, 0.0)),
        ((1.0, 0.5), (10.0 / HALF, 0.0)),
        ((0.5, 0.0), (0.0, 20.0)),
        ((0.5, 1.0), (0.0, -10.0 + 10.0 / 3.0)),
        ((0.0, 0.0), (-20.0 / HALF, 20.0)),
    ],
)
def test_down_by_45_degrees(pixel: tuple[float, float], place) -> None:
    np.testing.assert_allclose(on_ground(SLANTED, *pixel), (*place, 0.0), atol=1e-12)


def test_rays_are_unit_vectors() -> None:
    for pixel in ((0.5, 0.5), (0.0, 1.0), (0.9, 0.1)):
        assert np.linalg.norm(ray(SLANTED, *pixel)) == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize("view", [DOWN, SLANTED])
def test_a_place_is_seen_where_its_ray_passes(view: View) -> None:
    rng = np.random.default_rng(0)
    for x, y in rng.uniform(0.0, 1.0, (40, 2)):
        for height in (0.0, 1.5):
            place = on_ground(view, x, y, height)
            assert place[2] == height
            np.testing.assert_allclose(seen_at(view, place), (x, y), atol=1e-12)


def test_a_place_may_lie_beside_the_picture_but_not_behind_the_camera() -> None:
    # Seen to fail: without the sign of the depth a place behind is mirrored into the picture
    assert seen_at(DOWN, (21.0, 2.0, 0.0)) == pytest.approx((1.5, 0.5))
    assert project(DOWN, np.array([1.0, 2.0, 10.5])) is None
    assert project(DOWN, DOWN.position) is None


def test_a_plane_behind_is_not_met() -> None:
    assert meet_plane(DOWN.position, DOWN.forward, 10.5) is None
    upwards = SLANTED._replace(forward=SLANTED.up, up=-SLANTED.forward)
    assert meet_plane(upwards.position, upwards.forward, 0.0) is None
    np.testing.assert_allclose(on_ground(upwards, 0.5, 0.5, 12.0), (0.0, -8.0, 12.0), atol=1e-12)


@pytest.mark.parametrize(("slope", "is_met"), [(0.0, False), (5e-4, False), (2e-3, True)])
def test_a_ray_along_the_plane_meets_it_nowhere(slope: float, is_met: bool) -> None:
    # Seen to fail: without the bound, a division by zero and a goal kilometers away
    direction = np.array([1.0, 0.0, -slope]) / math.hypot(1.0, slope)
    met = meet_plane(np.array([0.0, 0.0, 1.0]), direction, 0.0)
    assert (met is not None) == is_met


def test_neither_the_origin_nor_the_direction_is_changed() -> None:
    origin, direction = np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.0, -1.0])
    meet_plane(origin, direction, 0.0)
    np.testing.assert_array_equal([*origin, *direction], [1, 2, 3, 0, 0, -1])


SCENE = """
<mujoco>
  <visual><global fovy="40"/></visual>
  <worldbody>
    <light pos="0 0 5" dir="0 0 -1"/>
    <camera name="scene" pos="2 -3 4" xyaxes="0.8 0.6 0 -0.36 0.48 0.8" fovy="50"/>
    <geom type="plane" size="5 5 0.1" rgba="0.5 0.5 0.5 1"/>
  </worldbody>
</mujoco>
"""


def camera_of(model: mujoco.MjModel, name: str = "scene") -> mujoco.MjvCamera:
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
    camera.fixedcamid = model.camera(name).id
    return camera


def test_a_fixed_camera_has_its_own_pose_and_angle() -> None:
    model = mujoco.MjModel.from_xml_string(SCENE)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    view = make_view(model, data, camera_of(model), 1.5)
    np.testing.assert_allclose(view.position, (2, -3, 4), atol=1e-6)
    np.testing.assert_allclose(view.up, (-0.36, 0.48, 0.8), atol=1e-6)
    np.testing.assert_allclose(view.forward, (-0.48, 0.64, -0.6), atol=1e-6)
    assert view.tangent == pytest.approx(math.tan(math.radians(25)), rel=1e-5)
    assert view.aspect == 1.5


@pytest.mark.parametrize(("azimuth", "elevation"), [(90.0, -90.0), (30.0, -20.0), (-135.0, 10.0)])
def test_a_free_camera_looks_at_its_point_from_its_distance(
    azimuth: float, elevation: float
) -> None:
    # Seen to fail: with one eye's position instead of the mean of both
    model = mujoco.MjModel.from_xml_string(SCENE)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    camera = mujoco.MjvCamera()
    camera.lookat[:], camera.distance = (0.5, -0.25, 1.0), 3.0
    camera.azimuth, camera.elevation = azimuth, elevation
    view = make_view(model, data, camera, 1.0)
    a, e = math.radians(azimuth), math.radians(elevation)
    forward = np.array([math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)])
    np.testing.assert_allclose(view.forward, forward, atol=1e-6)
    np.testing.assert_allclose(view.position, camera.lookat - 3.0 * forward, atol=1e-5)
    assert view.tangent == pytest.approx(math.tan(math.radians(20)), rel=1e-5)
    assert view.up @ view.forward == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(seen_at(view, camera.lookat), (0.5, 0.5), atol=1e-5)


def test_places_are_where_mujoco_draws_them() -> None:
    # Seen to fail: with the tangent of the whole angle, and with the aspect turned round
    model = mujoco.MjModel.from_xml_string(SCENE)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    width, height = 240, 120
    view = make_view(model, data, camera_of(model), width / height)
    with canvas.Canvas(model, width=width, height=height, shadows=False) as drawn:
        for place in ((0.0, 0.0, 0.0), (-2.0, 0.5, 0.0), (0.5, 0.5, 1.5), (1.0, -0.5, 0.5)):
            ball = canvas.Marker(
                mujoco.mjtGeom.mjGEOM_SPHERE, place, (0.12, 0.12, 0.12), (0.0, 1.0, 0.0, 1.0)
            )
            pixels = drawn.draw(np.zeros(0), [ball]).astype(int)
            rows, columns = np.nonzero(pixels[..., 1] > pixels[..., [0, 2]].max(-1) + 40)
            assert len(rows) > 10
            center = ((columns.mean() + 0.5) / width, (rows.mean() + 0.5) / height)
            np.testing.assert_allclose(seen_at(view, place), center, atol=1.0 / height)


MARKED = """
<mujoco>
  <worldbody>
    <geom name="ground" type="plane" size="5 5 0.1"/>
    <geom name="hidden" size="0.5" pos="4 0 1" group="3"/>
    <body name="object" pos="2 0 0"><freejoint/><geom type="box" size="0.5 0.5 0.5"/></body>
    <body name="goal/a" mocap="true" pos="0 0 0">
      <geom size="0.2" contype="0" conaffinity="0"/>
    </body>
    <body name="goal/b" mocap="true" pos="0 0 1">
      <geom size="0.3" contype="0" conaffinity="0"/>
    </body>
  </worldbody>
</mujoco>
"""


class Marked(NamedTuple):
    model: mujoco.MjModel
    data: mujoco.MjData

    def meet(self, origin: tuple[float, ...], direction: tuple[float, ...]) -> np.ndarray:
        met = meet_model(self.model, self.data, np.array(origin), np.array(direction))
        assert met is not None
        return met


@pytest.fixture
def marked() -> Marked:
    model = mujoco.MjModel.from_xml_string(MARKED)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return Marked(model, data)


STRAIGHT = (0.0, 0.0, -1.0)


@pytest.mark.parametrize(
    ("origin", "direction", "place"),
    [
        ((1.0, 1.0, 5.0), STRAIGHT, (1.0, 1.0, 0.0)),
        ((2.0, 0.0, 5.0), STRAIGHT, (2.0, 0.0, 0.5)),
        ((0.0, 0.0, 5.0), STRAIGHT, (0.0, 0.0, 0.0)),
        ((0.1, 0.0, 5.0), STRAIGHT, (0.1, 0.0, 0.0)),
        ((0.0, 0.0, 1.1), STRAIGHT, (0.0, 0.0, 0.0)),
        ((0.05, 0.0, 0.1), STRAIGHT, (0.05, 0.0, 0.0)),
        ((-3.0, 0.0, 0.15), (1.0, 0.0, 0.0), (1.5, 0.0, 0.15)),
        ((4.0, 0.0, 5.0), STRAIGHT, (4.0, 0.0, 0.0)),
    ],
    ids=["ground", "object", "two markers above", "beside their middle", "from within a marker",
         "from within one on the ground", "object behind a marker", "hidden group"],
)  # fmt: skip
def test_a_ray_goes_through_markers_to_what_is_there(
    marked: Marked, origin: tuple[float, ...], direction: tuple[float, ...], place
) -> None:
    # Seen to fail: as first written, a ray went on behind a marker by the marker's size, so that
    # the ground on which the marker stood was jumped over
    np.testing.assert_allclose(marked.meet(origin, direction), place, atol=1e-5)


def test_what_stands_within_a_marker_is_met(marked: Marked) -> None:
    marked.data.mocap_pos[1] = (2.0, 0.0, 0.5)
    mujoco.mj_kinematics(marked.model, marked.data)
    met = marked.meet((2.0, 0.0, 5.0), STRAIGHT)
    np.testing.assert_allclose(met, (2.0, 0.0, 0.5), atol=1e-5)


def test_a_ray_at_a_tangent_of_a_marker_ends(marked: Marked) -> None:
    for offset in np.linspace(0.2999, 0.3, 30):
        met = marked.meet((offset, 0.0, 5.0), STRAIGHT)
        np.testing.assert_allclose(met, (offset, 0.0, 0.0), atol=1e-5)


def test_a_ray_into_the_sky_meets_nothing(marked: Marked) -> None:
    origin, up = np.array([0.0, 0.0, 0.1]), np.array([0.0, 0.0, 1.0])
    assert meet_model(marked.model, marked.data, origin, up) is None
