#!/bin/sh
# Makes my-driver.wasm of lru2.py.
set -eu
cd "$(dirname "$0")"
python3 -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target .packages componentize-py==0.25.1
# CPython imports WASI, but the driver does not need it: without it, the driver needs no grant for WASI.
PYTHONPATH=.packages python3 .packages/bin/componentize-py -d wit -w lru2 componentize --stub-wasi lru2 -o my-driver.wasm
