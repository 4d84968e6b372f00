"""The C++ controller, built once for all tests that need it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "controllers" / "cpp"
_HEADERS = ("zmq.hpp", "msgpack/unpack.hpp")


def build(folder: Path) -> Path:
    """Builds as a user does; skips the test where a tool or header is absent, and else fails."""
    compiler = os.environ.get("CXX", "c++")
    for tool in ("cmake", compiler):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool}: apt-get install cmake g++")
    for header in _HEADERS:
        question = f"#if !__has_include(<{header}>)\n#error absent\n#endif\n"
        preprocess = [compiler, "-E", "-x", "c++", "-", "-o", os.devnull]
        asked = subprocess.run(preprocess, input=question, capture_output=True, text=True)
        if asked.returncode != 0:
            pytest.skip(f"no {header}: apt-get install libzmq3-dev cppzmq-dev libmsgpack-cxx-dev")
    cores = str(os.cpu_count() or 1)
    environment = {"CMAKE_BUILD_PARALLEL_LEVEL": cores} | dict(os.environ)
    for command in (["-S", str(SOURCE), "-B", str(folder)], ["--build", str(folder)]):
        done = subprocess.run(
            ["cmake", *command], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


def build_app(programs: Path, folder: Path, plant: str) -> Path:
    """The example with another plant.cpp, linked with the libraries that were built."""
    (folder / "plant.cpp").write_text(plant)
    apps = SOURCE / "apps"
    sources = [apps / "robot_gcrl_controller.cpp", apps / "options.cpp", folder / "plant.cpp"]
    rooms = ("client", "wire", "guard", "setup", "pacing")  # each needs those behind it
    libraries = [programs / f"librobot_gcrl_{room}.a" for room in rooms]
    includes = [f"-I{SOURCE / 'include'}", f"-I{apps}"]
    command = [os.environ.get("CXX", "c++"), "-std=c++17", *includes, *sources, *libraries]
    program = folder / "robot_gcrl_controller"
    done = subprocess.run(
        [*map(str, command), "-lzmq", "-o", str(program)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return program
