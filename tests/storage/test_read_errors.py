"""A disk that fails while a file is read: the file is named, and it is no error that nobody foresaw."""

import errno

import pytest

from vgbench.storage.files import read_bytes, read_lines, read_whole


@pytest.mark.parametrize("read", [read_whole, read_lines, lambda path: read_bytes(path, 100)])
def test_an_error_of_an_open_file_names_it(read, tmp_path, monkeypatch):
    """/proc/self/mem opens, and its first page cannot be read: the system itself raises, without a name."""
    path = tmp_path / "linked"
    path.symlink_to("/proc/self/mem")
    with pytest.raises(OSError) as found:
        read(path)
    assert found.value.errno == errno.EIO and found.value.filename == str(path)


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    path = tmp_path / "rows.jsonl"
    assert read_lines(path) == []
    path.write_text('{"a": 1}\n{"a": 2}\n{"a"')
    assert read_lines(path) == [{"a": 1}, {"a": 2}]
