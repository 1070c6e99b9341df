//! `driver simulate` from the command line: its output, its plot and its errors.

use super::{Answering, Scratch, bare};
use serde_json::Value;

const TRACE: &str = "time,id,size\n1,a,10\n2,b,10\n3,a,10\n4,c,10\n5,a,10\n";

fn simulate(scratch: &Scratch, more: &[&str]) -> super::Answer {
    let trace = scratch.write("trace.csv", TRACE);
    bare().args(["driver", "simulate", "sqlite", "--trace"]).arg(trace).args(more).answer()
}

#[test]
fn drivers_and_references_are_compared_in_a_table() {
    let scratch = Scratch::new();
    let answer = simulate(&scratch, &["--size", "20,30"]);
    assert_eq!(answer.code, Some(0));
    assert!(answer.err.ends_with("is read as csv: 5 requests of 3 images\n"), "{}", answer.err);
    let text = answer.text();
    assert!(text.contains("sqlite") && text.contains("40.00 %"), "{text}");
    for reference in ["lru", "fifo", "lfu", "gdsf", "s3-fifo", "sieve", "w-tinylfu", "belady"] {
        assert_eq!(text.matches(&format!("\nreference:{reference} ")).count(), 2, "{text}");
    }
    assert!(!text.contains("it is not the best possible"), "all sizes are equal: {text}");
    let lines = |more: &[&str]| simulate(&scratch, more).text().lines().count();
    assert_eq!(lines(&["--size", "20,20", "--references", "lru,lru"]), 3);
    assert_eq!(lines(&["--size", "20", "--references", "none"]), 2);
}

#[test]
fn json_has_the_documented_fields() {
    let scratch = Scratch::new();
    let answer = simulate(&scratch, &["--size", "20", "--references", "lru", "--format", "json"]);
    let Value::Array(results) = answer.json() else { panic!("a list") };
    assert_eq!(results.len(), 2);
    for (result, name) in results.iter().zip(["sqlite", "reference:lru"]) {
        assert_eq!(result["driver"], name);
        for (field, expected) in [
            ("size", 20),
            ("requests", 5),
            ("bytes", 50),
            ("hits", 2),
            ("hit_bytes", 20),
            ("evictions", 1),
            ("refused", 0),
        ] {
            assert_eq!(result[field], expected, "{name}: {field}");
        }
    }
    assert!(results[0]["call_microseconds"].as_f64() > Some(0.0));
}

#[test]
fn a_trace_can_come_through_a_pipe_and_a_plot_is_written_whole_or_not_at_all() {
    let scratch = Scratch::new();
    let plot = scratch.path("plot.svg");
    let plot_name = plot.to_str().expect("a plain path");
    let arguments = |size| {
        ["driver", "simulate", "sqlite", "--trace", "-", "--size", size, "--plot", plot_name]
    };
    let failed = scratch.feed(arguments("10,20"), b"1,a\n");
    failed.failed(1, "line 1 of the trace: it has no column 3");
    assert!(!plot.exists());
    let answer = scratch.feed(arguments("10,20"), TRACE.as_bytes());
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    let svg = std::fs::read_to_string(&plot).expect("the plot");
    assert!(svg.starts_with("<svg") && svg.contains("reference:belady"), "{svg}");
    assert!(svg.contains("miss ratio") && svg.contains("size of the cache"), "{svg}");
}

#[test]
fn what_is_unusual_in_a_trace_is_noted() {
    let scratch = Scratch::new();
    let answer = scratch.feed(
        ["driver", "simulate", "sqlite", "--trace", "-", "--size", "100", "--references", "none"],
        b"5,a,10\n4,a,20\n",
    );
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    assert!(answer.err.contains("note: requests with another size"), "{}", answer.err);
    assert!(answer.err.contains("note: standard input is read as csv"), "{}", answer.err);
}

#[test]
fn wrong_options_and_files_are_refused_before_anything_is_simulated() {
    let scratch = Scratch::new();
    let refused = |more: &[&str], code, words: &str| simulate(&scratch, more).failed(code, words);
    refused(&[], 2, "--size");
    refused(&["--size", "much"], 2, "much");
    refused(&["--size", "0"], 2, "a cache of no bytes cannot hold an image");
    refused(&["--size", "1", "--plot", "-"], 2, "standard output has the results");
    refused(&["--size", "1", "--references", "mru"], 2, "possible values");
    refused(&["--size", "1", "--trace-format", "tar"], 2, "possible values");
    refused(
        &["--size", "1", "--columns", "a,b"],
        2,
        "name the columns of the time, the id and the size",
    );
    refused(&["--size", "1", "--time-unit", "h"], 2, "possible values");
    refused(&["--size", "1", "--option", "a=b"], 2, "is built in");
    refused(&["--size", "1", "xattr", "--option", "a=b"], 2, "--option is for one driver");
    refused(&["--size", "1", "--plot", "/nowhere/plot.svg"], 1, "cannot write the plot");
    let nobody = ["driver", "simulate", "nobody", "--trace", "/dev/null", "--size", "1"];
    bare().args(nobody).answer().failed(1, "the trace is empty");
    let missing = ["driver", "simulate", "sqlite", "--trace", "/nowhere/trace", "--size", "1"];
    bare().args(missing).answer().failed(1, "cannot open the trace /nowhere/trace");
}

#[test]
fn a_driver_that_fails_costs_no_result_of_the_others() {
    let scratch = Scratch::new();
    let answer = simulate(&scratch, &["nobody", "--size", "20", "--references", "lru"]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.err.contains("no driver has this name"), "{}", answer.err);
    let text = answer.text();
    assert!(text.contains("sqlite") && text.contains("reference:lru"), "{text}");
}
