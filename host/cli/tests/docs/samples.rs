//! The commands in the documentation exist, and the quick starts work in an empty directory.

use super::{pages, read, root};
use std::ffi::OsString;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::Duration;
use std::{env, fs, thread};

/// The shell blocks of a text, in their order.
fn shell_blocks(text: &str) -> Vec<&str> {
    let blocks = text.split("```sh\n").skip(1);
    blocks.filter_map(|block| block.split_once("```")).map(|(block, _)| block).collect()
}

/// The shell blocks under a heading of a page.
fn blocks_of(page: &str, heading: &str) -> Vec<String> {
    let text = read(&root().join(page));
    let (_, text) = text
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("{page} has no section \"{heading}\""));
    let section = text.split("\n## ").next().unwrap_or_default();
    shell_blocks(section).into_iter().map(str::to_owned).collect()
}

/// A new user's shell in an empty directory, with `image-cache` in the path.
struct Stranger {
    folder: PathBuf,
}

impl Stranger {
    fn new(name: &str) -> Stranger {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docs").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the target directory can be written to");
        Stranger { folder }
    }

    fn shell(&self, script: &str) -> Command {
        let binary = Path::new(env!("CARGO_BIN_EXE_image-cache")).parent().expect("its folder");
        let path = env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(binary.to_owned()).chain(env::split_paths(&path));
        let path: OsString = env::join_paths(path).expect("a folder without a colon");
        let mut command = Command::new("sh");
        command.args(["-eu", "-c", script]).current_dir(&self.folder).env("PATH", path);
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("IMAGE_CACHE_") {
                command.env_remove(name);
            }
        }
        command
    }

    fn run(&self, script: &str) -> String {
        let Output { status, stdout, stderr } =
            self.shell(script).output().expect("there is a shell");
        let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success(), "{status}\n{script}\n{out}\n{err}");
        out.into_owned()
    }

    /// Starts a script that does not end by itself.
    fn start(&self, script: &str) -> Background {
        let child = self.shell(script).process_group(0).spawn().expect("there is a shell");
        Background { child }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Processes that are ended when this is dropped.
struct Background {
    child: Child,
}

impl Drop for Background {
    fn drop(&mut self) {
        let group = format!("kill -- -{}", self.child.id());
        let _ = Command::new("sh").args(["-c", &group]).status();
        let _ = self.child.wait();
    }
}

/// A port that is free now.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}

fn wait_for(port: u16) {
    for _ in 0..600 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("nothing listens on port {port}");
}

fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!(
            "SKIPPED: {program} is not installed, and the quick start of the service needs it"
        );
    }
    found
}

#[test]
fn the_quick_start_of_the_command_line_works() {
    let stranger = Stranger::new("command-line");
    let script = blocks_of("README.md", "Quick start: command line").concat();
    assert!(stranger.run(&script).contains("verified 1 image"));
}

#[test]
fn a_policy_is_chosen_as_it_is_described() {
    let stranger = Stranger::new("choosing-a-policy");
    let script = blocks_of("docs/choosing-a-policy.md", "In ten minutes").concat();
    let out = stranger.run(&script);
    assert!(out.contains("sqlite") && out.contains("reference:belady"), "{out}");
    assert!(stranger.folder.join("misses.svg").is_file());
}

#[test]
fn the_directory_of_images_in_getting_started_works() {
    let stranger = Stranger::new("getting-started");
    let script = blocks_of("docs/getting-started.md", "A directory of images").concat();
    assert!(stranger.run(&script).contains("xattr"), "the last command shows the driver");
}

#[test]
fn the_quick_starts_of_the_service_work() {
    if !is_installed("python3") || !is_installed("curl") {
        return;
    }
    let readme = blocks_of("README.md", "Quick start: service");
    let getting_started = blocks_of("docs/getting-started.md", "In front of a file server");
    for (name, blocks) in [("readme", readme), ("getting-started", getting_started)] {
        let stranger = Stranger::new(&format!("service-{name}"));
        let [files, clients, admin] = [(); 3].map(|()| free_port());
        // The ports of the page may be in use here.
        let with_ports = |block: &String| {
            let block = block.replace("8000", &files.to_string());
            let block = block.replace("9293", &clients.to_string());
            block.replace("9294", &admin.to_string())
        };
        let blocks: Vec<String> = blocks.iter().map(with_ports).collect();
        let [file_server, service, client] = &blocks[..] else {
            panic!("{name}: three terminals, not {}", blocks.len());
        };
        let _file_server = stranger.start(file_server);
        wait_for(files);
        let admin = format!("export IMAGE_CACHE_ADMIN_LISTEN=127.0.0.1:{admin}\n");
        let _service = stranger.start(&(admin + service));
        wait_for(clients);
        let said = stranger.run(client).to_lowercase();
        assert!(said.contains("x-cache: miss") && said.contains("x-cache: hit"), "{name}: {said}");
    }
}

/// The help text of a command.
fn help(words: &[&str]) -> Option<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_image-cache"));
    let output = command.args(words).arg("--help").output().expect("the binary runs");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The fault of a command `image-cache …`.
fn fault(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "image-cache")?;
    let is_end = |word: &&&str| !["|", "&&", ">", "#", "\\"].contains(*word);
    let words: Vec<&str> = words[at + 1..].iter().take_while(is_end).copied().collect();
    // A subcommand is a word of letters; it may follow global flags with their values.
    let is_command = |word: &&&str| word.chars().all(|c| c.is_ascii_lowercase());
    let found = words.iter().filter(is_command).find_map(|word| {
        let next = words.iter().skip_while(|it| *it != word).nth(1).copied().unwrap_or_default();
        help(&[*word, next])
            .filter(|_| ["driver", "queue"].contains(word))
            .or_else(|| help(&[*word]))
            .map(|help| (word, help))
    });
    let Some((command, help)) = found else {
        return words.iter().any(|word| is_command(&word)).then(|| "it has no command".to_owned());
    };
    let is_flag = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let known: Vec<&str> = help.split(|c: char| !is_flag(c)).collect();
    let flags = words.iter().filter(|word| word.starts_with("--"));
    let flags = flags.map(|flag| flag.split('=').next().unwrap_or_default());
    let unknown: Vec<&str> = flags.filter(|flag| !known.contains(flag)).collect();
    (!unknown.is_empty()).then(|| format!("{command} has no {unknown:?}"))
}

#[test]
fn a_command_or_a_flag_that_does_not_exist_is_a_fault() {
    for line in [
        "image-cache frobnicate",
        "image-cache --cache-dir cache frobnicate",
        "image-cache list --form json",
        "image-cache driver new --lru x",
    ] {
        assert!(fault(line).is_some(), "{line}");
    }
    for line in ["image-cache list --format json", "image-cache --version", "# image-cache"] {
        assert_eq!(fault(line), None, "{line}");
    }
}

#[test]
fn every_command_in_the_documentation_has_its_flags() {
    let mut faults = Vec::new();
    let mut commands = 0;
    for page in pages() {
        let text = read(&page);
        for line in shell_blocks(&text).iter().flat_map(|block| block.lines()) {
            if line.split_whitespace().any(|word| word == "image-cache") {
                commands += 1;
                let fault = fault(line);
                faults.extend(fault.map(|fault| format!("{}: {line}: {fault}", page.display())));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(commands > 30, "only {commands} commands were found");
}

#[test]
fn every_xtask_command_in_the_documentation_exists() {
    let xtask = read(&root().join("xtask/src/main.rs"));
    for page in pages() {
        let text = read(&page);
        for rest in text.split("cargo xtask ").skip(1) {
            let end = |c: char| !c.is_ascii_lowercase() && c != '-';
            let command = rest.split(end).next().unwrap_or_default();
            let is_known = command.is_empty() || xtask.contains(&format!("[\"{command}\""));
            assert!(is_known, "{}: cargo xtask {command}", page.display());
        }
    }
}

#[test]
fn the_commands_of_the_command_line_page_work() {
    let stranger = Stranger::new("command-line-page");
    fs::write(stranger.folder.join("cirros.img"), "an image").expect("it is writable");
    let write = |name: &str, text: &str| {
        fs::write(stranger.folder.join(name), text).expect("it is writable");
    };
    write("glance-cache.conf", "[DEFAULT]\nimage_cache_dir = cache\n");
    write("image-cache.toml", "image_cache_dir = \"cache\"\n");
    let page = read(&root().join("docs/command-line.md"));
    let script = shell_blocks(&page).concat();
    let here = [
        ("/var/lib/glance/image-cache", "cache"),
        ("/etc/glance/", ""),
        ("/srv/cache", "cache"),
        ("/etc/", ""),
        ("c8fc807773e5354afe61636071771906", ""),
    ];
    let md5 = stranger.run("md5sum cirros.img | cut -c1-32");
    let script = here.iter().fold(script, |script, (there, here)| {
        let here = if there.len() == 32 { md5.trim() } else { here };
        script.replace(there, here)
    });
    stranger.run(&script);
    assert_eq!(read(&stranger.folder.join("copy.img")), "an image");
}

#[test]
fn the_table_of_commands_has_every_command() {
    let page = read(&root().join("docs/command-line.md"));
    let help = help(&[]).expect("it has a help text");
    let (_, commands) = help.split_once("Commands:\n").expect("it lists the commands");
    let commands = commands.lines().take_while(|line| !line.is_empty());
    let commands = commands.filter_map(|line| line.split_whitespace().next());
    for command in commands.filter(|command| *command != "help") {
        let is_there =
            [' ', '`', '\n'].iter().any(|end| page.contains(&format!("`{command}{end}")));
        assert!(is_there, "docs/command-line.md has no row for {command}");
    }
}

#[test]
fn every_configuration_in_the_documentation_is_accepted() {
    let stranger = Stranger::new("configurations");
    let mut configurations = 0;
    for page in pages() {
        let text = read(&page);
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            if !block.contains("image_cache_") && !block.contains("[drivers.") {
                continue;
            }
            configurations += 1;
            // A digest that the page leaves out.
            let block = block.replace("\"…\"", &format!("\"{}\"", "0".repeat(64)));
            fs::write(stranger.folder.join("configuration.toml"), block).expect("it is writable");
            stranger.run("image-cache --config configuration.toml driver list");
        }
    }
    assert!(configurations > 0, "no configuration was found");
}
