// The records: two tables, and all statements on them.
//
// The text of a statement does not change between calls, so that the host can reuse its prepared statements.

import sql from "image-cache:driver/sql@1.1.0";

const IMAGES = `CREATE TABLE IF NOT EXISTS images (
  id TEXT PRIMARY KEY, size INTEGER NOT NULL, hits INTEGER NOT NULL, accessed INTEGER NOT NULL, modified INTEGER NOT NULL,
  checksum TEXT, exponent INTEGER NOT NULL, mantissa REAL NOT NULL)`;

// The eviction order: of images with the same score, the least recently accessed first.
const BY_SCORE = `CREATE INDEX IF NOT EXISTS images_by_score ON images (exponent, mantissa, accessed, id)`;

// The half-life of the stored scores.
const POLICY = `CREATE TABLE IF NOT EXISTS policy (one INTEGER PRIMARY KEY CHECK (one = 1), half_life INTEGER NOT NULL)`;

const COLUMNS = "id, size, hits, accessed, modified, checksum";

const INSERT = `INSERT OR REPLACE INTO images (${COLUMNS}, exponent, mantissa) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`;

// One statement that reads and writes, so that updates of two processes are not lost. After 62 half-lives a score is 0.
const COUNT = `UPDATE images SET hits = hits + ?2, accessed = max(accessed, ?3),
    exponent = sum.exponent + (sum.mantissa >= 2), mantissa = sum.mantissa / (1 + (sum.mantissa >= 2))
  FROM (SELECT max(exponent, ?4) AS exponent, CASE WHEN exponent > ?4
      THEN mantissa + ?5 / (1 << min(exponent - ?4, 62)) ELSE mantissa / (1 << min(?4 - exponent, 62)) + ?5 END AS mantissa
    FROM images WHERE id = ?1) AS sum
  WHERE images.id = ?1`;

// After a change of the half-life: sets the score of every image to one use at its last access.
const MEASURE_ANEW = `UPDATE images SET exponent = accessed / ?1, mantissa = 1 + (accessed % ?1) * 1.0 / ?1`;

const SET_HALF_LIFE = `INSERT OR REPLACE INTO policy (one, half_life) VALUES (1, ?1)`;

// Creates missing tables. If nothing is missing, it only reads, and waits for no other process.
export function prepare(halfLife) {
  for (const text of [IMAGES, BY_SCORE, POLICY]) sql.execute(statement(text));
  const [row] = query("SELECT half_life FROM policy");
  if (row === undefined || row[0].val !== halfLife) {
    sql.executeAll([MEASURE_ANEW, SET_HALF_LIFE].map((text) => statement(text, integer(halfLife))));
  }
}

// Writes a record and replaces an existing one.
export function insert(image, score) {
  const checksum = image.checksum === null ? { tag: "null" } : text(image.checksum.value);
  const times = [integer(image.lastAccessed), integer(image.lastModified)];
  return statement(
    INSERT, text(image.imageId), integer(image.size), integer(image.hits), ...times, checksum,
    integer(score.exponent), { tag: "real", val: score.mantissa },
  );
}

// Counts hits of one image; if the image is not in the records, this does nothing.
export function count(imageId, { hits, latest, score }) {
  return statement(
    COUNT, text(imageId), integer(hits), integer(latest), integer(score.exponent), { tag: "real", val: score.mantissa },
  );
}

export function remove(imageId) {
  return statement("DELETE FROM images WHERE id = ?", text(imageId));
}

// The record of one image, or null.
export function one(imageId) {
  const [row] = query(`SELECT ${COLUMNS} FROM images WHERE id = ?`, text(imageId));
  return row === undefined ? null : record(row);
}

// Records after an id, or from the beginning, in the order of the ids' bytes, which is SQLite's default order.
export function page(after, limit) {
  return query(`SELECT ${COLUMNS} FROM images WHERE id > ? ORDER BY id LIMIT ?`, text(after ?? ""), integer(limit)).map(record);
}

// The number of records and the sum of their bytes.
export function size() {
  const [[images, bytes]] = query("SELECT count(*), total(size) FROM images");
  return { images: images.val, bytes: bytes.val };
}

// The position before the first image in the order of scores.
export const LEAST_FAMOUS = [integer(-1), { tag: "real", val: 0 }, integer(0), text("")];

// Images after a position in the order of scores, each with its own position.
export function fromLeastFamous(place, limit) {
  const rows = query(
    `SELECT exponent, mantissa, accessed, id, size FROM images
      WHERE (exponent, mantissa, accessed, id) > (?, ?, ?, ?) ORDER BY exponent, mantissa, accessed, id LIMIT ?`,
    ...place, integer(limit),
  );
  return rows.map((row) => ({ imageId: row[3].val, size: row[4].val, place: row.slice(0, 4) }));
}

function record([id, size, hits, accessed, modified, checksum]) {
  return {
    imageId: id.val,
    size: size.val,
    hits: hits.val,
    lastAccessed: accessed.val,
    lastModified: modified.val,
    checksum: checksum.tag === "text" ? { algorithm: ALGORITHMS[checksum.val.length], value: checksum.val } : null,
  };
}

// The algorithm by the number of hexadecimal digits.
const ALGORITHMS = { 32: "md5", 64: "sha256", 128: "sha512" };

function query(sqlText, ...parameters) {
  return sql.query(statement(sqlText, ...parameters)).rows;
}

function statement(sqlText, ...parameters) {
  return { sql: sqlText, parameters };
}

function text(val) {
  return { tag: "text", val };
}

// A Number is exact up to 2^53, 8 PiB: larger values become this value.
function integer(val) {
  return { tag: "integer", val: Math.min(val, 2 ** 53) };
}
