//! The Worker as the conformance suite sees it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use signal_conformance::{
    Backend, BackendError, Capability, ConnectError, ConnectOptions, Connection, Declared,
    HttpRequest, HttpResponse, Issuer, Level, UrlBackend,
};
use signal_core::{Grant, Limits, Peer, TopicSet};
use signal_workers::Settings;

use crate::server::Workerd;

/// One object of a running workerd.
pub(crate) struct WorkerBackend {
    server: Arc<Workerd>,
    object: String,
    relay: UrlBackend,
    /// The way around the Worker, for grants of the test's making.
    control: UrlBackend,
    /// Who signs tokens, if the Worker asks for them: grants then come in by the door.
    issuer: Option<Issuer>,
}

impl WorkerBackend {
    /// The object that a path leads to.
    pub(crate) fn new(server: &Arc<Workerd>, path: &str, object: &str) -> Self {
        let url = |port: u16, path: &str| {
            UrlBackend::new(&format!("ws://127.0.0.1:{port}{path}")).expect("an address")
        };
        Self {
            server: Arc::clone(server),
            object: object.to_owned(),
            relay: url(server.relay_port, path)
                .declare(|declared| declare(declared, object, &server.settings)),
            control: url(server.control_port, "/"),
            issuer: None,
        }
    }

    /// The same of a Worker that asks for tokens of this issuer and lets in pages of this origin.
    pub(crate) fn guarded(mut self, issuer: Issuer, origin: &str) -> Self {
        let declare = |declared: Declared| declared.issuer(issuer.clone()).origin(origin);
        self.relay = self.relay.declare(declare);
        self.issuer = Some(issuer);
        self
    }
}

/// What a Durable Object claims, and can do with this file's help.
fn declare(mut declared: Declared, object: &str, settings: &Settings) -> Declared {
    // The runtime reads the frames.
    declared.capabilities.remove(&Capability::StrictFrames);
    if object != "global" {
        declared.capabilities.remove(&Capability::AnyPath);
    }
    let mut declared = declared
        .levels([Level::Limits, Level::Lifecycle, Level::Access])
        .capabilities([
            Capability::Advance,
            Capability::ClientsMax,
            Capability::Grants,
            Capability::Hibernate,
            Capability::Restart,
        ])
        .limit("outbound_bytes_max", settings.outbound_bytes_max.into());
    // The runtime watches its sockets itself.
    let kept = Limits::ALL.iter();
    for limit in kept.filter(|limit| !["ping_interval", "keepalive_interval"].contains(&limit.name))
    {
        declared = declared.limit(limit.name, (limit.get)(&settings.core));
    }
    declared.name = format!("workerd, {object}");
    declared
}

#[async_trait]
impl Backend for WorkerBackend {
    fn declared(&self) -> Declared {
        self.relay.declared()
    }

    fn unix_now(&self) -> u64 {
        self.server.now().as_millis()
    }

    async fn connect(
        &self,
        mut options: ConnectOptions,
    ) -> Result<Box<dyn Connection>, ConnectError> {
        if let Some(issuer) = self.issuer.as_ref().filter(|_| !options.bare) {
            let token = issuer.token(options.grant.as_ref(), self.unix_now());
            let before = options.query.map(|query| query + "&").unwrap_or_default();
            options.query = Some(format!("{before}token={token}"));
            // It has one now.
            options.bare = true;
            return self.relay.connect(options).await;
        }
        let Some(grant) = &options.grant else {
            return self.relay.connect(options).await;
        };
        let object = self.object.replace('/', "%2F");
        let peer = peer(grant, &self.server);
        options.path = Some(format!("/connect?object={object}&peer={peer}"));
        self.control.connect(options).await
    }

    async fn advance(&self, time: Duration) -> Result<(), BackendError> {
        self.server
            .advance(&self.object, time)
            .await
            .map_err(BackendError::new)
    }

    async fn restart(&self) -> Result<(), BackendError> {
        self.server.restart().await;
        Ok(())
    }

    async fn hibernate(&self) -> Result<(), BackendError> {
        self.server
            .evict(&self.object)
            .await
            .map_err(BackendError::new)
    }

    async fn guest(&self, bytes: &[u8]) -> Result<Box<dyn Send>, BackendError> {
        self.relay.guest(bytes).await
    }

    async fn http(&self, request: HttpRequest) -> Result<HttpResponse, BackendError> {
        self.relay.http(request).await
    }
}

/// The peer with this grant, as the Worker would tell the object.
fn peer(grant: &signal_conformance::Grant, server: &Workerd) -> String {
    let set = |topics: &[String]| {
        topics.iter().fold(TopicSet::none(), |set, topic| {
            match topic.strip_suffix('*') {
                Some(start) => set.prefix(start),
                None => set.exact(topic),
            }
        })
    };
    let now = server.now();
    let mut core = Grant::new(set(&grant.subscribe), set(&grant.publish));
    if let Some(millis) = grant.expires_in_ms {
        core = core.expires_at(now.saturating_add(Duration::from_millis(millis)));
    }
    for (topics, max) in &grant.clients_max {
        core = core.clients_max(set(std::slice::from_ref(topics)), *max);
    }
    let limits = Arc::new(server.settings.core.clone());
    let bytes = Peer::new(limits, core, now).snapshot().to_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
