"""How many different layouts a training set may have."""


def refuse_fewer(environment: str, layouts: int, trajectories: int) -> None:
    """Refuse fewer trajectories than layouts: each layout has one at least.

    Raises:
        ValueError: there are fewer.
    """
    if layouts > trajectories:
        raise ValueError(
            f"{environment}.training_layouts={layouts} expects at least {layouts} trajectories, not {trajectories}; "
            "lower it, or raise data.trajectories"
        )
