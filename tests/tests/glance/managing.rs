//! Glance's own command line with the service's admin listener.

use crate::serving::glance;
use image_cache_tests::glance::program;
use image_cache_tests::http::send;
use image_cache_tests::serving::{Service, Setup};
use image_cache_tests::{Tested, bytes, until};
use std::process::Command;

#[test]
fn glance_s_command_line_manages_the_cache() -> Tested {
    let Some(glance) = glance()? else { return Ok(()) };
    let setup = Setup::new();
    let Some(program) = program("glance") else { return Ok(()) };
    let token = setup.file("token", "operators");
    let credentials = setup.file("credentials", "admin");
    let url = format!("http://{}", glance.address());
    let mut command = setup.serving(&url, &["--clean-every", "0", "--prune-every", "0"]);
    command.arg("--admin-token-file").arg(&token);
    command.arg("--prefetch-credentials-file").arg(&credentials);
    command.args(["--max-size", "1500000"]);
    let service = Service::start(command)?;
    let admin = format!("http://{}", service.admin);
    let manage = |arguments: &[&str], token: &str| -> Tested<String> {
        let mut command = Command::new(&program);
        command.env("HOME", setup.path("")).args(["--os-auth-token", token]);
        command.args(["--os-image-url", &admin, "--os-auth-url", &admin]).args(arguments);
        let output = command.output()?;
        Ok(String::from_utf8([output.stdout, output.stderr].concat())?)
    };
    let row = |id: &str, state: &str| -> Tested<bool> {
        let table = manage(&["cache-list"], "operators")?;
        Ok(table.lines().any(|line| line.contains(id) && line.contains(state)))
    };
    let [one, two] = [glance.add(&bytes(1, 1_000_000))?, glance.add(&bytes(2, 1_000_000))?];

    assert!(manage(&["cache-list"], "operators")?.contains("Last Accessed (UTC)"));
    assert_eq!(manage(&["cache-queue", &one], "operators")?, "");
    let cached = || -> bool {
        send(service.admin, "GET", "/v2/cached_images", &[("X-Auth-Token", "operators")])
            .is_ok_and(|answer| answer.text().contains(&one))
    };
    assert!(until(cached), "{}", service.log());
    assert!(row(&one, "cached")?);
    let unknown = manage(&["cache-queue", "5b1a6e0c-0000-4a44-9f0e-6d2f7c1f0b9a"], "operators")?;
    assert!(unknown.contains("404") && unknown.contains("not found"), "{unknown}");
    assert_eq!(manage(&["cache-delete", &one], "operators")?, "");
    assert!(!row(&one, "cached")?);

    // Without the prefetcher, which could be faster than the request.
    glance.order("POST", &format!("/v2/images/{two}/actions/deactivate"))?;
    let refused = manage(&["cache-queue", &two], "operators")?;
    assert!(refused.contains("Only images with status active"), "{refused}");

    let image = setup.file("image", &"x".repeat(1_000_000));
    let path = image.display().to_string();
    for id in ["first", "second"] {
        setup.run(&["add", id, &path])?;
    }
    let pruned = manage(&["cache-prune"], "operators")?;
    assert_eq!(pruned.trim(), "Pruned 1 file(s), 1000000 byte(s).");
    assert!(row("second", "cached")? && !row("first", "cached")?);
    std::fs::write(setup.dir().join("invalid/broken"), "half")?;
    assert_eq!(manage(&["cache-clean"], "operators")?, "");
    assert!(setup.names("invalid").is_empty());
    setup.run(&["queue", "add", "not-there"])?;
    assert!(row("not-there", "queued")?);
    assert_eq!(manage(&["cache-clear", "--target", "queue"], "operators")?, "");
    assert!(!row("not-there", "queued")? && row("second", "cached")?);
    assert_eq!(manage(&["cache-clear"], "operators")?, "");
    assert!(!row("second", "cached")?);

    let wrong = manage(&["cache-list"], "somebody")?;
    assert!(wrong.contains("Invalid OpenStack Identity credentials"), "{wrong}");
    let log = service.log();
    assert!(!log.contains("operators"), "{log}");
    Ok(())
}
