//! Files of a test.

pub use signal_testwire::Folder;

use super::run;

/// A new key for tokens, in a file.
pub fn new_key(folder: &Folder, name: &str, arguments: &[&str]) -> String {
    let path = folder.path(name);
    let ran = run(&[&["token", "key", "--out", &path], arguments].concat());
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    assert!(ran.stdout.is_empty(), "{ran:?}");
    path
}

/// A new token.
pub fn mint(key: &str, arguments: &[&str]) -> String {
    let ran = run(&[&["token", "mint", "--key-file", key], arguments].concat());
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    ran.stdout.trim().to_owned()
}
