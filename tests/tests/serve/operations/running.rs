//! Starting, reloading and stopping, and the limits on clients.

use image_cache_tests::http::{GlanceOrigin, Response, begin, connect, get, read_to_close};
use image_cache_tests::serving::{Service, Setup, read_address, refused};
use image_cache_tests::{Tested, bytes, until};
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// Reads until this number of bytes, or the end.
fn read_some(stream: &mut TcpStream, count: usize) -> Tested<Vec<u8>> {
    let mut came = Vec::new();
    stream.take(count as u64).read_to_end(&mut came)?;
    Ok(came)
}

#[test]
fn a_stop_finishes_the_answers_that_have_begun_and_leaves_nothing_incomplete() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let image = bytes(1, 5_000_000);
    origin.put("one", image.clone());
    origin.hold("one");
    let mut service = setup.serve(&origin.url(), &[])?;
    let mut client = begin(service.clients, "GET", "/v2/images/one/file", &[])?;
    let mut came = read_some(&mut client, 100_000)?;
    // This connection is idle, and the stop does not wait for it.
    let idle = connect(service.clients)?;
    service.signal(Signal::TERM)?;
    assert!(until(|| TcpStream::connect(service.clients).is_err()), "no new clients");
    origin.release("one");
    client.read_to_end(&mut came)?;
    let answer = Response::parse(&came)?;
    assert!(answer.status == 200 && answer.body == image, "the whole image");
    let status = service.wait()?;
    assert!(status.success(), "{status}: {}", service.log());
    drop(idle);
    assert!(setup.names("incomplete").is_empty() && setup.names("invalid").is_empty());
    assert!(setup.run(&["list"])?.contains("one"), "and it is cached");
    Ok(())
}

#[test]
fn a_stop_aborts_slow_responses_in_time_and_a_second_signal_at_once() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    origin.put("one", bytes(1, 5_000_000));
    origin.hold("one");
    for (within, signals) in [("300ms", 1), ("1h", 2)] {
        let mut service = setup.serve(&origin.url(), &["--stop-within", within])?;
        let mut client = begin(service.clients, "GET", "/v2/images/one/file", &[])?;
        let mut came = read_some(&mut client, 100_000)?;
        for n in 0..signals {
            service.signal(Signal::TERM)?;
            assert!(until(|| service.log().matches("stopping").count() > n), "{}", service.log());
        }
        let status = service.wait()?;
        assert!(status.success(), "{status}: {}", service.log());
        // The client gets an error in some form, and never a complete image.
        let _ = client.read_to_end(&mut came);
        assert!(Response::parse(&came)?.body.len() < 5_000_000);
        assert!(setup.names("incomplete").is_empty(), "{within}");
    }
    Ok(())
}

#[test]
fn a_stop_amid_a_prefetch_keeps_the_queue_and_leaves_nothing_incomplete() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    origin.put("one", bytes(1, 5_000_000));
    origin.hold("one");
    let service = setup.serve(&origin.url(), &[])?;
    service.manage("PUT", "/v2/cache/one")?;
    assert!(until(|| origin.sending() == ["one"]));
    let (status, log) = service.stop()?;
    assert!(status.success(), "{status}: {log}");
    assert!(setup.names("incomplete").is_empty(), "{log}");
    assert_eq!(setup.names("queue"), ["one"]);
    Ok(())
}

#[test]
fn systemd_is_notified_of_start_reload_and_stop() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let path = setup.path("notify");
    let socket = UnixDatagram::bind(&path)?;
    socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    let hears = || -> Tested<String> {
        let mut message = [0; 1024];
        let count = socket.recv(&mut message)?;
        Ok(String::from_utf8_lossy(&message[..count]).into_owned())
    };
    let mut command = setup.serving(&origin.url(), &[]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "600000");
    let mut service = Service::start(command)?;
    assert_eq!(hears()?, "READY=1\n");
    assert_eq!(hears()?, "WATCHDOG=1\n");
    let next = |words: &str| -> Tested<String> {
        loop {
            let heard = hears()?;
            if !heard.contains("WATCHDOG") || words == "WATCHDOG" {
                return Ok(heard);
            }
        }
    };
    service.signal(Signal::HUP)?;
    let reloading = next("RELOADING")?;
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(next("READY")?, "READY=1\n");
    service.signal(Signal::TERM)?;
    assert_eq!(next("STOPPING")?, "STOPPING=1\n");
    assert!(service.wait()?.success());
    Ok(())
}

#[test]
fn a_head_that_is_too_large_is_refused() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    origin.put("one", bytes(1, 10));
    let service = setup.serve(&origin.url(), &["--max-head", "16 KiB"])?;
    for (length, status) in [(8 * 1024, 200), (32 * 1024, 431)] {
        let long = "x".repeat(length);
        let headers = [("X-Long", &*long)];
        for server in [service.clients, service.admin] {
            let mut stream = begin(server, "GET", "/v2/images/one/file", &headers)?;
            let mut answer = Vec::new();
            // If the service does not read the whole header, the connection may be reset after its response.
            let _ = stream.read_to_end(&mut answer);
            let expected = if server == service.admin && status == 200 { 404 } else { status };
            assert_eq!(Response::parse(&answer)?.status, expected, "{length}");
        }
    }
    Ok(())
}

#[test]
fn more_connections_than_there_may_be_wait_until_one_ends() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let service = setup.serve(&origin.url(), &["--max-connections", "2"])?;
    let held = [connect(service.clients)?, connect(service.clients)?];
    let mut third = begin(service.clients, "GET", "/v2/images/a", &[])?;
    third.set_read_timeout(Some(Duration::from_millis(700)))?;
    assert!(third.read(&mut [0]).is_err(), "it has to wait");
    assert!(origin.requests().is_empty());
    third.set_read_timeout(Some(Duration::from_secs(60)))?;
    drop(held);
    assert_eq!(read_to_close(third)?.status, 404);
    Ok(())
}

#[test]
fn clients_that_say_nothing_send_nothing_or_take_nothing_are_cut_off() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    origin.put("one", bytes(1, 64_000_000));
    let timeouts = ["--idle-timeout", "1s", "--body-timeout", "1s"];
    let service = setup.serve(&origin.url(), &timeouts)?;
    let upload = "PUT /v2/images/two/file HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf";
    for said in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: x\r\n", upload] {
        let mut client = connect(service.clients)?;
        client.write_all(said.as_bytes())?;
        // Nothing or a refusal, and then the end.
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("200 OK"), "{said:?}: {answer}");
    }
    // A persistent connection, and then silence.
    let mut client = connect(service.clients)?;
    client.write_all(b"GET /v2/images/nosuch HTTP/1.1\r\nHost: x\r\n\r\n")?;
    assert_eq!(read_to_close(client)?.status, 404);

    let mut client = begin(service.clients, "GET", "/v2/images/one/file", &[])?;
    read_some(&mut client, 1000)?;
    assert!(service.logs("a connection broke off") || service.logs("the client left"));
    assert!(until(|| service.log().contains("the client left")), "{}", service.log());
    // The other clients are served nevertheless.
    assert_eq!(get(service.clients, "/v2/images/nosuch")?.status, 404);
    Ok(())
}

#[test]
fn wrong_options_are_refused_with_the_accepted_values() -> Tested {
    let setup = Setup::new();
    let missing = setup.path("nosuch").display().to_string();
    for (option, value, words) in [
        ("--max-connections", "0", "1..=1000000"),
        ("--max-head", "1 KiB", "8 KiB to 16 MiB"),
        ("--idle-timeout", "0", "more than 0 seconds"),
        ("--body-timeout", "soon", "seconds"),
        ("--prefetch-at-once", "65", "0..=64"),
        ("--prune-every", "-1", "seconds"),
        ("--tls-cert", "cert.pem", "--tls-key"),
        ("--upstream", "ftp://host", "http://"),
        ("--admin-token-file", &missing, "nosuch"),
        ("--prefetch-credentials-file", &missing, "nosuch"),
        ("--admin-listen", "localhost", "HOST:PORT"),
        ("--listen", "9293", "HOST:PORT"),
        ("--upstream-timeout", "0", "more than 0 seconds"),
        ("--upstream", "http://127.0.0.1:99999", "http://HOST[:PORT]"),
        ("--admin-listen", "0.0.0.0:0", "--admin-token-file"),
    ] {
        let mut command = setup.command(&["serve"]);
        if option != "--listen" {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        if option != "--upstream" {
            command.args(["--upstream", "http://127.0.0.1:9"]);
        }
        if option != "--admin-listen" {
            command.args(["--admin-listen", "127.0.0.1:0"]);
        }
        command.arg(format!("{option}={value}"));
        let (code, said) = refused(command)?;
        assert_eq!(code, Some(2), "{option}: {said}");
        assert!(said.contains(words), "{option}: {said}");
    }
    Ok(())
}

#[test]
fn the_admin_listener_can_be_left_out() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let command = setup.serving(&origin.url(), &["--admin-listen", "none"]);
    let mut child = { command }.stdout(std::process::Stdio::piped()).spawn()?;
    let mut output = BufReader::new(child.stdout.take().ok_or("it is piped")?);
    let clients = read_address(&mut output, "listening on ")?;
    let answer = get(clients, "/v2/cache");
    child.kill()?;
    child.wait()?;
    assert_eq!(answer?.header("x-other"), Some("yes"), "the upstream's answer");
    assert_eq!(output.lines().next().transpose()?, None);
    Ok(())
}
