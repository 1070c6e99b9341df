//! Runs the example programs: with an image that is not cached, with one that is, and with a source that fails.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A request that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with an image, a cache and copies.
struct Scratch(TempDir);

impl Scratch {
    fn new() -> Scratch {
        let scratch = Scratch(tempfile::tempdir().expect("a temporary folder"));
        fs::create_dir(scratch.path("images")).expect("it can be made");
        scratch
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes an image that is different for each seed.
    fn image(&self, name: &str, seed: u32) -> Vec<u8> {
        let byte = |n: u32| ((n ^ seed).wrapping_mul(2_654_435_761) >> 13) as u8;
        let image: Vec<u8> = (0..3_000_001).map(byte).collect();
        fs::write(self.path("images").join(name), &image).expect("it can be written");
        image
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("the copy is there")
    }

    /// The names of the cached images.
    fn cached(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("cache")).expect("the cache is there");
        let files = entries.flatten().filter(|it| it.path().is_file());
        let names = files.map(|it| it.file_name().to_string_lossy().into_owned());
        names.filter(|name| !name.starts_with("cache.db")).collect()
    }

    /// Starts a program of this package in this folder.
    fn start(&self, program: &str, arguments: &[&str]) -> Child {
        let compiled = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
        let _ = fs::DirBuilder::new().mode(0o700).create(&compiled);
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.0.path()).env("CACHE_DIRECTORY", compiled);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("it runs")
    }

    /// Runs it; what it printed if it succeeded, and otherwise its error.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<Vec<u8>, String> {
        let output = self.start(program, arguments).wait_with_output();
        let Output { status, stdout, stderr } = output.expect("it ends");
        let error = String::from_utf8_lossy(&stderr).into_owned();
        if status.success() { Ok(stdout) } else { Err(error) }
    }
}

#[test]
fn the_quick_start_reads_through_and_fails_with_its_source() {
    let (program, scratch) = (env!("CARGO_BIN_EXE_quick-start"), Scratch::new());
    let image = scratch.image("disk.img", 1);
    let arguments = ["cache", "images/disk.img"];
    assert!(scratch.run(program, &arguments) == Ok(image.clone()), "from the source");
    assert_eq!(scratch.cached(), ["disk"]);
    fs::remove_file(scratch.path("images/disk.img")).expect("it can be removed");
    assert!(scratch.run(program, &arguments) == Ok(image), "from the cache");

    let scratch = Scratch::new();
    for (source, reason) in [("images/disk.img", "No such file"), ("images", "Is a directory")] {
        let error = scratch.run(program, &["cache", source]).expect_err("its source fails");
        assert!(error.contains(reason) && error.contains(source), "{error}");
        assert!(scratch.cached().is_empty());
    }
    assert!(scratch.run(program, &[]).is_err_and(|error| error.starts_with("usage: ")));
}

#[test]
fn the_quick_start_has_at_most_thirty_lines_and_is_the_one_of_the_book() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(package.join(path)).expect("it can be read");
    let (program, page) = (read("src/bin/quick-start.rs"), read("../docs/embedding.md"));
    assert!(program.lines().count() <= 30, "{} lines", program.lines().count());
    assert!(page.contains(&format!("```rust,no_run\n{program}```\n")), "the page has another one");
    let version = format!("image-cache = \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(page.contains(&version), "the page has no line {version}");
}

/// Clients in threads or tasks.
fn many_clients_read_the_source_once(program: &str) {
    let scratch = Scratch::new();
    let image = scratch.image("disk", 2);
    let copies = ["copy-1", "copy-2", "copy-3", "copy-4"];
    let serve = |source: &str| scratch.run(program, &[&["cache", source][..], &copies].concat());
    assert_eq!(serve("images/disk"), Ok(b"1 misses, 3 hits\n".to_vec()));
    for copy in copies {
        assert!(scratch.read(copy) == image, "{copy}");
    }
    fs::remove_file(scratch.path("images/disk")).expect("it can be removed");
    assert_eq!(serve("images/disk"), Ok(b"0 misses, 4 hits\n".to_vec()));
    for copy in copies {
        assert!(scratch.read(copy) == image, "{copy}");
    }
    for (source, reason) in [("images/none", "No such file"), ("images", "Is a directory")] {
        let error = serve(source).expect_err("its source fails");
        assert!(error.contains(reason) && error.contains("cannot be served to copy-"), "{error}");
    }
    assert_eq!(scratch.cached(), ["disk"]);
}

#[test]
fn threads_read_the_source_once() {
    many_clients_read_the_source_once(env!("CARGO_BIN_EXE_with-threads"));
}

#[test]
fn tasks_of_tokio_read_the_source_once() {
    many_clients_read_the_source_once(env!("CARGO_BIN_EXE_with-tokio"));
}

#[test]
fn large_objects_of_a_store_are_read_through_by_version() {
    let (program, scratch) = (env!("CARGO_BIN_EXE_with-object-store"), Scratch::new());
    let copy = |location| scratch.run(program, &["cache", "images", location, "copy"]);
    for seed in [3, 4] {
        let image = scratch.image("disk", seed);
        assert_eq!(copy("disk"), Ok(b"1 misses, 0 hits\n".to_vec()), "it is another version");
        assert!(scratch.read("copy") == image);
        assert_eq!(copy("disk"), Ok(b"0 misses, 1 hits\n".to_vec()));
        assert!(scratch.read("copy") == image);
    }
    assert_eq!(scratch.cached().len(), 2);

    let part = |location, start, end| {
        scratch.run(program, &["cache", "images", location, "copy", start, end])
    };
    let image = scratch.read("copy");
    assert_eq!(part("disk", "70", "2000070"), Ok(b"0 misses, 1 hits\n".to_vec()));
    assert!(scratch.read("copy") == image[70..2_000_070], "from the cache");
    let image = scratch.image("other", 6);
    assert_eq!(part("other", "2000000", "9000000"), Ok(b"1 misses, 0 hits\n".to_vec()));
    assert!(scratch.read("copy") == image[2_000_000..], "from the store");
    assert!(part("other", "9000000", "9000001").is_err(), "the store refuses it");
    let cached = scratch.cached().len();
    assert_eq!(cached, 3, "a range with the last byte is read after the whole object");

    fs::write(scratch.path("images/small"), "a small object").expect("it can be written");
    assert_eq!(copy("small"), Ok(b"0 misses, 0 hits\n".to_vec()));
    assert_eq!(scratch.read("copy"), b"a small object");
    let error = copy("none").expect_err("there is none");
    assert!(error.contains("none not found"), "the store's own error: {error}");
    assert_eq!(scratch.cached().len(), cached);
}

/// A running program, which is ended when this is dropped.
struct Running {
    child: Child,
    address: String,
}

impl Running {
    /// Waits until the program prints where it listens.
    fn new(mut child: Child) -> Running {
        let mut line = String::new();
        let output = child.stdout.take().expect("it is a pipe");
        BufReader::new(output).read_line(&mut line).expect("it prints a line");
        let address = line.trim().strip_prefix("listening on ").expect("an address").to_owned();
        Running { child, address }
    }

    /// The head of a response, in lower case, and what came of its body.
    fn get(&self, path: &str, field: &str) -> (String, Vec<u8>) {
        let mut connection = TcpStream::connect(&self.address).expect("it listens");
        connection.set_read_timeout(Some(PATIENCE)).expect("it can be set");
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{field}Connection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).expect("it reads the request");
        let mut response = Vec::new();
        // A body that ends early may end with a reset, and even without a head.
        let _ = connection.read_to_end(&mut response);
        let end = response.windows(4).position(|it| it == b"\r\n\r\n");
        let body = response.split_off(end.map_or(response.len(), |end| end + 4));
        (String::from_utf8_lossy(&response).to_lowercase(), body)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_layer_of_tower_answers_from_the_cache() {
    let (program, scratch) = (env!("CARGO_BIN_EXE_with-tower"), Scratch::new());
    let image = scratch.image("disk", 5);
    fs::create_dir(scratch.path("images/broken")).expect("it can be made");
    let service = Running::new(scratch.start(program, &["cache", "images"]));
    for route in ["fetching", "cached", "cached"] {
        let (head, body) = service.get("/images/disk", "");
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        assert!(head.contains(&format!("x-cache: {route}\r\n")), "{route}: {head}");
        assert!(head.contains("content-length: 3000001\r\n"), "{head}");
        assert!(body == image, "{} bytes", body.len());
    }
    for (path, field) in [("/images/disk", "Authorization: a\r\n"), ("/images/disk?a", "")] {
        let (head, body) = service.get(path, field);
        assert!(!head.contains("x-cache") && body == image, "it is not for everybody: {head}");
    }
    for path in ["/images/none", "/images/..%2fcache%2fdisk", "/other"] {
        let (head, _) = service.get(path, "");
        assert!(head.starts_with("http/1.1 404 ") && !head.contains("x-cache"), "{path}: {head}");
    }
    // A folder can be opened, but not read.
    for _ in 0..2 {
        let (head, body) = service.get("/images/broken", "");
        assert!(!head.contains("x-cache: cached") && body.is_empty(), "{head}");
    }
    assert_eq!(scratch.cached(), ["disk"]);
}
