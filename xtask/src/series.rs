//! Commands of cargo in several series that run at the same time: the commands of a series run one after the other.

use crate::command::words;
use crate::verdicts::Verdicts;
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::Command;
use std::thread;

/// Commands that run one after the other.
pub struct Series {
    name: &'static str,
    commands: Vec<Command>,
}

impl Series {
    pub fn new(name: &'static str, commands: Vec<Command>) -> Series {
        Series { name, commands }
    }

    /// Returns what failed.
    fn run(self, shown: &mut impl Write) -> Vec<String> {
        let mut failed = Vec::new();
        for command in self.commands {
            let what = words(&command);
            match watched(command, shown) {
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

/// Runs all commands, also after a failure; returns what failed. The output of the first series is shown immediately. That of each
/// other series is written to a file in `folder`, and shown when the first has ended.
pub fn run(series: Vec<Series>, folder: &Path, shown: &mut impl Write) -> Vec<String> {
    let mut series = series.into_iter();
    let first = series.next();
    thread::scope(|scope| {
        let mut running = Vec::new();
        for series in series {
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
                file.map(|mut file| (series.run(&mut file), path))
            }));
        }
        let mut failed = first.map_or_else(Vec::new, |first| first.run(shown));
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

/// Runs a command of cargo, writes its output at once, and reads the failures from it.
fn watched(mut command: Command, shown: &mut impl Write) -> Result<(bool, Verdicts)> {
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
    fn series_run_at_the_same_time_and_every_failure_is_named() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let pipe = folder.path().join("pipe");
        let pipe = pipe.display();
        // Each end of the pipe waits until the other is opened.
        let first = format!(
            "mkfifo '{pipe}'; echo > '{pipe}'; echo '     Running tests/a.rs (a)'; echo 'test b ... FAILED'; exit 1"
        );
        let second = format!("until test -p '{pipe}'; do sleep 0.01; done; cat '{pipe}'");
        let series = vec![
            Series::new("the first", vec![shell(&first), shell("exit 0")]),
            Series::new("the second", vec![shell(&second), shell("exit 3")]),
        ];
        let mut shown = Vec::new();
        let failed = run(series, folder.path(), &mut shown);
        assert_eq!(failed, ["tests/a.rs: b", "sh -c exit 3"]);
        let shown = String::from_utf8(shown)?;
        assert!(shown.contains("=== sh -c exit 3"), "{shown}");
        Ok(())
    }
}
