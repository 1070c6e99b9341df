//! Commands of cargo in several series that run at the same time: the commands of a series run one after the other.

use crate::command::words;
use crate::verdicts::Verdicts;
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// Commands that run one after the other.
pub struct Series {
    name: &'static str,
    commands: Vec<Command>,
    /// Whether they wait until all other series run their test programs.
    is_beside: bool,
}

impl Series {
    pub fn new(name: &'static str, commands: Vec<Command>) -> Series {
        Series { name, commands, is_beside: false }
    }

    /// A series that begins when all others run their test programs. cargo locks the directory of the build while it builds: a test
    /// program that still has to be built would wait until all of these commands have ended.
    pub fn beside(name: &'static str, commands: Vec<Command>) -> Series {
        Series { name, commands, is_beside: true }
    }
}

/// Runs all commands, also after a failure; returns what failed. The output of the first series is shown immediately. That of each
/// other series is written to a file in `folder`, and shown when the first has ended.
pub fn run(series: Vec<Series>, folder: &Path, shown: &mut impl Write) -> Vec<String> {
    let (begun, all_begun) = channel::<()>();
    let mut all_begun = Some(all_begun);
    let (mut first, mut others) = (None, Vec::new());
    for one in series {
        let start = if one.is_beside {
            Start::When(all_begun.take())
        } else {
            Start::Now(Some(begun.clone()))
        };
        match &first {
            None => first = Some((one, start)),
            Some(_) => others.push((one, start)),
        }
    }
    // The series have the other senders: when each of them is dropped, all test programs run.
    drop(begun);
    thread::scope(|scope| {
        let mut running = Vec::new();
        for (series, start) in others {
            let path = folder.join(format!("output-of-{}.txt", series.name.replace(' ', "-")));
            let _ = writeln!(
                shown,
                "The output of {} goes to {} and is shown at the end.",
                series.name,
                path.display()
            );
            running.push(scope.spawn(move || {
                let file = File::create(&path);
                let file = file.with_context(|| format!("creating {}", path.display()));
                file.map(|mut file| (series.run(start, &mut file), path))
            }));
        }
        let mut failed = first.map_or_else(Vec::new, |(series, start)| series.run(start, shown));
        for other in running {
            match other.join().expect("it does not panic") {
                Ok((more, path)) => {
                    // The reader of our own output may have closed it.
                    let _ = fs::read(path).map(|output| shown.write_all(&output));
                    failed.extend(more);
                }
                Err(error) => failed.push(format!("{error:#}")),
            }
        }
        failed
    })
}

/// When a series starts.
enum Start {
    /// At once; the sender is dropped when the test programs run.
    Now(Option<Sender<()>>),
    /// When all senders are dropped.
    When(Option<Receiver<()>>),
}

impl Series {
    /// Returns what failed.
    fn run(self, mut start: Start, shown: &mut impl Write) -> Vec<String> {
        if let Start::When(Some(all_begun)) = &start {
            // Nobody sends: this is an error as soon as all senders are dropped.
            let _ = all_begun.recv();
        }
        let mut begins = || match &mut start {
            Start::Now(begun) => drop(begun.take()),
            Start::When(_) => {}
        };
        let mut failed = Vec::new();
        for command in self.commands {
            let what = words(&command);
            match watched(command, shown, &mut begins) {
                Ok((true, _)) => {}
                Ok((false, verdicts)) => {
                    let parts = verdicts.failed();
                    failed.extend(if parts.is_empty() { vec![what] } else { parts });
                }
                Err(error) => failed.push(format!("{what}: {error:#}")),
            }
        }
        failed
    }
}

/// Runs a command of cargo, writes its output at once, and reads the failures from it. Calls `begins` when it runs a test program.
fn watched(
    mut command: Command,
    shown: &mut impl Write,
    begins: &mut impl FnMut(),
) -> Result<(bool, Verdicts)> {
    let _ = writeln!(shown, "\n=== {}", words(&command));
    // Both outputs go to one pipe, because the order of the lines determines which test belongs to which program.
    let (output, input) = io::pipe().context("a pipe")?;
    command.stdout(input.try_clone().context("a pipe")?).stderr(input);
    let mut child = command.spawn().context("it does not run")?;
    // The command has the write ends of the pipe open: while they are open, reading does not end.
    drop(command);
    let (mut output, mut verdicts, mut line) =
        (BufReader::new(output), Verdicts::default(), Vec::new());
    while output.read_until(b'\n', &mut line).context("reading the output")? > 0 {
        // The reader of our own output may have closed it: the tests continue.
        let _ = shown.write_all(&line);
        verdicts.read(&String::from_utf8_lossy(&line));
        if verdicts.has_begun() {
            begins();
        }
        line.clear();
    }
    Ok((child.wait().context("the command")?.success(), verdicts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn commands_beside_the_tests_begin_when_the_tests_run_and_every_failure_is_named() -> Result<()>
    {
        let folder = tempfile::tempdir()?;
        let built = folder.path().join("built");
        let running = "echo '     Running tests/a.rs (a)'";
        let first = format!(
            "sleep 0.3; echo > '{}'; {running}; echo 'test b ... FAILED'; exit 1",
            built.display()
        );
        let beside = format!("test -e '{}'", built.display());
        let series = vec![
            Series::new("the first", vec![shell(&first), shell("exit 0")]),
            Series::new("the second", vec![shell(running), shell("exit 3")]),
            Series::beside("the third", vec![shell(&beside)]),
        ];
        let mut shown = Vec::new();
        let failed = run(series, folder.path(), &mut shown);
        assert_eq!(failed, ["tests/a.rs: b", "sh -c exit 3"]);
        let shown = String::from_utf8(shown)?;
        assert!(shown.contains("=== sh -c exit 3"), "{shown}");
        Ok(())
    }
}
