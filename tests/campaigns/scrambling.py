"""Damage to the bytes of a file: flips, cuts, copies of parts, words that mean something."""

TOKENS = [
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b'"',
    b"'",
    b"&a ",
    b"*a ",
    b"<<: *a",
    b"- ",
    b"? ",
    b"!!python/object:os.system ",
]
TOKENS += [
    b"\n",
    b"\t",
    b"\x00",
    b"\xff\xfe",
    b"\xc3\x28",
    b"1e999",
    b"NaN",
    b"Infinity",
    b"---\n",
    b"...\n",
    b"%YAML 1.1\n",
    b"#",
]
TOKENS += [
    b"[" * 2000,
    b"{a: " * 500,
    b"9" * 5000,
    b"\\ud800",
    b"null",
    b"extends: mine\n",
    b"\xe2\x80\xae",
    b"\x1b[2J",
    b"@",
    b"|\n",
]


def scrambled(data, rng):
    """Change bytes: flips, cuts, copies of parts, words that mean something."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        place, kind = rng.randrange(len(data) + 1), rng.randrange(5)
        if kind == 0 and data:
            data[place % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[place:place] = rng.choice(TOKENS)
        elif kind == 2:
            del data[place : place + rng.choice([1, 4, 50])]
        elif kind == 3:
            start = rng.randrange(len(data) + 1)
            data[place:place] = data[start : start + rng.choice([1, 10, 200])]
        elif rng.random() < 0.2:
            del data[place:]
    return bytes(data)
