//! C programs that are compiled and linked as their users do it, and run, also under valgrind.

#[path = "../install.rs"]
mod install;

#[path = "c_programs/program.rs"]
mod program;

use program::{Program, compiled, installed, skip, valgrind};
use std::fs;
use std::process::Command;

/// The flags of a careful C project.
const STRICT: [&str; 6] = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread"];

fn passes(name: &str) {
    passes_with(name, &[]);
}

/// The same for a program that ends while it has threads, or whose children do not have its threads: what these use is not freed.
fn passes_that_ends_early(name: &str) {
    passes_with(name, &["--leak-check=no"]);
}

fn passes_with(name: &str, flags: &[&'static str]) {
    let program = Program::compile(&format!("tests/programs/{name}.c"), &STRICT);
    program.run(&[program.directory("native").as_os_str()]);
    match valgrind() {
        Ok(valgrind) => {
            let valgrind = [&valgrind[..], flags].concat();
            drop(program.run_under(&valgrind, &[program.directory("valgrind").as_os_str()]))
        }
        Err(why) => skip(&why),
    }
}

#[test]
fn bad_input_is_an_error_that_names_it() {
    passes("bad_input");
}

#[test]
fn a_handle_that_is_not_open_is_an_error_that_names_it() {
    passes("handles");
}

#[test]
fn a_copy_of_the_library_refuses_the_handles_of_another_one() {
    let program = Program::compile("tests/programs/copies.c", &[&STRICT[..], &["-ldl"]].concat());
    let library = program.directory("so");
    fs::copy(installed().join("lib/libimage_cache.so"), &library).expect("it can be copied");
    program.run(&[program.directory("native").as_os_str(), library.as_os_str()]);
    fs::remove_file(&library).expect("it can be removed");
}

#[test]
fn a_forked_child_uses_the_cache_handles_of_its_parent() {
    passes_that_ends_early("fork");
}

#[test]
fn a_process_ends_during_a_fetch_and_leaves_no_half_image() {
    passes_that_ends_early("exits");
}

#[test]
fn callbacks_may_call_the_library_again() {
    passes("reentrant");
}

#[test]
fn threads_share_a_cache_and_never_wait_for_each_other_for_ever() {
    passes("threads");
}

#[test]
fn each_function_does_what_the_header_says() {
    passes("whole_interface");
}

#[test]
fn the_example_reads_through_with_the_shared_and_with_the_static_library() {
    for (name, flags) in [("shared", &[][..]), ("static", &["--static-library"][..])] {
        let flags = [&STRICT[..], flags].concat();
        let program = Program::compile_as(name, "examples/read_through.c", &flags);
        let (directory, file) = (program.directory("native"), program.directory("file"));
        let image: Vec<u8> =
            (0..3_000_001u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        fs::write(&file, &image).expect("it can be written");
        let arguments = [directory.as_os_str(), file.as_os_str()];
        assert!(program.run(&arguments) == image, "{name}: the first time from the file");
        assert!(fs::read(directory.join("disk")).expect("it is cached") == image);
        assert!(program.run(&arguments) == image, "{name}: the second time from the cache");
        match valgrind() {
            Ok(valgrind) => {
                fs::remove_dir_all(&directory).expect("it can be removed");
                assert!(program.run_under(&valgrind, &arguments) == image);
                assert!(program.run_under(&valgrind, &arguments) == image);
            }
            Err(why) => skip(&why),
        }
    }
}

#[test]
fn the_example_has_at_most_thirty_lines_and_is_the_one_of_the_book() {
    let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = fs::read_to_string(package.join("examples/read_through.c")).expect("it exists");
    let page = fs::read_to_string(package.join("../../docs/embedding-c.md")).expect("it exists");
    assert!(example.lines().count() <= 30, "{} lines", example.lines().count());
    assert!(page.contains(&format!("```c\n{example}```\n")), "the page shows another program");
}

#[test]
fn the_commands_of_the_book_compile_and_run_the_example() {
    if Command::new("pkg-config").arg("--version").output().is_err() {
        return skip("pkg-config is not installed");
    }
    let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(package.join("../../docs/embedding-c.md")).expect("it exists");
    let (_, commands) = page.split_once("```sh\nexport ").expect("it has the commands");
    let (commands, _) = commands.split_once("```").expect("they end");
    let checkout = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| checkout.path().join(name);
    fs::create_dir(path("target")).expect("it can be made");
    std::os::unix::fs::symlink(installed(), path("target/c")).expect("a link");
    fs::copy(package.join("examples/read_through.c"), path("read_through.c")).expect("a copy");
    let mut shell = Command::new("sh");
    shell.args(["-eu", "-c"]).arg(format!("export {commands}")).env("CACHE_DIRECTORY", compiled());
    let output = shell.current_dir(checkout.path()).output().expect("there is a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| fs::read(path(name)).expect("it is there");
    assert!(read("cache/disk") == read("disk.img"), "it is cached");
}

#[test]
fn the_library_has_its_version_and_exports_only_its_interface() {
    let library = installed().join("lib/libimage_cache.so");
    let read = |arguments: &[&str]| {
        let output = Command::new(arguments[0]).args(&arguments[1..]).arg(&library).output();
        output.ok().map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (Some(dynamic), Some(symbols)) =
        (read(&["readelf", "--dynamic"]), read(&["nm", "--dynamic", "--defined-only"]))
    else {
        return skip("readelf and nm are not installed");
    };
    let soname = format!("[libimage_cache.so.{}]", install::INTERFACE);
    assert!(
        dynamic.lines().any(|line| line.contains("SONAME") && line.contains(&soname)),
        "{dynamic}"
    );
    let names = symbols.lines().filter_map(|line| line.split_whitespace().nth(2));
    let (own, foreign): (Vec<&str>, Vec<&str>) = names.partition(|it| it.starts_with("imgcache_"));
    assert!(own.len() > 30, "{own:?}");
    assert_eq!(foreign, [""; 0]);
}

#[test]
fn the_header_is_also_one_for_cpp_and_for_old_c() {
    for (compiler, flags) in [
        ("c++", ["-x", "c++", "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]),
        ("cc", ["-x", "c", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]),
    ] {
        let include = installed().join("include/image_cache.h");
        let mut command = Command::new(compiler);
        match command.args(flags).arg("-fsyntax-only").arg(include).output() {
            Ok(output) => {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            }
            Err(error) => skip(&format!("{compiler} does not run: {error}")),
        }
    }
}
