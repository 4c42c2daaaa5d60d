"""Every environment of vgbench as a goal-conditioned `gymnasium.Env`: importing this package registers them.

`wall` becomes `vgbench/Wall-v0`, a third party's `my_env` becomes `vgbench/MyEnv-v0`::

    import gymnasium
    import vgbench.gymnasium

    env = gymnasium.make("vgbench/Wall-v0", step="small", render_mode="rgb_array")

`gymnasium.make("vgbench.gymnasium:vgbench/Wall-v0")` does without the second import. (Gymnasium 1.0 gave up finding
plugins by entry points, so one of the two is needed.) The way back, from a `gymnasium.Env` to an environment of
vgbench, is `vgbench.api.GymnasiumEnvironment`.
"""

from vgbench.extras import install

try:
    import gymnasium  # noqa: F401 - to say what to install, before anything else needs it
except ModuleNotFoundError as err:
    raise ModuleNotFoundError(f"vgbench.gymnasium needs Gymnasium: {install('gymnasium')}", name=err.name) from err

from vgbench.gymnasium.env import TaskEnv
from vgbench.gymnasium.register import register

__all__ = ["TaskEnv", "register"]

register()
