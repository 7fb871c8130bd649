//! A Unix socket, which is a file too.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// The file of a socket that we listen at; it goes when this is dropped.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Its device and number, by which it is known from one that somebody else has put there since.
    id: (u64, u64),
}

impl SocketFile {
    /// Listens at a new socket, for those whom `mode` lets.
    pub(super) fn bind(path: PathBuf, mode: u32, backlog: i32) -> io::Result<(UnixListener, Self)> {
        let socket = match bind(&path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left_behind(&path)? => {
                fs::remove_file(&path)?;
                bind(&path)?
            }
            bound => bound?,
        };
        let found = fs::symlink_metadata(&path)?;
        let file = Self {
            id: (found.dev(), found.ino()),
            path,
        };
        // Before it listens: until then it lets nobody in.
        fs::set_permissions(&file.path, Permissions::from_mode(mode))?;
        socket.listen(backlog)?;
        Ok((socket.into(), file))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = |file: fs::Metadata| (file.dev(), file.ino()) == self.id;
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            // What cannot be removed is replaced at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn bind(path: &Path) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    Ok(socket)
}

/// Whether this is the socket of a program that has ended without removing it.
fn is_left_behind(path: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file that is not a socket",
        ));
    }
    // One that is busy makes us wait, so it must not.
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let connected = socket.connect(&SockAddr::unix(path)?);
    Ok(connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
}
