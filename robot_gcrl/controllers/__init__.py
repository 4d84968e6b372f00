"""The room `controllers`: in a checkout the folder at the top, so that edits are live."""

from robot_gcrl.rooms import room

__path__ = [str(room("controllers"))]
