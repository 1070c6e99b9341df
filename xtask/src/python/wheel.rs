//! The wheel, with the licences of the crates in it.

use super::environment::Environment;
use super::licenses;
use crate::command::{step, without_package_variables};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the package.
pub const PACKAGE: &str = "bindings/python";

/// How the name of the wheel ends: for the stable ABI of Python 3.11, and for glibc of any distribution that is not older than its
/// number says.
const TAGS: [&str; 2] = ["-cp311-abi3-manylinux_", ".whl"];

/// What the wheel contains besides the modules: each ends the name of a file.
const CONTENT: [&str; 6] = [
    "image_cache/_native.abi3.so",
    "image_cache/_native.pyi",
    "image_cache/py.typed",
    "image_cache/glance/__init__.py",
    ".dist-info/licenses/LICENSE",
    ".dist-info/licenses/LICENSE-THIRD-PARTY.txt",
];

/// Builds it in this profile of cargo, into the folder `python/wheels` of the target directory.
pub fn build(target: &Path, maturin: &Environment, profile: &str) -> Result<PathBuf> {
    licenses::write(&Path::new(PACKAGE).join("LICENSE-THIRD-PARTY.txt"))?;
    let wheels = target.join("python/wheels");
    let _ = fs::remove_dir_all(&wheels);
    let mut command = maturin.program("maturin");
    without_package_variables(&mut command);
    command.args(["build", "--locked", "--profile", profile, "--manifest-path"]);
    command.arg(Path::new(PACKAGE).join("Cargo.toml")).arg("--out").arg(&wheels);
    command.arg("--target-dir").arg(target);
    step("Wheel", command)?;
    let built = fs::read_dir(&wheels).with_context(|| format!("reading {}", wheels.display()))?;
    let built: Vec<PathBuf> = built.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    let [wheel] = built.as_slice() else { bail!("maturin built {} wheels", built.len()) };
    check_tags(wheel)?;
    check_content(wheel, maturin)?;
    Ok(wheel.clone())
}

fn check_tags(wheel: &Path) -> Result<()> {
    let name = wheel.file_name().unwrap_or_default().to_string_lossy();
    let [tags, end] = TAGS;
    if !name.contains(tags) || !name.ends_with(end) {
        bail!("{name} is not for the stable ABI of Python 3.11 and manylinux");
    }
    Ok(())
}

fn check_content(wheel: &Path, environment: &Environment) -> Result<()> {
    let mut list = environment.python();
    let output = list.args(["-m", "zipfile", "--list"]).arg(wheel).output()?;
    let listed = String::from_utf8(output.stdout).context("the names of the files")?;
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split(' ').next()).collect();
    let missing = CONTENT.iter().filter(|end| !names.iter().any(|name| name.ends_with(**end)));
    let missing: Vec<&str> = missing.copied().collect();
    if !missing.is_empty() {
        bail!("{} lacks {}", wheel.display(), missing.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wheels_for_every_distribution_and_version_are_accepted() {
        let is_accepted = |name: &str| check_tags(Path::new(name)).is_ok();
        assert!(is_accepted("w/image_cache-0.1.0-cp311-abi3-manylinux_2_34_x86_64.whl"));
        for name in [
            "image_cache-0.1.0-cp311-abi3-linux_x86_64.whl",
            "image_cache-0.1.0-cp311-cp311-manylinux_2_34_x86_64.whl",
        ] {
            assert!(!is_accepted(name), "{name}");
        }
    }
}
