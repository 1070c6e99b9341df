//! Finds in a module's DWARF debug information which functions and lines the addresses of its code have.
//!
//! It is hostile input. So one pass, without recursion, serves all addresses; each step is paid from a budget; and what a step
//! keeps in memory is bounded. A reader such as the crate addr2line fulfils none of these conditions. Tables of indices, which
//! only compilers of C use (`-gdwarf-5`), are not read: the backtrace then has names only.

use super::line_table::{Bytes, LineTable, spend};
use super::source_frame::SourceFrame;
use gimli::{
    Abbreviations, AttributeValue, DebugAbbrev, DebugInfo, DebugInfoOffset, DebugRanges,
    DebugRngLists, DebuggingInformationEntry, DwAt, LittleEndian, RangeLists, RangeListsOffset,
    RawRngListEntry, UnitHeader, UnitOffset,
};
use std::rc::Rc;

type Entry<'a> = DebuggingInformationEntry<Bytes<'a>>;

/// The steps that may be taken for one trap: some hundred milliseconds.
pub const BUDGET: u64 = 8_000_000;

/// Functions that are inlined in one another, at most.
const MAX_INLINED: usize = 16;

/// Entries that a name may refer to one after another, at most.
const MAX_REFERENCES: usize = 4;

/// The debug information of a module.
pub struct Dwarf<'a, 'b> {
    info: DebugInfo<Bytes<'a>>,
    abbreviations: DebugAbbrev<Bytes<'a>>,
    abbreviations_length: usize,
    lines: LineTable<'a>,
    ranges: RangeLists<Bytes<'a>>,
    budget: &'b mut u64,
    /// Those that were read last, and their offset: most units share them.
    last: Option<(usize, Rc<Abbreviations>)>,
}

/// A compilation unit.
struct Unit<'a> {
    header: UnitHeader<Bytes<'a>>,
    /// The address to which its ranges are relative.
    base: u64,
    lines: Option<usize>,
}

/// A function that the compiler inlined, and where it is called.
struct Inlined {
    origin: Option<DebugInfoOffset>,
    call_file: u64,
    call_line: u64,
}

/// What is known about an address.
#[derive(Default)]
struct Place {
    /// The offset of its unit's line program.
    lines: Option<usize>,
    /// Outermost first.
    inlined: Vec<Inlined>,
}

impl<'a, 'b> Dwarf<'a, 'b> {
    /// From the sections info, abbreviations, lines, strings, strings of lines, ranges, range lists.
    pub fn new(sections: &'a [Vec<u8>; 7], budget: &'b mut u64) -> Self {
        let [info, abbreviations, lines, strings, line_strings, ranges, range_lists] = sections;
        let ranges = DebugRanges::new(ranges, LittleEndian);
        Dwarf {
            info: DebugInfo::new(info, LittleEndian),
            abbreviations: DebugAbbrev::new(abbreviations, LittleEndian),
            abbreviations_length: abbreviations.len(),
            lines: LineTable::new(lines, strings, line_strings),
            ranges: RangeLists::new(ranges, DebugRngLists::new(range_lists, LittleEndian)),
            budget,
            last: None,
        }
    }

    /// The functions at each address, innermost first.
    pub fn frames(&mut self, addresses: &[u64]) -> Vec<Vec<SourceFrame>> {
        let mut places: Vec<Place> = addresses.iter().map(|_| Place::default()).collect();
        // What was found before a fault, or the end of the budget, is shown.
        let for_lines = *self.budget / 4;
        *self.budget -= for_lines;
        let _ = self.walk(addresses, &mut places);
        *self.budget += for_lines;
        let found = places.iter().zip(addresses);
        found.map(|(place, address)| self.at(place, *address).unwrap_or_default()).collect()
    }

    fn walk(&mut self, addresses: &[u64], places: &mut [Place]) -> Option<()> {
        let mut units = self.info.units();
        while let Some(header) = units.next().ok()? {
            spend(self.budget, 1)?;
            self.walk_unit(header, addresses, places)?;
        }
        Some(())
    }

    /// Reads all entries of a unit that contains some of the addresses.
    fn walk_unit(
        &mut self,
        header: UnitHeader<Bytes<'a>>,
        addresses: &[u64],
        places: &mut [Place],
    ) -> Option<()> {
        let abbreviations = self.abbreviations(&header)?;
        let mut entries = header.entries_raw(&abbreviations, None).ok()?;
        let mut entry = Entry::null();
        entries.read_entry(&mut entry).ok()?;
        let unit = Unit::new(header, &entry);
        let has_range = entry.has_attr(gimli::DW_AT_ranges) || entry.has_attr(gimli::DW_AT_high_pc);
        let mut inside = Vec::new();
        for (index, address) in addresses.iter().enumerate() {
            if !has_range || self.contains(&unit, &entry, *address)? {
                inside.push(index);
            }
        }
        while !inside.is_empty() && !entries.is_empty() {
            let is_entry = entries.read_entry(&mut entry).ok()?;
            spend(self.budget, 1 + entry.attrs().len())?;
            let functions = [gimli::DW_TAG_subprogram, gimli::DW_TAG_inlined_subroutine];
            if is_entry && functions.contains(&entry.tag()) {
                for index in &inside {
                    self.note(&unit, &entry, addresses[*index], &mut places[*index])?;
                }
            }
        }
        Some(())
    }

    /// Notes that a function contains the address, if it does. Entries come in the order of their nesting.
    fn note(
        &mut self,
        unit: &Unit<'a>,
        entry: &Entry<'a>,
        address: u64,
        place: &mut Place,
    ) -> Option<()> {
        if !self.contains(unit, entry, address)? {
            return Some(());
        }
        if entry.tag() == gimli::DW_TAG_subprogram {
            *place = Place { lines: unit.lines, inlined: Vec::new() };
        } else if place.inlined.len() < MAX_INLINED {
            place.inlined.push(Inlined {
                origin: unit.reference(entry, gimli::DW_AT_abstract_origin),
                call_file: number(entry, gimli::DW_AT_call_file),
                call_line: number(entry, gimli::DW_AT_call_line),
            });
        }
        Some(())
    }

    fn contains(&mut self, unit: &Unit<'a>, entry: &Entry<'a>, address: u64) -> Option<bool> {
        if let Some(AttributeValue::RangeListsRef(list)) = entry.attr_value(gimli::DW_AT_ranges) {
            return self.list_contains(unit, RangeListsOffset(list.0), address);
        }
        let Some(AttributeValue::Addr(low)) = entry.attr_value(gimli::DW_AT_low_pc) else {
            return Some(false);
        };
        let high = match entry.attr_value(gimli::DW_AT_high_pc) {
            Some(AttributeValue::Addr(high)) => high,
            size => low.saturating_add(size.and_then(|size| size.udata_value()).unwrap_or(0)),
        };
        // The linker gives functions that it has left out the address 0.
        Some(low != 0 && (low..high).contains(&address))
    }

    fn list_contains(
        &mut self,
        unit: &Unit<'a>,
        list: RangeListsOffset,
        address: u64,
    ) -> Option<bool> {
        let mut base = unit.base;
        let mut list = self.ranges.raw_ranges(list, unit.header.encoding()).ok()?;
        while let Some(range) = list.next().ok()? {
            spend(self.budget, 1)?;
            let (begin, end) = match range {
                RawRngListEntry::AddressOrOffsetPair { begin, end }
                | RawRngListEntry::OffsetPair { begin, end } => {
                    (base.saturating_add(begin), base.saturating_add(end))
                }
                RawRngListEntry::StartEnd { begin, end } => (begin, end),
                RawRngListEntry::StartLength { begin, length } => {
                    (begin, begin.saturating_add(length))
                }
                RawRngListEntry::BaseAddress { addr } => {
                    base = addr;
                    continue;
                }
                _ => continue,
            };
            if begin != 0 && (begin..end).contains(&address) {
                return Some(true);
            }
        }
        Some(false)
    }

    fn abbreviations(&mut self, header: &UnitHeader<Bytes<'a>>) -> Option<Rc<Abbreviations>> {
        let offset = header.debug_abbrev_offset().0;
        if let Some((last, abbreviations)) = &self.last
            && *last == offset
        {
            return Some(Rc::clone(abbreviations));
        }
        spend(self.budget, self.abbreviations_length.saturating_sub(offset))?;
        let abbreviations = Rc::new(header.abbreviations(&self.abbreviations).ok()?);
        self.last = Some((offset, Rc::clone(&abbreviations)));
        Some(abbreviations)
    }

    /// The functions at an address. The innermost has reached the line of the address, each other one the line of a call.
    fn at(&mut self, place: &Place, address: u64) -> Option<Vec<SourceFrame>> {
        let program = self.lines.program(place.lines?, self.budget)?;
        let header = program.header().clone();
        let row = LineTable::row(program, address, self.budget);
        let (mut file, mut line) = row.unwrap_or_default();
        let mut frames = Vec::new();
        for Inlined { origin, call_file, call_line } in place.inlined.iter().rev() {
            let name = origin.and_then(|origin| self.name(origin));
            let inlined = Some(name.unwrap_or_else(|| "an inlined function".into()));
            frames.push(SourceFrame { inlined, file: self.lines.file(&header, file), line });
            (file, line) = (*call_file, *call_line);
        }
        frames.push(SourceFrame { inlined: None, file: self.lines.file(&header, file), line });
        Some(frames)
    }

    /// The name of the function that an entry describes, or refers to.
    fn name(&mut self, mut offset: DebugInfoOffset) -> Option<String> {
        for _ in 0..MAX_REFERENCES {
            let (unit, at) = self.unit_of(offset)?;
            let abbreviations = self.abbreviations(&unit.header)?;
            let entry = unit.header.entry(&abbreviations, at).ok()?;
            spend(self.budget, 1 + entry.attrs().len())?;
            let mut names = [gimli::DW_AT_linkage_name, gimli::DW_AT_name].into_iter();
            let name = names.find_map(|name| self.lines.text(entry.attr_value(name)?));
            if name.is_some() {
                return name;
            }
            let mut references =
                [gimli::DW_AT_abstract_origin, gimli::DW_AT_specification].into_iter();
            offset = references.find_map(|name| unit.reference(&entry, name))?;
        }
        None
    }

    /// The unit that contains the entry at this offset.
    fn unit_of(&mut self, offset: DebugInfoOffset) -> Option<(Unit<'a>, UnitOffset)> {
        let mut units = self.info.units();
        while let Some(header) = units.next().ok()? {
            spend(self.budget, 1)?;
            if let Some(at) = offset.to_unit_offset(&header) {
                return Some((Unit { header, base: 0, lines: None }, at));
            }
        }
        None
    }
}

impl<'a> Unit<'a> {
    /// The unit with this first entry.
    fn new(header: UnitHeader<Bytes<'a>>, root: &Entry<'a>) -> Self {
        let base = match root.attr_value(gimli::DW_AT_low_pc) {
            Some(AttributeValue::Addr(low)) => low,
            _ => 0,
        };
        let lines = match root.attr_value(gimli::DW_AT_stmt_list) {
            Some(AttributeValue::DebugLineRef(offset)) => Some(offset.0),
            _ => None,
        };
        Unit { header, base, lines }
    }

    /// The entry to which an attribute refers.
    fn reference(&self, entry: &Entry<'a>, attribute: DwAt) -> Option<DebugInfoOffset> {
        match entry.attr_value(attribute)? {
            AttributeValue::UnitRef(at) if at.is_in_bounds(&self.header) => {
                at.to_debug_info_offset(&self.header)
            }
            AttributeValue::DebugInfoRef(offset) => Some(offset),
            _ => None,
        }
    }
}

fn number(entry: &Entry<'_>, attribute: DwAt) -> u64 {
    entry.attr_value_raw(attribute).and_then(|value| value.udata_value()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
