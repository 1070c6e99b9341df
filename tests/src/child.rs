//! The second part of a test in its own process, which is killed, or is another user of the cache.

use crate::{TempCache, Tested};
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

const DIR: &str = "TEMP_CACHE_DIR";
const DRIVER: &str = "TEMP_CACHE_DRIVER";

impl TempCache {
    /// This program as a process that runs one test, on this cache.
    pub fn in_child(&self, test: &str) -> io::Result<Command> {
        let mut child = self.program()?;
        child.args(["--exact", test, "--nocapture"]);
        Ok(child)
    }

    /// This program as a process that works on this cache.
    pub fn program(&self) -> io::Result<Command> {
        let mut child = Command::new(std::env::current_exe()?);
        child.env(DIR, self.dir()).env(DRIVER, self.driver()).current_dir("/");
        child.stdin(Stdio::piped()).stdout(Stdio::piped());
        Ok(child)
    }

    /// In such a process: the cache of the test that started it. None if no test started it.
    pub fn of_parent() -> Option<TempCache> {
        let driver = if std::env::var(DRIVER).ok()? == "sqlite" { "sqlite" } else { "xattr" };
        Some(TempCache::at(driver, std::env::var_os(DIR)?))
    }
}

/// In the child: prints its state, and waits until it is killed or its parent has ended.
pub fn say_and_wait(word: &str) -> Tested {
    println!("\n{word}");
    io::stdout().flush()?;
    io::stdin().read_line(&mut String::new())?;
    Ok(())
}

/// In the parent: waits until the child prints a word.
pub fn wait_for(child: &mut Child, word: &str) -> Tested {
    let output = BufReader::new(child.stdout.take().ok_or("its output is piped")?);
    let said = output.lines().map_while(Result::ok).any(|line| line == word);
    if said { Ok(()) } else { Err(format!("the other process never printed {word:?}").into()) }
}
