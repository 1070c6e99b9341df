// The score of an image: the sum of its uses, where each use counts half as much after one half-life.
//
// This is the "combined recency and frequency" of Lee et al., "LRFU: A Spectrum of Policies that Subsumes the Least Recently Used
// and Least Frequently Used Policies", IEEE Transactions on Computers 50 (12), 2001. As the half-life approaches zero, the policy
// becomes LRU; as it approaches infinity, LFU.
//
// A score that decays with time would have to be computed again for all images at every query. Instead, all scores are relative
// to one time in the past, and the value of a use grows with its time: a use at the time t has the value 2^(t / half-life). The
// order of images is the same, and a use changes only the score of its image. These numbers exceed a double within years, so a
// score is mantissa * 2^exponent with a mantissa of at least 1 and less than 2: comparing (exponent, mantissa) compares scores.
// SQL adds them in the same way.

const UNITS = { s: 1e6, m: 60e6, h: 3600e6, d: 86400e6 };

// A half-life in microseconds, or null if the text is not a valid time.
export function parseHalfLife(text) {
  const parts = /^([0-9]{1,9}) ?([smhd])$/.exec(text);
  const microseconds = parts ? Number(parts[1]) * UNITS[parts[2]] : 0;
  return microseconds > 0 && Number.isSafeInteger(microseconds) ? microseconds : null;
}

export class Score {
  // The score of an image that was never used.
  static NONE = new Score(0, 0);

  constructor(exponent, mantissa) {
    this.exponent = exponent;
    this.mantissa = mantissa;
  }

  // The score of a number of uses (at least one) at one time, in microseconds.
  static of(uses, at, halfLife) {
    const periods = Math.floor(at / halfLife);
    // Whole half-lives are separate from the fraction, so that rounding loses nothing.
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
