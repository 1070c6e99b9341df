//! libCacheSim's `oracleGeneral`: records of 24 bytes, little-endian: the time in seconds (32 bits), the id (64), the size (32),
//! and the number of the next request of the same object (64), which is not used.
//!
//! <https://github.com/1a1a11a/libCacheSim>, `traceReader/customizedReader/oracle/oracleGeneralBin.h`.

use super::collector::{Collector, Line};
use super::error::TraceError;
use std::io::{self, BufRead, BufReader, Read};

/// Bytes of a record.
const RECORD: usize = 24;

pub(super) fn read(input: impl Read, collector: &mut Collector) -> Result<(), TraceError> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let mut number = 0;
    while !input.fill_buf()?.is_empty() {
        number += 1;
        let mut record = [0; RECORD];
        match input.read_exact(&mut record) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(
                    collector.malformed(number, "it ends before its 24 bytes: it is truncated")
                );
            }
            other => other?,
        }
        let (time, id, size) = fields(&record);
        if size == 0 {
            collector.skip(number);
            continue;
        }
        let (at, id) = (u64::from(time) * 1_000_000, id.to_string());
        collector.push(number, Line::new(at, &id, size.into()))?;
    }
    Ok(())
}

/// Whether the first records can be some: their times do not go back, and the first one has a size.
pub(super) fn is_plausible(beginning: &[u8]) -> bool {
    let (records, _) = beginning.as_chunks::<RECORD>();
    let times = records.iter().map(|record| fields(record).0);
    times.is_sorted() && records.first().is_some_and(|first| fields(first).2 > 0)
}

fn fields(record: &[u8; RECORD]) -> (u32, u64, u32) {
    let (time, rest) = record.split_first_chunk().unwrap_or((&[0; 4], &[]));
    let (id, rest) = rest.split_first_chunk().unwrap_or((&[0; 8], &[]));
    let size = rest.first_chunk().unwrap_or(&[0; 4]);
    (u32::from_le_bytes(*time), u64::from_le_bytes(*id), u32::from_le_bytes(*size))
}
