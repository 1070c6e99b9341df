//! A cache directory that an attacker can change: whatever object has the name of one of its files, nothing outside is changed
//! and no operation blocks. If the tests run as root, root opens a directory of another user.

mod fixture;
mod kind;
mod outside;

use fixture::{Planted, ends, list};
use image_cache_tests::http::get;
use image_cache_tests::serving::Setup;
use image_cache_tests::{TempCache, Tested, bytes, fill, serve, skip, until};
use kind::Kind;
use outside::Outside;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

/// Replaces each file by this object in turn; returns all failures.
fn try_everywhere(kind: Kind) -> Tested {
    let planted = Planted::new()?;
    let mut failed = Vec::new();
    for target in planted.targets()? {
        if let Err(error) = planted.try_all(kind, &target) {
            failed.push(format!("{kind:?} as {}: {error}", target.display()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

#[test]
fn a_link_to_a_file_outside_in_the_place_of_any_file_leads_nowhere() -> Tested {
    try_everywhere(Kind::LinkToFile)
}

#[test]
fn a_dangling_link_creates_nothing_outside() -> Tested {
    try_everywhere(Kind::LinkToNothing)
}

#[test]
fn a_link_to_a_folder_outside_in_the_place_of_any_file_leads_nowhere() -> Tested {
    try_everywhere(Kind::LinkToFolder)
}

#[test]
fn a_hard_link_to_a_file_outside_is_neither_written_nor_given_another_owner() -> Tested {
    let planted = Planted::new()?;
    let targets = planted.targets()?;
    let is_file = |target: &&PathBuf| planted.setup.path("template").join(target).is_file();
    for target in targets.iter().filter(is_file) {
        let tried = planted.try_all(Kind::HardLink, target);
        tried.map_err(|error| format!("{}: {error}", target.display()))?;
    }
    Ok(())
}

#[test]
fn a_pipe_in_place_of_any_file_blocks_no_operation() -> Tested {
    try_everywhere(Kind::Pipe)
}

#[test]
fn a_socket_in_place_of_any_file_blocks_no_operation() -> Tested {
    try_everywhere(Kind::Socket)
}

#[test]
fn an_endless_device_in_place_of_any_file_is_not_read() -> Tested {
    try_everywhere(Kind::Device)
}

#[test]
fn a_folder_in_place_of_any_file_blocks_no_operation() -> Tested {
    try_everywhere(Kind::Folder)
}

#[test]
fn a_huge_file_in_place_of_any_file_is_not_read() -> Tested {
    try_everywhere(Kind::Huge)
}

#[test]
fn links_at_the_names_that_the_service_might_write_next_lead_nowhere() -> Tested {
    let planted = Planted::new()?;
    planted.restore()?;
    fs::remove_file(planted.setup.dir().join("one"))?;
    let service = planted.setup.serve(&planted.origin.url(), &["--prefetch-at-once", "0"])?;
    for number in 0..20 {
        for folder in [".image-cache/http", ".image-cache/http/.promised"] {
            let name = format!("{folder}/.{}-{number}", service.pid());
            Kind::LinkToFile.plant(&planted.setup.dir().join(name), &planted.outside)?;
        }
    }
    for (id, image) in [("one", bytes(1, 100_000)), ("x", bytes(2, 50_000))] {
        assert!(get(service.clients, &format!("/v2/images/{id}/file"))?.body == image);
        let kept = planted.setup.dir().join(".image-cache/http").join(id);
        assert!(until(|| fs::symlink_metadata(&kept).is_ok()), "{}", service.log());
    }
    service.stop()?;
    planted.outside.is_unchanged()
}

#[test]
fn files_at_the_next_possible_names_of_digests_are_not_written() -> Tested {
    let scratch = tempfile::tempdir()?;
    let outside = Outside::make(scratch.path().join("outside"))?;
    let temp = TempCache::at("sqlite", scratch.path().join("cache"));
    let cache = temp.open();
    let name = hex::encode(&Sha256::digest("a")[..16]);
    for number in 0..200 {
        let path = format!(".image-cache/blocks/{name}.{}-{number}.new", std::process::id());
        Kind::HardLink.plant(&temp.path(&path), &outside)?;
    }
    fill(&cache, "a", b"hello, you");
    assert_eq!(serve(&cache, "a")?, b"hello, you");
    outside.is_unchanged()
}

#[test]
fn a_pipe_among_the_digests_does_not_affect_the_others() -> Tested {
    let planted = Planted::new()?;
    planted.restore()?;
    let blocks = planted.setup.dir().join(".image-cache/blocks");
    for digests in fs::read_dir(&blocks)? {
        Kind::Pipe.plant(&digests?.path(), &planted.outside)?;
    }
    let commands: [&[&str]; 4] =
        [&["status"], &["show", "a"], &["delete", "a"], &["add", "new", &planted.image]];
    let all = commands.map(|words| {
        let command = planted.setup.command(words);
        thread::spawn(move || ends(command).map_err(|error| error.to_string()))
    });
    for one in all {
        one.join().map_err(|_| "it panicked")??;
    }
    let listed = planted.setup.run(&["list"])?;
    assert!(listed.contains("new") && listed.contains("one"), "{listed}");
    Ok(())
}

#[test]
fn damaged_compiled_code_is_compiled_again_with_a_warning() -> Tested {
    let setup = Setup::new();
    setup.run(&["status"])?;
    let mut compiled = Vec::new();
    list(&setup.path("compiled"), &setup.path("compiled"), &mut compiled)?;
    let entry = compiled.iter().find(|path| path.extension().is_some_and(|it| it == "cwasm"));
    let entry = setup.path("compiled").join(entry.ok_or("nothing was kept")?);
    let whole = fs::read(&entry)?;
    for at in (0..whole.len()).step_by(whole.len() / 24) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(&entry, damaged)?;
        let output = setup.command(&["status"]).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "byte {at}: {}: {said}", output.status);
        assert!(said.contains("damaged"), "byte {at}: {said}");
        assert!(fs::read(&entry)? == whole, "byte {at}: it was not replaced");
    }
    Ok(())
}

#[test]
fn a_file_that_an_operator_names_is_regular_or_refused_at_once() -> Tested {
    let setup = Setup::new();
    let outside = Outside::make(setup.path("outside"))?;
    let odd = setup.path("odd.toml");
    let odd_words = odd.display().to_string();
    let serving = ["serve", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0"];
    let with = |more: &[&str]| -> Vec<String> {
        let words = serving.iter().chain(more).map(|word| (*word).to_owned());
        words.collect()
    };
    let commands = [
        vec!["--config".to_owned(), odd_words.clone(), "status".into()],
        vec!["--driver".to_owned(), odd_words.clone(), "status".into()],
        with(&["--admin-token-file", &odd_words, "--admin-listen", "127.0.0.1:0"]),
        with(&["--tls-cert", &odd_words, "--tls-key", &odd_words]),
        with(&["--upstream-ca", &odd_words]),
    ];
    for kind in [Kind::Pipe, Kind::Socket, Kind::Device, Kind::Folder, Kind::Huge] {
        if !kind.plant(&odd, &outside)? {
            continue;
        }
        for words in &commands {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            ends(setup.command(&words)).map_err(|error| format!("{kind:?}: {error}"))?;
        }
    }
    skip_where_descriptors_have_no_paths(&setup)
}

/// A shell's `<(…)` is also a pipe.
fn skip_where_descriptors_have_no_paths(setup: &Setup) -> Tested {
    if !Path::new("/dev/fd").exists() {
        skip("there is no /dev/fd");
        return Ok(());
    }
    let mut command = setup.command(&["--config", "/dev/stdin", "status"]);
    let output = command.stdin(std::process::Stdio::piped()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("a regular file is needed"), "{said}");
    Ok(())
}
