//! The image of the demonstration: the named file, or a real image that is found or created.

use anyhow::{Context, Result, bail};
use image_cache_guest_toolchain::Workspace;
use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Debian package that contains a bootable ISO image.
const PACKAGE: &str = "grub-rescue-pc";

/// The path of the image in the package.
const ISO: &str = "usr/lib/grub-rescue/grub-rescue-cdrom.iso";

/// An image with its expected size and MD5.
pub struct Image {
    pub path: PathBuf,
    pub size: u64,
    pub md5: String,
}

impl Image {
    /// The named file; if none is named, a bootable ISO from a Debian package, or a qcow2 image that is created here.
    pub fn find(named: Option<PathBuf>) -> Result<Image> {
        let path = match named {
            Some(file) if file.is_file() => fs::canonicalize(&file)?,
            Some(file) => bail!("{} is not a file", file.display()),
            None => find_or_make()?,
        };
        let size = fs::metadata(&path)?.len();
        if size == 0 {
            bail!("{} is empty; name an image with some bytes", path.display());
        }
        println!("The image: {}, {:.1} MiB", path.display(), size as f64 / 1_048_576.0);
        let md5 = md5(&path)?;
        println!("Its MD5, by md5sum: {md5}");
        Ok(Image { path, size, md5 })
    }
}

fn md5(path: &Path) -> Result<String> {
    // From standard input: a name with a backslash would change md5sum's output.
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let output = Command::new("md5sum").stdin(file).output().context("md5sum does not run")?;
    let text = String::from_utf8(output.stdout)?;
    let digits = text.split_whitespace().next().context("md5sum printed nothing")?;
    Ok(digits.to_owned())
}

fn find_or_make() -> Result<PathBuf> {
    let installed = Path::new("/").join(ISO);
    if installed.is_file() {
        return Ok(installed);
    }
    let directory = Workspace::of_this_package()?.root.join("target/demo");
    fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    let made = [directory.join(ISO), directory.join("demo.qcow2")];
    if let Some(image) = made.iter().find(|image| image.is_file()) {
        return Ok(image.clone());
    }
    from_package(&directory).or_else(|package| {
        println!("no image from {PACKAGE}: {package:#}");
        let words = "neither an ISO nor a qcow2 could be made; give a file: cargo xtask demo FILE";
        with_qemu(&directory).context(words)
    })
}

/// Unpacks the package into the demonstration's directory; installs nothing.
fn from_package(directory: &Path) -> Result<PathBuf> {
    println!("Fetching the Debian package {PACKAGE} for its bootable ISO image");
    if fetch(directory).is_err() {
        let _ = quiet(Command::new("apt-get").args(["update", "-q"]));
        fetch(directory)?;
    }
    let is_package = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "deb");
    let package = directory.read_dir()?.flatten().map(|entry| entry.path()).find(is_package);
    let package = package.context("apt-get download left no package")?;
    quiet(Command::new("dpkg-deb").arg("-x").args([package.as_path(), directory]))?;
    let image = directory.join(ISO);
    if image.is_file() { Ok(image) } else { bail!("{} is not in it", ISO) }
}

fn fetch(directory: &Path) -> Result<()> {
    // Without apt's sandbox user, which cannot write to this directory.
    let arguments = ["-q", "-o", "APT::Sandbox::User=root", "download", PACKAGE];
    quiet(Command::new("apt-get").args(arguments).current_dir(directory))
}

/// A disk image with real content: the libraries of the toolchain in use.
fn with_qemu(directory: &Path) -> Result<PathBuf> {
    println!("Making a qcow2 with qemu-img, filled with the libraries of the Rust in use");
    let raw = directory.join("demo.raw");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot =
        Command::new(rustc).args(["--print", "sysroot"]).output().context("rustc does not run")?;
    let libraries = Path::new(String::from_utf8(sysroot.stdout)?.trim()).join("lib");
    let mut disk = File::create(&raw)?;
    for entry in libraries.read_dir()?.flatten().filter(|entry| entry.path().is_file()) {
        io::copy(&mut File::open(entry.path())?, &mut disk)?;
    }
    // Whole clusters, like on a disk.
    disk.set_len(disk.metadata()?.len().next_multiple_of(65536))?;
    let (image, part) = (directory.join("demo.qcow2"), directory.join("demo.qcow2.part"));
    quiet(
        Command::new("qemu-img")
            .args(["convert", "-q", "-f", "raw", "-O", "qcow2"])
            .args([&raw, &part]),
    )?;
    fs::rename(&part, &image)?;
    fs::remove_file(&raw)?;
    Ok(image)
}

/// Runs a command, and shows its output only if it fails.
fn quiet(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{program} does not run"))?;
    if output.status.success() {
        return Ok(());
    }
    bail!(
        "{program} failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    )
}
