//! `--record`: the trace of the clients' requests, and the log, which is a trace as well.

use image_cache_tests::http::{Origin, Request, reply_with_file};
use image_cache_tests::serving::Setup;
use image_cache_tests::{Tested, bytes, until};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

const NEVER: [&str; 4] = ["--profile", "plain", "--authorise", "never"];

fn server(image: &[u8]) -> Origin {
    let image = image.to_vec();
    let fields = [("Cache-Control", "max-age=600"), ("ETag", "\"a\"")];
    Origin::new(move |request: &Request, output| reply_with_file(request, output, &fields, &image))
}

/// Requests of three images and of other things, and the trace of them.
fn recorded(more: &[&str]) -> Tested<(Setup, String)> {
    let image = bytes(3, 1000);
    let (origin, setup) = (server(&image), Setup::new());
    let file = setup.dir().with_file_name("trace.csv");
    let file_text = file.to_str().ok_or("a plain path")?.to_owned();
    let arguments = [&NEVER[..], &["--record", &file_text], more].concat();
    let service = setup.serve(&origin.url(), &arguments)?;
    let get = |path: &str, fields: &[(&str, &str)]| {
        image_cache_tests::http::send(service.clients, "GET", path, fields)
    };
    for path in ["/a", "/b?x=1", "/a", "/signed?token=swordfish", "/a,b"] {
        assert_eq!(get(path, &[])?.status, 200, "{path}");
    }
    assert_eq!(get("/a", &[("Range", "bytes=10-19")])?.status, 206);
    assert_eq!(get("/a", &[("Authorization", "Basic xyz")])?.status, 200);
    image_cache_tests::http::send(service.clients, "HEAD", "/a", &[])?;
    service.manage("GET", "/v2/cached_images")?;
    let (status, _) = service.stop()?;
    assert!(status.success());
    // The writer has one second after the last request.
    assert!(until(|| fs::read_to_string(&file).is_ok_and(|text| text.lines().count() >= 6)));
    Ok((setup, fs::read_to_string(file)?))
}

#[test]
fn requests_of_images_are_recorded_and_can_be_simulated() -> Tested {
    let (setup, trace) = recorded(&[])?;
    let lines: Vec<&str> = trace.lines().collect();
    let without_time = |line: &&str| line.split_once(',').map(|(_, rest)| rest.to_owned());
    let requests: Vec<_> = lines[1..].iter().filter_map(without_time).collect();
    assert_eq!(lines[0], "time,id,size");
    assert_eq!(requests, ["/a,1000", "/b?x=1,1000", "/a,1000", "\"/a,b\",1000", "/a,1000"]);
    let file = setup.dir().with_file_name("trace.csv");
    let file = file.to_str().ok_or("a plain path")?;
    let json = setup.run(&[
        "--format",
        "json",
        "driver",
        "simulate",
        "sqlite",
        "--trace",
        file,
        "--size",
        "2000",
        "--references",
        "lru",
    ])?;
    let results: serde_json::Value = serde_json::from_str(&json)?;
    for result in results.as_array().ok_or("a list")? {
        assert_eq!((&result["requests"], &result["hits"]), (&5.into(), &2.into()), "{result}");
    }
    Ok(())
}

#[test]
fn recorded_paths_can_be_hashed_and_a_trace_is_continued() -> Tested {
    let (setup, trace) = recorded(&["--record-hashed"])?;
    assert!(!trace.contains("/a") && !trace.contains("/b"), "{trace}");
    let ids: Vec<_> = trace.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
    assert!(ids.iter().all(|id| id.len() == 32), "{trace}");
    assert_eq!((ids[0], ids[0]), (ids[2], ids[4]));
    let file = setup.dir().with_file_name("trace.csv");
    let origin = server(&bytes(3, 1000));
    let arguments = [&NEVER[..], &["--record", file.to_str().ok_or("a plain path")?]].concat();
    let service = setup.serve(&origin.url(), &arguments)?;
    image_cache_tests::http::send(service.clients, "GET", "/c", &[])?;
    service.stop()?;
    assert!(until(|| fs::read_to_string(&file).is_ok_and(|text| text.ends_with("/c,1000\n"))));
    assert_eq!(fs::read_to_string(&file)?.matches("time,id,size").count(), 1);
    Ok(())
}

#[test]
fn no_credential_is_recorded_and_only_the_service_s_user_reads_a_trace() -> Tested {
    let (origin, setup) = (server(&bytes(3, 1000)), Setup::new());
    let file = setup.dir().with_file_name("trace.csv");
    fs::write(&file, "time,id,size\n1,a,10\n2,b,1")?;
    fs::set_permissions(&file, Permissions::from_mode(0o640))?;
    let name = file.to_str().ok_or("a plain path")?;
    let more = ["--record", name, "--cache-credential-queries"];
    let service = setup.serve(&origin.url(), &[&NEVER[..], &more].concat())?;
    for path in ["/a?token=swordfish", "/a%20b?token=swordfish"] {
        assert_eq!(image_cache_tests::http::get(service.clients, path)?.status, 200);
    }
    service.stop()?;
    assert!(until(|| fs::read_to_string(&file).is_ok_and(|text| text.lines().count() == 4)));
    let trace = fs::read_to_string(&file)?;
    assert!(!trace.contains("swordfish"), "{trace}");
    assert!(trace.starts_with("time,id,size\n1,a,10\n1"), "a partial line is removed: {trace}");

    let new = setup.dir().with_file_name("new.csv");
    let more = ["--record", new.to_str().ok_or("a plain path")?];
    setup.serve(&origin.url(), &[&NEVER[..], &more].concat())?.stop()?;
    assert_eq!(fs::metadata(&new)?.permissions().mode() & 0o777, 0o600);
    Ok(())
}

#[test]
fn a_trace_that_cannot_be_written_is_refused_at_the_start() -> Tested {
    let setup = Setup::new();
    let origin = server(&bytes(3, 10));
    for (file, words) in [("/", "cannot write the trace /"), ("/nowhere/trace", "No such file")] {
        let failed = setup.serve(&origin.url(), &[&NEVER[..], &["--record", file]].concat());
        let error = failed.err().ok_or("it is refused")?.to_string();
        assert!(error.contains(words), "{error}");
    }
    Ok(())
}

#[test]
fn a_full_disk_ends_the_trace_and_no_response() -> Tested {
    let image = bytes(3, 1000);
    let (origin, setup) = (server(&image), Setup::new());
    let arguments = [&NEVER[..], &["--record", "/dev/full"]].concat();
    let service = setup.serve(&origin.url(), &arguments)?;
    for _ in 0..3 {
        assert_eq!(image_cache_tests::http::get(service.clients, "/a")?.body, image);
    }
    assert!(service.logs("the trace cannot be written; no more requests are recorded"));
    assert_eq!(image_cache_tests::http::get(service.clients, "/a")?.body, image);
    Ok(())
}

/// The text has no times.
#[test]
fn the_log_of_the_service_is_a_trace() -> Tested {
    for format in ["text", "json"] {
        let image = bytes(3, 1000);
        let (origin, setup) = (server(&image), Setup::new());
        let mut command = setup.serving(&origin.url(), &NEVER);
        command.env("IMAGE_CACHE_LOG_FORMAT", format);
        let service = image_cache_tests::serving::Service::start(command)?;
        for path in ["/a", "/b", "/a"] {
            image_cache_tests::http::get(service.clients, path)?;
        }
        let (_, log) = service.stop()?;
        let file = setup.dir().with_file_name("service.log");
        fs::write(&file, &log)?;
        let file = file.to_str().ok_or("a plain path")?;
        let json = setup.run(&[
            "--format",
            "json",
            "driver",
            "simulate",
            "xattr",
            "--trace",
            file,
            "--size",
            "1 MiB",
            "--references",
            "none",
        ])?;
        let results: serde_json::Value = serde_json::from_str(&json)?;
        assert_eq!((&results[0]["requests"], &results[0]["hits"]), (&3.into(), &1.into()), "{log}");
        assert_eq!(results[0]["bytes"], 3000, "{log}");
    }
    Ok(())
}
