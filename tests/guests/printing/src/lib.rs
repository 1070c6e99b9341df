//! Writes to standard error by WASI and then traps, like a program in C after a failed assertion.
//!
//! The option `lines` sets how many lines it writes when it is asked for victims (1).

use image_cache_driver_sdk::prelude::*;

/// The functions of WASI that the driver calls, and no others.
#[allow(missing_docs, clippy::undocumented_unsafe_blocks, clippy::all, reason = "generated code")]
mod bindings {
    wit_bindgen::generate!({
        inline: r#"
            package test:printing;

            world printing {
                import wasi:cli/stderr@0.2.6;
            }

            package wasi:io@0.2.6 {
                interface error {
                    resource error;
                }
                interface streams {
                    use error.{error};
                    variant stream-error {
                        last-operation-failed(error),
                        closed,
                    }
                    resource output-stream {
                        blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
                    }
                }
            }

            package wasi:cli@0.2.6 {
                interface stderr {
                    use wasi:io/streams@0.2.6.{output-stream};
                    get-stderr: func() -> output-stream;
                }
            }
        "#,
        generate_all,
    });
}

struct Printing {
    records: SqlRecords,
    lines: u64,
}

impl SqlDriver for Printing {
    fn describe() -> Description {
        Description { name: "printing".into(), version: env!("CARGO_PKG_VERSION").into() }
    }

    fn configure(mut options: Options) -> Result<Self, ConfigurationError> {
        let lines = options.take_parsed("lines", "a number of lines")?;
        options.finish()?;
        Ok(Printing { records: SqlRecords::open()?, lines: lines.unwrap_or(1) })
    }

    fn records(&mut self) -> &mut SqlRecords {
        &mut self.records
    }

    fn select_victims(&mut self, _request: Eviction) -> Result<Vec<Victim>, Error> {
        let stderr = bindings::wasi::cli::stderr::get_stderr();
        for line in 1..=self.lines {
            let words = format!("assertion {line} failed: \u{1b}[31man image has a size\n");
            // The trap follows in any case.
            let _ = stderr.blocking_write_and_flush(words.as_bytes());
        }
        end_without_words()
    }
}

/// Its name is in the backtrace.
#[inline(never)]
fn end_without_words() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort();
}

export_driver!(Printing);
