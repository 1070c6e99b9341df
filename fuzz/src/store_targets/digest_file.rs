//! Files of block digests: a file is accepted exactly if a second parser, with fixed offsets, finds it valid. An accepted
//! file is unchanged when it is written again, and needs no more memory than its size.

use image_cache_model::ImageId;
use image_cache_store::integrity::DigestTable;
use twox_hash::XxHash3_64;

/// The offsets of a file's parts.
const SIZE: usize = 16;
const UNUSED: std::ops::Range<usize> = 44..48;
const HEAD: usize = 48;

/// The input is a file without the digest at its end, because no mutation would find that.
pub fn check(data: &[u8]) {
    let id = DigestTable::id_in(data).unwrap_or_else(|| "a".parse().expect("an id"));
    for file in [data.to_vec(), whole(data)] {
        let read = DigestTable::from_bytes(&file, &id);
        assert_eq!(read.is_some(), is_in_order(&file, &id), "{} bytes", file.len());
        let Some((key, table)) = read else { continue };
        assert!(
            table.blocks() * 8 <= file.len() && table.is_complete() && key.size == table.size()
        );
        let mut written = table.to_bytes(&id, &key);
        // The writer sets these to 0, and the reader ignores them; with them the digest at the end differs.
        written[UNUSED].copy_from_slice(&file[UNUSED]);
        let content = file.len() - 8;
        assert_eq!(
            written[..content],
            file[..content],
            "it is another file when it is written again"
        );
        let other = if id.as_str() == "a" { "b" } else { "a" }.parse().expect("an id");
        assert!(DigestTable::from_bytes(&file, &other).is_none(), "they are another image's");
        assert!(DigestTable::from_bytes(&file[..file.len() - 1], &id).is_none(), "truncated");
    }
}

fn whole(content: &[u8]) -> Vec<u8> {
    let digest = XxHash3_64::oneshot(content).max(1);
    [content, &digest.to_le_bytes()].concat()
}

fn is_in_order(file: &[u8], id: &ImageId) -> bool {
    let id = id.as_str().as_bytes();
    let number = |at: usize, len: usize| {
        file[at..at + len].iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    if file.len() < HEAD + id.len() + 8 || whole(&file[..file.len() - 8]) != file {
        return false;
    }
    let blocks = number(SIZE, 8).div_ceil(1 << 20);
    let digests = &file[HEAD + id.len()..file.len() - 8];
    file[..9] == *b"ICBLOCK\x01\x01"
        && (1..=3).contains(&file[9])
        && number(10, 2) == id.len() as u64
        && number(12, 4) == 1 << 20
        && file[HEAD..HEAD + id.len()] == *id
        && digests.len() as u128 == u128::from(blocks) * 8
        && digests.chunks(8).all(|digest| digest != [0; 8])
}
