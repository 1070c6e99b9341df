//! The possible states of a disk after a power loss: the steps of a log up to some moment, without some steps that were not
//! synced.

use super::log::{Done, Inode, Log, Node, Times};
use md5::{Digest, Md5};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The maximum number of lost steps in one state.
pub const LOST_AT_MOST: usize = 3;

/// The way in which a step is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loss {
    /// The step has no effect.
    Whole,
    /// A write: the file has the new length, but the bytes are zeros.
    Zeros,
    /// A write: only its first half.
    Torn,
}

/// A moment, and the lost steps before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The number of steps before the moment.
    pub steps: usize,
    /// The lost steps, and the way of each.
    pub lost: Vec<(usize, Loss)>,
}

/// The bytes and attributes of a file, and their time.
struct Content {
    bytes: Vec<u8>,
    attributes: BTreeMap<OsString, Vec<u8>>,
    times: Times,
    digest: [u8; 16],
}

/// The steps of a file, and their form.
type History = Vec<(usize, Option<Loss>)>;

/// A log with cached results.
pub struct Disk<'a> {
    log: &'a Log,
    contents: HashMap<(Inode, History), Arc<Content>>,
}

/// The directories, and the history of each file.
struct Tree {
    directories: HashMap<Inode, BTreeMap<OsString, Inode>>,
    histories: HashMap<Inode, History>,
}

impl Disk<'_> {
    /// A log without cached results.
    pub fn new(log: &Log) -> Disk<'_> {
        Disk { log, contents: HashMap::new() }
    }

    /// All distinct states: at each moment, without each set of at most this many steps that were not synced by then.
    pub fn states(&mut self) -> Vec<State> {
        let (mut states, mut seen) = (Vec::new(), HashSet::new());
        for steps in 0..=self.log.steps.len() {
            let mut open = Vec::new();
            for step in self.unflushed(steps) {
                let ways = match self.log.steps[step].done {
                    Done::Write { .. } => &[Loss::Whole, Loss::Zeros, Loss::Torn][..],
                    _ => &[Loss::Whole],
                };
                open.extend(ways.iter().map(|loss| (step, *loss)));
            }
            for lost in subsets(&open, |step| self.log.is_of_database(step)) {
                let said = self.has_said(steps);
                let state = State { steps, lost };
                if seen.insert((said, self.digest(&state))) {
                    states.push(state);
                }
            }
        }
        states
    }

    /// Whether the program had reported to its caller by then.
    pub fn has_said(&self, steps: usize) -> bool {
        self.log.steps[..steps].iter().any(|step| matches!(step.done, Done::Said))
    }

    /// Steps that may be lost at a moment.
    fn unflushed(&self, steps: usize) -> Vec<usize> {
        let mut flushed = HashSet::new();
        let mut open = Vec::new();
        for (n, step) in self.log.steps[..steps].iter().enumerate().rev() {
            let is_flushed = match &step.done {
                Done::Sync { inode } => {
                    flushed.insert(*inode);
                    continue;
                }
                Done::Said => continue,
                // Both names change atomically.
                Done::Move { from, to, .. } => flushed.contains(from) || flushed.contains(to),
                Done::Enter { directory, .. } | Done::Leave { directory, .. } => {
                    flushed.contains(directory)
                }
                Done::Write { inode, .. }
                | Done::Resize { inode, .. }
                | Done::Attribute { inode, .. }
                | Done::Metadata { inode } => flushed.contains(inode),
            };
            if !is_flushed {
                open.push(n);
            }
        }
        open.reverse();
        open
    }

    fn tree(&self, state: &State) -> Tree {
        let mut directories: HashMap<Inode, BTreeMap<OsString, Inode>> = HashMap::new();
        for (inode, node) in self.log.nodes.iter().enumerate() {
            if let Node::Directory(entries) = node {
                directories.insert(inode, entries.clone());
            }
        }
        let mut histories: HashMap<Inode, History> = HashMap::new();
        for (n, step) in self.log.steps[..state.steps].iter().enumerate() {
            let loss = state.lost.iter().find(|(lost, _)| *lost == n).map(|(_, loss)| *loss);
            if loss == Some(Loss::Whole) {
                continue;
            }
            match &step.done {
                Done::Enter { directory, name, inode } => {
                    directories.entry(*directory).or_default().insert(name.clone(), *inode);
                    histories.entry(*inode).or_default().push((n, None));
                }
                Done::Leave { directory, name } => {
                    directories.entry(*directory).or_default().remove(name);
                }
                Done::Move { from, old, to, new, inode } => {
                    // If the name refers to another file by then, that file stays.
                    if directories.get(from).and_then(|from| from.get(old)) == Some(inode) {
                        directories.entry(*from).or_default().remove(old);
                    }
                    directories.entry(*to).or_default().insert(new.clone(), *inode);
                }
                Done::Write { inode, .. }
                | Done::Resize { inode, .. }
                | Done::Attribute { inode, .. }
                | Done::Metadata { inode } => {
                    histories.entry(*inode).or_default().push((n, loss));
                }
                Done::Sync { .. } | Done::Said => {}
            }
        }
        Tree { directories, histories }
    }

    /// A file after its steps.
    fn content(&mut self, inode: Inode, history: &History) -> Arc<Content> {
        let key = (inode, history.clone());
        if let Some(content) = self.contents.get(&key) {
            return Arc::clone(content);
        }
        let content = Arc::new(self.replayed(inode, history));
        self.contents.insert(key, Arc::clone(&content));
        content
    }

    fn replayed(&self, inode: Inode, history: &History) -> Content {
        let Node::File { bytes, attributes, times } = &self.log.nodes[inode] else {
            unreachable!("directories have no content")
        };
        let (mut bytes, mut attributes, mut times) = (bytes.to_vec(), attributes.clone(), *times);
        for (n, loss) in history {
            let step = &self.log.steps[*n];
            match &step.done {
                Done::Write { offset, data, .. } => write(&mut bytes, *offset, data, *loss),
                Done::Resize { length, .. } => bytes.resize(*length as usize, 0),
                Done::Attribute { name, value: Some(value), .. } => {
                    attributes.insert(name.clone(), value.clone());
                }
                Done::Attribute { name, value: None, .. } => {
                    attributes.remove(name);
                }
                _ => {}
            }
            times = step.times.unwrap_or(times);
        }
        let mut digest = Md5::new();
        digest.update(&bytes);
        digest.update(format!("{attributes:?}{times:?}"));
        Content { bytes, attributes, times, digest: digest.finalize().into() }
    }

    /// A key of the state that differs if any accessible content differs.
    fn digest(&mut self, state: &State) -> [u8; 16] {
        let tree = self.tree(state);
        let mut digest = Md5::new();
        self.add_to_digest(&tree, 0, &mut digest);
        digest.finalize().into()
    }

    fn add_to_digest(&mut self, tree: &Tree, inode: Inode, digest: &mut Md5) {
        let Some(entries) = tree.directories.get(&inode).filter(|_| self.is_directory(inode))
        else {
            let history = tree.histories.get(&inode).cloned().unwrap_or_default();
            digest.update(self.content(inode, &history).digest);
            return;
        };
        digest.update(b"(");
        for (name, inode) in entries {
            digest.update(name.as_encoded_bytes());
            digest.update(b"/");
            self.add_to_digest(tree, *inode, digest);
        }
        digest.update(b")");
    }

    fn is_directory(&self, inode: Inode) -> bool {
        matches!(self.log.nodes[inode], Node::Directory(_))
    }

    /// Writes the state to a directory that does not exist yet.
    pub fn write(&mut self, state: &State, root: &Path) -> io::Result<()> {
        let tree = self.tree(state);
        self.write_node(&tree, 0, root)
    }

    fn write_node(&mut self, tree: &Tree, inode: Inode, path: &Path) -> io::Result<()> {
        if self.is_directory(inode) {
            fs::create_dir(path)?;
            let entries = tree.directories.get(&inode).cloned().unwrap_or_default();
            return entries
                .iter()
                .try_for_each(|(name, inode)| self.write_node(tree, *inode, &path.join(name)));
        }
        let history = tree.histories.get(&inode).cloned().unwrap_or_default();
        let content = self.content(inode, &history);
        fs::write(path, &content.bytes)?;
        for (name, value) in &content.attributes {
            xattr::set(path, name, value)?;
        }
        let (modified, accessed) = content.times;
        let times = fs::FileTimes::new().set_modified(modified).set_accessed(accessed);
        File::open(path)?.set_times(times)
    }
}

fn write(bytes: &mut Vec<u8>, offset: u64, data: &[u8], loss: Option<Loss>) {
    let start = offset as usize;
    let end = start + if loss == Some(Loss::Torn) { data.len() / 2 } else { data.len() };
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    // Old content may still be there; new blocks contain zeros.
    if loss != Some(Loss::Zeros) {
        bytes[start..end].copy_from_slice(&data[..end - start]);
    }
}

/// All sets of at most `LOST_AT_MOST` steps, no step in two ways at once, smaller sets first. One write of a set may be lost in
/// part; a write to a database, which SQLite protects with its own checksums, is lost in part only if no other step is lost.
fn subsets(
    open: &[(usize, Loss)],
    is_of_database: impl Fn(usize) -> bool,
) -> Vec<Vec<(usize, Loss)>> {
    let is_whole = |one: &(usize, Loss)| one.1 == Loss::Whole;
    let fits = |set: &[(usize, Loss)], one: &(usize, Loss)| {
        let Some(last) = set.last() else { return true };
        let partly = set.iter().chain([one]).filter(|one| !is_whole(one));
        let mut partly = partly.map(|(step, _)| *step);
        one.0 > last.0
            && partly.next().is_none_or(|step| !is_of_database(step))
            && partly.next().is_none()
    };
    let mut sets = vec![Vec::new()];
    let mut start = 0;
    for _ in 0..LOST_AT_MOST {
        let end = sets.len();
        for n in start..end {
            for one in open {
                if fits(&sets[n], one) {
                    let larger = sets[n].iter().chain([one]).copied().collect();
                    sets.push(larger);
                }
            }
        }
        start = end;
    }
    sets
}
