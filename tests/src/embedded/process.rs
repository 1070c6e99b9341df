//! What the kernel knows about this process: its threads, descriptors, signals and memory.

use crate::Tested;
use nix::libc;
use std::fs;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

/// How long a thread may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Prints a finding in one system call: a forked child must not share a buffer with its parent.
pub fn say(name: &str, value: impl std::fmt::Display) {
    let line = format!("{name} {value}\n");
    let _ = io::stdout().lock().write_all(line.as_bytes());
    let _ = io::stdout().flush();
}

/// The names of this process's threads, sorted. The kernel keeps 15 bytes of a name.
pub fn threads() -> Tested<Vec<String>> {
    let mut names = Vec::new();
    for thread in fs::read_dir("/proc/self/task")? {
        // It may have ended.
        if let Ok(name) = fs::read_to_string(thread?.path().join("comm")) {
            names.push(name.trim().to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// How many threads have this name.
pub fn threads_named(name: &str) -> Tested<usize> {
    Ok(threads()?.iter().filter(|thread| thread.starts_with(name)).count())
}

/// Open descriptors, without the one that counts them.
pub fn descriptors() -> Tested<usize> {
    Ok(fs::read_dir("/proc/self/fd")?.count() - 1)
}

/// What the process does on each signal, and which ones this thread blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signals {
    handlers: Vec<(i32, usize)>,
    blocked: Vec<i32>,
}

impl Signals {
    /// Those of this process and thread.
    pub fn now() -> Signals {
        let signals = 1..=libc::SIGRTMAX();
        // SAFETY: null instead of a new action or mask only reads the old one, which is plain data.
        unsafe {
            let handler = |signal: i32| {
                let mut old = MaybeUninit::<libc::sigaction>::zeroed();
                let status = libc::sigaction(signal, std::ptr::null(), old.as_mut_ptr());
                (status == 0).then(|| (signal, old.assume_init().sa_sigaction))
            };
            let mut mask = MaybeUninit::<libc::sigset_t>::zeroed();
            libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), mask.as_mut_ptr());
            let mask = mask.assume_init();
            Signals {
                handlers: signals.clone().filter_map(handler).collect(),
                blocked: signals.filter(|signal| libc::sigismember(&mask, *signal) == 1).collect(),
            }
        }
    }

    /// The numbers of the signals whose handlers differ; an error if the mask does.
    pub fn changed_since(&self, before: &Signals) -> Tested<Vec<i32>> {
        if self.blocked != before.blocked {
            return Err(format!("the mask changed: {self:?}, before {before:?}").into());
        }
        let pairs = self.handlers.iter().zip(&before.handlers);
        Ok(pairs.filter(|(now, before)| now != before).map(|((signal, _), _)| *signal).collect())
    }
}

/// Waits until no thread has this name.
pub fn wait_until_gone(name: &str) -> Tested {
    let until = Instant::now() + PATIENCE;
    while threads_named(name)? > 0 {
        if Instant::now() > until {
            return Err(format!("the thread {name} does not end").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Memory in KiB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// What the process has now.
    pub now: u64,
    /// The most that it had since the start, or since [`begin_peak`].
    pub peak: u64,
}

impl Memory {
    /// That of this process.
    pub fn of_process() -> Tested<Memory> {
        let status = fs::read_to_string("/proc/self/status")?;
        let value = |key: &str| -> Tested<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let number = line.and_then(|line| line.split_whitespace().next());
            Ok(number.ok_or("the kernel does not say")?.parse()?)
        };
        Ok(Memory { now: value("VmRSS:")?, peak: value("VmHWM:")? })
    }
}

/// From now on the peak of the memory is counted anew; the memory now.
pub fn begin_peak() -> Tested<u64> {
    fs::write("/proc/self/clear_refs", "5")?;
    Ok(Memory::of_process()?.now)
}
