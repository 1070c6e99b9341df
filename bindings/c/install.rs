//! The installed files of the C library: for `cargo xtask c-library`, for the tests, and for the build script.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::{fs, io};

/// The version of the binary interface, in the SONAME. It increases with each change that breaks compiled programs.
pub const INTERFACE: u32 = 0;

/// What a static link needs besides the library, as `rustc --print native-static-libs` states it.
pub const PRIVATE: &str = "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc";

/// Copies the header and the libraries that cargo built below `prefix`, and writes the file for pkg-config.
///
/// `built` is the folder in which cargo put the libraries, `package` the folder `bindings/c`. Existing files are replaced, also while
/// programs use them.
pub fn install(built: &Path, package: &Path, prefix: &Path) -> io::Result<()> {
    let (lib, include) = (prefix.join("lib"), prefix.join("include"));
    for folder in [&lib.join("pkgconfig"), &include] {
        fs::create_dir_all(folder)?;
    }
    let shared = format!("libimage_cache.so.{INTERFACE}");
    replace(&built.join("libimage_cache_c.so"), &lib.join(&shared))?;
    replace(&built.join("libimage_cache_c.a"), &lib.join("libimage_cache.a"))?;
    replace(&package.join("include/image_cache.h"), &include.join("image_cache.h"))?;
    let link = lib.join("libimage_cache.so");
    remove(&link)?;
    symlink(shared, link)?;
    fs::write(lib.join("pkgconfig/image-cache.pc"), pkg_config())
}

/// The folders are relative to this file, so the prefix can be moved.
fn pkg_config() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "prefix=${{pcfiledir}}/../..\n\
         libdir=${{prefix}}/lib\n\
         includedir=${{prefix}}/include\n\n\
         Name: image-cache\n\
         Description: A disk cache for large images\n\
         Version: {version}\n\
         Libs: -L${{libdir}} -limage_cache\n\
         Libs.private: {PRIVATE}\n\
         Cflags: -I${{includedir}}\n"
    )
}

fn replace(from: &Path, to: &Path) -> io::Result<()> {
    remove(to)?;
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", from.display()));
    fs::copy(from, to).map(drop).map_err(named)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
