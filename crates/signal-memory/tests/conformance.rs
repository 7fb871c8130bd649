//! The conformance suite on a `Room` in a world: the core alone, without a socket.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use signal_access::{
    Access, Admitted, Algorithm, NewKey, Origins, Subject, TokenVerifier, UnixTime, UpgradeParts,
};
use signal_conformance::{
    Backend, BackendError, Capability, ConnectError, ConnectOptions, Connection, Declared, Event,
    HttpResponse, Issuer, Level, RunOptions, Scenario, Suite,
};
use signal_core::{Limits, PeerId};
use signal_memory::{Config, PeerOptions, RoomId, World};

const ROOM: RoomId = RoomId(0);

/// The only pages that may connect.
const ORIGIN: &str = "https://app.example:8443";
/// For whom tokens must be made.
const AUDIENCE: &str = "relay.example";
/// What the world's clock shows on the relay's wall when it begins.
const STARTED: UnixTime = UnixTime::from_secs(1_800_000_000);

#[tokio::test]
async fn a_room_in_a_world_passes_every_level_it_declares() {
    let backend = Memory::new();
    let report = Suite::all().run(&backend, &RunOptions::default()).await;
    println!("{}", report.to_text());
    assert!(report.passed(), "{}", report.to_text());
    // Skipped scenarios pass too, so see that they are few.
    let levels = report.levels();
    for level in [
        Level::Stock,
        Level::Limits,
        Level::Lifecycle,
        Level::Access,
        Level::Robust,
    ] {
        let tally = levels[&level];
        assert!(tally.passed >= 2 * tally.skipped, "{level:?}: {tally:?}");
    }
    let access = levels[&Level::Access];
    assert_eq!(access.skipped, 0, "{}", report.to_text());
}

/// Keys for HS256 have no public half, and relays need not have an audience.
#[tokio::test]
async fn a_room_behind_a_door_with_a_secret_passes_the_level_access() {
    let mut backend = Memory::new();
    backend.door = Door::new(Algorithm::Hs256, None);
    let report = Suite::all()
        .level(Level::Access)
        .run(&backend, &RunOptions::default())
        .await;
    assert!(report.passed(), "{}", report.to_text());
    let skipped: Vec<_> = report
        .summary()
        .into_iter()
        .filter(|(_, grade)| grade != "passed")
        .map(|(id, _)| id)
        .collect();
    assert_eq!(
        skipped,
        [
            "access.token.audience_look_alike",
            "access.token.audiences",
            "access.token.public_key_as_secret",
        ]
    );
}

/// Some scenarios need budgets that one burst exceeds.
#[tokio::test]
async fn a_room_with_small_budgets_passes_the_level_limits() {
    let backend = Memory::with_limits(|limits| {
        limits.messages_burst = 200;
        limits.messages_per_second = 20;
        limits.fan_out_burst = 10;
        limits.fan_out_per_second = 10;
    });
    let report = Suite::all()
        .level(Level::Limits)
        .run(&backend, &RunOptions::default())
        .await;
    for id in ["limits.fan_out", "limits.fan_out_overdraft"] {
        assert_eq!(report.summary()[id], "passed", "{}", report.to_text());
    }
    assert!(report.passed(), "{}", report.to_text());

    let backend = Memory::with_limits(|limits| {
        limits.fan_out_bytes_burst = 10_000;
        limits.fan_out_bytes_per_second = 2_000;
    });
    let ids = ["limits.fan_out_bytes", "limits.fan_out_bytes_overdraft"];
    let suite = Suite::all().matching(&ids);
    let report = suite.run(&backend, &RunOptions::default()).await;
    for id in ids {
        assert_eq!(report.summary()[id], "passed", "{}", report.to_text());
    }
}

/// A topic of two is full soon.
#[tokio::test]
async fn a_room_with_small_topics_passes_what_is_about_them() {
    let backend = Memory::with_limits(|limits| limits.clients_max = 2);
    let suite = Suite::all().matching(&ROOM_SIZE);
    let report = suite.run(&backend, &RunOptions::default()).await;
    for id in ROOM_SIZE {
        assert_eq!(report.summary()[id], "passed", "{}", report.to_text());
    }
}

const ROOM_SIZE: [&str; 5] = [
    "limits.clients_at_limit",
    "limits.clients_granted",
    "limits.clients_not_heard",
    "limits.clients_place_again",
    "limits.clients_stay",
];

/// One world, made anew for each scenario.
struct Memory {
    limits: Limits,
    world: Arc<Mutex<World>>,
    door: Door,
}

struct MemoryConnection {
    world: Arc<Mutex<World>>,
    peer: PeerId,
    protocol: Option<String>,
}

/// Judges upgrades before there is a peer, as every adapter does.
struct Door {
    access: Access,
    issuer: Issuer,
    /// Who has come in with a token that limits its subject's connections.
    subjects: Mutex<Vec<(PeerId, Arc<str>)>>,
}

impl Door {
    fn new(algorithm: Algorithm, audience: Option<&str>) -> Self {
        let key = NewKey::from_seed(algorithm, Some("test"), [7; 32]);
        let private = key.private_jwk();
        let mut issuer = Issuer::new(&private).expect("a key that signs");
        // The relay has the public half, where there is one.
        let mut verifier = TokenVerifier::new(&key.public_jwk().unwrap_or(private)).expect("a key");
        if let Some(audience) = audience {
            issuer = issuer.with_audience(audience);
            verifier = verifier.with_audience(audience);
        }
        let access = Access {
            origins: Origins::new([ORIGIN]).expect("an origin"),
            tokens: Some(verifier),
        };
        Self {
            access,
            issuer,
            subjects: Mutex::default(),
        }
    }

    /// How many connections of a subject are open.
    fn open_connections_of(&self, subject: &Subject, world: &World) -> u32 {
        let subjects = self.subjects.lock().expect("no scenario panicked");
        let open = subjects
            .iter()
            .filter(|(peer, _)| world.end(*peer).is_none());
        let count = open.filter(|(_, name)| name == subject.name()).count();
        u32::try_from(count).expect("few connections")
    }

    fn judge(&self, options: &ConnectOptions, now: UnixTime) -> Result<Admitted, HttpResponse> {
        let headers = options.headers.iter();
        let authorization: Vec<&str> = headers
            .filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
            .map(|(_, value)| value.as_str())
            .collect();
        if authorization.len() > 1 {
            return Err(HttpResponse::new(400, b"Authorization came twice".to_vec()));
        }
        let protocols = options.protocols.join(", ");
        let parts = UpgradeParts {
            query: options.query.as_deref(),
            host: None,
            origin: options.origin.as_deref(),
            authorization: authorization.first().copied(),
            protocols: (!protocols.is_empty()).then_some(&protocols),
        };
        self.access.judge(&parts, now).map_err(|denied| {
            let answer = HttpResponse::new(denied.status(), denied.body().into_bytes());
            match denied.challenge() {
                Some(challenge) => answer.header("WWW-Authenticate", challenge),
                None => answer,
            }
        })
    }
}

impl Memory {
    fn new() -> Self {
        Self::with_limits(|_| {})
    }

    fn with_limits(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        let world = Arc::new(Mutex::new(new_world(1, &limits)));
        let door = Door::new(Algorithm::EdDsa, Some(AUDIENCE));
        Self {
            limits,
            world,
            door,
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no scenario panicked")
    }
}

fn new_world(seed: u64, limits: &Limits) -> World {
    let mut config = Config::new(seed);
    config.limits = limits.clone();
    // Worlds are copied to look ahead.
    config.transcript_lines_max = 100;
    World::with_config(config)
}

#[async_trait]
impl Backend for Memory {
    fn declared(&self) -> Declared {
        let world = self.world();
        let limits = world.room(ROOM).limits();
        let core = Limits::ALL
            .iter()
            .map(|limit| (limit.name, (limit.get)(limits)));
        let limits = core.chain([
            (
                "outbound_frames_max",
                world.config().outbound_frames_max as u64,
            ),
            (
                "outbound_bytes_max",
                world.config().outbound_bytes_max as u64,
            ),
        ]);
        let declared = Declared::new("signal-memory")
            .levels([
                Level::Robust,
                Level::Limits,
                Level::Lifecycle,
                Level::Access,
            ])
            .capabilities([
                Capability::Advance,
                Capability::ClientsMax,
                Capability::Drain,
                Capability::Grants,
                Capability::Hibernate,
                Capability::Pause,
                Capability::Private,
                Capability::Restart,
            ]);
        let declared = declared.issuer(self.door.issuer.clone()).origin(ORIGIN);
        limits
            .into_iter()
            .fold(declared, |declared, (name, value)| {
                declared.limit(name, value)
            })
    }

    async fn connect(
        &self,
        mut options: ConnectOptions,
    ) -> Result<Box<dyn Connection>, ConnectError> {
        let mut world = self.world();
        if world.is_draining(ROOM) {
            return Err(ConnectError::Refused(HttpResponse::new(503, Vec::new())));
        }
        let unix_now = unix_time(&world);
        if !options.bare {
            let token = self
                .door
                .issuer
                .token(options.grant.as_ref(), unix_now.as_millis());
            options
                .headers
                .push(("Authorization".to_owned(), format!("Bearer {token}")));
        }
        let admitted = self
            .door
            .judge(&options, unix_now)
            .map_err(ConnectError::Refused)?;
        let subject = admitted.subject();
        if let Some(subject) = &subject {
            let judged = subject.judge(self.door.open_connections_of(subject, &world));
            judged.map_err(|refused| {
                ConnectError::Refused(HttpResponse::new(refused.cause.status(), Vec::new()))
            })?;
        }
        let grant = admitted.grant(unix_now, world.clock(ROOM));
        let peer = world.connect_with(PeerOptions::new().grant(grant));
        let mut subjects = self.door.subjects.lock().expect("no scenario panicked");
        subjects.extend(subject.map(|subject| (peer, subject.name().clone())));
        Ok(Box::new(MemoryConnection {
            world: Arc::clone(&self.world),
            peer,
            protocol: admitted.protocol().map(str::to_owned),
        }))
    }

    fn unix_now(&self) -> u64 {
        unix_time(&self.world()).as_millis()
    }

    async fn begin(&self, scenario: &Scenario) -> Result<(), BackendError> {
        let seed = scenario
            .id
            .bytes()
            .fold(0, |seed: u64, byte| seed * 31 % 65_521 + u64::from(byte));
        *self.world() = new_world(seed, &self.limits);
        let mut subjects = self.door.subjects.lock().expect("no scenario panicked");
        subjects.clear();
        Ok(())
    }

    async fn advance(&self, time: Duration) -> Result<(), BackendError> {
        self.world().advance(time);
        Ok(())
    }

    async fn restart(&self) -> Result<(), BackendError> {
        self.world().restart(ROOM);
        Ok(())
    }

    async fn hibernate(&self) -> Result<(), BackendError> {
        self.world().hibernate(ROOM);
        Ok(())
    }

    async fn drain(&self) -> Result<(), BackendError> {
        self.world().drain(ROOM);
        Ok(())
    }
}

/// The relay's clock on the wall. Rooms have clocks of their own beside it.
fn unix_time(world: &World) -> UnixTime {
    STARTED.saturating_add(Duration::from_millis(world.now().as_millis()))
}

impl MemoryConnection {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no scenario panicked")
    }
}

/// The oldest message nobody has taken, or the end after the last.
fn next_event(world: &mut World, peer: PeerId) -> Option<Event> {
    let message = world
        .take_received(peer)
        .map(|message| Event::Text(message.as_str().to_owned()));
    let end = || {
        world.end(peer).map(|end| Event::Closed {
            code: end.code,
            reason: end.reason.clone(),
        })
    };
    message.or_else(end)
}

/// Moves time as far as it takes for something to come to this peer, at most by `patience`.
fn run_until_event(world: &mut World, peer: PeerId, patience: Duration) -> Option<Event> {
    let end = world.now().saturating_add(patience);
    loop {
        if let Some(event) = next_event(world, peer) {
            return Some(event);
        }
        world.next_due().filter(|due| *due <= end)?;
        world.step();
    }
}

#[async_trait]
impl Connection for MemoryConnection {
    fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    async fn send_text(&mut self, text: &str) {
        self.world().send(self.peer, text);
    }

    async fn send_binary(&mut self, bytes: &[u8]) {
        self.world().send_binary(self.peer, bytes);
    }

    async fn receive(&mut self, patience: Duration) -> Event {
        let mut world = self.world();
        if let Some(event) = next_event(&mut world, self.peer) {
            return event;
        }
        // If nothing comes, no time has passed.
        let mut ahead = world.clone();
        match run_until_event(&mut ahead, self.peer, patience) {
            Some(event) => {
                *world = ahead;
                event
            }
            None => Event::Nothing,
        }
    }

    async fn close(&mut self, code: Option<u16>, _reason: &str) {
        self.world().close(self.peer, code);
    }

    async fn abort(&mut self) {
        self.world().abort(self.peer);
    }

    async fn pause(&mut self) {
        self.world().stall(self.peer);
    }

    async fn resume(&mut self) {
        self.world().resume(self.peer);
    }
}
