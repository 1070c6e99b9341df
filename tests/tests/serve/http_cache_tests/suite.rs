//! The origin server and the client of the suite, in node.

use image_cache_tests::Tested;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// The time limit of all tests; they take about a minute.
const PATIENCE: Duration = Duration::from_secs(600);

/// A test of the suite and its result.
#[derive(Debug, Clone)]
pub struct Ran {
    pub group: String,
    /// `required`, `optimal`, or `check`, which only reports the behaviour of a cache.
    pub kind: String,
    /// The tests that must pass, because otherwise this test has no meaning.
    dependencies: Vec<String>,
    failure: Option<String>,
}

/// All tests that ran, by their ids.
#[derive(Debug, Default)]
pub struct Results(BTreeMap<String, Ran>);

/// The results of the tests of a kind.
#[derive(Debug, Default)]
pub struct Count {
    pub all: usize,
    /// The number of tests that pass by themselves, as the suite's own client counts.
    pub passed: usize,
    /// The number without those that have no meaning because a test on which they depend does not pass.
    pub meaningful: usize,
}

impl Results {
    /// The tests that ran, by their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Ran)> {
        self.0.iter().map(|(id, ran)| (id.as_str(), ran))
    }

    /// Why a test does not pass, by the rules of the suite: a test fails if a test on which it depends does not pass.
    pub fn failure(&self, id: &str) -> Option<String> {
        let Some(ran) = self.0.get(id) else { return Some("it did not run".to_owned()) };
        ran.failure.clone().or_else(|| {
            let depends_on = ran.dependencies.iter().find(|it| self.failure(it).is_some());
            depends_on.map(|it| format!("it depends on {it}, which does not pass"))
        })
    }

    /// The results of the tests of a kind.
    pub fn count(&self, kind: &str) -> Count {
        let mut count = Count::default();
        for (id, ran) in self.iter().filter(|(_, ran)| ran.kind == kind) {
            count.all += 1;
            count.passed += usize::from(ran.failure.is_none());
            count.meaningful += usize::from(self.failure(id).is_none());
        }
        count
    }

    /// Replaces the results of the tests that ran again.
    pub fn update(&mut self, again: Results) {
        self.0.extend(again.0);
    }
}

/// The suite's origin server; killed when dropped.
pub struct Origin {
    child: Child,
    url: String,
}

impl Origin {
    pub fn start(package: &Path, pid_file: &Path) -> Tested<Origin> {
        let mut node = Command::new("node");
        node.arg("--require").arg(script("origin.cjs")).arg("server/server.mjs");
        node.current_dir(package).stdin(Stdio::null()).stdout(Stdio::piped());
        node.env("npm_config_protocol", "http").env("npm_config_port", "0");
        node.env("npm_config_pidfile", pid_file);
        let mut child = node.spawn()?;
        let lines = lines_of(child.stdout.take().ok_or("it is piped")?);
        let mut origin = Origin { child, url: String::new() };
        let said = lines.recv_timeout(Duration::from_secs(60))?;
        let url = said.strip_prefix("Listening on ").ok_or_else(|| format!("it says {said:?}"))?;
        origin.url = url.trim_end_matches('/').to_owned();
        Ok(origin)
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the tests with these ids, or all, with a cache.
pub fn run(package: &Path, cache: &str, ids: &BTreeSet<String>) -> Tested<Results> {
    let mut node = Command::new("node");
    node.arg("--no-warnings").arg(script("run.mjs")).arg(package).arg(cache).args(ids);
    let mut child = node.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let lines = lines_of(child.stdout.take().ok_or("it is piped")?);
    let (end, mut results) = (Instant::now() + PATIENCE, Results::default());
    let ended = loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                let (id, ran) = ran(&serde_json::from_str(&line)?)
                    .ok_or_else(|| format!("no result: {line}"))?;
                results.0.insert(id, ran);
            }
            Err(reason) => break reason,
        }
    };
    if ended == mpsc::RecvTimeoutError::Timeout {
        let _ = child.kill();
    }
    let status = child.wait()?;
    if status.success() { Ok(results) } else { Err(format!("the suite's client: {status}").into()) }
}

fn ran(result: &Value) -> Option<(String, Ran)> {
    let text = |name: &str| Some(result[name].as_str()?.to_owned());
    let dependencies = result["dependencies"].as_array()?;
    let dependencies = dependencies.iter().filter_map(|id| Some(id.as_str()?.to_owned())).collect();
    let (group, kind) = (text("group")?, text("kind")?);
    Some((text("id")?, Ran { group, kind, dependencies, failure: text("failure") }))
}

/// The lines of a program, read in a separate thread until its end.
fn lines_of(output: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Continues to read in any case, because a full pipe would block the program.
            let _ = sender.send(line);
        }
    });
    lines
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/http_cache_tests").join(name)
}
