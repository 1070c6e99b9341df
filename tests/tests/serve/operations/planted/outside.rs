//! Files outside of the cache directory, which must not change.

use image_cache_tests::Tested;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file's or folder's mode, user, group, modification time with nanoseconds, and content.
type State = (u32, u32, u32, i64, i64, Vec<u8>);

/// A file and a folder to which planted links refer.
pub struct Outside {
    root: PathBuf,
    before: BTreeMap<PathBuf, State>,
}

impl Outside {
    pub fn make(root: PathBuf) -> Tested<Outside> {
        fs::create_dir_all(root.join("folder"))?;
        for name in ["canary", "folder/inner"] {
            fs::write(root.join(name), "nobody may touch this")?;
            fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o604))?;
        }
        let mut before = BTreeMap::new();
        look(&root, &mut before)?;
        Ok(Outside { root, before })
    }

    pub fn file(&self) -> PathBuf {
        self.root.join("canary")
    }

    pub fn folder(&self) -> PathBuf {
        self.root.join("folder")
    }

    /// An unused name.
    pub fn nothing(&self) -> PathBuf {
        self.root.join("nothing")
    }

    /// Asserts that everything outside is unchanged, and that there is nothing else.
    pub fn is_unchanged(&self) -> Tested {
        let mut now = BTreeMap::new();
        look(&self.root, &mut now)?;
        match now == self.before {
            true => Ok(()),
            false => Err(format!("outside was {:?}, is {now:?}", self.before).into()),
        }
    }
}

fn look(path: &Path, found: &mut BTreeMap<PathBuf, State>) -> Tested {
    let stat = fs::symlink_metadata(path)?;
    let mut content = Vec::new();
    if stat.is_dir() {
        for entry in fs::read_dir(path)? {
            look(&entry?.path(), found)?;
        }
    } else {
        content = fs::read(path)?;
    }
    let state = (stat.mode(), stat.uid(), stat.gid(), stat.mtime(), stat.mtime_nsec(), content);
    found.insert(path.to_owned(), state);
    Ok(())
}
