"""Changes to the values of a structure, and how it is written; what counts as a fault of a command that reads it."""

import copy
import json

import yaml

ODD = [None, True, False, 0, -1, 1, 2**63, 10**400, 1e300, -1e-300, float("nan"), float("inf"), "", " ", "x" * 10_000]
ODD += ["\x1b[31mred", "\u202eback", "\x00", "../../../etc/passwd", "/dev/zero", [], {}, [[]], {"": 0}, [None] * 50]
ODD += ["nan", "null", "-0", "1e999", {"a": {"b": {"c": []}}}, list(range(300)), "vf", "wall", "iqe", "smoke", 3.5, "3"]


def places(value, at=()):
    """Yield the path of every value inside of a value."""
    yield at
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield from places(item, (*at, key))


def changed(value, rng):
    """Change values and keys of a structure: others, gone, doubled, moved."""
    value = json.loads(json.dumps(value))
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        paths = [path for path in places(value) if path]
        if not paths:
            return value
        *above, key = rng.choice(paths)
        owner = value
        for step in above:
            owner = owner[step]
        kind = rng.randrange(5)
        if kind == 0:
            del owner[key]
        elif kind == 1 and isinstance(owner, dict):
            owner[rng.choice(["", "x", "\x1b", str(key) + "s", "1", "extends", "__class__"])] = owner.pop(key)
        elif kind == 2 and isinstance(owner, list):
            owner.insert(key, owner[key])
        else:
            owner[key] = copy.deepcopy(rng.choice(ODD))
    return value


def dumped(value, rng, form, scramble):
    """Write a structure, and damage the text now and then."""
    if form == "yaml":
        text = yaml.safe_dump(value, allow_unicode=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    else:
        text = json.dumps(value).encode()
    return scramble(text, rng) if rng.random() < 0.3 else text


def judge(campaign, case, what, ended, hang):
    complaint = ended.complaint() or (f"{ended.seconds:.0f} s" if ended.seconds > 12 * hang else None)
    if complaint:
        campaign.fail(case, f"{what}: {complaint}", ended)
    else:
        campaign.outcomes[f"exit {ended.code}"] += 1
