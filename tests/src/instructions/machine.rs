//! The environment of a count in addition to our code: compilers, the C library, valgrind, the kind of processor.

use super::valgrind::{Valgrind, answer};
use image_cache_guest_toolchain::Toolchain;
use std::collections::BTreeMap;

/// The names and values that must be equal for comparing counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine(pub BTreeMap<String, String>);

impl Machine {
    /// This machine.
    pub fn this(valgrind: &Valgrind) -> Machine {
        let unknown = |answer: Option<String>| answer.unwrap_or_else(|| "unknown".into());
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let facts = [
            ("architecture", architecture()),
            ("c-compiler", unknown(answer("cc", &["--version"]))),
            ("c-library", unknown(answer("getconf", &["GNU_LIBC_VERSION"]))),
            ("guests-rustc", unknown(guests_rustc())),
            ("profile", if cfg!(debug_assertions) { "dev" } else { "release" }.into()),
            ("rustc", unknown(answer(rustc, &["--version"]))),
            ("valgrind", valgrind.version.clone()),
        ];
        Machine(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The differences to another machine, as a message.
    pub fn differences(&self, there: &Machine) -> Vec<String> {
        let of =
            |machine: &Machine, name| machine.0.get(name).map_or("none", String::as_str).to_owned();
        let names = there.0.keys().filter(|name| self.0.get(*name) != there.0.get(*name));
        names
            .map(|name| format!("{name}: {:?}, not {:?}", of(self, name), of(there, name)))
            .collect()
    }
}

/// Valgrind emulates a processor, which has AVX2 only if the real processor has it.
fn architecture() -> String {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return "x86_64 with AVX2".into();
    }
    std::env::consts::ARCH.into()
}

fn guests_rustc() -> Option<String> {
    match Toolchain::find().ok()? {
        Toolchain::WithTarget { rustc, .. } | Toolchain::WithSource { rustc, .. } => {
            answer(rustc, &["--version"])
        }
        _ => None,
    }
}
