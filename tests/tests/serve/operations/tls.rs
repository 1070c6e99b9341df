//! TLS on both sides: the service presents a certificate to clients, and verifies that of the upstream.

use image_cache::BuiltIn;
use image_cache_tests::http::{GlanceOrigin, Origin, get, reply};
use image_cache_tests::serving::{Service, Setup, refused, replace};
use image_cache_tests::{Tested, bytes, skip, until};
use rcgen::generate_simple_self_signed;
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

struct Identity {
    cert: PathBuf,
    key: PathBuf,
}

fn identity(setup: &Setup, name: &str) -> Tested<Identity> {
    let made = generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let cert = setup.file(&format!("{name}.cert"), &made.cert.pem());
    let key = setup.file(&format!("{name}.key"), &made.signing_key.serialize_pem());
    Ok(Identity { cert, key })
}

fn serve(setup: &Setup, upstream: &str, identity: &Identity) -> Tested<Service> {
    let mut command = setup.serving(upstream, &[]);
    command.arg("--tls-cert").arg(&identity.cert).arg("--tls-key").arg(&identity.key);
    Service::start(command)
}

/// The response that curl gets with this trusted certificate; none, with a message, if curl is not installed.
fn curl(trusted: &Path, url: &str) -> Option<Tested<Vec<u8>>> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--max-time", "60", "--cacert"]);
    match curl.arg(trusted).arg(url).output() {
        Ok(output) if output.status.success() => Some(Ok(output.stdout)),
        Ok(output) => Some(Err(String::from_utf8_lossy(&output.stderr).into())),
        Err(error) => {
            skip(&format!("TLS towards clients needs curl: {error}"));
            None
        }
    }
}

#[test]
fn clients_and_operators_are_served_over_tls_with_the_certificate_that_is_there_now() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    origin.put("one", bytes(1, 3_000_000));
    let (first, second) = (identity(&setup, "first")?, identity(&setup, "second")?);
    let service = serve(&setup, &origin.url(), &first)?;
    let image = format!("https://{}/v2/images/one/file", service.clients);
    let health = format!("https://{}/healthz", service.admin);
    for _ in 0..2 {
        let Some(came) = curl(&first.cert, &image) else { return Ok(()) };
        assert!(came? == bytes(1, 3_000_000));
    }
    assert!(curl(&first.cert, &health).ok_or("curl is there")?.is_ok());
    assert!(curl(&second.cert, &image).ok_or("curl is there")?.is_err());
    let plain = format!("http://{}/v2/images/one/file", service.clients);
    assert!(curl(&first.cert, &plain).ok_or("curl is there")?.is_err());

    // A key that does not match the certificate changes nothing.
    replace(&first.cert, &std::fs::read_to_string(&second.cert)?)?;
    service.signal(Signal::HUP)?;
    assert!(service.logs("does not go with"), "{}", service.log());
    let renewed = |trusted: &Path| curl(trusted, &health).is_some_and(|came| came.is_ok());
    assert!(!renewed(&second.cert));
    replace(&first.key, &std::fs::read_to_string(&second.key)?)?;
    service.signal(Signal::HUP)?;
    assert!(until(|| renewed(&second.cert)), "{}", service.log());
    Ok(())
}

#[test]
fn a_client_that_does_not_finish_its_greeting_is_not_waited_for() -> Tested {
    let setup = Setup::new();
    let identity = identity(&setup, "own")?;
    let mut command = setup.serving("http://127.0.0.1:9", &["--idle-timeout", "1s"]);
    command.arg("--tls-cert").arg(&identity.cert).arg("--tls-key").arg(&identity.key);
    let service = Service::start(command)?;
    for server in [service.clients, service.admin] {
        // No bytes, and the start of an incomplete handshake.
        for greeting in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
            let mut stream = TcpStream::connect(server)?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(greeting)?;
            assert_eq!(
                stream.read(&mut [0])?,
                0,
                "the connection is still open after five times 1 s"
            );
        }
    }
    Ok(())
}

#[test]
fn an_upstream_that_does_not_finish_its_greeting_is_not_waited_for() -> Tested {
    let setup = Setup::new();
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let upstream = format!("https://{}", silent.local_addr()?);
    let trusted = identity(&setup, "upstream")?.cert;
    let mut command = setup.serving(&upstream, &["--upstream-timeout", "1s"]);
    command.arg("--upstream-ca").arg(trusted);
    let service = Service::start(command)?;
    let begun = Instant::now();
    assert_eq!(get(service.clients, "/v2/images/one/file")?.status, 504);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    Ok(())
}

#[test]
fn an_upstream_is_trusted_only_by_its_certificate_authority() -> Tested {
    let (near, far) = (Setup::new(), Setup::new());
    let origin = GlanceOrigin::start();
    origin.put("one", bytes(1, 3_000_000));
    let (theirs, other) = (identity(&far, "theirs")?, identity(&far, "other")?);
    let upstream = serve(&far, &origin.url(), &theirs)?;
    let url = format!("https://localhost:{}", upstream.clients.port());
    for (ca, status) in [(&theirs.cert, 200), (&other.cert, 502)] {
        let mut command = near.serving(&url, &[]);
        command.arg("--upstream-ca").arg(ca);
        let service = Service::start(command)?;
        let answer = get(service.clients, "/v2/images/one/file")?;
        assert_eq!(answer.status, status, "{}", service.log());
        if status == 200 {
            assert!(answer.body == bytes(1, 3_000_000));
        }
    }
    Ok(())
}

#[test]
fn a_driver_is_fetched_over_tls_and_no_redirect_leads_away_from_it() -> Tested {
    let setup = Setup::new();
    let identity = identity(&setup, "own")?;
    let origin = Origin::new(|request, output| match &*request.target {
        "/gdsf.wasm" => reply(output, "200 OK", &[], BuiltIn::Gdsf.bytes()),
        "/moved.wasm" => {
            let host = request.header("host").unwrap_or_default().to_owned();
            let place = format!("http://{host}/gdsf.wasm");
            reply(output, "302 Found", &[("Location", &place)], b"")
        }
        _ => reply(output, "404 Not Found", &[], b""),
    });
    // It passes on what it does not know.
    let service = serve(&setup, &origin.url(), &identity)?;
    let config = setup.file("cache.toml", "image_cache_dir = \"cache\"\n");
    let add = |name: &str| {
        let url = format!("https://localhost:{}/{name}", service.clients.port());
        let mut command = setup.command(&["driver", "add", &url, "--yes", "--config"]);
        command.arg(&config).env("SSL_CERT_FILE", &identity.cert);
        command.output()
    };
    let refused = add("moved.wasm")?;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("the server redirects to http://"), "{said}");
    assert!(!refused.status.success() && !setup.path("drivers").exists());
    assert_eq!(std::fs::read_to_string(&config)?, "image_cache_dir = \"cache\"\n");
    let added = add("gdsf.wasm")?;
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    assert!(std::fs::read(setup.path("drivers/gdsf.wasm"))? == BuiltIn::Gdsf.bytes());
    Ok(())
}

#[test]
fn faulty_certificates_are_named() -> Tested {
    let setup = Setup::new();
    let (one, other) = (identity(&setup, "one")?, identity(&setup, "other")?);
    let text = setup.file("text", "no certificate");
    for (cert, key, words) in [
        (&one.cert, &other.key, "does not go with"),
        (&text, &one.key, "text holds no certificate"),
        (&one.cert, &text, "text"),
    ] {
        let mut command = setup.serving("http://127.0.0.1:9", &[]);
        command.arg("--tls-cert").arg(cert).arg("--tls-key").arg(key);
        let (code, said) = refused(command)?;
        assert!(code != Some(0) && said.contains(words), "{said}");
    }
    let mut command = setup.serving("https://127.0.0.1:9", &[]);
    command.arg("--upstream-ca").arg(&text);
    let (code, said) = refused(command)?;
    assert!(code != Some(0) && said.contains("text holds no certificate"), "{said}");
    Ok(())
}
