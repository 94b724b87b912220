//! The folder of a run's spilled rows. It goes with the run; where that was killed, the next run that
//! spills to the same place removes it.
//!
//! Beside the folder lies a file that its process keeps locked: the system gives the lock back when the
//! process ends, however it ends, so a lock that can be had is that of a dead process. A number of a
//! process would tell less: it is given out again, and means nothing in another container.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

const PREFIX: &str = "refx-spill-";
const LOCK: &str = ".lock";

/// The folders of this process.
static LIVE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A folder of this process alone, removed when it is dropped.
#[derive(Debug)]
pub(super) struct SpillFolder {
    path: PathBuf,
    /// Locked for as long as it is open.
    _lock: File,
}

impl SpillFolder {
    /// Makes the folder below `root`, and removes what dead processes left there.
    pub(super) fn make(root: &Path) -> io::Result<SpillFolder> {
        remove_dead(root);
        loop {
            let name = format!("{PREFIX}{}", uuid::Uuid::new_v4().simple());
            let path = root.join(name);
            let lock = OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(lock_of(&path))?;
            // Another run may have found the file before it was locked, and have removed it as a dead
            // one's.
            if lock.try_lock().is_err() || !lock_of(&path).exists() {
                continue;
            }
            fs::create_dir(&path)?;
            live().insert(path.clone());
            return Ok(SpillFolder { path, _lock: lock });
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SpillFolder {
    fn drop(&mut self) {
        live().remove(&self.path);
        remove(&self.path);
    }
}

/// Removes the folders of this process, which is about to end: queries that were given up may still
/// hold them.
pub fn remove_spilled() {
    for path in std::mem::take(&mut *live()) {
        remove(&path);
    }
}

fn live() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lock_of(folder: &Path) -> PathBuf {
    let mut path = folder.as_os_str().to_owned();
    path.push(LOCK);
    path.into()
}

/// The folder first: as long as it is there, the lock that belongs to it is there.
fn remove(folder: &Path) {
    let gone = match fs::remove_dir_all(folder) {
        Err(error) => error.kind() == io::ErrorKind::NotFound,
        Ok(()) => true,
    };
    if gone {
        let _ = fs::remove_file(lock_of(folder));
    }
}

/// Folders of other users, which cannot be opened, stay.
fn remove_dead(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(folder) = name
            .to_str()
            .filter(|name| name.starts_with(PREFIX))
            .and_then(|name| name.strip_suffix(LOCK))
        else {
            continue;
        };
        let lock = OpenOptions::new().write(true).open(entry.path());
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            remove(&root.join(folder));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Root(PathBuf);

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn only_folders_of_the_dead_are_removed() {
        let name = format!("refx-test-spill-{}", uuid::Uuid::new_v4());
        let root = Root(std::env::temp_dir().join(name));
        fs::create_dir_all(root.0.join("refx-spill-dead")).unwrap();
        fs::write(root.0.join("refx-spill-dead/rows"), "x").unwrap();
        fs::write(root.0.join("refx-spill-dead.lock"), "").unwrap();
        fs::create_dir_all(root.0.join("refx-spill-without-lock")).unwrap();
        fs::create_dir_all(root.0.join("of-others")).unwrap();
        let living = SpillFolder::make(&root.0).unwrap();
        fs::write(living.path().join("rows"), "x").unwrap();
        let second = SpillFolder::make(&root.0).unwrap();
        assert!(!root.0.join("refx-spill-dead").exists());
        assert!(!root.0.join("refx-spill-dead.lock").exists());
        assert!(root.0.join("refx-spill-without-lock").exists());
        assert!(root.0.join("of-others").exists());
        assert!(living.path().join("rows").exists());
        let paths = [living.path().to_owned(), second.path().to_owned()];
        drop((living, second));
        assert!(paths.iter().all(|path| !path.exists()));
        assert!(paths.iter().all(|path| !lock_of(path).exists()));
    }
}
