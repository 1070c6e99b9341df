//! The files and lines of addresses: the line programs of a module, and the text of its debug information.

use gimli::{
    AttributeValue, DebugLine, DebugLineOffset, DebugLineStr, DebugStr, EndianSlice,
    IncompleteLineProgram, LineProgramHeader, LittleEndian,
};

pub type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// Maximum size of a table of files, in bytes: in memory it is about a hundred times as large.
const MAX_FILES: u32 = 256 << 10;

/// Maximum length of a name or a path that is used, in bytes.
const MAX_TEXT: usize = 4096;

/// The size of an address in WebAssembly, in bytes.
const ADDRESS: u8 = 4;

/// Takes steps from a budget; `None` if it has no more.
pub fn spend(budget: &mut u64, steps: usize) -> Option<()> {
    *budget = budget.checked_sub(steps as u64)?;
    Some(())
}

/// The line programs of a module.
pub struct LineTable<'a> {
    programs: &'a [u8],
    strings: DebugStr<Bytes<'a>>,
    line_strings: DebugLineStr<Bytes<'a>>,
}

impl<'a> LineTable<'a> {
    pub fn new(programs: &'a [u8], strings: &'a [u8], line_strings: &'a [u8]) -> Self {
        let line_strings = EndianSlice::new(line_strings, LittleEndian);
        let strings = DebugStr::new(strings, LittleEndian);
        LineTable { programs, strings, line_strings: DebugLineStr::from(line_strings) }
    }

    /// The program at this offset.
    pub fn program(
        &self,
        offset: usize,
        budget: &mut u64,
    ) -> Option<IncompleteLineProgram<Bytes<'a>>> {
        let program = self.programs.get(offset..)?;
        if header_length(program)? > MAX_FILES {
            return None;
        }
        // An instruction takes less time than other steps.
        spend(budget, program.len() / 16)?;
        let programs = DebugLine::new(self.programs, LittleEndian);
        programs.program(DebugLineOffset(offset), ADDRESS, None, None).ok()
    }

    /// The index of the file, and the line, of an address.
    pub fn row(
        program: IncompleteLineProgram<Bytes<'a>>,
        address: u64,
        budget: &mut u64,
    ) -> Option<(u64, u64)> {
        let (mut rows, mut before) = (program.rows(), None);
        while let Some((_, row)) = rows.next_row().ok()? {
            spend(budget, 1)?;
            if let Some((begin, file, line)) = before
                && (begin..row.address()).contains(&address)
            {
                return Some((file, line));
            }
            let line = row.line().map_or(0, |line| line.get());
            // The linker gives functions that it has left out the address 0.
            let is_code = !row.end_sequence() && row.address() != 0;
            before = is_code.then(|| (row.address(), row.file_index(), line));
        }
        None
    }

    /// The path of a file.
    pub fn file(&self, header: &LineProgramHeader<Bytes<'a>>, index: u64) -> Option<String> {
        let file = header.file(index)?;
        let name = self.text(file.path_name())?;
        let directory = file.directory(header).and_then(|directory| self.text(directory));
        match directory.filter(|directory| !directory.is_empty() && !name.starts_with('/')) {
            Some(directory) => Some(format!("{directory}/{name}")),
            None => Some(name),
        }
    }

    /// The value of an attribute that is text.
    pub fn text(&self, value: AttributeValue<Bytes<'a>>) -> Option<String> {
        let bytes = match value {
            AttributeValue::String(text) => text,
            AttributeValue::DebugStrRef(offset) => self.strings.get_str(offset).ok()?,
            AttributeValue::DebugLineStrRef(offset) => self.line_strings.get_str(offset).ok()?,
            _ => return None,
        };
        let bytes = bytes.slice();
        Some(String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_TEXT)]).into_owned())
    }
}

/// The size of the header of a line program, of which its table of files is the largest part.
fn header_length(program: &[u8]) -> Option<u32> {
    let four = |at: usize| program.get(at..at + 4).map(|four| [four[0], four[1], four[2], four[3]]);
    // Other lengths begin the 64-bit form, which no linker writes for a module of 32 bits.
    if u32::from_le_bytes(four(0)?) >= 0xffff_fff0 {
        return None;
    }
    let version = u16::from_le_bytes([*program.get(4)?, *program.get(5)?]);
    Some(u32::from_le_bytes(four(if version >= 5 { 8 } else { 6 })?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_a_huge_table_of_files_is_not_read() {
        for (version, at) in [(4_u8, 6), (5, 8)] {
            let mut program = vec![0_u8; 100];
            program[0] = 96;
            program[4] = version;
            program[at..at + 4].copy_from_slice(&(MAX_FILES + 1).to_le_bytes());
            assert_eq!(header_length(&program), Some(MAX_FILES + 1));
            let table = LineTable::new(&program, &[], &[]);
            assert!(table.program(0, &mut 1000).is_none());
        }
        assert_eq!(header_length(&[0xff; 100]), None);
        assert_eq!(header_length(&[1; 9]), None);
    }

    #[test]
    fn a_budget_ends() {
        let mut budget = 3;
        assert_eq!((spend(&mut budget, 3), spend(&mut budget, 1)), (Some(()), None));
    }
}
