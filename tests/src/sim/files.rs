//! Real files that lose what was not synced.
//!
//! SQLite and the snapshots write to real files. The system calls that change a file or make it
//! durable come here first (`system_calls`), as long as the file lies below a directory that a
//! machine has declared its own. For each sector that was written since its file's last sync, all
//! its contents since then are remembered; a power failure leaves any one of them.
//!
//! What directories hold (names, lengths of files) is taken to be durable at once, in order, as
//! journaling file systems have it.

mod file;
mod system_calls;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use self::file::{FileKey, TrackedFile};
use super::trace;

thread_local! {
    static FILES: RefCell<Option<Files>> = const { RefCell::new(None) };
}

/// The files of one run.
#[derive(Default)]
struct Files {
    directories: BTreeMap<PathBuf, Directory>,
    tracked: BTreeMap<FileKey, TrackedFile>,
}

/// A directory that a machine has declared its own.
#[derive(Default)]
struct Directory {
    /// After so many more changes the power fails in the midst of one.
    power_fails_after: Option<u64>,
    /// Where what the power failure left was put; nothing changes here any more.
    left_in: Option<PathBuf>,
}

/// Watches what happens below a directory from now on.
pub(crate) fn watch(directory: &Path) {
    FILES.with_borrow_mut(|files| {
        let files = files.get_or_insert_default();
        files.directories.insert(directory.to_owned(), Directory::default());
    });
}

/// Lets the power fail below a directory after so many more changes; `None` calls it off.
pub(crate) fn set_power_failure(directory: &Path, after: Option<u64>) {
    with_directory(directory, |directory| directory.power_fails_after = after);
}

/// Whether it has failed.
pub(crate) fn has_failed(directory: &Path) -> bool {
    with_directory(directory, |directory| directory.left_in.is_some()).unwrap_or(false)
}

fn with_directory<T>(path: &Path, look: impl FnOnce(&mut Directory) -> T) -> Option<T> {
    FILES.with_borrow_mut(|files| files.as_mut()?.directories.get_mut(path).map(look))
}

/// Copies what a killed process leaves: everything it wrote.
pub(crate) fn copy_after_kill(from: &Path, to: &Path) {
    untracked(|files| files.copy(from, to, |_, _| {}));
}

/// Copies what a power failure leaves: of sectors that were not synced, some content they had.
pub(crate) fn copy_after_power_failure(from: &Path, to: &Path) {
    untracked(|files| files.leave(from, to));
}

/// Takes the files away for as long as something is done with them, so that the system calls that
/// it makes itself pass.
fn untracked<T>(act: impl FnOnce(&mut Files) -> T) -> T {
    let mut files = FILES.take().unwrap_or_default();
    let result = act(&mut files);
    FILES.set(Some(files));
    result
}

impl Files {
    /// Which declared directory a file lies in.
    fn directory_of(&self, path: &Path) -> Option<&Path> {
        let declared = self.directories.keys();
        declared.map(PathBuf::as_path).find(|directory| path.starts_with(directory))
    }

    fn is_dead(&self, directory: &Path) -> bool {
        self.directories.get(directory).is_some_and(|it| it.left_in.is_some())
    }

    /// Counts a change; answers whether the power fails in its midst.
    fn fails_now(&mut self, directory: &Path) -> bool {
        let Some(directory) = self.directories.get_mut(directory) else { return false };
        match &mut directory.power_fails_after {
            None => false,
            Some(0) => {
                directory.power_fails_after = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
        }
    }

    /// The power fails: what is left is put aside, and nothing changes here any more.
    fn fail(&mut self, directory: &Path) {
        let left_in = directory.with_extension("left");
        trace::note("power", format!("fails in {:?}", directory.file_name()));
        self.leave(directory, &left_in);
        if let Some(directory) = self.directories.get_mut(directory) {
            directory.left_in = Some(left_in);
        }
    }

    /// Puts what a power failure leaves of a directory elsewhere.
    fn leave(&self, from: &Path, to: &Path) {
        if let Some(left) = self.directories.get(from).and_then(|it| it.left_in.as_ref()) {
            return self.copy(left, to, |_, _| {});
        }
        self.copy(from, to, |path, bytes| {
            let tracked = self.tracked.values().find(|file| file.path == path);
            tracked.iter().for_each(|file| file.lose_some(bytes));
        });
    }

    /// Copies a directory. What the processes that have a database open share is left out: the
    /// first to open it after a crash makes it anew.
    fn copy(&self, from: &Path, to: &Path, change: impl Fn(&Path, &mut Vec<u8>) + Copy) {
        fs::create_dir_all(to).expect("the temporary directory can be written");
        let Ok(entries) = fs::read_dir(from) else { return };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        // Which sectors are lost is drawn in this order.
        paths.sort();
        for path in paths {
            let target = to.join(path.file_name().expect("a listed file has a name"));
            if path.is_dir() {
                self.copy(&path, &target, change);
            } else if !path.to_string_lossy().ends_with("-shm") {
                let mut bytes = fs::read(&path).expect("the temporary directory can be read");
                change(&path, &mut bytes);
                fs::write(&target, bytes).expect("the temporary directory can be written");
            }
        }
    }
}

#[cfg(test)]
mod tests;
