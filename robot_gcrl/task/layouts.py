"""The mazes that come with the library.

u, big and hardest have the shapes of D4RL's antmaze layouts (arXiv 2004.07219); u2 to u7 those of
arXiv 2503.14858, so that success can be compared with published figures.
"""

from robot_gcrl.task.maze import Maze


def _maze(name: str, grid: str, far: tuple[tuple[int, int], ...] = ()) -> Maze:
    return Maze(name=name, rows=tuple(grid.split()), far=far)


LAYOUTS: dict[str, Maze] = {
    maze.name: maze
    for maze in (
        _maze(
            "u",
            """
            #####
            #SGG#
            ###G#
            #GGG#
            #####
            """,
        ),
        _maze(
            "u2",
            """
            ######
            #SGGG#
            ####G#
            #GGGG#
            ######
            """,
        ),
        _maze(
            "u3",
            """
            #######
            #SGGGG#
            #####G#
            #GGGGG#
            #######
            """,
        ),
        _maze(
            "u4",
            """
            #####
            #GGG#
            #S#G#
            ###G#
            #G#G#
            #GGG#
            #####
            """,
        ),
        _maze(
            "u5",
            """
            ########
            #GGGGGG#
            #S####G#
            ######G#
            #G####G#
            #GGGGGG#
            ########
            """,
        ),
        _maze(
            "u6",
            """
            #######
            #GGGGG#
            #S###G#
            #####G#
            #G###G#
            #GGGGG#
            #######
            """,
        ),
        _maze(
            "u7",
            """
            ######
            #GGGG#
            #S##G#
            ####G#
            #G##G#
            #GGGG#
            ######
            """,
        ),
        _maze(
            "big",
            """
            ########
            #SG##GG#
            #GG#GGG#
            ##GGG###
            #GG#GGG#
            #G#GG#G#
            #GGG#GG#
            ########
            """,
            # the paper's nine evaluation cells: all 8 cells or more away, but for (4, 6)
            far=((1, 5), (1, 6), (2, 6), (5, 3), (5, 6), (6, 2), (6, 3), (6, 5), (6, 6)),
        ),
        _maze(
            "hardest",
            """
            ############
            #SGGG#GGGGG#
            #G##G#G#G#G#
            #GGGGGG#GGG#
            #G####G###G#
            #GG#G#GGGGG#
            ##G#G#G#G###
            #GG#GGG#GGG#
            ############
            """,
        ),
    )
}
