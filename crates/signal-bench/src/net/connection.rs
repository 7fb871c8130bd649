use std::io::{self, Read, Write};

use mio::net::TcpStream;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    /// TCP is not established yet.
    Connecting,
    /// The upgrade request was sent.
    Upgrading,
    /// Messages flow.
    Open,
    /// A close frame was sent; the server's is awaited.
    Closing,
    /// Nothing comes or goes any more.
    Closed,
}

/// One connection, and what waits for it in both directions.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    /// The node it leads to.
    pub(crate) node: usize,
    pub(crate) state: State,
    /// Whether it is only written to.
    pub(crate) is_unread: bool,
    /// The beginning of a frame whose end has not come yet.
    pub(crate) partial: Vec<u8>,
    /// The first frames of a fragmented message.
    pub(crate) fragments: Vec<u8>,
    /// What is to be sent.
    pub(crate) out: Vec<u8>,
    /// How much of it was sent.
    sent: usize,
    /// Whether it is on the list of those with something to send.
    pub(crate) is_listed: bool,
}

/// What reading brought.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Arrived {
    /// So many bytes, and perhaps more wait.
    Bytes(usize),
    /// So many bytes, and nothing waits.
    Last(usize),
    /// Nothing, for now.
    Nothing,
    /// The server has closed its side.
    End,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, node: usize) -> Self {
        Self {
            stream,
            node,
            state: State::Connecting,
            is_unread: false,
            partial: Vec::new(),
            fragments: Vec::new(),
            out: Vec::new(),
            sent: 0,
            is_listed: false,
        }
    }

    /// Reads behind what was left of the last time, which is put first. Counts both.
    ///
    /// Whatever is in `buffer` after that must be taken out, and the rest given back to `partial`.
    pub(crate) fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<Arrived> {
        let carried = self.partial.len();
        if buffer.len() < 2 * carried {
            buffer.resize(2 * carried, 0);
        }
        buffer[..carried].copy_from_slice(&self.partial);
        let space = buffer.len() - carried;
        match self.stream.read(&mut buffer[carried..]) {
            Ok(0) => Ok(Arrived::End),
            Ok(read) => {
                self.partial.clear();
                let all = carried + read;
                // A short read has emptied the socket; asking again would be a system call for
                // nothing.
                Ok(if read < space {
                    Arrived::Last(all)
                } else {
                    Arrived::Bytes(all)
                })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Arrived::Nothing),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Arrived::Bytes(0)),
            Err(error) => Err(error),
        }
    }

    /// Writes all that waits, or as much as the kernel takes.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.out.len() {
            match self.stream.write(&self.out[self.sent..]) {
                Ok(written) => self.sent += written,
                // There will be an event when there is space.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.sent = 0;
        Ok(())
    }

    /// Gives the memory back that an idle connection does not need.
    pub(crate) fn shrink(&mut self) {
        for buffer in [&mut self.partial, &mut self.fragments, &mut self.out] {
            if buffer.is_empty() {
                *buffer = Vec::new();
            }
        }
    }
}
