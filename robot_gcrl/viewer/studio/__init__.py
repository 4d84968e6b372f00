"""MuJoCo Studio with a goal: its plugins, and a server that this machine alone can reach.

Studio runs two threads: the simulation's, which owns the stage, and the viewer's, which reads mouse
and keys and draws panels. They speak in messages; nothing else is shared.
"""
