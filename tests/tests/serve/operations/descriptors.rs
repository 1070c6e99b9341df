//! Many clients with few file descriptors: they may wait, but no response is truncated.

use image_cache_tests::http::{GlanceOrigin, Response, begin, connect, get, read_to_close};
use image_cache_tests::serving::{Service, Setup};
use image_cache_tests::{Tested, bytes, skip, until};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// The same command with a limit of this number of descriptors, which it cannot raise.
fn limited(command: &Command, descriptors: u32) -> Command {
    let mut limited = Command::new("sh");
    let script = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"");
    limited.env_clear().args(["-c", &script]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        limited.env(name, value.unwrap_or_default());
    }
    limited
}

/// Whether this program itself can have this number of clients.
fn has_descriptors_for(clients: u64) -> bool {
    let (known, wanted) = (getrlimit(Resource::Nofile), clients + 300);
    let current = Some(known.maximum.unwrap_or(wanted).min(wanted));
    if known.current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum: known.maximum });
    }
    let enough = getrlimit(Resource::Nofile).current.is_none_or(|current| current >= wanted);
    if !enough {
        skip("this machine has too few file descriptors for this number of clients");
    }
    enough
}

/// Reads an image on a persistent connection, and then keeps it open until it is closed, or for a given time.
fn read_and_hold(server: SocketAddr, size: usize, hold: Duration) -> Tested<Vec<u8>> {
    let mut stream = connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(240)))?;
    stream.write_all(b"GET /v2/images/one/file HTTP/1.1\r\nHost: images.example\r\n\r\n")?;
    let mut came = Vec::with_capacity(size + 1000);
    let mut room = vec![0; 64 * 1024];
    while Response::parse(&came).map_or(0, |answer| answer.body.len()) < size {
        match stream.read(&mut room)? {
            0 => break,
            count => came.extend_from_slice(&room[..count]),
        }
    }
    stream.set_read_timeout(Some(hold))?;
    let _ = stream.read(&mut room);
    Ok(Response::parse(&came)?.body)
}

fn all_clients_are_served(descriptors: u32, clients: usize, hold: Duration) -> Tested {
    let setup = Setup::new();
    if !has_descriptors_for(clients as u64) {
        return Ok(());
    }
    let origin = GlanceOrigin::start();
    let image = bytes(1, 1_500_000);
    origin.put("one", image.clone());
    let serving = setup.serving(&origin.url(), &["--authorise", "never"]);
    let service = Service::start(limited(&serving, descriptors))?;
    assert_eq!(get(service.clients, "/v2/images/one/file")?.status, 200);
    assert!(until(|| service.cached() == ["one"]), "{}", service.log());
    let server = service.clients;
    let threads: Vec<_> = (0..clients)
        .map(|_| {
            let client = thread::Builder::new().stack_size(256 * 1024);
            client.spawn(move || read_and_hold(server, 1_500_000, hold).map_err(|e| e.to_string()))
        })
        .collect::<Result<_, _>>()?;
    let mut failed = Vec::new();
    for client in threads {
        match client.join().map_err(|_| "a client panicked")? {
            Ok(body) if body == image => {}
            Ok(body) => failed.push(format!("{} bytes", body.len())),
            Err(error) => failed.push(error),
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {clients} failed: {failed:?}: {}",
        failed.len(),
        service.log()
    );
    assert!(!service.log().contains("Too many open files"), "{}", service.log());
    assert_eq!(origin.fetched().len(), 1, "and none of them caused a request to the upstream");
    let limit = service.number("image_cache_descriptors_limit");
    assert_eq!(limit, Some(f64::from(descriptors)));
    assert!(service.number("image_cache_descriptors_in_use") < limit);
    Ok(())
}

#[test]
fn seven_hundred_clients_of_a_cached_image_are_served_with_1024_descriptors() -> Tested {
    all_clients_are_served(1024, 700, Duration::from_secs(5))
}

#[test]
fn seven_hundred_clients_of_a_cached_image_are_served_with_64_descriptors() -> Tested {
    all_clients_are_served(64, 700, Duration::from_secs(5))
}

#[test]
fn the_responses_of_a_shared_fetch_are_complete_with_64_descriptors() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let image = bytes(1, 4_000_000);
    origin.put("one", image.clone());
    origin.hold("one");
    let serving = setup.serving(&origin.url(), &["--authorise", "never"]);
    let service = Service::start(limited(&serving, 64))?;
    let server = service.clients;
    let clients: Vec<_> = (0..40)
        .map(|_| {
            thread::spawn(move || {
                get(server, "/v2/images/one/file").map_err(|error| error.to_string())
            })
        })
        .collect();
    assert!(until(|| origin.sending() == ["one"]));
    assert!(until(|| service
        .number("image_cache_connections{listener=\"clients\",state=\"waiting\"}")
        == Some(1.0)));
    origin.release("one");
    for client in clients {
        let answer = client.join().map_err(|_| "a client panicked")??;
        assert!(answer.status == 200 && answer.body == image, "{} bytes", answer.body.len());
    }
    assert_eq!(origin.fetched().len(), 1);
    assert!(!service.log().contains("Too many open files"), "{}", service.log());
    Ok(())
}

#[test]
fn the_soft_limit_of_descriptors_is_raised_to_the_hard_one() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let mut command = limited(&setup.serving(&origin.url(), &[]), 1000);
    let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let script =
        args[1].to_string_lossy().replace("ulimit -n 1000", "ulimit -n 1000; ulimit -Sn 100");
    let envs: Vec<_> =
        command.get_envs().map(|(n, v)| (n.to_owned(), v.map(ToOwned::to_owned))).collect();
    command = Command::new("sh");
    command.env_clear().arg("-c").arg(script).args(&args[2..]);
    command.envs(envs.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let service = Service::start(command)?;
    assert_eq!(service.number("image_cache_descriptors_limit"), Some(1000.0));
    Ok(())
}

#[test]
fn an_idle_connection_makes_room_for_the_next_client_and_a_busy_one_does_not() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let image = bytes(1, 5_000_000);
    origin.put("one", image.clone());
    origin.hold("one");
    let service = setup.serve(&origin.url(), &["--max-connections", "2"])?;
    let busy = begin(service.clients, "GET", "/v2/images/one/file", &[])?;
    assert!(until(|| origin.sending() == ["one"]));
    let mut idle = connect(service.clients)?;
    idle.write_all(b"GET /v2/images/nosuch HTTP/1.1\r\nHost: x\r\n\r\n")?;
    let mut answer = Vec::new();
    // Its response, and later the end.
    let third = thread::spawn({
        let server = service.clients;
        move || get(server, "/v2/images/nosuch").map_err(|error| error.to_string())
    });
    idle.read_to_end(&mut answer)?;
    assert_eq!(Response::parse(&answer)?.status, 404);
    assert_eq!(third.join().map_err(|_| "it panicked")??.status, 404);
    let closed = "image_cache_idle_connections_closed_total{listener=\"clients\"}";
    assert_eq!(service.number(closed), Some(1.0));
    origin.release("one");
    assert!(read_to_close(busy)?.body == image);
    Ok(())
}

#[test]
fn a_client_that_has_said_all_and_closes_its_half_gets_its_answer() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let image = bytes(1, 5_000_000);
    origin.put("one", image.clone());
    origin.hold("one");
    let service = setup.serve(&origin.url(), &[])?;
    let client: TcpStream = begin(service.clients, "GET", "/v2/images/one/file", &[])?;
    client.shutdown(Shutdown::Write)?;
    assert!(until(|| origin.sending() == ["one"]));
    thread::sleep(Duration::from_millis(300));
    origin.release("one");
    let answer = read_to_close(client)?;
    assert!(answer.status == 200 && answer.body == image, "{}", answer.body.len());
    // And a client whose image is cached.
    let client = begin(service.clients, "GET", "/v2/images/one/file", &[])?;
    client.shutdown(Shutdown::Write)?;
    assert!(read_to_close(client)?.body == image);
    Ok(())
}

#[test]
fn a_client_that_connects_without_a_free_descriptor_is_served_when_there_is_one() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let image = bytes(1, 100_000);
    origin.put("one", image.clone());
    let service = setup.serve(&origin.url(), &["--authorise", "never"])?;
    assert_eq!(get(service.clients, "/v2/images/one/file")?.status, 200);
    assert!(until(|| service.cached() == ["one"]));
    let pid = Pid::from_raw(i32::try_from(service.pid())?);
    let none = Rlimit { current: Some(3), maximum: getrlimit(Resource::Nofile).maximum };
    let usual = prlimit(pid, Resource::Nofile, none)?;
    let client = begin(service.clients, "GET", "/v2/images/one/file", &[])?;
    let operator = begin(service.admin, "GET", "/healthz", &[])?;
    assert!(until(|| service.log().matches("cannot accept a connection").count() == 2));
    prlimit(pid, Resource::Nofile, usual)?;
    assert!(read_to_close(client)?.body == image);
    assert_eq!(read_to_close(operator)?.status, 200);
    assert_eq!(get(service.clients, "/v2/images/one/file")?.status, 200);
    Ok(())
}
