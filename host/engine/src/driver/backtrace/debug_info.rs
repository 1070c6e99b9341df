//! The debug information in a component's modules, which is kept for the backtraces of its instances.

use super::dwarf::{BUDGET, Dwarf};
use super::source_frame::SourceFrame;
use std::ops::Range;
use wasmparser::{Encoding, Parser, Payload};

/// Maximum size of the debug information of a component, in bytes. More is not kept, and backtraces have no lines.
const MAX_BYTES: usize = 32 << 20;

/// Maximum size of a module's table of abbreviations, in bytes: each becomes many times as large in memory.
const MAX_ABBREVIATIONS: usize = 1 << 20;

/// The sections that are read.
const NAMES: [&str; 7] = [
    ".debug_info",
    ".debug_abbrev",
    ".debug_line",
    ".debug_str",
    ".debug_line_str",
    ".debug_ranges",
    ".debug_rnglists",
];

/// The debug information of one module.
#[derive(Debug, Default)]
struct Module {
    /// The place of its code in the component.
    code: Range<usize>,
    /// The contents of the sections in the order of [`NAMES`].
    sections: [Vec<u8>; NAMES.len()],
}

impl Module {
    fn is_useful(&self) -> bool {
        let [info, abbreviations, ..] = &self.sections;
        !info.is_empty() && abbreviations.len() <= MAX_ABBREVIATIONS
    }
}

/// The debug information of all modules of a component.
#[derive(Debug)]
pub struct DebugInfo {
    modules: Vec<Module>,
}

impl DebugInfo {
    /// Copies it out of a component; `None` if the component has none, or more than the limit.
    pub fn read(component: &[u8]) -> Option<DebugInfo> {
        let (mut modules, mut module, mut kept) = (Vec::new(), None::<Module>, 0);
        for payload in Parser::new(0).parse_all(component) {
            match payload.ok()? {
                Payload::Version { encoding: Encoding::Module, .. } => {
                    module = Some(Module::default());
                }
                Payload::CodeSectionStart { range, .. } => {
                    if let Some(module) = &mut module {
                        module.code = range;
                    }
                }
                Payload::CustomSection(section) => {
                    let place = NAMES.iter().position(|name| *name == section.name());
                    if let (Some(module), Some(place)) = (&mut module, place) {
                        kept += section.data().len();
                        if kept > MAX_BYTES {
                            return None;
                        }
                        module.sections[place] = section.data().to_vec();
                    }
                }
                // The end of a module: it contains no others.
                Payload::End(_) => modules.extend(module.take().filter(Module::is_useful)),
                _ => {}
            }
        }
        (!modules.is_empty()).then_some(DebugInfo { modules })
    }

    /// The functions at each of these offsets in the component, innermost first; none for an offset without debug information.
    pub fn frames(&self, offsets: &[Option<usize>]) -> Vec<Vec<SourceFrame>> {
        let (mut all, mut budget) = (vec![Vec::new(); offsets.len()], BUDGET);
        for Module { code, sections } in &self.modules {
            let inside = offsets.iter().enumerate().filter_map(|(index, offset)| {
                let offset = offset.filter(|offset| code.contains(offset))?;
                Some((index, (offset - code.start) as u64))
            });
            let (indices, addresses): (Vec<usize>, Vec<u64>) = inside.unzip();
            if addresses.is_empty() {
                continue;
            }
            let frames = Dwarf::new(sections, &mut budget).frames(&addresses);
            for (index, frames) in indices.into_iter().zip(frames) {
                all[index] = frames;
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(section: &str, bytes: usize) -> Vec<u8> {
        let content = "x".repeat(bytes);
        let text = format!(
            r#"(component (core module (func) (@custom ".debug_info" "{content}") (@custom "{section}" "{content}")))"#
        );
        wat::parse_str(text).expect("valid text")
    }

    #[test]
    fn too_much_debug_information_is_not_kept() {
        let read = |section, bytes| DebugInfo::read(&component(section, bytes));
        assert!(read(".debug_str", 1000).is_some());
        assert!(read(".debug_str", MAX_BYTES / 2 + 1).is_none());
        assert!(read(".debug_abbrev", MAX_ABBREVIATIONS).is_some());
        assert!(read(".debug_abbrev", MAX_ABBREVIATIONS + 1).is_none());
    }

    #[test]
    fn what_is_no_debug_information_gives_no_lines() {
        let info = DebugInfo::read(&component(".debug_abbrev", 100)).expect("it has the sections");
        let code = info.modules[0].code.clone();
        assert!(!code.is_empty(), "{code:?}");
        let frames = info.frames(&[Some(code.start), None, Some(0)]);
        assert!(frames.len() == 3 && frames[1].is_empty() && frames[2].is_empty(), "{frames:?}");
    }
}
