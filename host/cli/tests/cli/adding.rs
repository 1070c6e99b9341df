//! `driver pack` and `driver add`: a manifest in a component, signatures, and the configuration that is written.

mod address;

use super::{Answer, Answering, Scratch, bare};
use image_cache_engine::BuiltIn;
use minisign::KeyPair;
use serde_json::json;
use std::fs;

const MANIFEST: &str = "name = \"gdsf\"\nauthor = \"Ada <ada@example.org>\"\nversion = \"1.2.0\"\n\
    description = \"Prefers small images\"\ngrants = [\"sql\"]\nlimits = { database = \"16 MiB\" }\n\
    [options.goal]\ndefault = \"hits\"\naccepted = \"hits or bytes\"\nhelp = \"What to serve as much as possible of\"\n";

/// An operator's folder with a configuration and a driver of somebody else.
struct Operator {
    scratch: Scratch,
}

impl Operator {
    fn new(config: &str) -> Operator {
        let scratch = Scratch::new();
        scratch.write("cache.toml", format!("# mine\nimage_cache_dir = \"cache\"\n{config}"));
        scratch.write("theirs.wasm", BuiltIn::Gdsf.bytes());
        scratch.write("driver.toml", MANIFEST);
        Operator { scratch }
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        let mut command = bare();
        command.current_dir(self.scratch.path("")).args(["--config", "cache.toml"]).args(arguments);
        command.answer()
    }

    fn packed(config: &str) -> Operator {
        let operator = Operator::new(config);
        let packed = operator.run(&["driver", "pack", "theirs.wasm"]);
        assert!(packed.done().contains("Ada <ada@example.org>"), "{}", packed.text());
        operator
    }

    /// Signs the component with this key.
    fn sign(&self, key: &KeyPair) {
        let bytes = fs::read(self.scratch.path("theirs.wasm")).expect("it is there");
        let signature = minisign::sign(None, &key.sk, &*bytes, None, None).expect("it is signed");
        self.scratch.write("theirs.wasm.minisig", signature.into_string());
    }

    fn config(&self) -> String {
        fs::read_to_string(self.scratch.path("cache.toml")).expect("it is there")
    }

    /// Checks that nothing was written.
    fn is_unchanged(&self) {
        assert!(!self.config().contains("[drivers"), "{}", self.config());
        assert!(!self.scratch.path("drivers").exists());
    }
}

fn key() -> (KeyPair, String) {
    let key = KeyPair::generate_unencrypted_keypair().expect("there is randomness");
    let public = key.pk.to_base64();
    (key, public)
}

#[test]
fn a_signed_driver_is_added_with_its_digest_grants_and_limits_and_works() {
    let (key, public) = key();
    let text =
        format!("image_cache_trusted_keys = \"{public}\"\nimage_cache_require_signature = true\n");
    let operator = Operator::packed(&text);
    operator.sign(&key);
    let added = operator.run(&[
        "--format",
        "json",
        "driver",
        "add",
        "theirs.wasm",
        "--name",
        "mine",
        "--yes",
    ]);
    assert_eq!(added.code, Some(0), "{}", added.err);
    let answer = added.json();
    assert_eq!((&answer["name"], &answer["signed"]), (&json!("mine"), &json!(true)));
    let config = operator.config();
    assert!(config.starts_with("# mine\n"), "{config}");
    for part in ["[drivers.mine]", "grants = [\"sql\"]", "database = \"16 MiB\""] {
        assert!(config.contains(part), "{part}: {config}");
    }
    assert!(config.contains(answer["sha256"].as_str().expect("a digest")), "{config}");
    let status = operator.run(&["--driver", "mine", "--format", "json", "status"]).json();
    assert_eq!(
        (&status["driver"]["name"], &status["driver"]["fallback"]),
        (&json!("mine"), &json!(null))
    );
    let again = operator.run(&["driver", "add", "theirs.wasm", "--name", "mine", "--yes"]);
    again.failed(1, "defines [drivers.mine] already, and nothing was written");
}

#[test]
fn what_is_unsigned_or_wrongly_signed_is_refused_where_signatures_are_required() {
    let (_, public) = key();
    let text =
        format!("image_cache_trusted_keys = \"{public}\"\nimage_cache_require_signature = true\n");
    let operator = Operator::packed(&text);
    let add = || operator.run(&["driver", "add", "theirs.wasm", "--yes"]);
    add().failed(1, "has no signature");
    let (other, _) = key();
    operator.sign(&other);
    add().failed(1, "is not a signature of theirs.wasm by a trusted key");
    operator.scratch.write("theirs.wasm.minisig", "no signature");
    add().failed(1, "is no signature of minisign");
    operator.is_unchanged();
}

#[test]
fn a_component_that_was_changed_after_it_was_signed_is_refused() {
    let (key, public) = key();
    let operator = Operator::packed(&format!("image_cache_trusted_keys = \"{public}\"\n"));
    operator.sign(&key);
    let path = operator.scratch.path("theirs.wasm");
    let mut bytes = fs::read(&path).expect("it is there");
    *bytes.last_mut().expect("it has bytes") ^= 1;
    fs::write(&path, bytes).expect("it can be written");
    operator.run(&["driver", "add", "theirs.wasm", "--yes"]).failed(1, "by a trusted key");
    operator.is_unchanged();
}

#[test]
fn an_unsigned_driver_is_added_with_a_warning_unless_signatures_are_required() {
    let operator = Operator::new("");
    let added = operator.run(&["driver", "add", "theirs.wasm", "--yes"]);
    added.failed(0, "has no signature: anybody can have written it");
    assert!(operator.config().contains("[drivers.gdsf]\ncomponent = "), "{}", operator.config());
    assert!(operator.scratch.path("drivers/gdsf.wasm").is_file());
    let without_terminal = Operator::new("");
    without_terminal.run(&["driver", "add", "theirs.wasm"]).failed(2, "give --yes to confirm");
    without_terminal.is_unchanged();
}

#[test]
fn a_forged_manifest_is_named_and_nothing_is_written() {
    let other_name = MANIFEST.replace("name = \"gdsf\"", "name = \"sqlite\"");
    let operator = Operator::new("");
    operator.scratch.write("driver.toml", other_name);
    operator.run(&["driver", "pack", "theirs.wasm"]).done();
    let words = "names \"sqlite\", but the driver itself reports the name \"gdsf\"";
    operator.run(&["driver", "add", "theirs.wasm", "--yes"]).failed(1, words);
    operator.run(&["driver", "inspect", "theirs.wasm"]).failed(1, words);
    operator.run(&["driver", "pack", "theirs.wasm"]).failed(1, "carries a manifest already");
    operator.is_unchanged();
}

#[test]
fn a_manifest_that_is_broken_or_hides_a_grant_is_not_packed() {
    let operator = Operator::new("");
    for (manifest, words) in [
        (
            MANIFEST.replace("grants = [\"sql\"]", "grants = []"),
            "imports sql, which `grants` does not name",
        ),
        (MANIFEST.replace("author", "writer"), "\"writer\" is no key of a manifest"),
        ("name = ".to_owned(), "driver.toml"),
    ] {
        operator.scratch.write("driver.toml", manifest);
        operator.run(&["driver", "pack", "theirs.wasm"]).failed(1, words);
    }
    let bytes = fs::read(operator.scratch.path("theirs.wasm")).expect("it is there");
    assert!(bytes == BuiltIn::Gdsf.bytes(), "the component is unchanged");
}

#[test]
fn inspect_shows_the_manifest() {
    let operator = Operator::packed("");
    let shown = operator.run(&["driver", "inspect", "theirs.wasm"]);
    for part in ["Ada <ada@example.org>", "Prefers small images", "goal [hits]: What to serve"] {
        assert!(shown.done().contains(part), "{part}: {}", shown.text());
    }
}
