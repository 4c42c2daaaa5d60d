"""The code that ours is held against: what is installed, which version, and how to get the rest."""

import importlib.metadata
import importlib.util
from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """Somebody else's package; `module` is what is imported, `install` what is given to `pip install`."""

    name: str
    module: str
    install: str

    @property
    def present(self) -> bool:
        """Whether it can be imported (it is not)."""
        return importlib.util.find_spec(self.module) is not None

    @property
    def command(self) -> str:
        """How to install it."""
        return f"pip install {self.install}"

    def record(self) -> dict[str, str | None]:
        """Name, version (None: absent) and the command that installs it."""
        version = None
        if self.present:
            try:
                version = importlib.metadata.version(self.name)
            except importlib.metadata.PackageNotFoundError:
                version = "unknown"
        return {"name": self.name, "version": version, "install": self.command}


PYTORCH_MPPI = Peer("pytorch-mppi", "pytorch_mppi", "-c constraints.txt pytorch-mppi==0.9.1")
STOPPING = f"{PYTORCH_MPPI.name} until success"
"""Side of a whole evaluation in which a task's controller stops at success."""
# Alone: its solvers need none of its other 60 packages, whose torchvision does not go with every PyTorch.
STABLE_WORLDMODEL = Peer(
    "stable-worldmodel", "stable_worldmodel", "--no-deps stable-worldmodel==0.1.1 loguru gymnasium==1.4.0"
)
TORCHRL = Peer("torchrl", "torchrl", "-c constraints.txt torchrl==0.14.1")
GYMNASIUM_ROBOTICS = Peer("gymnasium-robotics", "gymnasium_robotics", "-c constraints.txt gymnasium-robotics==1.4.2")
TORCHQMET = Peer(
    "torchqmet",
    "torchqmet",
    "--no-deps 'torchqmet @ git+https://github.com/quasimetric-learning/torch-quasimetric@0365394'",
)
ALL = (PYTORCH_MPPI, STABLE_WORLDMODEL, TORCHRL, GYMNASIUM_ROBOTICS, TORCHQMET)


def missing(*peers: Peer) -> list[str]:
    """Name those that are not installed."""
    return [peer.name for peer in peers if not peer.present]
