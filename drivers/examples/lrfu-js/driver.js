// LRFU: one number for the frequency and recency of the uses of an image, which decays with time. The records are in SQL.
//
// The functions of the interface, in the JavaScript that the toolchain derives from the WIT: names are in camelCase, an option is
// null or its value, a function returns its result or throws its error, and u64 and s64 are Numbers (exact up to 2^53). SQL
// throws the error type of the interface, so the driver does not catch these errors and they reach the host.

import sql from "image-cache:driver/sql@1.1.0";
import * as records from "./records.js";
import { reported } from "./reporting.js";
import { Score, parseHalfLife } from "./score.js";

// Rows in one query: well within the host's limits.
const PAGE = 1000;

// The time after which a use counts half. `configure` sets it. An instance may keep only state in memory that the next instance
// can restore.
let halfLife;

export const driver = reported({
  describe() {
    return { name: "lrfu", version: "1.0.0" };
  },

  configure(options) {
    let chosen = "24h";
    for (const [name, value] of options) {
      if (name !== "half-life") throw invalidOption(`unknown option ${name}; this driver takes half-life`);
      chosen = value;
    }
    halfLife = parseHalfLife(chosen);
    if (halfLife === null) {
      throw invalidOption(`option half-life: '${chosen}' is not a time such as 7d, 24h, 90m or 30s, more than 0`);
    }
    try {
      records.prepare(halfLife);
    } catch (error) {
      throw { tag: "other", val: `preparing the database: ${words(error)}` };
    }
  },

  isCacheable(_imageId, _size, _now) {
    return true;
  },

  recordCached(image) {
    // The fetch was also a use. The times of earlier hits are not known, so all hits count as if they were at the latest access.
    sql.execute(records.insert(image, Score.of(image.hits + 1, image.lastAccessed, halfLife)));
  },

  recordHits(hits) {
    const images = new Map();
    for (const { imageId, at } of hits) {
      const sum = images.get(imageId) ?? { hits: 0, latest: 0, score: Score.NONE };
      const score = sum.score.plus(Score.of(1, at, halfLife));
      images.set(imageId, { hits: sum.hits + 1, latest: Math.max(sum.latest, at), score });
    }
    // All in one transaction, because an error promises that nothing was counted.
    if (images.size > 0) sql.executeAll([...images].map(([imageId, sum]) => records.count(imageId, sum)));
  },

  forget(imageIds) {
    if (imageIds.length > 0) sql.executeAll(imageIds.map(records.remove));
  },

  getCachedImage(imageId) {
    return records.one(imageId);
  },

  getCachedImages(after, limit) {
    return records.page(after, Math.min(limit >>> 0, PAGE));
  },

  getCacheSize() {
    return records.size();
  },

  // The images with the lowest score first. The order of two images does not change as time passes, so an index can store it.
  selectVictims({ bytesNeeded, exclude, limit }) {
    // A u64 of 2^63 or more arrives as a negative number, and so does a u32 of 2^31 or more. The largest number means "all".
    if (bytesNeeded < 0) bytesNeeded += 2 ** 64;
    limit >>>= 0;
    const victims = [];
    const excluded = new Set(exclude);
    let freed = 0;
    let place = records.LEAST_FAMOUS;
    while (freed < bytesNeeded && victims.length < limit) {
      const rows = records.fromLeastFamous(place, PAGE);
      for (const row of rows) {
        if (freed >= bytesNeeded || victims.length >= limit) break;
        if (excluded.has(row.imageId)) continue;
        victims.push({ imageId: row.imageId, size: row.size });
        freed += row.size;
      }
      if (rows.length < PAGE) break;
      place = rows[PAGE - 1].place;
    }
    return victims;
  },

  // All invalid leftovers, and the incomplete ones that have stalled.
  selectLeftovers(leftovers, stalledBefore, _now) {
    return leftovers.filter(({ state, modified }) => state === "invalid" || modified <= stalledBefore);
  },
});

function invalidOption(val) {
  return { tag: "invalid-option", val };
}

// An error of the interface as a message for the operator.
function words(error) {
  return error.tag === "other" ? error.val : (error.tag ?? String(error));
}
