//! Files of a test.

use std::path::PathBuf;

use super::run;

/// A folder that is gone at the end of the test.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new one; `name` tells the tests of a file apart.
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("signal-cli-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("UTF-8").to_owned()
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file can be written");
        path
    }

    /// A new key for tokens, in a file.
    pub fn key(&self, name: &str, arguments: &[&str]) -> String {
        let path = self.path(name);
        let ran = run(&[&["token", "key", "--out", &path], arguments].concat());
        assert_eq!(ran.code(), Some(0), "{ran:?}");
        assert!(ran.stdout.is_empty(), "{ran:?}");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A new token.
pub fn mint(key: &str, arguments: &[&str]) -> String {
    let ran = run(&[&["token", "mint", "--key-file", key], arguments].concat());
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    ran.stdout.trim().to_owned()
}
