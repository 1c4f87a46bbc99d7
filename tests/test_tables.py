"""Tables of settled records and tallies, and parts of many members: a few keys without reading all."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from quiver.derive import share_of
from quiver.dumps import MemberIndex, PartWriter, find_members, index_path, join_parts, read_lines, take_out
from quiver.errors import DamagedRelease
from quiver.releases.tables import Table, TableWriter, join_generations, table_path


def write_generation(folder: Path, generation: int, values: dict[str, bytes], shares: int = 1) -> None:
    for share in range(shares):
        writer = TableWriter(table_path(folder, generation, share, shares))
        for key in sorted(values):
            if share_of(key, shares) == share:
                writer.write(key, values[key])
        writer.close()


@pytest.mark.parametrize("seed", range(5))
def test_the_newest_value_of_a_key_stands_however_often_it_changed(tmp_path: Path, seed: int) -> None:
    rows = random.Random(seed)
    expected: dict[str, bytes] = {}
    for generation in range(rows.randint(1, 14)):
        keys = rows.sample(range(400), rows.randint(0, 200))
        values = {f"kéy {key}": rows.randbytes(rows.choice((0, 5, 4000))) for key in keys}
        write_generation(tmp_path, generation, values, 3 if generation == 0 else 1)
        expected.update(values)
        join_generations(tmp_path)
    expected = {key: value for key, value in expected.items() if value}
    table = Table(tmp_path)
    assert dict(table.entries()) == expected
    assert list(dict(table.entries())) == sorted(expected)
    wanted = [f"kéy {key}" for key in range(0, 500, 3)]
    assert table.get(wanted) == {key: expected[key] for key in wanted if key in expected}
    by_share = [dict(table.entries(share)) for share in range(table.shares)]
    assert {key: value for piece in by_share for key, value in piece.items()} == expected
    assert sum(map(len, by_share)) == len(expected)
    assert len({path.name.split("-")[0] for path in tmp_path.iterdir()}) <= 10


def test_a_damaged_table_is_an_error_with_its_path(tmp_path: Path) -> None:
    write_generation(tmp_path, 0, {"a": b"1"})
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DamagedRelease, match=path.name):
        Table(tmp_path).get(["a"])


def test_a_damaged_block_of_a_table_is_an_error_with_its_path(tmp_path: Path) -> None:
    write_generation(tmp_path, 0, {"a": b"1" * 100})
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"\0" * 8 + path.read_bytes()[8:])
    with pytest.raises(DamagedRelease, match=path.name):
        Table(tmp_path).get(["a"])
    with pytest.raises(DamagedRelease, match=path.name):
        list(Table(tmp_path).entries())


def document(number: int, size: int) -> list[str]:
    subject = f"http://x/{number}"
    fragments = [f'<{subject}#a{at}> <http://p> "{"x" * 40} {at}" .\n' for at in range(size)]
    return [f'<{subject}> <http://p> "é\\n" .\n', *fragments]


def test_documents_are_taken_out_of_a_part_and_the_rest_is_what_it_was(tmp_path: Path) -> None:
    rows = random.Random(3)
    # 12 and 120 begin alike; some documents fill a member alone.
    documents = {number: document(number, rows.choice((0, 1, 30, 3000))) for number in range(400)}
    writer = PartWriter(tmp_path, "parts/derived/a.nq.gz")
    for lines in documents.values():
        writer.write(lines)
    part = writer.close()
    assert part is not None
    source, listed = tmp_path / "parts/derived/a.nq.gz", index_path(tmp_path, "parts/derived/a.nq.gz")
    index = MemberIndex.read(listed)
    assert len(index.members) > 20
    gone = {12, 0, 399, *rows.sample(range(400), 60)}
    wanted = find_members(index, (f"<http://x/{number}".encode() for number in (*gone, 5000)))
    target, target_list = tmp_path / "parts/derived/b.nq.gz", index_path(tmp_path, "parts/derived/b.nq.gz")
    left = take_out(source, index, wanted, target, target_list)
    assert left is not None
    expected = [line.encode() for number, lines in documents.items() if number not in gone for line in lines]
    assert list(read_lines(target)) == expected
    assert gzip.decompress(target.read_bytes()) == b"".join(expected)
    assert (left.quads, left.text_bytes, left.size) == (len(expected), sum(map(len, expected)), target.stat().st_size)
    assert sorted(left.documents) == sorted("".join(documents[number]).encode() for number in gone)
    # The list of the rest finds the rest, and nothing else.
    rest = MemberIndex.read(target_list)
    again = find_members(rest, (f"<http://x/{number}".encode() for number in documents))
    everything = take_out(target, rest, again, tmp_path / "parts/derived/c.nq.gz", tmp_path / "members/c")
    assert everything is not None
    assert (everything.quads, len(everything.documents)) == (0, len(documents) - len(gone))
    assert not find_members(rest, [b"<http://x/12"]) or 12 not in gone or rest.find(b"<http://x/12") == set()


def test_parts_are_joined_with_their_lists(tmp_path: Path) -> None:
    sources = []
    for name in ("a", "b"):
        writer = PartWriter(tmp_path, f"parts/derived/{name}.nq.gz")
        for number in range(100):
            writer.write(document(number + (1000 if name == "b" else 0), 100))
        writer.close()
        path = tmp_path / f"parts/derived/{name}.nq.gz"
        sources.append((path, MemberIndex.read(index_path(tmp_path, f"parts/derived/{name}.nq.gz"))))
    joined, listed = tmp_path / "parts/derived/j.nq.gz", tmp_path / "members/derived/j.nq.gz"
    size, _, quads = join_parts(sources, joined, listed)
    assert (size, quads) == (joined.stat().st_size, 2 * 100 * 101)
    index = MemberIndex.read(listed)
    left = take_out(joined, index, find_members(index, [b"<http://x/1042"]), tmp_path / "k", tmp_path / "members/k")
    assert left is not None
    assert left.documents == ["".join(document(1042, 100)).encode()]


def test_a_damaged_member_of_a_part_is_an_error_with_its_path(tmp_path: Path) -> None:
    writer = PartWriter(tmp_path, "parts/derived/a.nq.gz")
    writer.write(document(1, 5))
    assert writer.close() is not None
    source, listed = tmp_path / "parts/derived/a.nq.gz", index_path(tmp_path, "parts/derived/a.nq.gz")
    source.write_bytes(b"\0" * source.stat().st_size)
    index = MemberIndex.read(listed)
    wanted = find_members(index, [b"<http://x/1"])
    with pytest.raises(DamagedRelease, match=source.name):
        take_out(source, index, wanted, tmp_path / "parts/derived/b.nq.gz", tmp_path / "members/b")
