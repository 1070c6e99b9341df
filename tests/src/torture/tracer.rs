//! Runs a program under `ptrace`, stops it at each system call, and lets a [`Watcher`] decide about the call.
//!
//! strace can also kill and fail calls, but not in a chosen thread, and its short writes write nothing. Here a call is identified
//! by its thread, and the kernel executes a shortened write partially.

use super::call::Call;
use crate::Tested;
use nix::errno::Errno;
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::HashMap;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::RwLock;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// A child process has copies of all open files and their locks until it runs another program. Code that checks locks holds this
/// lock for reading meanwhile.
pub(super) static MAKING_CHILDREN: RwLock<()> = RwLock::new(());

/// If a program runs longer, it hangs: it is killed, and this is reported as its end.
const LONGEST: Duration = Duration::from_secs(120);

/// The decision about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It is executed.
    Go,
    /// The process is killed before the call is executed.
    Kill,
    /// It is not executed, and returns this error.
    Fail(i32),
    /// It is a write, and is executed with half of its bytes.
    Shorten,
}

/// Sees each call of the program before and after it is executed.
pub trait Watcher {
    /// Before.
    fn enter(&mut self, call: &Call) -> Act;
    /// After the call; with its result, which is negative for an error.
    fn leave(&mut self, call: &Call, answer: i64);
}

/// The end of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(Signal),
}

/// The state of a thread.
struct Thread {
    /// The index of the thread in the program; 0 is the first.
    index: usize,
    call: Option<(Call, Act)>,
}

/// Runs a program to its end. Its input and outputs must not be pipes that only the caller reads.
pub fn run(command: &mut Command, watcher: &mut dyn Watcher) -> Tested<End> {
    // SAFETY: between fork and exec only `ptrace(PTRACE_TRACEME)` is called, which is async-signal-safe and allocates nothing.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
    let child = {
        let _alone = MAKING_CHILDREN.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        command.spawn()?
    };
    let main = Pid::from_raw(child.id().cast_signed());
    let (done, hung) = channel::<()>();
    let watchdog = std::thread::spawn(move || {
        if hung.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout) {
            let _ = kill(main, Signal::SIGKILL);
        }
    });
    let tracer =
        Tracer { main, threads: HashMap::new(), indices: HashMap::new(), created: 0, watcher };
    let end = tracer.run();
    drop(done);
    let _ = watchdog.join();
    end
}

struct Tracer<'a> {
    main: Pid,
    threads: HashMap<Pid, Thread>,
    /// The indices of the threads in the order in which they were created.
    indices: HashMap<Pid, usize>,
    /// The number of threads that were created.
    created: usize,
    watcher: &'a mut dyn Watcher,
}

impl Tracer<'_> {
    fn run(mut self) -> Tested<End> {
        let mut end = None;
        loop {
            // Only the children of this thread: other threads trace their own programs.
            let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
            match waitpid(None, Some(flags)) {
                Ok(WaitStatus::Exited(pid, code)) if pid == self.main => {
                    end = Some(End::Code(code))
                }
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == self.main => {
                    end = Some(End::Signal(signal));
                }
                // The kernel may give its id to another thread.
                Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) => {
                    self.threads.remove(&pid);
                    self.indices.remove(&pid);
                }
                Ok(WaitStatus::PtraceSyscall(pid)) => self.at_call(pid)?,
                Ok(WaitStatus::PtraceEvent(pid, _, event)) => self.at_event(pid, event)?,
                Ok(WaitStatus::Stopped(pid, signal)) => self.at_signal(pid, signal)?,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::ECHILD) => return end.ok_or("the program was lost".into()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// The creator of a thread stops before it goes on, and the thread itself may start before or after that. So a thread has its
    /// index before the same creator makes the next one: the scheduler cannot exchange two of them.
    fn at_event(&mut self, pid: Pid, event: i32) -> Tested {
        if event == Event::PTRACE_EVENT_CLONE as i32
            && let Ok(created) = ptrace::getevent(pid)
        {
            self.index(Pid::from_raw(i32::try_from(created)?));
        }
        go_on(pid, None)
    }

    fn index(&mut self, pid: Pid) -> usize {
        *self.indices.entry(pid).or_insert_with(|| {
            self.created += 1;
            self.created - 1
        })
    }

    /// A new thread starts with a stop; any other signal belongs to the program.
    fn at_signal(&mut self, pid: Pid, signal: Signal) -> Tested {
        if self.threads.contains_key(&pid) {
            return go_on(pid, Some(signal));
        }
        if pid == self.main {
            let options = Options::PTRACE_O_TRACESYSGOOD
                | Options::PTRACE_O_TRACECLONE
                | Options::PTRACE_O_EXITKILL;
            ptrace::setoptions(pid, options)?;
        }
        let index = self.index(pid);
        self.threads.insert(pid, Thread { index, call: None });
        go_on(pid, None)
    }

    fn at_call(&mut self, pid: Pid) -> Tested {
        let Some(thread) = self.threads.get_mut(&pid) else { return go_on(pid, None) };
        // A process that was just killed has no registers any more, and ends by itself.
        let Ok(mut registers) = ptrace::getregs(pid) else { return go_on(pid, None) };
        if let Some((call, act)) = thread.call.take() {
            let answer = match act {
                Act::Fail(errno) => -i64::from(errno),
                _ => registers.rax.cast_signed(),
            };
            if matches!(act, Act::Fail(_) | Act::Shorten) {
                registers.rax = answer.cast_unsigned();
                // The program expects unchanged registers.
                registers.rdx = call.arguments[2];
                ptrace::setregs(pid, registers)?;
            }
            self.watcher.leave(&call, answer);
            return go_on(pid, None);
        }
        let call = Call::new(self.main, pid, thread.index, &registers);
        let act = self.watcher.enter(&call);
        match act {
            Act::Go => {}
            Act::Kill | Act::Fail(_) => {
                // This is not a valid call number, so the kernel executes nothing.
                registers.orig_rax = u64::MAX;
                ptrace::setregs(pid, registers)?;
            }
            Act::Shorten => {
                registers.rdx = (registers.rdx / 2).max(1);
                ptrace::setregs(pid, registers)?;
            }
        }
        thread.call = Some((call, act));
        if act == Act::Kill {
            return Ok(kill(self.main, Signal::SIGKILL)?);
        }
        go_on(pid, None)
    }
}

fn go_on(pid: Pid, signal: Option<Signal>) -> Tested {
    match ptrace::syscall(pid, signal) {
        // It was killed meanwhile; its end will be reported.
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
