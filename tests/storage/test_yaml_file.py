"""YAML without its traps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgbench.errors import UsageError
from vgbench.storage import yaml_file

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)
ODD = st.sampled_from(["1e-3", "010", "no", "null", "~", "", "1:30", "true", ".inf", "2020-01-01", "0x10", "-", "<<"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS | ODD


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1.5E3", 1500.0),
        ("010", 10),
        ("no", "no"),
        ("1:30", "1:30"),
        ("null", None),
        ("~", None),
        ("true", True),
        ("[1, 2.5, a]", [1, 2.5, "a"]),
        (".inf", float("inf")),
        ("2020-01-01", "2020-01-01"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    read = yaml_file.parse(text, "x")
    assert read == value and type(read) is type(value)


@given(st.dictionaries(TEXTS, SCALARS | st.lists(SCALARS, max_size=3), max_size=5))
def test_what_is_written_is_read_again(value):
    assert yaml_file.parse(yaml_file.dump(value), "x") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", r"f\.yaml:3: duplicate key 'a' \(first given in line 1\)"),
        ("set:\n  a.b: 1\n  a.b: 2\n", r"f\.yaml:3: duplicate key 'a\.b'"),
        ("a: [1", r"f\.yaml:\d+: not valid YAML"),
        ("a: 1\n---\nb: 2", r"f\.yaml:2: not valid YAML"),
        ("a: !!python/object/apply:os.getcwd []", r"f\.yaml:1: .* the tag !!python/object/apply:os\.getcwd"),
        ("a: 1\nb: !!bool maybe", r"f\.yaml:2: .* the tag !!bool; write the value without it"),
        ("a: !!timestamp x", "the tag !!timestamp"),
        ("a: !!map [1]", "the tag !!map"),
        ("a: !own 3", "the tag !own"),
        ("? [1]\n: 2", "a key must be plain text"),
        ("a: *b", "undefined alias"),
    ],
)
def test_mistakes_have_file_and_line(text, message):
    with pytest.raises(UsageError, match=message):
        yaml_file.parse(text, "f.yaml")


def test_files_that_cannot_be_read(tmp_path):
    binary = tmp_path / "binary"
    binary.write_bytes(b"\x89HDF\r\n\x1a\n\xff\xfe")
    for path, message in ((tmp_path / "none", "no such file"), (tmp_path, "is a folder"), (binary, "is not text")):
        with pytest.raises(UsageError, match=message):
            yaml_file.load(path)


CASES = {
    "brackets": "[" * 100_000,
    "dashes": "- " * 50_000,
    "braces": "{a: " * 5000,
    "questions": "? " * 5000,
    "indents": "\n".join(f"{' ' * level}a:" for level in range(300)),
    "values": f"[{'a,' * 200_000}]",
    "bomb": "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)),
    "merges": "a0: &a0 {k: 1}\n"
    + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 12)),
    "itself": "a: &a [*a]",
    "itself by merging": "&a {<<: *a}",
}


@pytest.mark.parametrize("case", CASES)
def test_what_would_take_the_machine_is_refused_with_its_line(case):
    with pytest.raises(UsageError, match=r"f\.yaml:\d+: not YAML that vgbench reads: (nested|more than|the alias)"):
        yaml_file.parse(CASES[case], "f.yaml")


def test_a_file_of_many_megabytes_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "big.yaml"
    with path.open("wb") as file:
        file.truncate(2**40)  # a file with a hole
    with pytest.raises(UsageError, match=r"big\.yaml has \d+ bytes, expected YAML of at most"):
        yaml_file.load(path)


def test_aliases_within_reason_are_read():
    assert yaml_file.parse("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, *a]", "f.yaml")["b"] == {"x": 1, "y": 2}
