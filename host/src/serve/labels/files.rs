//! Small files, one for each image, that another service may read at any time: each is whole, or not there.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A directory of them.
#[derive(Debug)]
pub struct Files {
    dir: PathBuf,
}

impl Files {
    /// In this directory, which is made where it is missing; with the owner and mode of the one that it lies in, as all
    /// that the cache makes.
    pub fn below(parent: &Path, name: &str) -> io::Result<Files> {
        let (dir, model) = (parent.join(name), fs::metadata(parent)?);
        match DirBuilder::new().mode(0o700).create(&dir) {
            Ok(()) => {
                give(&model, &fs::metadata(&dir)?, |user, group| chown(&dir, user, group))?;
                fs::set_permissions(&dir, Permissions::from_mode(model.mode() & 0o777 | 0o700))?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Ok(Files { dir })
    }

    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// What is kept of an image; nothing where that cannot be read.
    pub fn load<T: DeserializeOwned>(&self, id: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.dir.join(id)).ok()?).ok()
    }

    pub fn save<T: Serialize>(&self, id: &str, content: &T) -> io::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // No id begins with a dot.
        let new = self.dir.join(format!(".{}-{count}", std::process::id()));
        let saved = self.write(&new, &serde_json::to_vec(content)?);
        saved
            .and_then(|()| fs::rename(&new, self.dir.join(id)))
            .inspect_err(|_| drop(fs::remove_file(&new)))
    }

    fn write(&self, new: &Path, content: &[u8]) -> io::Result<()> {
        let model = fs::metadata(&self.dir)?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(new)?;
        give(&model, &file.metadata()?, |user, group| fchown(&file, user, group))?;
        file.set_permissions(Permissions::from_mode(model.mode() & 0o666 | 0o600))?;
        file.write_all(content)
    }

    pub fn remove(&self, id: &str) {
        let _ = fs::remove_file(self.dir.join(id));
    }

    /// The images of which something is kept.
    pub fn ids(&self) -> io::Result<Vec<String>> {
        let names: io::Result<Vec<OsString>> =
            fs::read_dir(&self.dir)?.map(|entry| Ok(entry?.file_name())).collect();
        let ids = names?.into_iter().filter_map(|name| name.into_string().ok());
        Ok(ids.filter(|id| !id.starts_with('.')).collect())
    }
}

/// Only root can give away what it made; anybody else keeps it.
fn give(
    model: &Metadata,
    made: &Metadata,
    chown: impl FnOnce(Option<u32>, Option<u32>) -> io::Result<()>,
) -> io::Result<()> {
    let is_other = (model.uid(), model.gid()) != (made.uid(), made.gid());
    if is_other && rustix::process::geteuid().is_root() {
        chown(Some(model.uid()), Some(model.gid()))?;
    }
    Ok(())
}
