//! The results of programs and tests, read from the output of `cargo test --no-fail-fast`.

/// The failures so far.
#[derive(Debug, Default)]
pub struct Verdicts {
    /// The program whose output is being read.
    program: String,
    failed: Vec<String>,
    /// Programs that did not end successfully.
    broken: Vec<String>,
    /// The reasons why the build failed.
    errors: Vec<String>,
}

/// The maximum number of listed compiler errors.
const ERRORS: usize = 10;

impl Verdicts {
    /// Takes the next line.
    pub fn read(&mut self, line: &str) {
        let line = without_colours(line);
        let line = line.trim();
        if let Some(program) = line.strip_prefix("Running ") {
            // `Running tests/flow/main.rs (target/debug/deps/flow-0123)`, with or without `unittests`.
            self.program = program.split(" (").next().unwrap_or(program).to_owned();
        } else if let Some(package) = line.strip_prefix("Doc-tests ") {
            self.program = format!("documentation of {package}");
        } else if let Some(test) = failed_test(line) {
            self.failed.push(format!("{}: {test}", self.program));
        } else if line.starts_with("error: test failed")
            || line.starts_with("error: doctest failed")
        {
            self.broken.push(self.program.clone());
        } else if line.starts_with("error") && self.program.is_empty() && self.errors.len() < ERRORS
        {
            self.errors.push(line.to_owned());
        }
    }

    /// The failed tests with their programs; programs that failed without naming a test; compiler errors.
    pub fn failed(&self) -> Vec<String> {
        let says_why = |program: &str| self.failed.iter().any(|test| test.starts_with(program));
        let silent = self.broken.iter().filter(|program| !says_why(program));
        let silent =
            silent.map(|program| format!("{program}: it ended before it had named a failed test"));
        self.errors.iter().cloned().chain(self.failed.iter().cloned()).chain(silent).collect()
    }
}

/// The test's name in `test NAME ... FAILED`.
fn failed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?
        .strip_suffix("FAILED")?
        .trim_end()
        .strip_suffix("...")
        .map(str::trim)
}

/// The line without the terminal's colour codes.
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|it: char| it.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        plain.push_str(&part[end..]);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(output: &str) -> Vec<String> {
        let mut verdicts = Verdicts::default();
        output.lines().for_each(|line| verdicts.read(line));
        verdicts.failed()
    }

    #[test]
    fn each_failed_test_is_named_with_its_program() {
        let output = "   Compiling a v0.1.0\n     Running unittests src/lib.rs (target/debug/deps/a-1)\n\
            test tests::good ... ok\n\x1b[32m     Running\x1b[0m tests/flow/main.rs (target/debug/deps/flow-2)\n\
            test crowd::bad ... \x1b[31mFAILED\x1b[0m\ntest crowd::good ... ok\n\nfailures:\n    crowd::bad\n\
            error: test failed, to rerun pass `-p tests --test flow`\n   Doc-tests a\n\
            test src/lib.rs - (line 3) ... FAILED\nerror: doctest failed, to rerun pass `-p a --doc`\n\
            error: 2 targets failed:\n    `-p tests --test flow`\n";
        let failed =
            ["tests/flow/main.rs: crowd::bad", "documentation of a: src/lib.rs - (line 3)"];
        assert_eq!(verdicts(output), failed);
    }

    #[test]
    fn a_program_that_dies_is_named_too() {
        let output = "     Running tests/torture.rs (target/debug/deps/torture-2)\ntest a ... ok\n\
            error: test failed, to rerun pass `-p tests --test torture`\n\nCaused by:\n  (signal: 11)\n";
        let died = "tests/torture.rs: it ended before it had named a failed test";
        assert_eq!(verdicts(output), [died]);
    }

    #[test]
    fn compiler_errors_are_named() {
        let output =
            "error[E0425]: cannot find value `x`\n --> a.rs:1:1\nerror: could not compile `a`\n";
        assert_eq!(
            verdicts(output),
            ["error[E0425]: cannot find value `x`", "error: could not compile `a`"]
        );
    }
}
