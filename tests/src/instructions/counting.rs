//! Counts the instructions of the hot paths, each in its own process under callgrind.

use super::{HotPath, MEASURED, Threads, Valgrind};
use crate::Tested;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use tempfile::TempDir;

/// A path and its number of instructions.
pub type Count = (&'static HotPath, u64);

/// The directory in which the paths run, with the drivers compiled for the processor that valgrind emulates.
pub struct Counting {
    valgrind: Valgrind,
    program: PathBuf,
    scratch: TempDir,
}

impl Counting {
    /// Creates the directory; `program` is `hot-paths`.
    ///
    /// The directory is in memory, where the order of directory entries is the same on every machine, and its path has the same
    /// length everywhere.
    pub fn new(valgrind: Valgrind, program: &Path) -> Tested<Counting> {
        let scratch = tempfile::Builder::new().prefix("image-cache-").tempdir_in("/dev/shm")?;
        xattr::set(scratch.path(), "user.test", b"1")
            .map_err(|e| format!("/dev/shm keeps no attributes of users: {e}"))?;
        let counting = Counting { valgrind, program: program.to_owned(), scratch };
        for directory in ["native", "shown"] {
            let path = counting.path(directory);
            fs::create_dir(&path)?;
            // The host stores compiled code only in a directory to which no other user can write.
            fs::set_permissions(path, Permissions::from_mode(0o700))?;
        }
        Ok(counting)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Compiles the drivers of these paths, so that no count includes compiling.
    pub fn warm_up(&self, paths: &[&'static HotPath]) -> Tested {
        for driver in ["sqlite", "xattr"] {
            let Some(path) = paths.iter().find(|path| path.driver == driver) else { continue };
            let directory = self.path("warm-up");
            self.prepare(path, &directory)?;
            run(self.go(
                path,
                self.valgrind.command("none", &self.environment("shown")),
                &directory,
            ))?;
            fs::remove_dir_all(directory)?;
        }
        Ok(())
    }

    /// The counts of some paths; as many run at once as there are processors.
    pub fn count(&self, paths: &[&'static HotPath]) -> Tested<Vec<Count>> {
        let (left, counts) = (Mutex::new(paths.iter()), Mutex::new(Vec::new()));
        let next = || lock(&left).next();
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while let Some(path) = next() {
                        let count = self.count_one(path).map_err(|e| e.to_string());
                        lock(&counts).push((*path, count));
                    }
                });
            }
        });
        let counts = counts.into_inner().unwrap_or_default();
        counts.into_iter().map(|(path, count)| Ok((path, count?))).collect()
    }

    fn count_one(&self, path: &'static HotPath) -> Tested<u64> {
        let name = path.to_string().replace(' ', "-");
        let (directory, out) = (self.path(&name), self.path(&format!("{name}.out")));
        self.prepare(path, &directory)?;
        let mut callgrind = self.valgrind.command("callgrind", &self.environment("shown"));
        callgrind.arg(format!("--callgrind-out-file={}", out.display()));
        match path.threads {
            Threads::Own => {
                callgrind.arg(format!("--toggle-collect={MEASURED}")).arg("--collect-atstart=no")
            }
            // Other threads report their counts only at the end: closing the cache is also counted.
            Threads::All => callgrind.arg(format!("--zero-before={MEASURED}")),
        };
        run(self.go(path, callgrind, &directory))?;
        let text = fs::read_to_string(&out)?;
        let total = text.lines().rev().find_map(|line| line.strip_prefix("totals: "));
        let count = total.ok_or("callgrind told no total")?.trim().parse()?;
        fs::remove_dir_all(directory)?;
        fs::remove_file(out)?;
        if count == 0 { Err(format!("{name}: nothing was counted").into()) } else { Ok(count) }
    }

    /// Runs natively, with drivers compiled for the real processor.
    fn prepare(&self, path: &HotPath, directory: &Path) -> Tested {
        let mut command = Command::new(&self.program);
        command.env_clear().envs(self.environment("native")).arg("prepare");
        command.args([path.name, path.driver]).arg(directory);
        run(command)
    }

    fn go(&self, path: &HotPath, mut valgrind: Command, directory: &Path) -> Command {
        valgrind.arg(&self.program).args(["go", path.name, path.driver]).arg(directory);
        valgrind
    }

    fn environment(&self, compiled: &str) -> [(&'static str, PathBuf); 1] {
        [("CACHE_DIRECTORY", self.path(compiled))]
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn run(mut command: Command) -> Tested {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed ({}): {said}", output.status).into())
}
