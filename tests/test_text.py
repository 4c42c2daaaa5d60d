"""How times are written."""

import pytest

from vgbench.text import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (4.04, "4 s"),
        (40, "40 s"),
        (113, "110 s"),
        (119.9, "120 s"),
        (130, "2.2 min"),
        (7100, "120 min"),
        (9000, "2.5 h"),
        (172799, "48 h"),
        (200000, "2.3 days"),
        (864000 * 12, "120 days"),
    ],
)
def test_a_time_is_written_as_people_say_it(seconds, text):
    assert duration(seconds) == text
