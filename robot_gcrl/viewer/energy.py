"""What the agent believes of every place: the critic's energy over the plane of the goals.

For one state of the robot, each cell of a grid is given to the policy as the goal, and the critic
judges the action that the policy takes. Whether the value follows the walls of a maze is a number:
the rank correlation of the energy with the length of the way to a place, beside that with the
straight line through the walls; over the centers of the maze's cells, where goals are set, and over
the whole grid, which also has places close to the walls that a robot hardly reaches. NumPy alone,
but that Matplotlib is loaded to draw and MuJoCo to measure a start. Letters: X and Y cells along x
and y, F free cells of the maze, I inputs, A action, G goal.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.contract.chunk import begun
from robot_gcrl.contract.observe import achieved_goal
from robot_gcrl.errors import RenderingError
from robot_gcrl.policy.runtime.critic import Critic, make_critic
from robot_gcrl.policy.runtime.file import PolicyFile, Scenarios
from robot_gcrl.policy.runtime.goal_grid import GoalGrid, make_goal_grid
from robot_gcrl.policy.runtime.make import make_runtime
from robot_gcrl.policy.runtime.maze import MazeMap
from robot_gcrl.policy.runtime.ranks import Ranks, rank
from robot_gcrl.policy.runtime.step import Runtime

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class EnergyMap(NamedTuple):
    """The energy of each cell of a grid as the goal, for one state of the robot.

    Attributes:
      grid: the cells.
      position: [2], x, y of what shall reach the goal [m].
      energy: [X, Y]; the higher, the likelier the cell is reached.
      action: [X, Y, A], that the policy takes for each cell.
      straight: [X, Y], distance of each cell's center from `position` [m].
      path: [X, Y], length of the shortest way there along free cells [m], NaN in walls and where
        none leads; None without a maze.
      over_grid: over the cells of the grid.
      over_maze: over the centers of the maze's F free cells; None without a maze.
    """

    grid: GoalGrid
    position: np.ndarray
    energy: np.ndarray
    action: np.ndarray
    straight: np.ndarray
    path: np.ndarray | None
    over_grid: Ranks
    over_maze: Ranks | None


def energy_map(
    contract: Contract,
    runtime: Runtime,
    critic: Critic,
    grid: GoalGrid,
    *,
    inputs: np.ndarray,
    previous_action: np.ndarray,
    goal: np.ndarray,
    maze: MazeMap | None = None,
) -> EnergyMap:
    """The energies of all cells, by one call of the runtime and one of the critic.

    Args:
      contract: of the policy.
      runtime: that acts.
      critic: of the same policy.
      grid: of `make_goal_grid`.
      inputs: [I], what the robot measures, SI.
      previous_action: [P]; 0 before the first.
      goal: [G], of which the fields other than x and y are kept, SI.
      maze: the map, or None where there are no walls.

    Raises:
      PolicyError: arrays of other shapes.
    """
    shape = grid.centers.shape[:2]
    places, cells = grid.centers.reshape(-1, 2), shape[0] * shape[1]
    if maze is not None:
        places = np.concatenate((places, maze.free_centers))
    goals = np.tile(np.asarray(goal, np.float32), (len(places), 1))
    goals[:, grid.components] = places
    action, energy = _believe(contract, runtime, critic, inputs, previous_action, goals)
    position = achieved_goal(contract, np.asarray(inputs))[list(grid.components)]
    straight = np.linalg.norm(places - position, axis=-1)
    path = None if maze is None else maze.path_lengths(position, places)

    def ranks(chosen: slice) -> Ranks:
        return rank(energy[chosen], straight[chosen], None if path is None else path[chosen])

    return EnergyMap(
        grid=grid,
        position=position,
        energy=energy[:cells].reshape(shape),
        action=action[:cells].reshape(*shape, -1),
        straight=straight[:cells].reshape(shape),
        path=None if path is None else path[:cells].reshape(shape),
        over_grid=ranks(slice(cells)),
        over_maze=None if maze is None else ranks(slice(cells, None)),
    )


def _believe(
    contract: Contract,
    runtime: Runtime,
    critic: Critic,
    inputs: np.ndarray,
    previous_action: np.ndarray,
    goals: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """What the policy does for each of N goals in one state [N, A], and its energy [N].

    Of a policy with chunks the energy is that of the whole chunk, which a new goal begins.
    """
    rows = len(goals)
    inputs, previous = np.tile(inputs, (rows, 1)), np.tile(previous_action, (rows, 1))
    # The action does not depend on the previous ctrl, which only the ctrl is made of
    ctrl = np.zeros((rows, contract.action_size), np.float32)
    action, _, queue = runtime(inputs, goals, previous, ctrl)
    judged = action if queue is None else begun(action, queue, contract.goal_size)
    return action, critic.energy(inputs, previous, judged, goals)


def start_energy(file: PolicyFile) -> EnergyMap:
    """The energies for the first eval start of a policy file, before the first action.

    Raises:
      PolicyError: the file holds no critic, is damaged, or its goals are no places; or this version
        of MuJoCo cannot read its scene.
    """
    # Here, as who shows a live robot needs no MuJoCo
    from robot_gcrl.policy.scene import load_scene
    from robot_gcrl.policy.starts import start_inputs

    contract, critic = file.contract, make_critic(file)
    grid = make_goal_grid(contract)
    first = Scenarios(*(part[:1] for part in file.scenarios["eval"]))
    return energy_map(
        contract,
        make_runtime(file),
        critic,
        grid,
        inputs=start_inputs(load_scene(file), file.layout, first)[0],
        previous_action=np.zeros(contract.previous_action_size, np.float32),
        goal=first.goal[0],
        maze=file.maze,
    )


def energy_content(result: EnergyMap) -> dict[str, Any]:
    """An energy map, ready for JSON: what is not defined is null."""
    grid = result.grid
    return {
        "position": result.position.tolist(),
        "x_edges": grid.x_edges.tolist(),
        "y_edges": grid.y_edges.tolist(),
        "energy": _finite(result.energy),
        "path": None if result.path is None else _finite(result.path),
        "rank_correlation": {
            name: None
            if ranks is None
            else {
                "places": ranks.places,
                "path": _number(ranks.path),
                "straight": _number(ranks.straight),
            }
            for name, ranks in (("grid", result.over_grid), ("maze", result.over_maze))
        },
    }


def format_energy(result: EnergyMap) -> str:
    """The numbers of an energy map as lines for a terminal."""
    energy, (x, y) = result.energy, result.position.tolist()
    lines = [
        f"  robot at ({x:.2f}, {y:.2f}) m, energy {energy.min():.4g} to {energy.max():.4g} over "
        f"{energy.shape[0]} x {energy.shape[1]} cells",
        f"  {'rank correlation of the energy':32} {'path length':>12} {'straight line':>14}",
    ]
    for name, ranks in (("of the maze", result.over_maze), ("of the grid", result.over_grid)):
        if ranks is not None:
            row = f"over {ranks.places} cells {name}"
            lines.append(f"    {row:30} {_shown(ranks.path):>12} {_shown(ranks.straight):>14}")
    return "\n".join(lines)


def draw_energy(result: EnergyMap, path: Path, *, title: str, maze: MazeMap | None) -> Path:
    """Writes a picture of the map, the walls and the robot to a .png file; returns its path.

    A maze is drawn as its grid is written, x downwards and y to the right; else x is to the right.

    Raises:
      RenderingError: the name does not end in .png, or the file cannot be written.
    """
    from matplotlib.figure import Figure

    if path.suffix != ".png":
        raise RenderingError(
            f"Cannot write {str(path)!r}. Expected a file name that ends in .png. Change the name."
        )
    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=9)
    across, up = (0, 1) if maze is None else (1, 0)
    edges = (result.grid.x_edges, result.grid.y_edges)
    # No goal lies in a wall
    shown = np.ma.array(result.energy, mask=False if result.path is None else np.isnan(result.path))
    mesh = axes.pcolormesh(edges[across], edges[up], shown.transpose(up, across))
    figure.colorbar(mesh, ax=axes, label="energy: the higher, the likelier it is reached")
    if maze is not None:
        _draw_walls(axes, maze)
        axes.margins(0.0)
        axes.invert_yaxis()
    axes.plot(*result.position[[across, up]], "o", mfc="white", mec="black", label="robot")
    axes.legend(loc="upper right", fontsize=8)
    axes.set(aspect="equal", xlabel=f"{'xy'[across]} [m]", ylabel=f"{'xy'[up]} [m]")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise RenderingError(
            f"Cannot write {str(path)!r}: {error.strerror or error}. Expected a folder that can be "
            "written to. Name another one."
        ) from error
    return path


def _draw_walls(axes: "Axes", maze: MazeMap) -> None:
    from matplotlib.patches import Rectangle

    for x, y in maze.wall_centers.tolist():
        corner = (y - maze.cell / 2, x - maze.cell / 2)
        axes.add_patch(Rectangle(corner, maze.cell, maze.cell, facecolor="0.35", linewidth=0))


def _finite(values: np.ndarray) -> list[list[float | None]]:
    return [[_number(value) for value in row] for row in values.tolist()]


def _number(value: float | None) -> float | None:
    # NaN is not JSON
    return value if value is not None and math.isfinite(value) else None


def _shown(correlation: float | None) -> str:
    if correlation is None:
        return "no maze"
    return f"{correlation:+.3f}" if math.isfinite(correlation) else "not defined"
