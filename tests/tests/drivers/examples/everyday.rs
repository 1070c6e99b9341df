//! Every example through the real binary and a configuration file, like in production.

use super::{EXPIRY, Example, GDSF, LRFU, QUOTA, S3_FIFO, SIEVE, TTL, TWO_HIT};
use image_cache_tests::{Tested, bytes};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

#[test]
fn sieve_serves_an_operator() -> Tested {
    serves(&SIEVE)
}

#[test]
fn s3_fifo_serves_an_operator() -> Tested {
    serves(&S3_FIFO)
}

#[test]
fn gdsf_serves_an_operator() -> Tested {
    serves(&GDSF)
}

/// What an operator adds is admitted at once.
#[test]
fn two_hit_serves_an_operator() -> Tested {
    serves(&TWO_HIT)
}

#[test]
fn quota_serves_an_operator() -> Tested {
    serves(&QUOTA)
}

/// The reason of a refusal is in the error and in the answer.
#[test]
fn quota_refuses_an_operators_tenant_with_a_reason() -> Tested {
    let Some(shell) = Shell::new(&QUOTA)? else { return Ok(()) };
    let (config, source) =
        (shell.directory.path().join("cache.toml"), shell.directory.path().join("one.img"));
    let with_quota = fs::read_to_string(&config)? + "options = { default-quota = \"1000\" }\n";
    fs::write(&config, with_quota)?;
    fs::write(&source, bytes(1, 2000))?;
    let mut command = Command::new(&shell.binary);
    command.arg("--config").arg(&config).args(["--format", "json", "add", "one"]).arg(&source);
    let output = command.args(["--tenant", "a"]).stdin(Stdio::null()).output()?;
    let reason = "the tenant uses 0 of 1000 bytes, and the image has 2000";
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!((output.status.code(), &answer["refusal"]), (Some(1), &Value::from(reason)));
    let said = String::from_utf8_lossy(&output.stderr);
    let words = format!("image one is not cached: driver quota does not want it: {reason}");
    assert!(said.contains(&words), "{said}");
    Ok(())
}

#[test]
fn expiry_serves_an_operator() -> Tested {
    serves(&EXPIRY)
}

#[test]
fn lrfu_serves_an_operator() -> Tested {
    serves(&LRFU)
}

#[test]
fn ttl_serves_an_operator() -> Tested {
    serves(&TTL)
}

/// Checks the driver, then fills, reads, lists, prunes, cleans, deletes; each command is a separate process, and no driver is
/// replaced. All cases of the check run in the tests `…_passes_the_conformance_suite`, so here it is one, of several processes' records.
fn serves(example: &Example) -> Tested {
    let Some(shell) = Shell::new(example)? else { return Ok(()) };
    shell.run(&["driver", "check", example.name, "--case", "hits_survive_a_restart"])?;
    for (seed, name) in [(1, "read"), (2, "unread"), (3, "deleted")] {
        let source = shell.directory.path().join(format!("{name}.img"));
        fs::write(&source, bytes(seed, 300_000))?;
        shell.run(&["add", name, source.to_str().ok_or("the path is text")?])?;
    }
    for _ in 0..3 {
        let copy = shell.directory.path().join("copy.img");
        shell.run(&["get", "read", "--output", copy.to_str().ok_or("the path is text")?])?;
        assert_eq!(fs::read(&copy)?, bytes(1, 300_000));
        fs::remove_file(copy)?;
    }
    assert_eq!(shell.listed()?, [("deleted", 0), ("read", 3), ("unread", 0)].map(owned));
    shell.run(&["delete", "--yes", "deleted"])?;
    // 600 kB with a limit of 500 kB: the image without reads is evicted, whatever the policy.
    shell.run(&["prune"])?;
    assert_eq!(shell.listed()?, [("read", 3)].map(owned));
    let broken = shell.directory.path().join("cache/invalid/broken");
    fs::write(&broken, "half")?;
    shell.run(&["clean"])?;
    assert!(!broken.exists(), "clean left a failed file");
    let status: Value = serde_json::from_slice(&shell.run(&["status"])?)?;
    assert_eq!(status["driver"]["name"], example.name, "{status}");
    assert_eq!(status["driver"]["fallback"], Value::Null, "{status}");
    Ok(())
}

fn owned((name, hits): (&str, u64)) -> (String, u64) {
    (name.to_owned(), hits)
}

/// The binary with a configuration.
struct Shell {
    binary: PathBuf,
    directory: tempfile::TempDir,
}

impl Shell {
    /// None, with a message, if the driver was not built.
    fn new(example: &Example) -> Tested<Option<Shell>> {
        let Some(component) = example.component() else { return Ok(None) };
        let binary = image_cache_tests::serving::binary();
        let directory = tempfile::tempdir()?;
        let grants: Vec<&str> = example.grants.iter().map(|grant| grant.name()).collect();
        let mut config = format!(
            "image_cache_dir = {:?}\nimage_cache_driver = {:?}\nimage_cache_max_size = \"500 kB\"\n",
            directory.path().join("cache"),
            example.name,
        );
        if example.directory.is_some() {
            config += &format!(
                "[drivers.{}]\ncomponent = {component:?}\ngrants = {grants:?}\n\
                 limits = {{ guest_time = \"20s\", call_time = \"40s\" }}\n",
                example.name,
            );
        }
        fs::write(directory.path().join("cache.toml"), config)?;
        Ok(Some(Shell { binary, directory }))
    }

    /// Runs a command that must succeed without warnings; returns its output.
    fn run(&self, arguments: &[&str]) -> Tested<Vec<u8>> {
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(self.directory.path().join("cache.toml"));
        command.args(["--format", "json"]).args(arguments).stdin(Stdio::null());
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("WARN"), "{arguments:?}: {said}");
        Ok(output.stdout)
    }

    /// Ids and hits of the cached images.
    fn listed(&self) -> Tested<Vec<(String, u64)>> {
        let images: Value = serde_json::from_slice(&self.run(&["list"])?)?;
        let images = images.as_array().ok_or("a list of images")?;
        let one = |image: &Value| {
            let name = image["image_id"].as_str().unwrap_or_default();
            (name.to_owned(), image["hits"].as_u64().unwrap_or(u64::MAX))
        };
        Ok(images.iter().map(one).collect())
    }
}
