//! A service that has reached its connection limit: clients may wait, but no connection is reset.

use image_cache_tests::http::{GlanceOrigin, Response, begin, connect};
use image_cache_tests::serving::Setup;
use image_cache_tests::{Tested, bytes, until};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

/// More clients than fit into the queue of the standard library's listeners: the kernel would reset the others.
const WAITING: usize = 300;

#[test]
fn hundreds_of_clients_that_wait_for_room_are_connected_and_then_served() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let image = bytes(1, 20_000);
    origin.put("one", image.clone());
    origin.hold("one");
    let args = ["--authorise", "never", "--max-connections", "1"];
    let service = setup.serve(&origin.url(), &args)?;
    let busy = begin(service.clients, "GET", "/v2/images/one/file", &[])?;
    assert!(until(|| origin.sending() == ["one"]));
    let mut waiting = vec![busy];
    for number in 0..WAITING {
        let connected = TcpStream::connect_timeout(&service.clients, Duration::from_millis(900));
        let mut client = connected.map_err(|error| format!("client {number}: {error}"))?;
        client.set_read_timeout(Some(Duration::from_secs(60)))?;
        client.write_all(
            b"GET /v2/images/one/file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        )?;
        waiting.push(client);
    }
    origin.release("one");
    for mut client in waiting {
        let mut came = Vec::new();
        client.read_to_end(&mut came)?;
        assert!(Response::parse(&came)?.body == image);
    }
    assert_eq!(origin.fetched().len(), 1);
    Ok(())
}

#[test]
fn a_client_whose_request_arrives_when_its_connection_is_closed_sees_the_end_and_no_reset() -> Tested
{
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let service = setup.serve(&origin.url(), &["--max-connections", "1"])?;
    let mut slow = connect(service.clients)?;
    assert!(until(|| {
        let idle = "image_cache_connections{listener=\"clients\",state=\"idle\"}";
        service.number(idle) == Some(1.0)
    }));
    let mut next = begin(service.clients, "GET", "/v2/images/nosuch", &[])?;
    // It is closed after five seconds without a request.
    let closed = "image_cache_idle_connections_closed_total{listener=\"clients\"}";
    assert!(until(|| service.number(closed) == Some(1.0)));
    slow.write_all(b"GET /v2/images/nosuch HTTP/1.1\r\nHost: x\r\n\r\n")?;
    thread::sleep(Duration::from_millis(200));
    slow.write_all(b"\r\n")?;
    let mut came = Vec::new();
    assert_eq!(slow.read_to_end(&mut came)?, 0, "it was closed before its request came");
    drop(slow);
    next.read_to_end(&mut came)?;
    assert_eq!(Response::parse(&came)?.status, 404);
    Ok(())
}

#[test]
fn clients_that_send_their_request_late_are_served_by_a_service_without_room() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let args = ["--max-connections", "2", "--idle-timeout", "3s"];
    let service = setup.serve(&origin.url(), &args)?;
    let server = service.clients;
    let clients: Vec<_> = (0..20)
        .map(|_| {
            thread::spawn(move || -> Result<u16, String> {
                let served = || -> Tested<u16> {
                    let mut client = connect(server)?;
                    thread::sleep(Duration::from_millis(200));
                    client.write_all(b"GET /v2/images/nosuch HTTP/1.1\r\nHost: x\r\n\r\n")?;
                    let mut came = Vec::new();
                    client.read_to_end(&mut came)?;
                    Ok(Response::parse(&came)?.status)
                };
                served().map_err(|error| error.to_string())
            })
        })
        .collect();
    for client in clients {
        assert_eq!(client.join().map_err(|_| "a client panicked")??, 404);
    }
    Ok(())
}
