//! Creates a driver as an author does: in an empty directory, with only the binary of this project.

use super::{Answer, Answering, bare};
use image_cache::conformance::CASES;
use image_cache_tests::is_full_run;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const CHAPTER: &str = include_str!("../../../../docs/write-a-driver.md");
const COMPLETE_DRIVER: &str = include_str!("../../../../drivers/sdk/examples/largest_first.rs");

/// An author's shell in an empty directory.
pub struct Author {
    folder: TempDir,
}

impl Author {
    pub fn new() -> Author {
        Author { folder: TempDir::new().expect("a temporary directory") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn prepared(&self, mut command: Command) -> Command {
        let binary = Path::new(env!("CARGO_BIN_EXE_image-cache")).parent().expect("its folder");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(binary.to_owned()).chain(std::env::split_paths(&path));
        let path: OsString = std::env::join_paths(path).expect("a folder without a colon");
        // The artifacts of the built-in drivers are used here too, because compiling Rust's library takes a minute.
        let compiled = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("guests");
        command.current_dir(self.folder.path()).env("PATH", path).env("CARGO_TARGET_DIR", compiled);
        // The suite creates many small files, which is fast in memory.
        if Path::new("/dev/shm").is_dir() {
            command.env("TMPDIR", "/dev/shm");
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        let mut command = bare();
        command.args(arguments);
        self.prepared(command).answer()
    }

    /// Runs a script that ends at the first failed command.
    pub fn shell(&self, script: &str) -> Answer {
        let mut command = Command::new("sh");
        command.args(["-eu", "-c", script]);
        for (name, value) in bare().get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.prepared(command).answer()
    }
}

/// The commands of a text: all lines between "```sh" and "```".
fn commands(text: &str) -> String {
    let blocks = text.split("```sh\n").skip(1);
    let commands = blocks.map(|block| block.split("```").next().unwrap_or_default());
    commands.collect::<Vec<_>>().join("")
}

#[test]
fn every_command_of_the_chapter_works_in_an_empty_folder() {
    if !is_full_run("the chapter for authors of drivers") {
        return;
    }
    let author = Author::new();
    let script = commands(CHAPTER);
    for command in ["new", "build", "check", "inspect", "list", "migrate"] {
        assert!(script.contains(&format!(" driver {command}")), "{command} is not in {script}");
    }
    let answer = author.shell(&script);
    assert_eq!(answer.code, Some(0), "{}\n{}", answer.text(), answer.err);
    // Independent of the width of the columns.
    let said = answer.text().split_whitespace().collect::<Vec<_>>().join(" ");
    let cases = CASES.len();
    assert!(said.contains(&format!("lfu 0.1.0: {cases} cases passed, 0 failed")), "{said}");
    assert!(said.contains("would load yes"), "{said}");
    assert!(said.contains("moved 1 record, 1 hit"), "{said}");
    let shown = said.split("hits").last().unwrap_or_default();
    assert!(shown.trim_start().starts_with('1'), "the hit was lost: {said}");
    assert!(said.contains("driver lfu 0.1.0") && !said.contains("FALLBACK"), "{said}");
    let xml = std::fs::read_to_string(author.path("lfu/lfu.xml")).expect("it was written");
    assert!(xml.contains(&format!("tests=\"{cases}\" failures=\"0\"")), "{xml}");
    let json = std::fs::read(author.path("lfu/lfu.json")).expect("it was written");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("valid JSON");
    assert_eq!(json["failed"], 0);
}

#[test]
fn the_complete_driver_of_the_documentation_passes_the_suite() {
    assert!(COMPLETE_DRIVER.lines().count() < 60);
    let author = Author::new();
    let new = author.run(&["--format", "json", "driver", "new", "in-json"]);
    assert_eq!(new.json(), serde_json::json!({"directory": "in-json"}));
    let new = author.run(&["driver", "new", "largest-first"]);
    assert_eq!(new.code, Some(0), "{}", new.err);
    std::fs::write(author.path("largest-first/src/lib.rs"), COMPLETE_DRIVER).expect("it exists");
    let build = author.run(&["driver", "build", "largest-first", "--output", "made.wasm"]);
    assert_eq!(build.code, Some(0), "{}", build.err);
    let check = author.run(&["driver", "check", "made.wasm", "--format", "json"]);
    assert_eq!(check.code, Some(0), "{}{}", check.text(), check.err);
    assert_eq!(check.json()["description"], "largest-first 0.1.0");
}

/// A policy that traps, without a message of its own. Without `black_box` it would be the same function as Rust's `abort`.
const TRAPPING: &str = "
/// Chooses nothing.
#[inline(never)]
fn choose_nothing(bytes: u64) -> Result<Vec<Victim>, Error> {
    #[cfg(target_arch = \"wasm32\")]
    if std::hint::black_box(bytes) > 0 {
        core::arch::wasm32::unreachable();
    }
    Ok(Vec::with_capacity(std::hint::black_box(bytes) as usize))
}
";

#[test]
fn a_trap_is_shown_with_its_functions_and_with_lines_if_there_is_debug_information() {
    if !is_full_run("a driver with debug information") {
        return;
    }
    let author = Author::new();
    assert_eq!(author.run(&["driver", "new", "traps"]).code, Some(0));
    let path = author.path("traps/src/lib.rs");
    let source = std::fs::read_to_string(&path).expect("it was written");
    let (before, policy) = source.split_once("        self.records\n").expect("the policy");
    let (_, after) = policy.split_once("\n    }\n").expect("its end");
    let source =
        format!("{before}        choose_nothing(request.bytes_needed)\n    }}\n{after}{TRAPPING}");
    std::fs::write(&path, &source).expect("it can be written");
    let call = source.lines().position(|line| line.contains("  choose_nothing(request"));
    let caller = format!(" < select_victims (src/lib.rs:{})", call.expect("it is there") + 1);
    // The compiler may give the trap another line of its function.
    for (debug, shown, hidden) in [
        (&[][..], ["traps::choose_nothing < ", ""], "lib.rs:"),
        (&["--debug"][..], ["traps::choose_nothing (src/lib.rs:", &caller], "lib.rs:0"),
    ] {
        let build = [&["driver", "build", "traps", "--output", "made.wasm"][..], debug].concat();
        let build = author.run(&build);
        assert_eq!(build.code, Some(0), "{}", build.err);
        let case = ["--case", "victims_cover_the_bytes_needed", "--format", "json"];
        let check = author.run(&[&["driver", "check", "made.wasm"][..], &case].concat());
        let found = check.json()["cases"][0]["found"].to_string();
        assert_eq!(check.code, Some(1), "{found}");
        let has_all = shown.iter().all(|words| found.contains(words));
        assert!(has_all && !found.contains(hidden), "{debug:?}: {found}");
        assert!(!found.contains(env!("CARGO_MANIFEST_DIR")), "{found}");
    }
}

#[test]
fn a_new_crate_is_formatted_and_its_lock_file_is_complete() {
    let author = Author::new();
    for name in ["aa", "zz"] {
        let script = format!(
            "image-cache driver new {name} && cd {name} && cargo fmt --check\n\
             cargo metadata --locked --offline --format-version 1 >/dev/null\n\
             cp Cargo.lock ../before\n\
             cargo metadata --offline --format-version 1 >/dev/null && cmp ../before Cargo.lock"
        );
        let answer = author.shell(&script);
        assert_eq!(answer.code, Some(0), "{}\n{}", answer.text(), answer.err);
    }
}

#[test]
fn an_existing_folder_is_not_changed() {
    let author = Author::new();
    std::fs::create_dir(author.path("mine")).expect("the folder is empty");
    std::fs::write(author.path("file"), "mine").expect("the folder is empty");
    for name in ["mine", "file"] {
        author.run(&["driver", "new", name]).failed(1, "is there already, and nothing was written");
    }
    assert_eq!(std::fs::read_dir(author.path("mine")).expect("it exists").count(), 0);
    for name in ["../mine", "a b", "fn", "sqlite", "1st", "-x"] {
        let answer = author.run(&["driver", "new", "--", name]);
        answer.failed(2, "cannot be a driver's name");
    }
    assert_eq!(std::fs::read_dir(author.folder.path()).expect("it exists").count(), 2);
}

#[test]
fn only_a_driver_s_crate_is_built() {
    let author = Author::new();
    author.run(&["driver", "build"]).failed(1, "image-cache driver new NAME");
    std::fs::write(author.path("Cargo.toml"), "[workspace]\n").expect("the folder is empty");
    author.run(&["driver", "build"]).failed(1, "describes no package");
    std::fs::write(author.path("Cargo.toml"), "[package\n").expect("it exists");
    author.run(&["driver", "build"]).failed(1, "is no manifest");
}
