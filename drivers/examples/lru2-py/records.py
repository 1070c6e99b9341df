"""The records: one table, and all statements on it.

The text of a statement does not change between calls, so that the host can reuse its prepared statements.
"""

from typing import NamedTuple

from wit_world.imports import sql
from wit_world.imports.sql import Statement, Value_Integer, Value_Null, Value_Text
from wit_world.imports.types import CachedImage, Checksum, ChecksumAlgorithm

IMAGES = """CREATE TABLE IF NOT EXISTS images (
    id TEXT PRIMARY KEY, size INTEGER NOT NULL, hits INTEGER NOT NULL, accessed INTEGER NOT NULL,
    modified INTEGER NOT NULL, checksum TEXT, before INTEGER NOT NULL)"""

# The eviction order: by the use before the last one, which is 0 if there was none.
BY_USE = "CREATE INDEX IF NOT EXISTS images_by_use ON images (before, accessed, id)"

COLUMNS = "id, size, hits, accessed, modified, checksum"

INSERT = f"INSERT OR REPLACE INTO images ({COLUMNS}, before) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)"

# Of the two last uses and this one, the two latest stay.
COUNT = """UPDATE images SET hits = hits + ?2, accessed = max(accessed, ?3), before = max(before, min(accessed, ?3))
    WHERE id = ?1"""

REMOVE = "DELETE FROM images WHERE id = ?1"

# SQLite's largest integer.
MOST = 2**63 - 1

# The algorithm of a checksum by the number of its digits.
ALGORITHMS = {32: ChecksumAlgorithm.MD5, 64: ChecksumAlgorithm.SHA256, 128: ChecksumAlgorithm.SHA512}


class Place(NamedTuple):
    """A position in the eviction order."""

    before: int
    accessed: int
    image_id: str


class Row(NamedTuple):
    """An image in the eviction order."""

    image_id: str
    size: int
    place: Place


# The position before the first image.
OLDEST = Place(-1, 0, "")


def prepare():
    """Creates what is missing. If nothing is missing, it only reads, and waits for no other process."""
    for text in (IMAGES, BY_USE):
        sql.execute(Statement(text, []))


def insert(image):
    """Writes a record and replaces an existing one."""
    checksum = Value_Null() if image.checksum is None else Value_Text(image.checksum.value)
    numbers = [image.size, image.hits, image.last_accessed, image.last_modified]
    sql.execute(Statement(INSERT, [Value_Text(image.image_id), *map(integer, numbers), checksum]))


def count(times):
    """Counts the hits of images at these times, all or none."""
    statements = []
    for image_id, hits in times.items():
        *earlier, latest = sorted(hits)
        if earlier:
            statements.append(use(image_id, len(earlier), earlier[-1]))
        statements.append(use(image_id, 1, latest))
    if statements:
        sql.execute_all(statements)


def use(image_id, hits, at):
    return Statement(COUNT, [Value_Text(image_id), integer(hits), integer(at)])


def remove(image_ids):
    """Removes records."""
    if image_ids:
        sql.execute_all([Statement(REMOVE, [Value_Text(image_id)]) for image_id in image_ids])


def one(image_id):
    """The record of one image, or None."""
    rows = query(f"SELECT {COLUMNS} FROM images WHERE id = ?1", Value_Text(image_id))
    return record(rows[0]) if rows else None


def page(after, limit):
    """Records after an id, or from the beginning, in the order of the ids' bytes, which is SQLite's default order."""
    text = f"SELECT {COLUMNS} FROM images WHERE id > ?1 ORDER BY id LIMIT ?2"
    return [record(row) for row in query(text, Value_Text(after or ""), integer(limit))]


def size():
    """The number of records and the sum of their bytes."""
    ((images, total),) = query("SELECT count(*), total(size) FROM images")
    return images.value, int(total.value)


def from_oldest(place, limit):
    """Images after a position in the eviction order."""
    text = """SELECT before, accessed, id, size FROM images
        WHERE (before, accessed, id) > (?1, ?2, ?3) ORDER BY before, accessed, id LIMIT ?4"""
    parameters = [integer(place.before), integer(place.accessed), Value_Text(place.image_id)]
    rows = query(text, *parameters, integer(limit))
    found = []
    for before, accessed, image_id, bytes_ in rows:
        found.append(Row(image_id.value, bytes_.value, Place(before.value, accessed.value, image_id.value)))
    return found


def record(row):
    image_id, *numbers, checksum = row
    digits = getattr(checksum, "value", None)
    checksum = Checksum(ALGORITHMS[len(digits)], digits) if digits else None
    return CachedImage(image_id.value, *(number.value for number in numbers), checksum)


def query(text, *parameters):
    return sql.query(Statement(text, list(parameters))).rows


def integer(number):
    return Value_Integer(min(number, MOST))
