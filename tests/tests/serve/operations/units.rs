//! The systemd units: the programs that they start exist, and the units are hardened.

use image_cache::ConfigOption;
use image_cache_tests::serving::Setup;
use image_cache_tests::{Tested, skip};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn units() -> Tested<Vec<(PathBuf, String)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/systemd");
    let mut units = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_unit = path.extension().is_some_and(|it| it == "service" || it == "timer");
        if is_unit {
            units.push((path.clone(), std::fs::read_to_string(path)?));
        }
    }
    Ok(units)
}

#[test]
fn the_commands_of_the_units_exist_and_each_timer_has_its_service() -> Tested {
    let setup = Setup::new();
    let units = units()?;
    let names: Vec<_> = units.iter().filter_map(|(path, _)| path.file_name()).collect();
    for kind in [
        "image-cache.service",
        "image-cache-prune.timer",
        "image-cache-clean.timer",
        "image-cache-verify.timer",
    ] {
        assert!(names.iter().any(|name| *name == kind), "{kind}");
    }
    for (path, unit) in &units {
        if path.extension().is_some_and(|it| it == "timer") {
            assert!(path.with_extension("service").is_file(), "{}", path.display());
        }
        for line in unit.lines().filter_map(|line| line.strip_prefix("ExecStart=")) {
            let mut words = line.split_whitespace().skip(1);
            let command: Vec<&str> = words
                .by_ref()
                .skip_while(|word| word.starts_with('-') || word.contains('/'))
                .take(1)
                .collect();
            let help = setup.run(&[command[0], "--help"])?;
            for flag in line.split_whitespace().filter(|word| word.starts_with("--")) {
                assert!(help.contains(flag), "{}: {flag}", path.display());
            }
        }
    }
    Ok(())
}

/// Flags and variables in a text.
fn options(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    let is_option = |word: &&str| {
        word.strip_prefix("--")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
            || word.starts_with("IMAGE_CACHE_")
    };
    words.filter(is_option).map(str::to_owned).collect()
}

#[test]
fn the_manuals_have_each_option_of_the_service_and_no_others() -> Tested {
    let setup = Setup::new();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let page = |name: &str| std::fs::read_to_string(docs.join(name));
    let (reference, manual) = (page("configuration.md")?, page("serve.md")?);
    let running = page("serve-operations.md")?;
    let help = setup.run(&["serve", "--help"])?;
    let (global, own) = {
        let list = setup.run(&["list", "--help"])?;
        (options(&list), &options(&help) - &options(&list))
    };
    let documented = options(&reference);
    let missing: Vec<_> = own.iter().filter(|option| !documented.contains(*option)).collect();
    assert!(missing.is_empty(), "docs/configuration.md does not have {missing:?}");
    // Flags of the commands in the examples, including system commands.
    let foreign = ["--target", "--now", "--system", "--home-dir", "--shell"];
    let of_cache: BTreeSet<String> =
        ConfigOption::ALL.iter().map(|option| option.variable()).collect();
    for option in options(&manual).union(&options(&running)).chain(&documented) {
        let known = own.contains(option)
            || global.contains(option)
            || of_cache.contains(option)
            || foreign.contains(&&**option);
        assert!(known || option == "--fetch-to-end", "there is no {option}");
    }
    Ok(())
}

#[test]
fn each_service_is_hardened() -> Tested {
    for (path, unit) in units()? {
        if path.extension().is_some_and(|it| it == "timer") {
            continue;
        }
        for line in [
            "ProtectSystem=strict",
            "ProtectHome=yes",
            "PrivateTmp=yes",
            "PrivateDevices=yes",
            "NoNewPrivileges=yes",
            "CapabilityBoundingSet=",
            "RestrictSUIDSGID=yes",
            "SystemCallFilter=@system-service",
            "User=image-cache",
        ] {
            assert!(unit.lines().any(|it| it == line), "{}: {line}", path.display());
        }
    }
    Ok(())
}

#[test]
fn systemd_finds_nothing_wrong() -> Tested {
    let units = units()?;
    let scratch = tempfile::tempdir()?;
    // As installed, except for the program, which need not exist.
    for (path, unit) in &units {
        let name = path.file_name().ok_or("a file has a name")?;
        std::fs::write(
            scratch.path().join(name),
            unit.replace("/usr/local/bin/image-cache", "/bin/true"),
        )?;
    }
    let files: Vec<PathBuf> =
        units.iter().filter_map(|(path, _)| Some(scratch.path().join(path.file_name()?))).collect();
    let verify = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&files).output();
    let output = match verify {
        Ok(output) => output,
        Err(error) => {
            skip(&format!("the units are not verified by systemd-analyze: {error}"));
            return Ok(());
        }
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("image-cache")).collect();
    assert!(ours.is_empty(), "{ours:?}");
    Ok(())
}
