//! The relay as exports of a module: functions that take and return numbers.
//!
//! A host asks for room with [`signal_input`], writes bytes there and calls; then it reads
//! [`signal_output`], whose records are described in [`output`](crate::output). Times are
//! milliseconds. There is one relay in a module: a host that wants two makes two instances.
//!
//! Nothing here reads or writes by a pointer: the addresses are those of two vectors that live as
//! long as the module, and nobody borrows them between two calls. What `unsafe` stands for in the
//! attributes is that a name is exported, which no other crate of ours does.
#![expect(
    unsafe_code,
    reason = "`no_mangle` exports a function by its name; there is no unsafe block"
)]

use std::cell::RefCell;

use signal_access::UnixTime;
use signal_core::{Instant, PeerId};

use crate::fields;
use crate::output::Output;
use crate::relay::Relay;
use crate::request::{Answer, Request};
use crate::settings::Settings;

/// Beyond this the memory of one large input is given back.
const KEPT_BYTES_MAX: usize = 256 * 1024;
/// A deadline for never.
const NEVER: f64 = f64::INFINITY;

thread_local! {
    static MODULE: RefCell<Module> = RefCell::default();
}

#[derive(Default)]
struct Module {
    relay: Option<Relay>,
    input: Vec<u8>,
    output: Output,
}

/// Room for `len` bytes, to be written before the next call: where they go.
#[unsafe(no_mangle)]
pub extern "C" fn signal_input(len: usize) -> usize {
    with(|module| {
        module.input.clear();
        module.input.shrink_to(KEPT_BYTES_MAX);
        module.input.resize(len, 0);
        module.input.as_mut_ptr() as usize
    })
}

/// Where the output of the last call is.
#[unsafe(no_mangle)]
pub extern "C" fn signal_output() -> usize {
    with(|module| module.output.bytes().as_ptr() as usize)
}

/// How many bytes it has.
#[unsafe(no_mangle)]
pub extern "C" fn signal_output_len() -> usize {
    with(|module| module.output.bytes().len())
}

/// Makes the relay from settings, names and values by turns. 1 if it is made, with its limits as
/// JSON and who may come in; 0 if not, with what is wrong.
#[unsafe(no_mangle)]
pub extern "C" fn signal_open(len: usize, runtime_pings: u32) -> u32 {
    with(|module| {
        module.output.clear();
        let input = module.input.get(..len).unwrap_or_default();
        let mut texts = fields::read(input);
        let pairs = std::iter::from_fn(|| {
            let name = texts.next()?.unwrap_or_default();
            Some((name, texts.next()?.unwrap_or_default()))
        });
        match Settings::read(pairs) {
            Ok(settings) => {
                let relay = Relay::new(settings, runtime_pings != 0);
                module.output.tell(&relay.limits());
                module.output.tell(&relay.access());
                module.relay = Some(relay);
                1
            }
            Err(error) => {
                module.output.tell(&error.to_string());
                0
            }
        }
    })
}

/// Writes all settings there are, as JSON.
#[unsafe(no_mangle)]
pub extern "C" fn signal_settings() {
    with(|module| {
        module.output.clear();
        module.output.tell(&Settings::describe());
    });
}

/// Writes what there is and what has happened, as JSON.
#[unsafe(no_mangle)]
pub extern "C" fn signal_stats() {
    call(|relay, _, output| output.tell(&relay.stats()));
}

/// Judges a request, which is in the input as the texts of [`Request`].
#[unsafe(no_mangle)]
pub extern "C" fn signal_request(len: usize, now: f64, unix_now: f64, random: u32) {
    call(|relay, input, output| {
        let request = Request::from_bytes(input.get(..len).unwrap_or_default());
        let unix_now = UnixTime::from_millis(unix_now as u64);
        match relay.request(instant(now), unix_now, random.into(), &request) {
            Answer::Page(page) => output.page(&page),
            Answer::Upgrade { peer, protocol } => {
                output.upgrade(peer, &protocol.unwrap_or_default());
            }
        }
    });
}

/// Begins a connection. Returns the next deadline, as all that follow do.
#[unsafe(no_mangle)]
pub extern "C" fn signal_connect(peer: u32, now: f64) -> f64 {
    call(|relay, _, _| relay.connect(instant(now), id(peer)))
}

/// Handles the message in the input.
#[unsafe(no_mangle)]
pub extern "C" fn signal_receive(peer: u32, len: usize, now: f64) -> f64 {
    call(|relay, input, output| {
        let message = input.get(..len).unwrap_or_default();
        relay.receive(instant(now), id(peer), message, output);
    })
}

/// Handles a ping or pong frame with so many bytes in it.
#[unsafe(no_mangle)]
pub extern "C" fn signal_frame(peer: u32, bytes: usize, now: f64) -> f64 {
    call(|relay, _, output| relay.receive_frame(instant(now), id(peer), bytes, output))
}

/// Closes a peer for whom more waits than may.
#[unsafe(no_mangle)]
pub extern "C" fn signal_overflow(peer: u32) -> f64 {
    call(|relay, _, output| relay.overflow(id(peer), output))
}

/// Notes that the runtime ends a connection for what came on it.
#[unsafe(no_mangle)]
pub extern "C" fn signal_broke_protocol(peer: u32, now: f64) -> f64 {
    call(|relay, _, _| relay.broke_protocol(instant(now), id(peer)))
}

/// Forgets a connection that has ended.
#[unsafe(no_mangle)]
pub extern "C" fn signal_leave(peer: u32, now: f64) -> f64 {
    call(|relay, _, _| relay.leave(instant(now), id(peer)))
}

/// Begins a shutdown.
#[unsafe(no_mangle)]
pub extern "C" fn signal_drain(now: f64) -> f64 {
    call(|relay, _, output| relay.drain(instant(now), output))
}

/// Acts on every deadline up to `now`.
#[unsafe(no_mangle)]
pub extern "C" fn signal_tick(now: f64) -> f64 {
    call(|relay, _, output| relay.tick(instant(now), output))
}

/// Runs a call on the relay, if there is one, and returns its next deadline.
fn call(act: impl FnOnce(&mut Relay, &[u8], &mut Output)) -> f64 {
    with(|module| {
        module.output.clear();
        let Some(relay) = &mut module.relay else {
            return NEVER;
        };
        act(relay, &module.input, &mut module.output);
        let due = relay.poll_timeout();
        due.map_or(NEVER, |due| due.as_millis() as f64)
    })
}

/// No call comes while another runs: the module imports nothing that could make one.
fn with<T>(act: impl FnOnce(&mut Module) -> T) -> T {
    MODULE.with_borrow_mut(act)
}

/// A negative time is zero.
fn instant(millis: f64) -> Instant {
    Instant::from_millis(millis as u64)
}

fn id(peer: u32) -> PeerId {
    PeerId::new(peer.into())
}
