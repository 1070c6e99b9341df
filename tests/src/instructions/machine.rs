//! What a count of instructions depends on besides our code: compilers, the C library, valgrind, the processor's kind.

use super::valgrind::{Valgrind, answer};
use image_cache_guest_toolchain::Toolchain;
use std::collections::BTreeMap;

/// All that has to be equal where counts are compared: name and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine(pub BTreeMap<String, String>);

impl Machine {
    /// This one.
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

    /// What differs from another one, in words.
    pub fn differences(&self, there: &Machine) -> Vec<String> {
        let of =
            |machine: &Machine, name| machine.0.get(name).map_or("none", String::as_str).to_owned();
        let names = there.0.keys().filter(|name| self.0.get(*name) != there.0.get(*name));
        names
            .map(|name| format!("{name}: {:?}, not {:?}", of(self, name), of(there, name)))
            .collect()
    }
}

/// Valgrind shows a program a processor of its own, which has AVX2 where the real one has it, and never more.
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
