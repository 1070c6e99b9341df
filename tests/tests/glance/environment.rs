//! The real Glance, out of PyPI in a virtual environment below `target/`: installed once, left out aloud where it
//! cannot be.

use crate::plan::{self, Said};
use image_cache_tests::{Place, Tested, skip};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

const PACKAGES: [&str; 2] = ["glance==33.0.0", "xattr==1.3.0"];

/// What Glance does when asked; see there.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/glance/work.py");

/// An installed Glance.
#[derive(Debug, Clone)]
pub struct Glance {
    python: PathBuf,
}

impl Glance {
    /// The one below `target/`, installed now where it is missing; none, said aloud, where that is impossible.
    pub fn find_or_install() -> Option<Glance> {
        static FOUND: OnceLock<Option<Glance>> = OnceLock::new();
        let found = FOUND.get_or_init(|| match installed() {
            Ok(python) => Some(Glance { python }),
            Err(reason) => {
                skip(&format!("no comparison with the real Glance: {reason}"));
                None
            }
        });
        found.clone()
    }

    /// Fills the place as planned, and says what it sees there then.
    pub fn fill(&self, place: &Place) -> Tested<Said> {
        fs::create_dir_all(place.dir())?;
        let plan = plan::as_json().to_string();
        Said::from_json(&self.run(place, &["fill", "then", "say"], &plan)?)
    }

    /// What it sees there.
    pub fn say(&self, place: &Place) -> Tested<Said> {
        Said::from_json(&self.run(place, &["say"], "")?)
    }

    /// Has it do something else; commands stand between `then`.
    pub fn work(&self, place: &Place, command: &[&str]) -> Tested {
        self.run(place, command, "").map(drop)
    }

    fn run(&self, place: &Place, command: &[&str], input: &str) -> Tested<String> {
        let mut python = Command::new(&self.python);
        python.arg(SCRIPT).arg(place.dir()).arg(place.driver()).args(command);
        python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = python.spawn()?;
        child.stdin.take().ok_or("its input is piped")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(format!("Glance cannot {command:?}: {errors}").into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// The interpreter that knows Glance.
fn installed() -> Result<PathBuf, Box<dyn std::error::Error>> {
    let target =
        Path::new(env!("CARGO_TARGET_TMPDIR")).parent().ok_or("target/tmp has a parent")?;
    let (home, lock) = (target.join("glance"), target.join("glance.lock"));
    // One installs, the others wait.
    let lock = File::create(lock)?;
    lock.lock()?;
    let (python, ready) = (home.join("bin/python"), home.join("ready"));
    let packages = PACKAGES.join(" ");
    let has_them = fs::read_to_string(&ready).is_ok_and(|they| they == packages);
    if has_them && run(Command::new(&python).arg("--version")).is_ok() {
        return Ok(python);
    }
    let _ = writeln!(std::io::stderr(), "Installing {packages} from PyPI into {}", home.display());
    let _ = fs::remove_dir_all(&home);
    run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    run(pip.args(["--retries", "1", "--timeout", "20"]).args(PACKAGES))?;
    fs::write(ready, packages)?;
    Ok(python)
}

/// Runs a command; an error is the last line that it said.
fn run(command: &mut Command) -> Result<(), Box<dyn std::error::Error>> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Err(said.trim().lines().last().unwrap_or("it says nothing").to_owned().into())
}
