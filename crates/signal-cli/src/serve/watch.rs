//! Notices that files have changed.
//!
//! By looking, not by asking the system to report: that works on every file system and through the
//! symbolic links by which Kubernetes and certbot exchange files.

use std::fs::{self, Metadata};
use std::path::PathBuf;
use std::time::SystemTime;

/// Files that are read together, such as a certificate and its key.
#[derive(Debug)]
pub(crate) struct Watched {
    files: Vec<PathBuf>,
    /// As they were when they were last read, and when they were last looked at.
    read: Vec<Option<Stamp>>,
    seen: Vec<Option<Stamp>>,
}

/// What changes when a file does. Nothing stands for a file that is not there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    /// Tells apart files that were exchanged, whatever time they claim.
    identity: (u64, u64, i64, i64),
}

impl Watched {
    /// Files that are about to be read.
    pub(crate) fn new(files: Vec<PathBuf>) -> Self {
        let mut watched = Self {
            files,
            read: Vec::new(),
            seen: Vec::new(),
        };
        watched.take_for_read();
        watched
    }

    /// Takes the files for read as they are now.
    pub(crate) fn take_for_read(&mut self) {
        self.seen = self.stamps();
        self.read.clone_from(&self.seen);
    }

    /// Looks at the files, and returns whether they should be read again: they are other than when
    /// they were last read, and the same as at the last look. So a certificate of which the key is
    /// still to come is left alone until both are there.
    pub(crate) fn look(&mut self) -> bool {
        let now = self.stamps();
        let is_settled = now == self.seen;
        self.seen = now;
        if !is_settled || self.seen == self.read {
            return false;
        }
        self.read.clone_from(&self.seen);
        true
    }

    fn stamps(&self) -> Vec<Option<Stamp>> {
        self.files.iter().map(stamp).collect()
    }
}

fn stamp(file: &PathBuf) -> Option<Stamp> {
    let metadata = fs::metadata(file).ok()?;
    Some(Stamp {
        length: metadata.len(),
        modified: metadata.modified().ok(),
        identity: identity(&metadata),
    })
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> (u64, u64, i64, i64) {
    use std::os::unix::fs::MetadataExt as _;
    (
        metadata.dev(),
        metadata.ino(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    )
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> (u64, u64, i64, i64) {
    (0, 0, 0, 0)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use signal_testwire::Folder;

    use super::*;

    /// A new file under the old name, as programs do that never leave half a file.
    fn write(folder: &Folder, name: &str, text: &str) -> PathBuf {
        let path = folder.path(name);
        fs::rename(folder.write("new", text), &path).expect("a file can be renamed");
        path.into()
    }

    #[test]
    fn what_has_changed_is_read_once_and_only_when_it_rests() {
        let folder = Folder::new("watch");
        let files = vec![write(&folder, "cert", "old"), write(&folder, "key", "old")];
        let mut watched = Watched::new(files);
        assert!(!watched.look(), "nothing has changed");
        write(&folder, "cert", "new");
        assert!(!watched.look(), "the key may still come");
        write(&folder, "key", "new");
        assert!(!watched.look(), "it has come just now");
        assert!(watched.look());
        assert!(!watched.look(), "it was read");
    }

    #[test]
    fn a_file_that_is_gone_is_a_change_and_so_is_its_return() {
        let folder = Folder::new("watch");
        let file = write(&folder, "cert", "text");
        let mut watched = Watched::new(vec![file.clone()]);
        fs::remove_file(file).expect("a file");
        assert_eq!([watched.look(), watched.look()], [false, true]);
        write(&folder, "cert", "text");
        assert_eq!([watched.look(), watched.look()], [false, true]);
    }

    /// As Kubernetes does with the files of a Secret, which all have the same age and size.
    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_elsewhere_is_a_change() {
        let folder = Folder::new("watch");
        let (old, new) = (write(&folder, "1", "text"), write(&folder, "2", "text"));
        let same = fs::metadata(&old).and_then(|metadata| metadata.modified());
        let file = fs::File::options().write(true).open(&new).expect("a file");
        file.set_modified(same.expect("an age"))
            .expect("an age can be set");
        let link = PathBuf::from(folder.path("data"));
        let point = |to: &Path| {
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(to, &link).expect("a link can be made");
        };
        point(&old);
        let mut watched = Watched::new(vec![link.clone()]);
        assert_eq!([watched.look(), watched.look()], [false, false]);
        point(&new);
        assert_eq!([watched.look(), watched.look()], [false, true]);
    }
}
