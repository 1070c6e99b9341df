#!/bin/sh
# Makes my-driver.wasm of driver.js.
set -eu
cd "$(dirname "$0")"
npm ci --ignore-scripts --no-audit --no-fund
# The host supports only the synchronous ABI, and the engine does not call WASI after its initialisation.
npx componentize-qjs --wit wit --world lrfu --js driver.js --sync --stub-wasi --output my-driver.wasm
