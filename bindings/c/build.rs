//! Names the shared library's interface: programs load the version of the interface with which they were linked.

#[allow(dead_code, reason = "only the number of the interface is needed")]
#[path = "install.rs"]
mod install;

use install::INTERFACE;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=install.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libimage_cache.so.{INTERFACE}");
    println!("cargo::rustc-env=IMGCACHE_INTERFACE={INTERFACE}");
}
