//! Claims a database for a driver: its owner is noted, and a database that another driver made is moved away.

use super::Database;
use super::database_lock::lock_database_files;
use super::location::Location;
use super::owner::{Claim, Owner, SetAside};
use super::place::Place;
use image_cache_model::names;
use image_cache_store::SmallFiles;
use std::io;

impl Database {
    /// Whether a database at its place belongs to another driver.
    pub fn is_foreign(&self, owner: &Owner) -> io::Result<bool> {
        Ok(self.noted()?.is_some_and(|noted| !noted.is_same(owner)))
    }

    /// Makes this driver the owner of the database. One that belongs to another driver is moved into `.image-cache/` first, because
    /// its tables are not this driver's; one without a known owner is taken over, since earlier releases noted none. No instance
    /// may be configured on it yet. From now on the database is opened only while this driver owns it.
    ///
    /// A database that another process uses is not moved away: nothing is changed then.
    pub fn claim(&mut self, owner: Owner) -> io::Result<Claim> {
        let Place::File { directory, path } = &self.place else { return Ok(Claim::Made(None)) };
        let _one_at_a_time = lock_database_files(directory)?;
        let noted = self.noted()?;
        let aside = match &noted {
            Some(other) if !other.is_same(&owner) => {
                if let Some(process) = self.used_elsewhere()? {
                    return Ok(Claim::Refused { owner: other.clone(), process });
                }
                let location = Location::find(directory, path)?;
                let path = match location.identity()? {
                    Some(_) => Some(location.move_into_own(directory, "of-another-driver")?),
                    None => None,
                };
                Some(SetAside { owner: other.clone(), path })
            }
            _ => None,
        };
        // A note with an author is not replaced by one without.
        let is_known = |noted: Owner| noted == owner || owner.author.is_none();
        if aside.is_some() || !noted.is_some_and(is_known) {
            self.write_note(&owner)?;
        }
        // Under the lock, so that every other process that claims it later knows.
        if let Some(name) = self.file_name()
            && let Err(error) = directory.note_database(name)
        {
            tracing::debug!(%error, "other processes do not know that the database is in use");
        }
        (self.open, self.configured_on, self.file_checked) = (None, None, false);
        self.owner = Some(owner);
        Ok(Claim::Made(aside))
    }

    /// The name of its file, if a driver claimed it.
    pub fn claimed_file(&self) -> Option<&str> {
        self.owner.as_ref().and_then(|_| self.file_name())
    }

    /// Another process that uses it, if there is one.
    fn used_elsewhere(&self) -> io::Result<Option<u32>> {
        let Place::File { directory, .. } = &self.place else { return Ok(None) };
        let Some(name) = self.file_name() else { return Ok(None) };
        let mut others = directory.running_elsewhere()?.into_iter();
        Ok(others.find(|other| other.databases.contains(name)).map(|other| other.process))
    }

    fn file_name(&self) -> Option<&str> {
        match &self.place {
            Place::File { path, .. } => path.file_name().and_then(|name| name.to_str()),
            Place::Memory => None,
        }
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
        let Place::File { directory, .. } = &self.place else { return Ok(None) };
        let Some(file) = self.file_name() else { return Ok(None) };
        let notes = directory.small_files(names::in_own(names::DRIVERS))?;
        Ok(Some((notes, format!("{file}.owner"))))
    }
}
