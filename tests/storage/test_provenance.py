"""What a record says of the checkout that made it."""

import os
import subprocess

import pytest

from vgbench.storage import provenance


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with one commit, from which vgbench seems to run; it is given as a function that calls git there."""

    def git(*arguments):
        who = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    source = tmp_path / "vgbench" / "storage" / "provenance.py"
    source.parent.mkdir(parents=True)
    source.write_text("first\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    monkeypatch.setattr(provenance, "__file__", str(source))
    return source


def test_a_change_makes_it_dirty(checkout):
    clean = provenance.git()
    assert len(clean["commit"]) == 40 and clean["dirty"] is False
    checkout.write_text("second\n")
    assert provenance.git() == clean | {"dirty": True}


def test_asking_leaves_the_index_alone(checkout):
    """`git status` writes it anew, under a lock, once a file has another time; a killed one leaves the lock behind."""
    index = checkout.parents[2] / ".git" / "index"
    os.utime(checkout, (10**9, 10**9))
    before = index.read_bytes()
    assert provenance.git()["dirty"] is False
    assert index.read_bytes() == before


def test_a_checkout_that_git_cannot_look_through_is_not_called_clean(checkout):
    (checkout.parents[2] / ".git" / "index").write_bytes(b"damaged")
    assert provenance.git()["dirty"] is None
