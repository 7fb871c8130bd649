//! The steps of a check, in their order.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::check::client::Client;
use crate::check::connect;
use crate::check::options::Options;
use crate::check::recorder::{Done, Recorder, Stop, Work};
use crate::check::report::{Pings, Problem, Report};
use crate::check::target::Target;
use crate::check::{explain, turn};
use crate::show;

/// The names of all steps, in order.
pub(crate) const STEPS: [&str; 13] = [
    "resolve",
    "tcp",
    "tls",
    "upgrade",
    "subscribe",
    "second client",
    "publish",
    "count",
    "isolation",
    "unsubscribe",
    "ping",
    "close",
    "turn",
];

/// Pings that may go out at once: with the fences of the first client, as many as the strictest
/// relay known allows.
const PINGS_AT_ONCE: usize = 3;
const PING_PAUSE: Duration = Duration::from_secs(1);

/// From when on publishes may have been kept back: systems delay an acknowledgement by 40 ms or
/// more when they expect to send something with it.
const STALL_MIN: Duration = Duration::from_millis(35);
/// How many times longer than a ping that is, at least.
const STALL_PINGS: u32 = 4;
const STALL_ROUNDS: usize = 3;

/// Checks a server with two clients and a topic that nobody else uses.
pub(crate) async fn check(target: &Target, options: &Options) -> Report {
    let mut recorder = Recorder::new(options.timeout, options.slow);
    let pings = walk(target, options, &mut recorder).await;
    Report {
        url: target.to_string(),
        notes: target.notes.clone(),
        steps: recorder.finish(&STEPS),
        pings: pings.unwrap_or_default(),
    }
}

async fn walk(target: &Target, options: &Options, recorder: &mut Recorder) -> Result<Pings, Stop> {
    let (socket, address) =
        connect::in_steps(target, &options.way, &options.credentials, recorder).await?;
    let unique = RandomState::new().hash_one(address);
    let topic = format!("{}{unique:016x}", options.topic_prefix);
    let mut ann = Client::new(socket);

    let one_ping = recorder
        .step("subscribe", subscribe(&mut ann, &topic))
        .await?;
    let joined = join(target, options, address, &topic);
    let mut bob = recorder.step("second client", joined).await?;
    let published = publish_promptly(&mut ann, &mut bob, &topic, one_ping);
    if let Ok(counts) = recorder.step("publish", published).await {
        // Its own message and the other's; an echo that is missing is not waited for again.
        let has_echo = counts.len() > 1;
        let _ = recorder.step("count", async { count(&counts) }).await;
        let _ = recorder
            .step("isolation", isolation(&mut ann, &mut bob, &topic, has_echo))
            .await;
        let parting = unsubscribe(&mut ann, &mut bob, &topic, has_echo);
        let _ = recorder.step("unsubscribe", parting).await;
    }
    let pings = recorder.patient_step("ping", ping(&mut ann, options)).await;
    let _ = recorder
        .patient_step("close", close(ann, bob, options.timeout))
        .await;
    let _ = recorder
        .patient_step("turn", turn::check(target, options, address))
        .await;
    pings
}

async fn subscribe(ann: &mut Client, topic: &str) -> Work<Duration> {
    ann.subscribe(topic).await?;
    // Nothing answers a subscribe; the pong says that it was read.
    let time = ann.ping().await?;
    Ok(Done::new(
        time,
        format!("a ping after it was answered in {}", show::time(time)),
    ))
}

/// Connects another client and subscribes it to the same topic.
async fn join(
    target: &Target,
    options: &Options,
    address: SocketAddr,
    topic: &str,
) -> Work<Client> {
    let socket = connect::at_once(target, &options.way, &options.credentials, address)
        .await?
        .into_value();
    let mut bob = Client::new(socket);
    bob.subscribe(topic).await?;
    bob.ping().await?;
    Ok(Done::new(bob, "connected and subscribed"))
}

/// What is sent between the clients: all that servers are known to damage, and JSON can hold for
/// sure.
fn payload(from: &str) -> Value {
    json!({
        "type": "announce",
        "from": from,
        "text": "Grüße, 世界 🦀 \u{2028} \"quoted\" \\ \u{0} \u{7f}",
        "numbers": [0, -1, 0.1, 1.5, 1e21, 1e-7, 9_007_199_254_740_991_u64],
        "nested": {"": [[], {}, null, true, false], "__proto__": 1, "10": 2, "2": 3},
    })
}

/// [`publish`], and whether the server keeps back what it has to send: then the first publishes
/// take long, compared with a ping, and so do all that follow.
async fn publish_promptly(
    ann: &mut Client,
    bob: &mut Client,
    topic: &str,
    ping: Duration,
) -> Work<Vec<Value>> {
    let is_stalled = |time: Duration| time >= STALL_MIN && time > ping * STALL_PINGS;
    let started = Instant::now();
    let done = publish(ann, bob, topic).await?;
    if !is_stalled(started.elapsed()) {
        return Ok(done);
    }
    let has_echo = done.value().len() > 1;
    let mut least = Duration::MAX;
    for _ in 0..STALL_ROUNDS {
        least = least.min(exchange(ann, bob, topic, has_echo).await?);
    }
    Ok(done.warn_if(is_stalled(least).then(|| explain::stalled(least, ping))))
}

/// How long it takes until a publish of each of two clients has reached the other. The second is
/// sent when the first has arrived, so the server has written to the first client just before.
async fn exchange(
    ann: &mut Client,
    bob: &mut Client,
    topic: &str,
    has_echo: bool,
) -> Result<Duration, Problem> {
    let started = Instant::now();
    ann.publish(topic, &json!("from ann")).await?;
    while bob.published().await?["data"] != "from ann" {}
    bob.publish(topic, &json!("from bob")).await?;
    while ann.published().await?["data"] != "from bob" {}
    let time = started.elapsed();
    // So that it does not turn up later.
    while has_echo && bob.published().await?["data"] != "from bob" {}
    Ok(time)
}

/// Sends a message each way. Returns the two as the first client got them, its own echo first if
/// there was one.
async fn publish(ann: &mut Client, bob: &mut Client, topic: &str) -> Work<Vec<Value>> {
    let (from_ann, from_bob) = (payload("ann"), payload("bob"));
    ann.publish(topic, &from_ann).await?;
    expect(
        &bob.published().await?,
        topic,
        &from_ann,
        "from the first to the second client",
    )?;
    bob.publish(topic, &from_bob).await?;
    let mut received = vec![ann.published().await?];
    let has_echo = same(&received[0]["data"], &from_ann);
    if has_echo {
        received.push(ann.published().await?);
    }
    let last = &received[received.len() - 1];
    expect(
        last,
        topic,
        &from_bob,
        "from the second to the first client",
    )?;
    // The second client's own message, so that it does not turn up later.
    let (_, rest) = bob.fence().await?;
    let has_echo = has_echo && rest.iter().any(|message| same(&message["data"], &from_bob));
    let warning = (!has_echo).then(|| {
        Problem::new(
            "publishers do not get their own messages",
            "y-webrtc's server sends a publish to all subscribers, its sender too; apps that \
             rely on that will miss it",
        )
    });
    Ok(Done::new(received, "both ways, intact").warn_if(warning))
}

fn expect(got: &Value, topic: &str, data: &Value, way: &str) -> Result<(), Problem> {
    let is_intact = got["topic"] == topic && same(&got["data"], data);
    if is_intact {
        return Ok(());
    }
    let got = show::quoted(&got.to_string(), 300);
    Err(Problem::new(
        format!("a message {way} arrived changed: {got}"),
        "the server or a proxy in between alters messages; relay them as they are",
    ))
}

/// Whether two documents are the same to a JavaScript client, to which all numbers are floating
/// point.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

fn count(received: &[Value]) -> Work<()> {
    let counts: Vec<_> = received
        .iter()
        .map(|message| message["clients"].clone())
        .collect();
    let fix = "y-webrtc itself does not read `clients`, but apps that show who is there do";
    match counts.iter().find(|count| count.as_f64() != Some(2.0)) {
        None => Ok(Done::new((), "`clients` is 2")),
        Some(Value::Null) => {
            let warning = Problem::new("publishes carry no `clients`", fix);
            Ok(Done::new((), "").warn_if(Some(warning)))
        }
        Some(count) => {
            let warning = Problem::new(format!("`clients` is {count}, but should be 2"), fix);
            Ok(Done::new((), "").warn_if(Some(warning)))
        }
    }
}

/// Publishes to a topic of the first client alone, then to the common one: the second must get only
/// that.
async fn isolation(ann: &mut Client, bob: &mut Client, topic: &str, has_echo: bool) -> Work<()> {
    let private = format!("{topic}-private");
    ann.subscribe(&private).await?;
    ann.publish(&private, &json!("private")).await?;
    ann.publish(topic, &json!("common")).await?;
    let got = bob.published().await?;
    if got["topic"] == private.as_str() || got["data"] == "private" {
        return Err(Problem::new(
            "a message reached a client that had not subscribed its topic",
            "rooms leak into each other: do not use this server",
        ));
    }
    while has_echo && ann.published().await?["data"] != "common" {}
    Ok(Done::new((), "other topics stay apart"))
}

async fn unsubscribe(ann: &mut Client, bob: &mut Client, topic: &str, has_echo: bool) -> Work<()> {
    bob.unsubscribe(topic).await?;
    bob.ping().await?;
    ann.publish(topic, &json!("after")).await?;
    let count = if has_echo {
        ann.published().await?["clients"].clone()
    } else {
        // Its pong comes when the publish has been handled.
        ann.ping().await?;
        Value::Null
    };
    let (_, received) = bob.fence().await?;
    if !received.is_empty() {
        return Err(Problem::new(
            "a client that had unsubscribed still got a message",
            "the server does not honour `unsubscribe`",
        ));
    }
    let warning = (!count.is_null() && count.as_f64() != Some(1.0)).then(|| {
        let what = format!("`clients` is {count} where one is left");
        Problem::new(what, "the server counts clients that have unsubscribed")
    });
    Ok(Done::new((), "nothing comes after it").warn_if(warning))
}

async fn ping(client: &mut Client, options: &Options) -> Work<Pings> {
    let mut times = Vec::with_capacity(options.pings);
    for number in 0..options.pings {
        if number >= PINGS_AT_ONCE {
            tokio::time::sleep(PING_PAUSE).await;
        }
        let one = tokio::time::timeout(options.timeout, client.ping());
        let time = one
            .await
            .unwrap_or_else(|_| Err(explain::timed_out("ping", options.timeout)));
        times.push(time?);
    }
    let pings = Pings::new(times);
    let median = pings.median().unwrap_or_default();
    let warning = (median > options.slow).then(|| explain::slow("ping", options.slow));
    let detail = format!(
        "median {}, best {} of {}",
        show::time(median),
        show::time(pings.min().unwrap_or_default()),
        pings.len()
    );
    Ok(Done::new(pings, detail).warn_if(warning))
}

async fn close(mut ann: Client, mut bob: Client, timeout: Duration) -> Work<()> {
    let closed = async {
        ann.close().await?;
        bob.close().await
    };
    let closed = tokio::time::timeout(timeout, closed).await;
    let closed = closed.unwrap_or_else(|_| Err(explain::timed_out("close", timeout)));
    // A server that got this far can be used; how it closes matters little.
    let warning = closed.err().map(|problem| {
        let fix = "browsers wait for the answer to a close; the server should send it";
        Problem::new(format!("a close was not answered: {}", problem.what), fix)
    });
    Ok(Done::new((), if warning.is_none() { "answered" } else { "" }).warn_if(warning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_compared_as_javascript_would() {
        assert!(same(
            &json!({"a": 1, "b": [100]}),
            &json!({"b": [1e2], "a": 1.0})
        ));
        assert!(!same(&json!([1]), &json!(["1"])));
        assert!(!same(&json!({"a": null}), &json!({"b": null})));
        assert!(!same(&payload("ann"), &payload("bob")));
    }

    #[test]
    fn a_wrong_or_missing_count_is_a_warning() {
        let right = count(&[json!({"clients": 2}), json!({"clients": 2.0})]);
        assert!(format!("{right:?}").contains("warning: None"), "{right:?}");
        for wrong in [json!({"clients": 1}), json!({}), json!({"clients": "2"})] {
            let report = count(&[json!({"clients": 2}), wrong]);
            assert!(
                format!("{report:?}").contains("warning: Some"),
                "{report:?}"
            );
        }
    }
}
