// Reports exceptions in the operator's log: the engine itself has no output. The interface `log` needs no grant.

import { log } from "image-cache:driver/log@1.1.0";

// Characters of a message. The host truncates a message of more than 4 KiB.
const TEXT = 4000;

// An object whose functions report an exception before the call traps. An error of the interface is no Error, but a result.
export function reported(driver) {
  const reporting = ([name, work]) => [name, (...values) => {
    try {
      return work(...values);
    } catch (error) {
      if (error instanceof Error) log("error", words(error));
      throw error;
    }
  }];
  return Object.fromEntries(Object.entries(driver).map(reporting));
}

// The exception and the functions that it left, innermost first; the last one is above.
function words(error) {
  const functions = (error.stack ?? "").split("\n").map((line) => line.trim().replace(/^at /, "")).filter(Boolean);
  const shown = functions.slice(0, -1).join(" < ").replaceAll("(/", "(");
  return `${error}; in ${shown}`.slice(0, TEXT);
}
