//! To whom a database belongs: to the driver that made it, by the name that the driver gives itself (and its author, if it has a
//! manifest), not by the name in the configuration. A small file beside the database, out of the guest's reach, notes the owner.

use image_cache_model::printable;
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

/// The result of a claim.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim {
    /// The database belongs to the driver now. Another one, if there was one, was moved away.
    Made(Option<SetAside>),
    /// The database belongs to another driver, and another process uses it.
    Refused {
        /// The driver to which it belongs.
        owner: Owner,
        /// The other process.
        process: u32,
    },
}

impl Owner {
    /// The content of a note: a line each.
    pub(super) fn note(&self) -> String {
        format!("{}\n{}\n", self.name, self.author.as_deref().unwrap_or_default())
    }

    pub(super) fn parse(note: &[u8]) -> Owner {
        let text = String::from_utf8_lossy(note);
        let mut lines = text.lines().map(|line| printable(line, MAX_SHOWN));
        let name = lines.next().unwrap_or_default();
        Owner { name, author: lines.next().filter(|author| !author.is_empty()) }
    }

    /// Whether both are the same driver; where one has no author, the name decides.
    pub(super) fn is_same(&self, other: &Owner) -> bool {
        let authors = self.author.as_ref().zip(other.author.as_ref());
        self.name == other.name && authors.is_none_or(|(ours, theirs)| ours == theirs)
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
