use std::io;
use std::pin::Pin;
use std::task::Waker;

use signal_access::Judging;
use signal_core::Grant;
use signal_testwire::{CLOSE, PING, frame};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::*;
use crate::{Config, Relay};

#[test]
fn the_task_of_a_connection_stays_small() {
    fn size_of_output<F>(_: fn(TcpStream, Bytes, Admission, Arc<Rooms>) -> F) -> usize {
        size_of::<F>()
    }
    let bytes = size_of_output(run::<TcpStream>);
    assert!(
        bytes <= 624,
        "a connection has grown to {bytes} bytes; each costs this much while it is idle"
    );
}

/// What is done to a socket, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Call {
    Write(Vec<u8>),
    WriteLast(Vec<u8>),
    SendKeptBack,
    Shutdown,
}

/// A socket whose client has sent something before, and then nothing.
#[derive(Debug, Default)]
struct Recorder {
    calls: Vec<Call>,
    /// Whether something lies unread that has not been delivered.
    has_unread: bool,
}

impl Socket for &mut Recorder {
    type Io = Recorder;

    fn io(&mut self) -> Pin<&mut Recorder> {
        Pin::new(self)
    }

    fn poll_write_last(&mut self, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.note(Call::WriteLast, bytes)
    }

    fn send_kept_back(&mut self) {
        self.calls.push(Call::SendKeptBack);
    }

    fn is_read_out(&self) -> bool {
        !self.has_unread
    }
}

impl Recorder {
    fn note(&mut self, call: fn(Vec<u8>) -> Call, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.calls.push(call(bytes.to_vec()));
        Poll::Ready(Ok(bytes.len()))
    }
}

impl AsyncRead for Recorder {
    fn poll_read(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Recorder {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.note(Call::Write, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.calls.push(Call::Shutdown);
        Poll::Ready(Ok(()))
    }
}

/// The first turn of a connection whose client has sent this.
fn turn(socket: &mut Recorder, sent: &[u8]) -> Turn {
    connection(socket, sent).poll(&mut Context::from_waker(Waker::noop()), &mut false)
}

fn connection<S: Socket>(socket: S, sent: &[u8]) -> Connection<Framed<S>> {
    let relay = Relay::new(Config::default()).expect("the default is valid");
    let shared = &relay.shared;
    let place = Place::take(&shared.places, None, Judging::Cheap).expect("room");
    let grant = Grant::open();
    let admission = Admission { place, grant };
    let (sent, rooms) = (Bytes::copy_from_slice(sent), Arc::clone(&shared.rooms));
    Connection::framed(socket, sent, admission, rooms, None)
}

const ANSWER: [u8; 4] = [0x88, 2, 0x03, 0xe8];

fn close_frame() -> Vec<u8> {
    frame(CLOSE, &1_000_u16.to_be_bytes())
}

#[test]
fn the_answer_to_a_close_goes_out_with_the_end_of_our_side() {
    let mut socket = Recorder::default();
    assert_eq!(turn(&mut socket, &close_frame()), Turn::Gone);
    let answer = Call::WriteLast(ANSWER.to_vec());
    assert_eq!(socket.calls, [answer, Call::SendKeptBack]);
}

#[test]
fn what_is_written_before_the_close_goes_out_with_it() {
    let mut socket = Recorder::default();
    let sent = [frame(PING, b""), close_frame()].concat();
    assert_eq!(turn(&mut socket, &sent), Turn::Gone);
    let all = [&[0x8a, 0], &ANSWER[..]].concat();
    assert_eq!(socket.calls, [Call::WriteLast(all), Call::SendKeptBack]);
}

#[test]
fn a_connection_with_unread_input_is_shut_down_and_drained() {
    let mut socket = Recorder {
        has_unread: true,
        ..Recorder::default()
    };
    assert!(matches!(
        turn(&mut socket, &close_frame()),
        Turn::Sleep(Some(_))
    ));
    let answer = Call::WriteLast(ANSWER.to_vec());
    assert_eq!(socket.calls, [answer, Call::Shutdown]);
}

#[test]
fn what_is_not_the_last_is_not_kept_back() {
    let mut socket = Recorder::default();
    let turn = turn(&mut socket, &frame(PING, b"1"));
    assert!(matches!(turn, Turn::Sleep(Some(_))));
    assert_eq!(socket.calls, [Call::Write(vec![0x8a, 1, b'1'])]);
}

/// A client that floods: there are some bytes in each read of it, and some records of TLS, without
/// end.
struct Flooder {
    bytes: usize,
    records: usize,
    is_shut_down: bool,
    /// What was read of it after our side was shut down.
    reads: usize,
}

impl Socket for &mut Flooder {
    type Io = Flooder;

    fn io(&mut self) -> Pin<&mut Flooder> {
        Pin::new(self)
    }

    fn take_records(&mut self) -> usize {
        self.records
    }
}

impl AsyncRead for Flooder {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_shut_down {
            self.reads += 1;
            let bytes = self.bytes;
            buffer.initialize_unfilled_to(bytes);
            buffer.advance(bytes);
            return Poll::Ready(Ok(()));
        }
        // A frame that is none.
        buffer.put_slice(&[0x83, 0x80, 0, 0, 0, 0]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flooder {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_shut_down = true;
        Poll::Ready(Ok(()))
    }
}

#[test]
fn whoever_floods_behind_our_close_frame_is_read_to_a_bound_and_then_not_any_more() {
    let burst = Config::default().core.bytes_burst as usize;
    for (bytes, records, cost) in [
        (READ_BYTES, 0, READ_BYTES),
        (1, 0, RECORD_BYTES_MIN),
        (1, 1, RECORD_BYTES_MIN),
        (1, 100, 100 * RECORD_BYTES_MIN),
    ] {
        let mut flooder = Flooder {
            bytes,
            records,
            is_shut_down: false,
            reads: 0,
        };
        let mut connection = connection(&mut flooder, &[]);
        let mut cx = Context::from_waker(Waker::noop());
        let mut turns = 0;
        while connection.poll(&mut cx, &mut true) == Turn::Again {
            turns += 1;
            assert!(turns < 1_000, "it is read without end");
        }
        // What wakes it now is the end of its time to close, or an event that brings nothing.
        assert!(matches!(
            connection.poll(&mut cx, &mut true),
            Turn::Sleep(Some(_))
        ));
        drop(connection);
        assert_eq!(
            flooder.reads,
            burst.div_ceil(cost),
            "{bytes} bytes, {records} records"
        );
    }
}
