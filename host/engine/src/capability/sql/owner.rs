//! To whom a database belongs: to the driver that made it, by the name that the driver gives itself (and its author, if it has a
//! manifest), not by the name in the configuration. A small file beside the database, out of the guest's reach, notes the owner.

use super::Database;
use super::database_lock::lock_database_files;
use super::location::Location;
use super::place::Place;
use image_cache_model::{names, printable};
use image_cache_store::SmallFiles;
use std::io;
use std::path::PathBuf;

/// Longest name or author that is shown, in bytes.
const MAX_SHOWN: usize = 300;

/// A driver as the owner of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub name: String,
    /// From its manifest.
    pub author: Option<String>,
}

/// A database that another driver made, after it was moved away.
#[derive(Debug, PartialEq, Eq)]
pub struct SetAside {
    pub owner: Owner,
    /// Its new path; `None` if only the note of its owner was left.
    pub path: Option<PathBuf>,
}

impl Owner {
    /// The content of a note: a line each.
    fn note(&self) -> String {
        format!("{}\n{}\n", self.name, self.author.as_deref().unwrap_or_default())
    }

    fn parse(note: &[u8]) -> Owner {
        let text = String::from_utf8_lossy(note);
        let mut lines = text.lines().map(|line| printable(line, MAX_SHOWN));
        let name = lines.next().unwrap_or_default();
        Owner { name, author: lines.next().filter(|author| !author.is_empty()) }
    }

    /// Whether both are the same driver; where one has no author, the name decides.
    fn is_same(&self, other: &Owner) -> bool {
        let authors = self.author.as_ref().zip(other.author.as_ref());
        self.name == other.name && authors.is_none_or(|(ours, theirs)| ours == theirs)
    }
}

impl Database {
    /// Whether a database at its place belongs to another driver.
    pub fn is_foreign(&self, owner: &Owner) -> io::Result<bool> {
        Ok(self.noted()?.is_some_and(|noted| !noted.is_same(owner)))
    }

    /// Makes this driver the owner of the database. One that belongs to another driver is moved into `.image-cache/` first, because
    /// its tables are not this driver's; one without a known owner is taken over, since earlier releases noted none. No instance
    /// may be configured on it yet. From now on the database is opened only while this driver owns it.
    pub fn claim(&mut self, owner: Owner) -> io::Result<Option<SetAside>> {
        let Place::File { directory, path } = &self.place else { return Ok(None) };
        let _one_at_a_time = lock_database_files(directory)?;
        let aside = match self.noted()? {
            Some(other) if !other.is_same(&owner) => {
                let location = Location::find(directory, path)?;
                let path = match location.identity()? {
                    Some(_) => Some(location.move_into_own(directory, "of-another-driver")?),
                    None => None,
                };
                Some(SetAside { owner: other, path })
            }
            // A note with an author is not replaced by one without.
            Some(noted) if noted == owner || owner.author.is_none() => None,
            _ => {
                self.write_note(&owner)?;
                None
            }
        };
        if aside.is_some() {
            self.write_note(&owner)?;
        }
        (self.open, self.configured_on, self.file_checked) = (None, None, false);
        self.owner = Some(owner);
        Ok(aside)
    }

    /// Whether the database still belongs to the driver that claimed it, if one did.
    pub(super) fn is_still_ours(&self) -> bool {
        let is_foreign = self.owner.as_ref().map(|owner| self.is_foreign(owner));
        // A note that cannot be read now was read when the database was claimed.
        !is_foreign.is_some_and(|is_foreign| is_foreign.unwrap_or(false))
    }

    /// The owner that is noted, if any.
    fn noted(&self) -> io::Result<Option<Owner>> {
        let Some((notes, name)) = self.notes()? else { return Ok(None) };
        Ok(notes.load(&name)?.map(|note| Owner::parse(&note)))
    }

    fn write_note(&self, owner: &Owner) -> io::Result<()> {
        match self.notes()? {
            Some((notes, name)) => notes.save(&name, owner.note().as_bytes()),
            None => Ok(()),
        }
    }

    /// The folder of the notes, and the name of this database's; `None` if it is in memory.
    fn notes(&self) -> io::Result<Option<(SmallFiles, String)>> {
        let Place::File { directory, path } = &self.place else { return Ok(None) };
        let Some(file) = path.file_name().and_then(|file| file.to_str()) else { return Ok(None) };
        let notes = directory.small_files(names::in_own(names::DRIVERS))?;
        Ok(Some((notes, format!("{file}.owner"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str, author: Option<&str>) -> Owner {
        Owner { name: name.into(), author: author.map(str::to_owned) }
    }

    #[test]
    fn a_driver_is_known_by_its_name_and_by_its_author_if_both_have_one() {
        let (plain, ada) = (owner("lfu", None), owner("lfu", Some("Ada")));
        assert!(plain.is_same(&ada) && ada.is_same(&plain) && ada.is_same(&ada));
        assert!(!ada.is_same(&owner("lfu", Some("Eve"))) && !plain.is_same(&owner("gdsf", None)));
        for owner in [plain, ada] {
            assert_eq!(Owner::parse(owner.note().as_bytes()), owner);
        }
        assert_eq!(Owner::parse(b"lfu"), owner("lfu", None));
    }
}
