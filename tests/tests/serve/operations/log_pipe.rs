//! No process reads standard error or standard output: this blocks nothing.

use image_cache_tests::http::{GlanceOrigin, free_address, get};
use image_cache_tests::serving::{Setup, read_address};
use image_cache_tests::{Tested, bytes, until};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, BufReader, PipeReader, PipeWriter, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A full pipe.
fn full_pipe() -> Tested<(PipeReader, PipeWriter)> {
    let (reader, mut writer) = io::pipe()?;
    let flags = fcntl_getfl(&writer)?;
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK)?;
    while writer.write(&[b'.'; 4096]).is_ok() {}
    fcntl_setfl(&writer, flags)?;
    Ok((reader, writer))
}

/// A service whose standard error is a pipe that the test can read.
fn start(mut command: Command) -> Tested<(Child, SocketAddr)> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut output = BufReader::new(child.stdout.take().ok_or("it is piped")?);
    let address = read_address(&mut output, "listening on ")?;
    thread::spawn(move || io::copy(&mut output, &mut io::sink()));
    Ok((child, address))
}

/// Makes this number of requests, each with a long line in the log.
fn fill_the_log(server: SocketAddr) -> Tested {
    let path = format!("/v2/images/{}", "x".repeat(2000));
    for _ in 0..900 {
        get(server, &path)?;
    }
    Ok(())
}

fn ends(child: &mut Child) -> Option<std::process::ExitStatus> {
    let mut ended = None;
    until(|| {
        ended = child.try_wait().ok().flatten();
        ended.is_some()
    });
    let _ = child.kill();
    ended
}

fn terminate(child: &Child) -> Tested {
    let pid = Pid::from_raw(i32::try_from(child.id())?).ok_or("it has a process id")?;
    Ok(kill_process(pid, Signal::TERM)?)
}

#[test]
fn an_unread_log_blocks_neither_the_service_nor_its_stop() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let image = bytes(1, 2_000_000);
    origin.put("one", image.clone());
    let (mut child, server) = start(setup.serving(&origin.url(), &[]))?;
    fill_the_log(server)?;
    assert!(get(server, "/v2/images/one/file")?.body == image);
    terminate(&child)?;
    let status = ends(&mut child).ok_or("SIGTERM does not end it")?;
    assert!(status.success(), "{status}");
    assert!(setup.names("incomplete").is_empty());
    Ok(())
}

#[test]
fn a_log_that_is_read_again_says_how_many_lines_were_dropped() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    for format in ["text", "json"] {
        let (mut child, server) = start(setup.serving(&origin.url(), &["--log-format", format]))?;
        fill_the_log(server)?;
        let mut errors = child.stderr.take().ok_or("it is piped")?;
        let log = Arc::<Mutex<Vec<u8>>>::default();
        let theirs = Arc::clone(&log);
        thread::spawn(move || {
            let mut room = [0; 4096];
            while let Ok(count @ 1..) = errors.read(&mut room) {
                let mut log = theirs.lock().unwrap_or_else(PoisonError::into_inner);
                log.extend_from_slice(&room[..count]);
            }
        });
        let read = || {
            let log = log.lock().unwrap_or_else(PoisonError::into_inner);
            String::from_utf8_lossy(&log).into_owned()
        };
        assert!(until(|| read().contains("log lines were dropped")), "{}", read().len());
        assert_eq!(get(server, "/v2/images/afterwards")?.status, 404);
        assert!(until(|| read().contains("afterwards")), "what comes now is logged");
        if format == "json" {
            let log = read();
            let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
            for line in whole.lines() {
                serde_json::from_str::<serde_json::Value>(line)?;
            }
        }
        terminate(&child)?;
        ends(&mut child).ok_or("it does not end")?;
    }
    Ok(())
}

#[test]
fn a_command_with_an_unread_standard_error_ends() -> Tested {
    let setup = Setup::new();
    let (_reader, writer) = full_pipe()?;
    let mut child =
        setup.command(&["show", "nosuch"]).stderr(writer).stdout(Stdio::null()).spawn()?;
    let status = ends(&mut child).ok_or("it does not end")?;
    assert_eq!(status.code(), Some(3));
    Ok(())
}

#[test]
fn a_service_with_an_unread_standard_output_serves() -> Tested {
    let setup = Setup::new();
    let origin = GlanceOrigin::start();
    let free = free_address()?;
    let (_reader, writer) = full_pipe()?;
    let mut command =
        setup.command(&["serve", "--upstream", &origin.url(), "--admin-listen", "none"]);
    command.arg("--listen").arg(free.to_string()).stdout(writer).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let listens = until(|| TcpStream::connect(free).is_ok());
    let answer = get(free, "/v2/images/nosuch").map(|answer| answer.status);
    terminate(&child)?;
    let status = ends(&mut child).ok_or("it does not end")?;
    assert!(listens && status.success(), "{status}");
    assert_eq!(answer?, 404);
    Ok(())
}
