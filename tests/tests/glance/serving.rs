//! `image-cache serve` in front of a real Glance API, with real clients.

use image_cache_tests::glance::{GlanceApi, program, python};
use image_cache_tests::http::{Proxy, Response, begin, free_address, send};
use image_cache_tests::serving::{Service, Setup};
use image_cache_tests::{Tested, bytes, md5_hex, skip, until};
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::thread;

const MEMBER: [(&str, &str); 1] = [("X-Auth-Token", "member")];

/// One Glance for all tests, because it takes seconds to start. It ends with this process, because its input then ends.
pub fn glance() -> Tested<Option<&'static GlanceApi>> {
    static GLANCE: OnceLock<Result<Option<GlanceApi>, String>> = OnceLock::new();
    let started = GLANCE.get_or_init(|| GlanceApi::start().map_err(|error| error.to_string()));
    Ok(started.as_ref().map_err(Clone::clone)?.as_ref())
}

/// A service in front of Glance, with a proxy between them.
struct Front {
    glance: &'static GlanceApi,
    setup: Setup,
    proxy: Proxy,
    service: Service,
}

impl Front {
    /// None, with a message, if there is no Glance.
    fn start(arguments: &[&str]) -> Tested<Option<Front>> {
        let Some(glance) = glance()? else { return Ok(None) };
        let setup = Setup::new();
        let proxy = Proxy::to(glance.address())?;
        let service = setup.serve(&proxy.url(), arguments)?;
        Ok(Some(Front { glance, setup, proxy, service }))
    }

    fn url(&self) -> String {
        format!("http://{}", self.service.clients)
    }

    fn download(&self, id: &str, headers: &[(&str, &str)]) -> Tested<Response> {
        send(self.service.clients, "GET", &format!("/v2/images/{id}/file"), headers)
    }

    /// The number of requests to Glance for the whole data of an image.
    fn fetches(&self, id: &str) -> usize {
        self.proxy.requests(&format!("GET /v2/images/{id}/file "))
    }

    fn is_cached(&self, id: &str) -> bool {
        self.service.cached().contains(&id.to_owned())
    }

    /// Caches an image by downloading it.
    fn warm(&self, id: &str) -> Tested {
        let answer = self.download(id, &MEMBER)?;
        assert_eq!((answer.status, answer.header("x-cache")), (200, Some("miss")), "{answer:?}");
        assert!(until(|| self.is_cached(id)), "{}", self.service.log());
        Ok(())
    }
}

fn direct(server: SocketAddr, id: &str) -> Tested<Response> {
    send(server, "GET", &format!("/v2/images/{id}/file"), &MEMBER)
}

/// Runs a client; none, with a message, if it is not installed.
fn run(command: &mut Command) -> Option<Output> {
    match command.output() {
        Ok(output) => Some(output),
        Err(error) => {
            skip(&format!("{} does not run: {error}", command.get_program().display()));
            None
        }
    }
}

fn curl(arguments: &[&str], token: &str) -> Option<Output> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--max-time", "120"]);
    curl.arg("--header").arg(format!("X-Auth-Token: {token}"));
    run(curl.args(arguments))
}

#[test]
fn curl_gets_an_image_cold_and_warm_as_glance_sends_it_and_parts_of_it() -> Tested {
    let Some(front) = Front::start(&[])? else { return Ok(()) };
    let image = bytes(1, 3_000_000);
    let id = front.glance.add(&image)?;
    let url = format!("{}/v2/images/{id}/file", front.url());
    for _ in 0..2 {
        let Some(output) = curl(&[&url], "member") else { return Ok(()) };
        assert!(output.status.success(), "{output:?}");
        assert!(output.stdout == image);
        assert!(until(|| front.is_cached(&id)));
    }
    let (ours, theirs) = (front.download(&id, &MEMBER)?, direct(front.glance.address(), &id)?);
    assert_eq!(ours.header("x-cache"), Some("hit"));
    for header in ["content-length", "content-type", "content-md5"] {
        assert_eq!(ours.header(header), theirs.header(header), "{header}");
    }
    assert_eq!(theirs.header("content-md5"), Some(&*md5_hex(&image)));
    for (range, part) in [
        ("0-0", &image[..1]),
        ("1000000-2000000", &image[1_000_000..=2_000_000]),
        ("-500", &image[2_999_500..]),
        ("2999999-", &image[2_999_999..]),
    ] {
        let output = curl(&["--range", range, &url], "member").ok_or("curl was there")?;
        assert!(output.stdout == part, "{range}");
    }
    let unsatisfiable = [MEMBER[0], ("Range", "bytes=3000000-")];
    assert_eq!(front.download(&id, &unsatisfiable)?.status, 416);
    assert_eq!(front.fetches(&id), 1);
    Ok(())
}

#[test]
fn the_clients_of_openstack_download_cold_and_warm() -> Tested {
    let Some(front) = Front::start(&[])? else { return Ok(()) };
    let Some(python) = python() else { return Ok(()) };
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/glance/sdk.py");
    for client in ["glance", "sdk"] {
        let image = bytes(2, 2_000_000);
        let id = front.glance.add(&image)?;
        for _ in 0..2 {
            let file = front.setup.path("downloaded");
            let mut command = Command::new(&python);
            command.env("HOME", front.setup.path(""));
            if client == "sdk" {
                command.arg(&sdk).args([&front.url(), "member", &id]).arg(&file);
            } else {
                command.arg(program("glance").ok_or("it was installed")?);
                command.args(["--os-auth-token", "member", "--os-image-url", &front.url()]);
                command.args(["--os-auth-url", &front.url(), "image-download", "--file"]);
                command.arg(&file).arg(&id);
            }
            let output = command.output()?;
            assert!(output.status.success(), "{client}: {output:?}");
            assert!(std::fs::read(&file)? == image, "{client}");
            assert!(until(|| front.is_cached(&id)), "{client}");
        }
        assert_eq!(front.fetches(&id), 1, "{client}");
    }
    let hits = front.service.number(r#"image_cache_answers_total{cache="hit"}"#);
    assert_eq!(hits, Some(2.0));
    Ok(())
}

#[test]
fn many_clients_of_a_cold_image_share_one_download() -> Tested {
    let Some(front) = Front::start(&[])? else { return Ok(()) };
    let image = bytes(3, 8_000_000);
    let id = front.glance.add(&image)?;
    front.proxy.hold_after(2_000_000);
    let (server, path) = (front.service.clients, format!("/v2/images/{id}/file"));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            thread::spawn(move || send(server, "GET", &path, &MEMBER).map_err(|it| it.to_string()))
        })
        .collect();
    let asked = || {
        let record = format!("GET /v2/images/{id} ");
        front.proxy.requests(&record) == 8 && front.proxy.reached() > 0
    };
    assert!(until(asked), "{:?}", front.proxy.all_requests());
    front.proxy.release();
    for client in clients {
        let answer = client.join().map_err(|_| "it panicked")??;
        assert!(answer.status == 200 && answer.body == image, "{}", answer.status);
    }
    assert_eq!(front.fetches(&id), 1, "{:?}", front.proxy.all_requests());
    Ok(())
}

#[test]
fn a_client_that_glance_refuses_gets_no_image_from_the_cache() -> Tested {
    let Some(front) = Front::start(&[])? else { return Ok(()) };
    let id = front.glance.add(&bytes(4, 100_000))?;
    let leaver = [("X-Auth-Token", "leaver")];
    assert_eq!(front.download(&id, &leaver)?.status, 200);
    assert!(until(|| front.is_cached(&id)));
    assert_eq!(front.download(&id, &leaver)?.header("x-cache"), Some("hit"));
    front.glance.revoke("leaver")?;
    for headers in [&leaver[..], &[], &[("X-Auth-Token", "stranger")]] {
        let refused = front.download(&id, headers)?;
        assert_eq!(refused.status, 401);
        assert!(refused.body.len() < 1000);
    }
    // Other clients are served as before.
    assert_eq!(front.download(&id, &MEMBER)?.header("x-cache"), Some("hit"));

    front.glance.order("POST", &format!("/v2/images/{id}/actions/deactivate"))?;
    assert_eq!(front.download(&id, &MEMBER)?.status, 403);
    assert!(!front.is_cached(&id), "a deactivated image is evicted");
    front.glance.order("POST", &format!("/v2/images/{id}/actions/reactivate"))?;
    assert_eq!(front.download(&id, &MEMBER)?.header("x-cache"), Some("miss"));
    Ok(())
}

#[test]
fn an_image_that_was_deleted_is_not_served_any_more() -> Tested {
    let Some(front) = Front::start(&[])? else { return Ok(()) };
    let [there, through] =
        [front.glance.add(&bytes(5, 90_000))?, front.glance.add(&bytes(6, 90_000))?];
    front.warm(&there)?;
    front.warm(&through)?;
    front.glance.order("DELETE", &format!("/v2/images/{there}"))?;
    assert_eq!(front.download(&there, &MEMBER)?.status, 404);
    let admin = [("X-Auth-Token", "admin")];
    let alone = front.glance.alone();
    let deleted = send(front.service.clients, "DELETE", &format!("/v2/images/{through}"), &admin)?;
    drop(alone);
    assert_eq!(deleted.status, 204);
    assert!(!front.is_cached(&through), "by the answer it is gone");
    assert_eq!(front.download(&through, &MEMBER)?.status, 404);
    Ok(())
}

#[test]
fn an_image_with_a_wrong_checksum_is_never_complete() -> Tested {
    let Some(front) = Front::start(&[])? else { return Ok(()) };
    let image = bytes(7, 1_500_000);
    let id = front.glance.add(&image)?;
    let mut damaged = image.clone();
    damaged[700_000] ^= 1;
    std::fs::write(front.glance.stored(&id), &damaged)?;
    let url = format!("{}/v2/images/{id}/file", front.url());
    let Some(output) = curl(&[&url], "member") else { return Ok(()) };
    assert!(!output.status.success() && output.stdout.len() < image.len(), "{}", output.status);
    assert!(!front.is_cached(&id));
    assert!(until(|| front.service.number("image_cache_checksum_failures_total") == Some(1.0)));
    // After the repair it is served and cached.
    std::fs::write(front.glance.stored(&id), &image)?;
    assert!(front.download(&id, &MEMBER)?.body == image);
    assert!(until(|| front.is_cached(&id)));
    Ok(())
}

#[test]
fn an_interrupted_download_is_resumed_and_fails_if_glance_is_gone() -> Tested {
    let Some(front) = Front::start(&["--upstream-timeout", "5s"])? else { return Ok(()) };
    let image = bytes(8, 6_000_000);
    let id = front.glance.add(&image)?;
    front.proxy.cut_after(2_500_000);
    let answer = front.download(&id, &MEMBER)?;
    assert!(answer.status == 200 && answer.body == image, "{}", front.service.log());
    assert!(until(|| front.is_cached(&id)));
    let resumed = front.proxy.all_requests();
    assert!(resumed.iter().any(|it| it.contains(&id) && it.contains("range:")), "{resumed:?}");

    let other = front.glance.add(&image)?;
    front.proxy.release();
    front.proxy.hold_after(2_500_000);
    let path = format!("/v2/images/{other}/file");
    let mut client = begin(front.service.clients, "GET", &path, &MEMBER)?;
    let mut came = vec![0; 100_000];
    client.read_exact(&mut came)?;
    front.proxy.go_down();
    front.proxy.cut_after(2_500_000);
    let _ = client.read_to_end(&mut came);
    assert!(Response::parse(&came)?.body.len() < image.len(), "no whole image");
    assert!(!front.is_cached(&other));
    assert_eq!(front.download(&other, &MEMBER)?.status, 502);
    front.proxy.release();
    assert!(front.download(&other, &MEMBER)?.body == image, "Glance is back");
    Ok(())
}

#[test]
fn the_last_client_that_leaves_ends_the_download() -> Tested {
    let Some(front) = Front::start(&[])? else { return Ok(()) };
    let id = front.glance.add(&bytes(9, 6_000_000))?;
    front.proxy.hold_after(2_000_000);
    let path = format!("/v2/images/{id}/file");
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = begin(front.service.clients, "GET", &path, &MEMBER)?;
        client.read_exact(&mut [0; 1000])?;
        clients.push(client);
    }
    let running = || front.service.number("image_cache_fills_in_flight");
    assert_eq!(running(), Some(1.0));
    clients.pop();
    assert!(front.service.logs("the client left"));
    assert_eq!(running(), Some(1.0), "one is left");
    clients.pop();
    assert!(until(|| running() == Some(0.0)), "{}", front.service.log());
    assert!(until(|| front.setup.names("incomplete").is_empty()));
    assert!(!front.is_cached(&id));
    front.proxy.release();
    front.warm(&id)
}

/// Serves a folder like a mirror: with Last-Modified, and without ranges.
struct Mirror(std::process::Child);

impl Mirror {
    fn of(folder: &Path) -> Tested<(Mirror, String)> {
        let address = free_address()?;
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let mut python = Command::new("python3");
        python.args(["-m", "http.server", &port, "--bind", &host, "--directory"]).arg(folder);
        python.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mirror = Mirror(python.spawn()?);
        assert!(until(|| std::net::TcpStream::connect(address).is_ok()));
        Ok((mirror, format!("http://{address}")))
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn qemu_reads_a_qcow2_over_http_from_it() -> Tested {
    let setup = Setup::new();
    let folder = setup.path("mirror");
    std::fs::create_dir(&folder)?;
    let (raw, image) = (folder.join("disk.raw"), folder.join("disk.qcow2"));
    std::fs::write(&raw, bytes(10, 8 << 20))?;
    let mut convert = Command::new("qemu-img");
    convert.args(["convert", "-f", "raw", "-O", "qcow2"]).args([&raw, &image]);
    let Some(made) = run(&mut convert) else { return Ok(()) };
    assert!(made.status.success(), "{made:?}");
    let (_mirror, url) = Mirror::of(&folder)?;
    let service = setup.serve(&url, &["--profile", "plain"])?;
    let url = format!("http://{}/disk.qcow2", service.clients);
    let qemu_img =
        |arguments: &[&str]| run(Command::new("timeout").args(["60", "qemu-img"]).args(arguments));
    let answer = send(service.clients, "GET", "/disk.qcow2", &[])?;
    assert!(answer.body == std::fs::read(&image)?);
    assert!(until(|| service.cached() == ["disk.qcow2"]), "{}", service.log());
    let Some(told) = qemu_img(&["info", "--output=json", &url]) else { return Ok(()) };
    let said = String::from_utf8_lossy(&told.stderr);
    if ["Unknown protocol", "Unknown driver", "qemu-block-extra"].iter().any(|it| said.contains(it))
    {
        skip("qemu-img cannot read over HTTP: install qemu-block-extra");
        return Ok(());
    }
    assert!(told.status.success(), "{said}");
    let told: serde_json::Value = serde_json::from_slice(&told.stdout)?;
    assert_eq!((&told["format"], &told["virtual-size"]), (&"qcow2".into(), &(8 << 20).into()));
    let copy = setup.path("copy.raw");
    let into = copy.to_string_lossy();
    // One request at a time: with several, qemu-img 7.2 sometimes stops reading its connections although all responses have
    // arrived (about one run in ten; also with nginx alone).
    let convert = ["convert", "-m", "1", "-O", "raw", &url, &into];
    let Some(converted) = qemu_img(&convert) else { return Ok(()) };
    assert!(converted.status.success(), "{converted:?}");
    assert!(std::fs::read(&copy)? == bytes(10, 8 << 20));
    assert!(service.number(r#"image_cache_answers_total{cache="hit"}"#) >= Some(2.0));
    Ok(())
}
