// How famous an image is: the sum of its uses, each worth half as much a half-life later.
//
// This is the "combined recency and frequency" of Lee et al., "LRFU: A Spectrum of Policies that Subsumes the Least Recently Used
// and Least Frequently Used Policies", IEEE Transactions on Computers 50 (12), 2001: with a half-life of nothing it is LRU, with an
// endless one LFU.
//
// What decays by the clock would have to be computed anew for all images at every look. So all is measured at one moment in the
// past instead, from which uses grow: one at the time t is worth 2^(t / half-life). That changes no order, and a use adds to
// one image and touches no other. Such numbers outgrow a double within years: a score is mantissa * 2^exponent, the
// mantissa at least 1 and less than 2, so that comparing (exponent, mantissa) compares scores. SQL adds them in the same way.

const UNITS = { s: 1e6, m: 60e6, h: 3600e6, d: 86400e6 };

// A half-life in microseconds, or null if the text is none.
export function parseHalfLife(text) {
  const parts = /^([0-9]{1,9}) ?([smhd])$/.exec(text);
  const microseconds = parts ? Number(parts[1]) * UNITS[parts[2]] : 0;
  return microseconds > 0 && Number.isSafeInteger(microseconds) ? microseconds : null;
}

export class Score {
  // Of an image that was never used.
  static NONE = new Score(0, 0);

  constructor(exponent, mantissa) {
    this.exponent = exponent;
    this.mantissa = mantissa;
  }

  // Of so many uses (at least one) at one time, in microseconds.
  static of(uses, at, halfLife) {
    const periods = Math.floor(at / halfLife);
    // The whole periods apart, so that nothing is lost to rounding.
    return normal(periods, uses * 2 ** ((at - periods * halfLife) / halfLife));
  }

  plus(other) {
    if (this.mantissa === 0) return other;
    const [low, high] = this.exponent < other.exponent ? [this, other] : [other, this];
    return normal(high.exponent, high.mantissa + low.mantissa / 2 ** (high.exponent - low.exponent));
  }
}

function normal(exponent, mantissa) {
  while (mantissa >= 2) {
    mantissa /= 2;
    exponent += 1;
  }
  return new Score(exponent, mantissa);
}
