//! Each format is read as it is documented, and each fault is named.

use super::*;
use sha2::Digest;

fn read(trace: &str) -> Result<Trace, TraceError> {
    Trace::read(trace.as_bytes(), &TraceOptions::default())
}

fn read_as(format: TraceFormat, trace: impl AsRef<[u8]>) -> Result<Trace, TraceError> {
    let options = TraceOptions { format: Some(format), ..TraceOptions::default() };
    Trace::read(trace.as_ref(), &options)
}

/// Time, id and size of each request.
fn requests(trace: &Trace) -> Vec<(u64, &str, u64)> {
    let id = |request: &Request| trace.images[request.image as usize].as_str();
    trace.requests.iter().map(|request| (request.at, id(request), request.size)).collect()
}

fn error(trace: Result<Trace, TraceError>) -> String {
    trace.expect_err("it is faulty").to_string()
}

#[test]
fn csv_is_read_with_and_without_a_header_and_with_other_columns() -> Result<(), TraceError> {
    let expected = [(1_500_000, "a", 10), (2_000_000, "b c", 20)];
    assert_eq!(requests(&read("time,id,size\n1.5,a,10\n2,b c,20\n")?), expected);
    assert_eq!(requests(&read("1.5,a,10\r\n2,\"b c\",20")?), expected);
    assert_eq!(requests(&read("size,x,id,time\n10,,a,1.5\n20,,b c,2\n")?), expected);
    for columns in ["4,3,1", "when,what,bytes"] {
        let columns = columns.parse().ok();
        let options = TraceOptions { columns, ..TraceOptions::default() };
        let trace = "bytes,x,what,when\n10,,a,1.5\n20,,b c,2\n";
        assert_eq!(requests(&Trace::read(trace.as_bytes(), &options)?), expected);
    }
    for (unit, first) in [
        (TimeUnit::Milliseconds, "1500"),
        (TimeUnit::Microseconds, "1500000"),
        (TimeUnit::Nanoseconds, "1500000000"),
    ] {
        let options = TraceOptions { time_unit: unit, ..TraceOptions::default() };
        let trace = format!("{first},a,10\n");
        assert_eq!(requests(&Trace::read(trace.as_bytes(), &options)?)[0].0, 1_500_000);
    }
    Ok(())
}

#[test]
fn a_fault_in_csv_names_its_line_and_what_to_do() {
    assert_eq!(error(read("")), "the trace is empty");
    for (trace, expected) in [
        ("1,a,10\n2,b\n", "line 2 of the trace: it has no column 3"),
        ("1,a,10\n2,b,x\n", "line 2 of the trace: the size \"x\" is no number of bytes"),
        ("1,a,10\n2,b,-1\n", "the size \"-1\" is no number of bytes"),
        ("1,a,10\nx,b,1\n", "line 2 of the trace: the time \"x\" is no number"),
        ("1,a,10\n1,,1\n", "line 2 of the trace: the id is empty"),
        ("-1,a,10\n", "the time \"-1\" is negative"),
        ("timestamp,key,bytes\n1,a,10\n", "it has the columns \"timestamp,key,bytes\"; name those"),
        ("1700000000000,a,10\n", "name its unit with --time-unit (s, ms, us or ns)"),
        ("NaN,a,10\n", "the time \"NaN\" is no number"),
        ("time,id,size\n", "the trace has no request that can be replayed"),
    ] {
        let words = error(read(trace));
        assert!(words.contains(expected), "{trace:?}: {words}");
    }
    let columns = "a,b,c".parse().ok();
    let options = TraceOptions { columns, ..TraceOptions::default() };
    let words = error(Trace::read("time,id,size\n1,a,1\n".as_bytes(), &options));
    assert!(words.contains("does not have the columns a, b, c"), "{words}");
    for columns in [
        "time,id",
        "1,id,size",
        "0,1,2",
        ",,",
        "1,2,3,4,5,6",
        "1,2,3,0",
        "1,2,3,tenant",
        "a,b,c,1",
        "a,b,c,",
    ] {
        assert!(columns.parse::<Columns>().is_err(), "{columns}");
    }
}

#[test]
fn tenants_and_the_times_of_fetches_are_read_if_the_trace_has_them() -> Result<(), TraceError> {
    let known = |trace: &Trace| -> Vec<(Option<String>, u64)> {
        let tenant = |request: &Request| {
            let requester = &trace.requesters[request.requester as usize];
            requester.tenant.as_ref().map(|tenant| tenant.as_str().to_owned())
        };
        trace.requests.iter().map(|request| (tenant(request), request.fetch_micros)).collect()
    };
    let a = || Some("a".to_owned());
    let expected = [(a(), 1_500_000), (None, 0), (a(), 1_500_000), (Some("b".into()), 2_000_000)];
    let rows = "1,x,10,a,1.5\n2,y,10,,\n3,x,10,a,\n4,x,10,b,2\n";
    assert_eq!(known(&read(&format!("time,id,size,tenant,fetch_time\n{rows}"))?), expected);
    for columns in ["1,2,3,4,5", "when,what,bytes,who,cost"] {
        let options = TraceOptions { columns: columns.parse().ok(), ..TraceOptions::default() };
        let trace = format!("when,what,bytes,who,cost\n{rows}");
        assert_eq!(known(&Trace::read(trace.as_bytes(), &options)?), expected, "{columns}");
    }
    let options = TraceOptions { columns: "1,2,3,-,5".parse().ok(), ..TraceOptions::default() };
    let without_tenants = expected.each_ref().map(|(_, micros)| (None, *micros));
    assert_eq!(known(&Trace::read(rows.as_bytes(), &options)?), without_tenants);
    assert_eq!(known(&read("1,x,10,a,1.5\n")?), [(None, 0)], "columns without names");
    // As the service does with such a tenant.
    let long = known(&read(&format!("time,id,size,tenant\n1,x,10,{}\n", "t".repeat(200)))?);
    assert_eq!(long[0].0.as_ref().map(String::len), Some(64));
    for (trace, expected) in [
        (
            "time,id,size,fetch_time\n1,x,10,soon\n",
            "the time of a fetch: the time \"soon\" is no number",
        ),
        (
            "time,id,size,fetch_time\n1,x,10,-1\n",
            "the time of a fetch: the time \"-1\" is negative",
        ),
        ("time,id,size,tenant\n1,x,10\n", "line 2 of the trace: it has no column 4"),
    ] {
        let words = error(read(trace));
        assert!(words.contains(expected), "{trace:?}: {words}");
    }
    let options =
        TraceOptions { columns: "time,id,size,who".parse().ok(), ..TraceOptions::default() };
    let words = error(Trace::read("time,id,size\n1,a,1\n".as_bytes(), &options));
    assert!(words.contains("does not have the columns who"), "{words}");
    Ok(())
}

#[test]
fn a_path_is_no_unusual_id() -> Result<(), TraceError> {
    let trace = read("time,id,size\n1,/images/a.img?x=1,10\n2,/images/a.img?x=1,10\n")?;
    assert_eq!((trace.images.len(), trace.notes.len()), (1, 0), "{:?}", trace.notes);
    assert!(read("1,images/a,10\n")?.notes[0].contains("cannot be the id of an image"));
    Ok(())
}

#[test]
fn times_are_made_ascending_and_what_is_unusual_is_noted() -> Result<(), TraceError> {
    let trace = read("5,a,10\n5,b,10\n3,a,11\n9,a,11\n")?;
    let expected =
        [(5_000_000, "a", 10), (5_000_001, "b", 10), (5_000_002, "a", 11), (9_000_000, "a", 11)];
    assert_eq!(requests(&trace), expected);
    let notes = trace.notes.join("\n");
    let expected = "requests that are earlier than one before them: 1 (the first: line 3); they are replayed right after \
                    it, up to 2s later";
    assert!(notes.contains(expected), "{notes}");
    assert!(
        notes.contains("requests with another size than the last one of the same image: 1"),
        "{notes}"
    );

    let long = "x".repeat(10_000);
    let trace = read(&format!("1,{long},10\n2,a/b,10\n3,{long},10\n"))?;
    assert!(
        trace.notes[0].starts_with("ids that cannot be the id of an image: 2 (the first: line 1)")
    );
    assert_eq!((trace.images.len(), trace.images[0].as_str().len()), (2, 64));
    assert_eq!(trace.requests[0].image, trace.requests[2].image);
    Ok(())
}

#[test]
fn a_line_without_an_end_does_not_fill_the_memory() {
    let options = |format| TraceOptions { format: Some(format), ..TraceOptions::default() };
    for format in [TraceFormat::Csv, TraceFormat::Text, TraceFormat::Nginx] {
        let words = error(Trace::read(io::repeat(b'x'), &options(format)));
        assert!(words.contains("line 1 has more than 65536 bytes"), "{format}: {words}");
    }
}

fn record(time: u32, id: u64, size: u32) -> Vec<u8> {
    let mut record = time.to_le_bytes().to_vec();
    record.extend(id.to_le_bytes());
    record.extend(size.to_le_bytes());
    record.extend((-1i64).to_le_bytes());
    record
}

#[test]
fn oracle_general_is_recognised_and_a_truncated_one_refused() -> Result<(), TraceError> {
    let trace = [record(7, 1 << 40, 4096), record(8, 3, 1)].concat();
    let options = TraceOptions::default();
    let read = Trace::read(&*trace, &options)?;
    assert_eq!(requests(&read), [(7_000_000, "1099511627776", 4096), (8_000_000, "3", 1)]);
    let words = error(Trace::read(&trace[..40], &options));
    assert_eq!(words, "record 2 of the trace: it ends before its 24 bytes: it is truncated");
    Ok(())
}

#[test]
fn a_list_of_ids_has_images_of_one_byte() -> Result<(), TraceError> {
    let second = 1_000_000;
    let expected = [(second, "17", 1), (2 * second, "4", 1), (3 * second, "17", 1)];
    assert_eq!(requests(&read("17\n4\n17\n")?), expected);
    for other in ["what is this\n", "{\n", "1;a;10\n", "# a comment\n", "<html>\n"] {
        assert!(error(read(other)).contains("name it with --trace-format"), "{other}");
    }
    Ok(())
}

const NGINX: &str = r#"192.0.2.1 - - [28/Nov/2026:00:00:01 +0000] "GET /images/a?token=1 HTTP/1.1" 200 1000 "-" "curl/8"
192.0.2.1 - bob [28/Nov/2026:01:00:02 +0100] "GET /images/a HTTP/1.1" 206 100 "-" "curl/8" "more"
192.0.2.1 - - [28/Nov/2026:00:00:03 +0000] "POST /images HTTP/1.1" 200 7 "-" "-"
192.0.2.1 - - [28/Nov/2026:00:00:03 +0000] "GET /b HTTP/1.1" 404 7 "-" "-"
\x16\x03\x01 rubbish
"#;

const SQUID: &str = "1795824001.500     12 192.0.2.1 TCP_MISS/200 1000 GET http://x/images/a - HIER_DIRECT/x text/html
1795824002.000      1 192.0.2.1 TCP_HIT/206 100 GET http://x/images/a - HIER_NONE/- text/html
1795824003.000      1 192.0.2.1 TCP_TUNNEL/200 100 CONNECT x:443 - HIER_NONE/- -
";

/// As the service writes it, with the time that `journalctl --output short-iso` adds.
const ACCESS_LOG: &str = r#"2026-11-28T00:00:00+0000 host image-cache[7]:  INFO the cache is open
2026-11-28T00:00:01+0000 host image-cache[7]:  INFO request{id=req-1 listener="clients"}: answered method=GET path="/images/a" status=200 cache="miss" reason="miss" bytes=1000 ms=3
2026-11-28T00:00:02+0000 host image-cache[7]:  INFO request{id=req-2 listener="clients"}: the client left method=GET path="/images/a" status=200 cache="hit" reason="hit" bytes=10 ms=3
2026-11-28T00:00:03+0000 host image-cache[7]:  INFO request{id=req-3 listener="admin"}: answered method=GET path="/metrics" status=200 bytes=900 ms=3
2026-11-28T00:00:03+0000 host image-cache[7]:  INFO request{id=req-4 listener="clients"}: answered method=GET path="/" status=200 cache="bypass" reason="path" bytes=257 ms=6
"#;

#[test]
fn logs_of_servers_are_recognised_and_other_lines_are_counted() -> Result<(), TraceError> {
    for (format, log, first, skipped) in [
        (TraceFormat::Nginx, NGINX, 1_795_824_001_000_000, 3),
        (TraceFormat::Squid, SQUID, 1_795_824_001_500_000, 1),
        (TraceFormat::AccessLog, ACCESS_LOG, 1_795_824_001_000_000, 3),
    ] {
        for trace in [read(log)?, read_as(format, log)?] {
            assert_eq!(trace.requests.len(), 2, "{format}");
            // The whole image is larger than what the second response sent.
            assert!(trace.requests.iter().all(|it| it.size == 1000 && it.image == 0), "{format}");
            assert_eq!(trace.requests[0].at, first, "{format}");
            assert_eq!(trace.notes.len(), 1, "{:?}", trace.notes);
            let note = format!("lines that are no request of an image that was served: {skipped} ");
            assert!(trace.notes[0].starts_with(&note), "{:?}", trace.notes);
        }
        assert!(
            error(read_as(format, "nothing\nof it\n")).contains("that was served: 2 (the first")
        );
    }
    Ok(())
}

#[test]
fn names_of_formats_units_and_references_are_read_back() {
    for format in TraceFormat::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
    for unit in TimeUnit::ALL {
        assert_eq!(unit.name().parse(), Ok(unit));
    }
    for reference in crate::Reference::ALL {
        assert_eq!(reference.name().parse(), Ok(reference));
    }
}

#[test]
fn the_service_s_own_lines_need_no_time() -> Result<(), TraceError> {
    let log: String = ACCESS_LOG.lines().flat_map(|line| [line.split_at(46).1, "\n"]).collect();
    assert!(log.contains("\n INFO request"), "{log}");
    let trace = read(&log)?;
    assert_eq!(trace.requests[1].at - trace.requests[0].at, 1_000_000);
    assert!(trace.notes.iter().any(|note| note.starts_with("requests without a time: 2")));
    Ok(())
}

#[test]
fn what_a_log_does_not_say_is_noted_and_not_counted_as_a_hit() -> Result<(), TraceError> {
    let line = |path: &str, status: &str, bytes: &str| {
        format!(
            "192.0.2.1 - - [28/Nov/2026:00:00:01 +0000] \"GET {path} HTTP/1.1\" {status} {bytes}\n"
        )
    };
    let log = line("/a", "200", "10") + &line("/a", "304", "-") + &line("/b", "304", "0");
    let trace = read(&log)?;
    assert_eq!((trace.requests.len(), trace.requests[1].size), (2, 10));
    let note = "requests of images of which no byte was sent: 1; they are left out";
    assert!(trace.notes.iter().any(|it| it == note), "{:?}", trace.notes);
    // As a log looks after it was truncated while a server wrote it.
    let nul = "\0".repeat(500) + &log;
    assert_eq!(read(&nul)?.requests.len(), 2);
    // The first line that counts can be far from the beginning.
    let posts: String = std::iter::repeat_n(log.replace("GET", "POST"), 500).collect();
    assert_eq!(read(&(posts + &log))?.requests.len(), 2);
    Ok(())
}

#[test]
fn a_compressed_or_truncated_trace_is_named() -> Result<(), TraceError> {
    for (magic, program) in [
        (&b"\x1f\x8b\x08\0"[..], "gzip -dc FILE"),
        (b"\xfd7zXZ\0\0", "xz -dc FILE"),
        (b"\x28\xb5\x2f\xfd\0", "zstd -dc FILE"),
        (b"BZh91AY", "bzip2 -dc FILE"),
    ] {
        let words = error(Trace::read(magic, &TraceOptions::default()));
        assert!(words.contains("is compressed") && words.contains(program), "{words}");
    }
    let notes = read("1,a,10\n2,b,1")?.notes.join("\n");
    assert!(notes.contains("line 2, the last one, has no end"), "{notes}");
    let open = format!("1,a,10\n2,\"b,10\n{}", "3,c,10\n".repeat(20_000));
    let words = error(read(&open));
    assert!(
        words.contains("line 2 has more than 65536 bytes; a quote in it is not closed"),
        "{words}"
    );
    Ok(())
}

#[test]
fn options_for_csv_are_refused_for_other_formats() {
    let unit = TraceOptions { time_unit: TimeUnit::Milliseconds, ..TraceOptions::default() };
    let words = error(Trace::read("17\n".as_bytes(), &unit));
    assert!(words.contains("are for CSV, and the trace is txt"), "{words}");
}

#[test]
fn an_id_that_is_the_digest_of_another_is_the_same_image() -> Result<(), TraceError> {
    let digest = hex::encode(sha2::Sha256::digest(b"a/b"));
    for csv in [format!("1,a/b,10\n2,{digest},10\n"), format!("1,{digest},10\n2,a/b,10\n")] {
        let trace = read(&csv)?;
        assert_eq!((trace.images.len(), trace.requests[1].image), (1, 0));
    }
    Ok(())
}
