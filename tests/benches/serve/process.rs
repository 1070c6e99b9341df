//! A server in its own process, which ends with the benchmark.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The maximum time for starting a server.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that is stopped at the end.
pub struct Process(Child);

impl Process {
    pub fn start(command: &mut Command) -> io::Result<Process> {
        Ok(Process(command.stdin(Stdio::null()).spawn()?))
    }

    pub fn of(child: Child) -> Process {
        Process(child)
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits until it listens.
    pub fn listens_on(&mut self, address: SocketAddr) -> io::Result<()> {
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.0.try_wait()? {
                return Err(io::Error::other(format!("it ended with {status}")));
            }
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::other("it does not listen"));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        let told = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
        let begun = Instant::now();
        while matches!(told, Some(Ok(()))) && begun.elapsed() < Duration::from_secs(10) {
            if let Ok(Some(_)) = self.0.try_wait() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command to its end; if it fails, the error is the last line of its output.
pub fn run(command: &mut Command) -> io::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let last = said.trim().lines().last().unwrap_or("it printed nothing").to_owned();
    Err(io::Error::other(last))
}

/// The log file for the output of a server.
pub fn log(directory: &Path, name: &str) -> io::Result<Stdio> {
    Ok(std::fs::File::create(directory.join(name))?.into())
}
