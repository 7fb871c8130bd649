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

use alloc::string::ToString as _;
use alloc::vec::Vec;

use signal_access::UnixTime;
use signal_core::{Instant, PeerId};
use spin::Mutex;

use crate::fields;
use crate::metrics::Queues;
use crate::output::Output;
use crate::question::NoAnswer;
use crate::relay::{Host, Relay};
use crate::request::{Answer, Request};
use crate::settings::Settings;

/// Beyond this the memory of one large input is given back.
const KEPT_BYTES_MAX: usize = 256 * 1024;
/// A deadline for never.
const NEVER: f64 = f64::INFINITY;

static MODULE: Mutex<Module> = Mutex::new(Module {
    relay: None,
    input: Vec::new(),
    output: Output::new(),
});

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

/// Makes the relay from settings, names and values by turns, for a host that may ping and have an
/// authorizer: see [`Host`]. 1 if it is made, with its limits as JSON, who may come in, the keys of
/// tokens as JSON, how much may wait for a peer at once, where keys are fetched from as JSON, and
/// sentences for the log; 0 if not, with what is wrong.
#[unsafe(no_mangle)]
pub extern "C" fn signal_open(len: usize, pings: u32, authorizes: u32) -> u32 {
    with(|module| {
        module.output.clear();
        let input = module.input.get(..len).unwrap_or_default();
        let mut texts = fields::read(input);
        let pairs = core::iter::from_fn(|| {
            let name = texts.next()?.unwrap_or_default();
            Some((name, texts.next()?.unwrap_or_default()))
        });
        let host = Host {
            pings: pings != 0,
            authorizes: authorizes != 0,
        };
        match Settings::read(pairs).and_then(|settings| Relay::new(settings, host)) {
            Ok(relay) => {
                module.output.tell(&relay.limits());
                module.output.tell(&relay.access());
                module.output.tell(&relay.keys());
                module.output.tell(&relay.burst_bytes_max().to_string());
                module.output.tell(&relay.published());
                for notice in relay.notices() {
                    module.output.tell(&notice);
                }
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

/// Writes the same as text for Prometheus; so many bytes wait for peers, and for the one for whom
/// most do.
#[unsafe(no_mangle)]
pub extern "C" fn signal_metrics(queued: f64, queued_largest: f64) {
    let queues = Queues {
        bytes: queued as u64,
        largest: queued_largest as u64,
    };
    call(|relay, _, output| output.tell(&relay.metrics(queues)));
}

/// Judges a request, which is in the input as the texts of [`Request`]. Returns the next deadline,
/// as do all that follow.
#[unsafe(no_mangle)]
pub extern "C" fn signal_request(len: usize, now: f64, unix_now: f64, random: u32) -> f64 {
    call(|relay, input, output| {
        let request = Request::from_bytes(input.get(..len).unwrap_or_default());
        let unix_now = UnixTime::from_millis(unix_now as u64);
        answer(
            relay.request(instant(now), unix_now, random.into(), &request),
            output,
        );
    })
}

/// Answers which signatures are right: a bit for each, the lowest for the first.
#[unsafe(no_mangle)]
pub extern "C" fn signal_verified(
    peer: u32,
    right: u32,
    now: f64,
    unix_now: f64,
    random: u32,
) -> f64 {
    call(|relay, _, output| {
        let unix_now = UnixTime::from_millis(unix_now as u64);
        let verified = relay.verified(instant(now), unix_now, random.into(), id(peer), right);
        answer(verified, output);
    })
}

/// Goes on with a request that waited for keys.
#[unsafe(no_mangle)]
pub extern "C" fn signal_resumed(peer: u32, now: f64, unix_now: f64, random: u32) -> f64 {
    call(|relay, _, output| {
        let unix_now = UnixTime::from_millis(unix_now as u64);
        let resumed = relay.resumed(instant(now), unix_now, random.into(), id(peer));
        answer(resumed, output);
    })
}

/// Whether keys are to be fetched now: 1 if they are, and that begins.
#[unsafe(no_mangle)]
pub extern "C" fn signal_fetch(now: f64) -> u32 {
    let mut begins = false;
    call(|relay, _, _| begins = relay.begin_fetch(instant(now)));
    begins.into()
}

/// Takes what a fetch has brought, which is in the input: a text of keys (1), or a sentence on why
/// there is none (0). Returns the next deadline.
#[unsafe(no_mangle)]
pub extern "C" fn signal_fetched(len: usize, is_fetched: u32, now: f64) -> f64 {
    call(|relay, input, output| {
        let text = str::from_utf8(input.get(..len).unwrap_or_default());
        let fetched = match text {
            Ok(text) if is_fetched != 0 => Ok(text),
            Ok(problem) => Err(problem),
            Err(_) => Err("its answer is not text"),
        };
        relay.fetched(instant(now), fetched, output);
    })
}

/// Answers what the authorizer has said, the JSON in the input.
#[unsafe(no_mangle)]
pub extern "C" fn signal_authorized(
    peer: u32,
    len: usize,
    now: f64,
    unix_now: f64,
    random: u32,
) -> f64 {
    call(|relay, input, output| {
        let unix_now = UnixTime::from_millis(unix_now as u64);
        let said = str::from_utf8(input.get(..len).unwrap_or_default()).unwrap_or_default();
        let (authorized, problem) =
            relay.authorized(instant(now), unix_now, random.into(), id(peer), said);
        answer(authorized, output);
        if let Some(problem) = problem {
            output.tell(&problem);
        }
    })
}

/// Says that nobody has answered, because it took too long (1) or whoever was asked failed (0).
#[unsafe(no_mangle)]
pub extern "C" fn signal_not_judged(peer: u32, is_late: u32, now: f64, random: u32) -> f64 {
    call(|relay, _, output| {
        let why = match is_late {
            0 => NoAnswer::Failed,
            _ => NoAnswer::Late,
        };
        answer(
            relay.not_judged(instant(now), random.into(), id(peer), why),
            output,
        );
    })
}

/// Begins a connection.
#[unsafe(no_mangle)]
pub extern "C" fn signal_connect(peer: u32, now: f64) -> f64 {
    call(|relay, _, output| relay.connect(instant(now), id(peer), output))
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

/// Closes a peer for whom more waits than ever may.
#[unsafe(no_mangle)]
pub extern "C" fn signal_overflow(peer: u32) -> f64 {
    call(|relay, _, output| relay.overflow(id(peer), output))
}

/// Notes how full queues are: for each in the input a peer, how many bytes wait for it and how many
/// were ever queued, each number as a double. Said of all peers (1) when all were asked for, else
/// (0) of those that were and of those for whom more waits than may.
#[unsafe(no_mangle)]
pub extern "C" fn signal_levels(len: usize, is_all: u32, now: f64) -> f64 {
    call(|relay, input, output| {
        let levels = fields::read_levels(input.get(..len).unwrap_or_default());
        relay.levels(instant(now), levels, is_all != 0, output);
    })
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

fn answer(answer: Answer, output: &mut Output) {
    match answer {
        Answer::Page(page) => output.page(&page),
        Answer::Upgrade { peer, protocol } => output.upgrade(peer, &protocol.unwrap_or_default()),
        Answer::Ask { peer, question } => output.ask(peer, &question),
    }
}

/// No call comes while another runs: the module imports nothing that could make one.
#[expect(
    clippy::panic,
    reason = "a call that has trapped never ends, and what it left behind is not to be used"
)]
fn with<T>(act: impl FnOnce(&mut Module) -> T) -> T {
    match MODULE.try_lock() {
        Some(mut module) => act(&mut module),
        None => panic!("the module has trapped, or is called from two threads"),
    }
}

/// A negative time is zero.
fn instant(millis: f64) -> Instant {
    Instant::from_millis(millis as u64)
}

fn id(peer: u32) -> PeerId {
    PeerId::new(peer.into())
}
