"""How few trajectories will do, where a data set is only looked at."""

from vgbench.api import Environment, Trajectories

DOUBLED = 20
"""Times that the number is doubled, before the environment's own message is let through."""


def enough(environment: Environment, few: int, length: int) -> int:
    """Return the first of `few`, 2 `few`, 4 `few`, ... trajectories of `length` states that an environment can collect.

    Raises:
        ValueError: the environment's, where it refuses all of them.
    """
    for times in range(DOUBLED):
        try:
            environment.check_size(few << times, length)
        except ValueError:
            continue
        return few << times
    environment.check_size(few << DOUBLED, length)
    return few << DOUBLED


def collect_few(environment: Environment, few: int, length: int, seed: int = 0) -> Trajectories:
    """Collect `enough` trajectories.

    Raises:
        ValueError: the environment's, where it refuses them.
    """
    return environment.collect(enough(environment, few, length), length, seed)
