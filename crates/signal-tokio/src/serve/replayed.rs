//! A stream of which a part has been read already.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::handshake::http1::Upgraded;

/// A stream that gives out what was read of it before, and then goes on.
#[derive(Debug)]
pub(crate) struct Replayed<Io> {
    read: Bytes,
    io: Io,
}

impl<Io> Replayed<Io> {
    pub(crate) fn new(read: Bytes, io: Io) -> Self {
        Self { read, io }
    }
}

impl<Io> Upgraded<Replayed<Io>> {
    /// The same on the stream itself. What has not been read a second time follows what was read
    /// ahead.
    pub(crate) fn into_stream(self) -> Upgraded<Io> {
        let Self {
            io: Replayed { read, io },
            mut read_ahead,
            admission,
        } = self;
        if !read.is_empty() {
            read_ahead = [read_ahead, read].concat().into();
        }
        Upgraded {
            io,
            read_ahead,
            admission,
        }
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Replayed<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buffer);
        }
        let length = self.read.len().min(buffer.remaining());
        buffer.put_slice(&self.read[..length]);
        self.read.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Replayed<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::{Config, Grant, Relay};

    #[tokio::test]
    async fn what_was_read_comes_first_and_the_rest_follows() {
        let (mut client, server) = tokio::io::duplex(64);
        client.write_all(b"cd").await.expect("room");
        let mut replayed = Replayed::new(Bytes::from_static(b"ab"), server);
        let mut read = [0; 4];
        replayed.read_exact(&mut read).await.expect("four bytes");
        assert_eq!(read, *b"abcd");
        replayed.write_all(b"answer").await.expect("room");
        let mut answer = [0; 6];
        client.read_exact(&mut answer).await.expect("six bytes");
        assert_eq!(answer, *b"answer");
    }

    #[tokio::test]
    async fn what_was_not_read_again_is_read_ahead() {
        let relay = Relay::new(Config::default()).expect("valid settings");
        let (_client, server) = tokio::io::duplex(64);
        let mut io = Replayed::new(Bytes::from_static(b"abcd"), server);
        assert_eq!(io.read_u16().await.expect("two bytes"), 0x6162);
        let upgraded = Upgraded {
            io,
            read_ahead: Bytes::from_static(b"b"),
            admission: relay.admit(Grant::open(), None).expect("room"),
        };
        assert_eq!(upgraded.into_stream().read_ahead, b"bcd"[..]);
    }
}
