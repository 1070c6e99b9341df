//! Debug information that is written by hand: a function at 0x10 in which another one is inlined, once or again and again.

use super::*;

/// The forms of entries: a compilation unit, a function, an inlined function, and the description of the latter.
const ABBREVIATIONS: &[u8] = &[
    // The unit: low and high address, line program. The function: low and high address.
    1, 0x11, 1, 0x11, 0x01, 0x12, 0x06, 0x10, 0x17, 0, 0, 2, 0x2e, 1, 0x11, 0x01, 0x12, 0x06, 0, 0,
    // The inlined one: low and high address, the description, and file and line of the call.
    3, 0x1d, 1, 0x11, 0x01, 0x12, 0x06, 0x31, 0x13, 0x58, 0x0b, 0x59, 0x0b, 0, 0,
    // The name.
    4, 0x2e, 0, 0x03, 0x08, 0, 0, 0,
];

/// `src/lib.rs`, whose line 42 is at 0x10..0x20.
const LINES: &[u8] = &[
    // The lengths, version 4, and the operands of instructions.
    55, 0, 0, 0, 4, 0, 34, 0, 0, 0, 1, 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1,
    // The folders and the files.
    b's', b'r', b'c', 0, 0, b'l', b'i', b'b', b'.', b'r', b's', 0, 1, 0, 0, 0,
    // Address, line, row, size, end.
    0, 5, 2, 0x10, 0, 0, 0, 3, 41, 1, 2, 0x10, 0, 1, 1,
];

/// The size of the header of a unit, and the place of the description of the inlined function.
const HEADER: usize = 11;
const ORIGIN: usize = HEADER + 13;

fn range(code: u8) -> Vec<u8> {
    [&[code][..], &0x10_u32.to_le_bytes(), &0x10_u32.to_le_bytes()].concat()
}

/// The debug information of a function with this many functions inlined in one another.
fn sections(depth: usize) -> [Vec<u8>; 7] {
    let mut entries = [range(1), vec![0; 4], vec![4], b"choose\0".to_vec(), range(2)].concat();
    let inlined =
        [range(3), u32::try_from(ORIGIN).expect("small").to_le_bytes().to_vec(), vec![1, 7]];
    entries.extend(inlined.concat().repeat(depth));
    entries.extend(vec![0; depth + 2]);
    let length = u32::try_from(entries.len() + 7).expect("small").to_le_bytes();
    let info = [&length[..], &[4, 0, 0, 0, 0, 0, 4], &entries].concat();
    let (abbreviations, lines) = (ABBREVIATIONS.to_vec(), LINES.to_vec());
    [info, abbreviations, lines, Vec::new(), Vec::new(), Vec::new(), Vec::new()]
}

fn frames(sections: &[Vec<u8>; 7], address: u64, mut budget: u64) -> Vec<SourceFrame> {
    Dwarf::new(sections, &mut budget).frames(&[address]).remove(0)
}

fn frame(inlined: Option<&str>, line: u64) -> SourceFrame {
    let file = Some("src/lib.rs".to_owned());
    SourceFrame { inlined: inlined.map(str::to_owned), file, line }
}

#[test]
fn an_inlined_function_is_named_with_its_line_and_that_of_its_call() {
    let expected = [frame(Some("choose"), 42), frame(None, 7)];
    assert_eq!(frames(&sections(1), 0x14, BUDGET), expected);
    assert_eq!(frames(&sections(0), 0x14, BUDGET), [frame(None, 42)]);
    assert_eq!(frames(&sections(1), 0x20, BUDGET), []);
}

#[test]
fn functions_that_are_inlined_without_end_are_few_in_the_result() {
    let found = frames(&sections(100_000), 0x14, BUDGET);
    assert_eq!(found.len(), MAX_INLINED + 1);
}

#[test]
fn a_walk_ends_with_its_budget() {
    let sections = sections(100_000);
    assert_eq!(frames(&sections, 0x14, 10), []);
    // Enough for the beginning of the entries.
    assert_eq!(frames(&sections, 0x14, 1000).len(), MAX_INLINED + 1);
}

#[test]
fn damaged_debug_information_gives_no_fault() {
    let whole = sections(2);
    for (section, bytes) in whole.iter().enumerate().take(3) {
        for place in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = whole.clone();
                damaged[section][place] = value;
                frames(&damaged, 0x14, BUDGET);
                damaged[section].truncate(place);
                frames(&damaged, 0x14, BUDGET);
            }
        }
    }
}
