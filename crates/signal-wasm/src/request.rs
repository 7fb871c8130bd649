//! A request, as a host hands it in, and what it is answered.

use alloc::borrow::Cow;
use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use signal_access::{Refusal, UpgradeParts};
use signal_core::PeerId;

use crate::fields;
use crate::question::Question;

/// What of a request is looked at. The values of a header that came more than once are joined with
/// `, `.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// Path and query, as they were sent.
    pub target: &'a str,
    /// The other end of the connection, an IP address.
    pub remote: Option<&'a str>,
    /// `Upgrade`.
    pub upgrade: Option<&'a str>,
    /// `Sec-WebSocket-Version`.
    pub version: Option<&'a str>,
    /// `Sec-WebSocket-Key`.
    pub key: Option<&'a str>,
    /// `Sec-WebSocket-Protocol`.
    pub protocols: Option<&'a str>,
    /// `Host`.
    pub host: Option<&'a str>,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// `X-Forwarded-For`.
    pub forwarded_for: Option<&'a str>,
    /// `Access-Control-Request-Method`.
    pub cors_method: Option<&'a str>,
    /// `Content-Length`.
    pub content_length: Option<&'a str>,
    /// `Transfer-Encoding`.
    pub transfer_encoding: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// Reads one from texts in the order of the fields.
    pub fn from_bytes(bytes: &'a [u8]) -> Self {
        let mut texts = fields::read(bytes);
        let mut next = || texts.next().flatten();
        Self {
            method: next().unwrap_or_default(),
            target: next().unwrap_or_default(),
            remote: next(),
            upgrade: next(),
            version: next(),
            key: next(),
            protocols: next(),
            host: next(),
            origin: next(),
            authorization: next(),
            forwarded_for: next(),
            cors_method: next(),
            content_length: next(),
            transfer_encoding: next(),
        }
    }

    /// The bytes that [`from_bytes`](Self::from_bytes) reads.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        fields::write([
            Some(self.method),
            Some(self.target),
            self.remote,
            self.upgrade,
            self.version,
            self.key,
            self.protocols,
            self.host,
            self.origin,
            self.authorization,
            self.forwarded_for,
            self.cors_method,
            self.content_length,
            self.transfer_encoding,
        ])
    }

    pub(crate) fn path(&self) -> &'a str {
        self.target.split(['?', '#']).next().unwrap_or_default()
    }

    pub(crate) fn remote_ip(&self) -> Option<IpAddr> {
        // Runtimes write the interface behind a link-local one: `fe80::1%eth0`.
        self.remote?.split('%').next()?.parse().ok()
    }

    pub(crate) fn parts(&self) -> UpgradeParts<'a> {
        let before_fragment = self.target.split('#').next().unwrap_or_default();
        UpgradeParts {
            query: before_fragment.split_once('?').map(|(_, query)| query),
            host: self.host,
            origin: self.origin,
            authorization: self.authorization,
            protocols: self.protocols,
        }
    }
}

/// What a request is answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// With a page.
    Page(Page),
    /// With an upgrade.
    Upgrade {
        /// The name of the new peer: hand it to [`Relay::connect`](crate::Relay::connect), or to
        /// [`Relay::leave`](crate::Relay::leave) if the upgrade fails.
        peer: PeerId,
        /// The subprotocol to answer.
        protocol: Option<String>,
    },
    /// Later: first the host has a question to answer.
    Ask {
        /// The name that the new peer will have. It has its place already, so if the client goes
        /// away in the meantime, hand it to [`Relay::leave`](crate::Relay::leave).
        peer: PeerId,
        /// What is to be known.
        question: Question,
    },
}

/// An HTTP response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// The headers, by name and value.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: String,
}

impl Page {
    /// A page of plain text. Any page elsewhere may read it: it says nothing that is not public.
    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: vec![
                ("access-control-allow-origin", "*".into()),
                ("content-type", "text/plain".into()),
            ],
            body: body.into(),
        }
    }

    /// A page of JSON.
    pub(crate) fn json(status: u16, body: String) -> Self {
        Self {
            status,
            headers: vec![
                ("access-control-allow-origin", "*".into()),
                ("content-type", "application/json".into()),
            ],
            body,
        }
    }

    pub(crate) fn header(
        mut self,
        name: &'static str,
        value: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<&Refusal> for Page {
    fn from(refusal: &Refusal) -> Self {
        let mut page = Self::text(refusal.status(), refusal.body());
        if let Some(challenge) = refusal.challenge_value() {
            page = page.header("www-authenticate", challenge.to_owned());
        }
        if let Some(seconds) = refusal.retry_after_seconds() {
            page = page.header("retry-after", seconds.to_string());
        }
        page
    }
}
