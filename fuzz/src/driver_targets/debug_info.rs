//! The debug information of a module: whatever it is, a walk ends, and its result is short.

use super::super::backtrace::dwarf::Dwarf;

/// The addresses that are looked up.
const ADDRESSES: [u64; 3] = [0x14, 0, u64::MAX];

/// The steps of a walk, few enough for many runs.
const BUDGET: u64 = 100_000;

/// Maximum length of a name or a path in bytes, after bytes that are no UTF-8 were replaced.
const MAX_TEXT: usize = 2 * 3 * 4096 + 1;

/// The input is the sections, each after its length in two bytes.
pub fn check(data: &[u8]) {
    let mut rest = data;
    let sections = std::array::from_fn(|_| section(&mut rest));
    let mut budget = BUDGET;
    let found = Dwarf::new(&sections, &mut budget).frames(&ADDRESSES);
    assert!(budget <= BUDGET);
    assert_eq!(found.len(), ADDRESSES.len());
    for frames in &found {
        assert!(frames.len() <= 17, "{} functions", frames.len());
        if let Some((own, inlined)) = frames.split_last() {
            assert!(own.inlined.is_none(), "{frames:?}");
            assert!(inlined.iter().all(|frame| frame.inlined.is_some()), "{frames:?}");
        }
        let texts = frames.iter().flat_map(|frame| [&frame.inlined, &frame.file]);
        for text in texts.flatten() {
            assert!(text.len() <= MAX_TEXT, "{} bytes", text.len());
        }
    }
}

fn section(rest: &mut &[u8]) -> Vec<u8> {
    let Some((length, after)) = rest.split_at_checked(2) else { return Vec::new() };
    let length = usize::from(u16::from_le_bytes([length[0], length[1]])).min(after.len());
    let (section, after) = after.split_at(length);
    *rest = after;
    section.to_vec()
}
