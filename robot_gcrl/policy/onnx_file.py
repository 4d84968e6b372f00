"""The ONNX graph of a policy file, as a file; what makes it is `robot_gcrl.policy.onnx_graph`."""

from pathlib import Path

from robot_gcrl.policy.runtime import archive
from robot_gcrl.policy.runtime.file import PolicyFile
from robot_gcrl.policy.write import write_file


def export_onnx(file: PolicyFile, path: Path) -> Path:
    """Writes the graph of a policy file and returns where; it needs neither JAX nor ONNX.

    Raises:
      PolicyError: it cannot be written; what was there is unharmed.
    """
    write_file(path, file.entry(archive.ONNX))
    return path
