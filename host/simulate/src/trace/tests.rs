//! Each format is read as it is documented, and each fault is named.

use super::*;

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
        ("1,a,10\n2,b\n", "line 2 of the trace: it has 2 columns, and no column 3"),
        ("1,a,10\n2,b,x\n", "line 2 of the trace: the size \"x\" is no number of bytes"),
        ("1,a,10\n2,b,-1\n", "the size \"-1\" is no number of bytes"),
        ("1,a,10\nx,b,1\n", "line 2 of the trace: the time \"x\" is no number"),
        ("1,a,10\n1,,1\n", "line 2 of the trace: the id is empty"),
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
    for columns in ["time,id", "1,id,size", "0,1,2", ",,", "1,2,3,4"] {
        assert!(columns.parse::<Columns>().is_err(), "{columns}");
    }
}

#[test]
fn times_are_made_ascending_and_what_is_unusual_is_noted() -> Result<(), TraceError> {
    let trace = read("5,a,10\n5,b,10\n3,a,11\n9,a,11\n")?;
    let expected =
        [(5_000_000, "a", 10), (5_000_001, "b", 10), (5_000_002, "a", 11), (9_000_000, "a", 11)];
    assert_eq!(requests(&trace), expected);
    let notes = trace.notes.join("\n");
    assert!(
        notes.contains("1 requests are earlier than the one before them (the first in line 3)"),
        "{notes}"
    );
    assert!(notes.contains("1 requests have another size"), "{notes}");

    let long = "x".repeat(10_000);
    let trace = read(&format!("1,{long},10\n2,a/b,10\n3,{long},10\n"))?;
    assert!(trace.notes[0].starts_with("2 ids cannot be the id of an image (the first in line 1)"));
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
    assert_eq!(requests(&read("17\n4\n17\n")?), [(1, "17", 1), (2, "4", 1), (3, "17", 1)]);
    assert!(error(read("what is this\n")).contains("name it with --trace-format"));
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

const ACCESS_LOG: &str = r#"2026-11-28T00:00:00.000000Z  INFO the cache is open
2026-11-28T00:00:01.000000Z  INFO request{id=req-1 listener="clients"}: answered method=GET path="/images/a" status=200 cache="MISS" bytes=1000 ms=3
2026-11-28T00:00:02.000000Z  INFO request{id=req-2 listener="clients"}: the client left method=GET path="/images/a" status=200 cache="HIT" bytes=10 ms=3
2026-11-28T00:00:03.000000Z  INFO request{id=req-3 listener="clients"}: answered method=HEAD path="/images/a" status=200 cache="HIT" bytes=0 ms=3
"#;

#[test]
fn logs_of_servers_are_recognised_and_other_lines_are_counted() -> Result<(), TraceError> {
    for (format, log, first, skipped) in [
        (TraceFormat::Nginx, NGINX, 1_795_824_001_000_000, 3),
        (TraceFormat::Squid, SQUID, 1_795_824_001_500_000, 1),
        (TraceFormat::AccessLog, ACCESS_LOG, 1_795_824_001_000_000, 2),
    ] {
        for trace in [read(log)?, read_as(format, log)?] {
            assert_eq!(trace.requests.len(), 2, "{format}");
            // The whole image is larger than what the second response sent.
            assert!(trace.requests.iter().all(|it| it.size == 1000 && it.image == 0), "{format}");
            assert_eq!(trace.requests[0].at, first, "{format}");
            assert_eq!(trace.notes.len(), 1, "{:?}", trace.notes);
            assert!(trace.notes[0].starts_with(&format!("{skipped} lines are no requests")));
        }
        assert!(error(read_as(format, "nothing\nof it\n")).contains("2 lines are no requests"));
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
