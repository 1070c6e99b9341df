//! The digests of one image's blocks, in memory and in the format of the file.

use super::digest::{BlockDigests, DIGEST_BLOCK, digest};
use crate::directory::FileKey;
use image_cache_model::ImageId;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// The first bytes of a digest file: a name and the version of the format.
const MAGIC: [u8; 8] = *b"ICBLOCK\x01";

/// Code of XXH3 with 64 bits over blocks of [`DIGEST_BLOCK`] bytes.
const XXH3_64: u8 = 1;

/// Bytes before the id.
const HEAD: usize = 48;

/// Bytes of a digest.
const DIGEST: usize = 8;

/// Why the bytes of a cached image are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trust {
    /// Its block digests were computed from the bytes that the cache fetched and verified.
    Fetched,
    /// They were computed later, when the file matched the checksum in its record.
    Checksum,
    /// They were computed when the file was first used; its bytes before that were not verified.
    FirstUse,
    /// It has no complete digests yet: its first use verifies it against the checksum in its record, or computes them.
    NotYet,
}

/// The digests of an image's blocks. An unknown digest is set by the first check of its block.
///
/// Threads share it without a lock. [`take_unsaved`](Self::take_unsaved) tells exactly one of them to save it after it is
/// complete. If a table is dropped before that, the next use builds it again.
#[derive(Debug)]
pub struct DigestTable {
    size: u64,
    trust: Trust,
    /// 0 if it is not known.
    digests: Box<[AtomicU64]>,
    unknown: AtomicUsize,
    /// Whether it must be saved when it is complete.
    unsaved: AtomicBool,
}

impl DigestTable {
    /// The digests of bytes that were just verified.
    pub fn from_digests(size: u64, trust: Trust, digests: BlockDigests) -> DigestTable {
        DigestTable::of(size, trust, digests.finish(), false)
    }

    /// A table without known digests; each block is trusted when it is first read. If `save_when_complete`,
    /// [`take_unsaved`](Self::take_unsaved) asks to save the digests when all are known.
    pub fn trust_on_first_use(size: u64, save_when_complete: bool) -> DigestTable {
        DigestTable::of(size, Trust::FirstUse, vec![0; blocks(size)], save_when_complete)
    }

    fn of(size: u64, trust: Trust, digests: Vec<u64>, save_when_complete: bool) -> DigestTable {
        let unknown = digests.iter().filter(|digest| **digest == 0).count();
        DigestTable {
            size,
            trust,
            digests: digests.into_iter().map(AtomicU64::new).collect(),
            unknown: AtomicUsize::new(unknown),
            unsaved: AtomicBool::new(save_when_complete),
        }
    }

    /// Bytes of the image.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Number of blocks.
    pub fn blocks(&self) -> usize {
        self.digests.len()
    }

    /// Bytes of the block: [`DIGEST_BLOCK`] except for the last one.
    pub fn block_len(&self, block: usize) -> usize {
        let left = self.size.saturating_sub((block as u64).saturating_mul(DIGEST_BLOCK));
        usize::try_from(left.min(DIGEST_BLOCK)).unwrap_or(0)
    }

    /// Why these digests are trusted; [`Trust::NotYet`] if some are not known.
    pub fn trust(&self) -> Trust {
        if self.is_complete() { self.trust } else { Trust::NotYet }
    }

    /// Whether the digest of these bytes is that of the block. An unknown digest is set to theirs.
    pub fn check(&self, block: usize, bytes: &[u8]) -> bool {
        let found = digest(bytes);
        let Some(known) = self.digests.get(block) else { return false };
        match known.compare_exchange(0, found, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                self.unknown.fetch_sub(1, Ordering::AcqRel);
                true
            }
            Err(known) => known == found,
        }
    }

    /// Whether the caller must save the digests: true once, when all digests of an image that had none are known.
    pub fn take_unsaved(&self) -> bool {
        self.unsaved.load(Ordering::Relaxed)
            && self.is_complete()
            && self.unsaved.swap(false, Ordering::AcqRel)
    }

    /// Whether the digest of every block is known.
    pub fn is_complete(&self) -> bool {
        self.unknown.load(Ordering::Acquire) == 0
    }

    /// The bytes of its file, which contain the id and end with a digest of the file itself.
    pub fn to_bytes(&self, id: &ImageId, file: &FileKey) -> Vec<u8> {
        let id = id.as_str().as_bytes();
        let mut bytes = Vec::with_capacity(HEAD + id.len() + (self.blocks() + 1) * DIGEST);
        bytes.extend(MAGIC);
        bytes.extend([XXH3_64, to_code(self.trust)]);
        // An id has at most 255 bytes.
        bytes.extend((id.len() as u16).to_le_bytes());
        bytes.extend((DIGEST_BLOCK as u32).to_le_bytes());
        bytes.extend(self.size.to_le_bytes());
        bytes.extend(file.inode.to_le_bytes());
        bytes.extend(file.modified.0.to_le_bytes());
        bytes.extend(file.modified.1.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(id);
        bytes.extend(self.digests.iter().flat_map(|d| d.load(Ordering::Acquire).to_le_bytes()));
        let own = digest(&bytes);
        bytes.extend(own.to_le_bytes());
        bytes
    }

    /// Parses these bytes; `None` if they are torn, of another image, or of an unknown version.
    pub fn from_bytes(bytes: &[u8], id: &ImageId) -> Option<(FileKey, DigestTable)> {
        let (content, own) = bytes.split_last_chunk::<DIGEST>()?;
        // The name is compared first, so that no digest of a large file of zeros is computed.
        if !content.starts_with(&MAGIC) || digest(content) != u64::from_le_bytes(*own) {
            return None;
        }
        let mut rest = content;
        let known = take(&mut rest)? == MAGIC && take(&mut rest)? == [XXH3_64];
        let trust = from_code(take::<1>(&mut rest)?[0])?;
        let id_bytes = usize::from(u16::from_le_bytes(take(&mut rest)?));
        let is_block = u64::from(u32::from_le_bytes(take(&mut rest)?)) == DIGEST_BLOCK;
        let size = u64::from_le_bytes(take(&mut rest)?);
        let inode = u64::from_le_bytes(take(&mut rest)?);
        let seconds = i64::from_le_bytes(take(&mut rest)?);
        let nanoseconds = u32::from_le_bytes(take(&mut rest)?);
        take::<4>(&mut rest)?;
        let (name, digests) = rest.split_at_checked(id_bytes)?;
        let (digests, odd) = digests.as_chunks::<DIGEST>();
        let whole = odd.is_empty() && digests.len() == blocks(size) && !digests.contains(&[0; 8]);
        if !(known && is_block && whole && name == id.as_str().as_bytes()) {
            return None;
        }
        let digests = digests.iter().map(|digest| u64::from_le_bytes(*digest)).collect();
        let file = FileKey { inode, size, modified: (seconds, nanoseconds) };
        Some((file, DigestTable::of(size, trust, digests, false)))
    }

    /// The id in the first bytes of a digest file, which are not verified.
    pub fn id_in(head: &[u8]) -> Option<ImageId> {
        let len = u16::from_le_bytes(*head.get(10..12)?.first_chunk()?);
        let id = head.get(HEAD..HEAD + usize::from(len))?;
        str::from_utf8(id).ok()?.parse().ok()
    }

    /// Bytes of a file that [`id_in`](Self::id_in) needs.
    pub const HEAD_AND_ID: u64 = HEAD as u64 + image_cache_model::MAX_IMAGE_ID_BYTES as u64;
}

/// Number of blocks of an image with this number of bytes.
fn blocks(size: u64) -> usize {
    usize::try_from(size.div_ceil(DIGEST_BLOCK)).unwrap_or(usize::MAX)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

fn to_code(trust: Trust) -> u8 {
    match trust {
        Trust::NotYet => 0,
        Trust::Fetched => 1,
        Trust::Checksum => 2,
        Trust::FirstUse => 3,
    }
}

fn from_code(code: u8) -> Option<Trust> {
    [Trust::Fetched, Trust::Checksum, Trust::FirstUse].into_iter().find(|t| to_code(*t) == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(size: usize) -> (DigestTable, FileKey) {
        let mut digests = BlockDigests::default();
        digests.update(&vec![7; size]);
        let file = FileKey { inode: 5, size: size as u64, modified: (-1, 999_999_999) };
        (DigestTable::from_digests(size as u64, Trust::Fetched, digests), file)
    }

    fn id(id: &str) -> ImageId {
        id.parse().unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        for size in [0, 1, 1 << 20, (3 << 20) + 1] {
            let (table, file) = table(size);
            let bytes = table.to_bytes(&id("ünïcode"), &file);
            let (bound, back) =
                DigestTable::from_bytes(&bytes, &id("ünïcode")).expect("it is whole");
            assert_eq!((bound, back.size(), back.trust()), (file, size as u64, Trust::Fetched));
            assert_eq!(back.to_bytes(&id("ünïcode"), &bound), bytes);
            assert_eq!(DigestTable::id_in(&bytes), Some(id("ünïcode")));
        }
    }

    #[test]
    fn torn_flipped_and_another_images_bytes_are_refused() {
        let (table, file) = table((2 << 20) + 5);
        let bytes = table.to_bytes(&id("a"), &file);
        assert!(DigestTable::from_bytes(&bytes, &id("b")).is_none(), "of another image");
        for len in 0..bytes.len() {
            assert!(DigestTable::from_bytes(&bytes[..len], &id("a")).is_none(), "{len} bytes");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(DigestTable::from_bytes(&flipped, &id("a")).is_none(), "bit {bit}");
        }
        let longer = [&bytes[..], &[0; 8]].concat();
        assert!(DigestTable::from_bytes(&longer, &id("a")).is_none());
    }

    #[test]
    fn a_block_is_trusted_once_and_then_compared() {
        let table = DigestTable::trust_on_first_use((1 << 20) + 1, true);
        assert_eq!(table.trust(), Trust::NotYet);
        assert!(table.check(1, b"x") && table.check(1, b"x") && !table.check(1, b"y"));
        assert!(!table.take_unsaved());
        assert!(table.check(0, b"z") && !table.check(2, b"z"), "there is no third block");
        assert!(table.take_unsaved() && !table.take_unsaved());
        assert_eq!(table.trust(), Trust::FirstUse);
    }
}
