//! The calls into the runtime, each with its failure as a value. Many methods of `worker::State`
//! unwrap instead.

use signal_access::{AddressKey, Subject};
use signal_core::{Instant, Message, client};
use worker::js_sys::{self, Reflect};
use worker::wasm_bindgen::JsValue;
use worker::{
    Date, Result, ScheduledTime, SqlStorage, State, Storage, WebSocket,
    WebSocketRequestResponsePair, web_sys,
};

use crate::alarm::{Armed, Change};
use crate::event::{Event, Events};
use crate::settings::Settings;
use crate::ticket::{self, Holder};

/// What the tag of a socket begins with that says where it is from.
const ADDRESS_TAG: &str = "ip:";

/// One object's runtime and settings.
#[derive(Debug)]
pub(crate) struct Runtime {
    state: State,
    pub(crate) settings: Settings,
    pub(crate) events: Events,
}

impl Runtime {
    pub(crate) fn new(state: State, settings: Settings, events: Events) -> Self {
        Self {
            state,
            settings,
            events,
        }
    }

    /// The time, since 1970, so that it means the same after a sleep.
    pub(crate) fn now() -> Instant {
        Instant::from_millis(Date::now().as_millis())
    }

    /// A random number, to spread those who would come back together.
    pub(crate) fn random() -> u64 {
        (js_sys::Math::random() * f64::from(u32::MAX)) as u64
    }

    /// Has the runtime answer the pings of stock clients while the object sleeps: those of this
    /// very text, and no other spelling.
    pub(crate) fn answer_pings_asleep(&self) {
        let pair = WebSocketRequestResponsePair::new(client::PING, Message::PONG.as_str());
        let set = pair.and_then(|pair| self.state.as_raw().set_websocket_auto_response(&pair));
        self.note_failure("auto_response", set.map_err(worker::Error::from));
    }

    /// Takes a socket over, so that it outlasts the object's memory.
    pub(crate) fn accept(&self, socket: &WebSocket, holder: &Holder) -> Result<()> {
        let address = holder.address.map(address_tag);
        let subject = holder.subject.as_ref().map(subject_tag);
        let tags = address.into_iter().chain(subject);
        let tags: Vec<JsValue> = tags.map(|tag| JsValue::from_str(&tag)).collect();
        self.state
            .as_raw()
            .accept_websocket_with_tags(socket.as_ref(), tags)?;
        Ok(())
    }

    /// All sockets, closing ones too.
    pub(crate) fn sockets(&self) -> Vec<WebSocket> {
        let sockets = self
            .state
            .as_raw()
            .get_websockets()
            .map_err(worker::Error::from);
        self.note_failure("get_websockets", sockets)
            .unwrap_or_default()
            .into_iter()
            .map(WebSocket::from)
            .collect()
    }

    /// Closes every socket.
    pub(crate) fn close_all(&self, code: u16, reason: &str) {
        for socket in self.sockets() {
            self.note_failure("close", socket.close(Some(code), Some(reason)));
        }
    }

    /// How many sockets with a tag are open.
    pub(crate) fn open_sockets_with(&self, tag: &str) -> usize {
        let sockets = self
            .state
            .as_raw()
            .get_websockets_with_tag(tag)
            .map_err(worker::Error::from);
        let sockets = self
            .note_failure("get_websockets", sockets)
            .unwrap_or_default();
        sockets
            .iter()
            .filter(|socket| socket.ready_state() == web_sys::WebSocket::OPEN)
            .count()
    }

    /// The address that a socket was accepted with.
    pub(crate) fn address_of(&self, socket: &WebSocket) -> Option<AddressKey> {
        let tags = self
            .state
            .as_raw()
            .get_tags(socket.as_ref())
            .map_err(worker::Error::from);
        let tags = self.note_failure("get_tags", tags)?;
        let text = tags.iter().find_map(|tag| tag.strip_prefix(ADDRESS_TAG))?;
        ticket::read_address(text)
    }

    /// The object's database; none if its class was not declared with `new_sqlite_classes`.
    pub(crate) fn sql(&self) -> Option<SqlStorage> {
        // The getter throws in a class without a database.
        let storage = self.state.as_raw().storage().ok()?;
        Reflect::get(&storage, &JsValue::from_str("sql")).ok()?;
        Some(self.storage()?.sql())
    }

    /// The alarm that is set.
    pub(crate) async fn armed(&self) -> Armed {
        let Some(storage) = self.storage() else {
            return Armed::No;
        };
        match self.note_failure("get_alarm", storage.get_alarm().await) {
            Some(Some(millis)) => Armed::At(Instant::from_millis(millis.unsigned_abs())),
            Some(None) => Armed::No,
            None => Armed::Unknown,
        }
    }

    /// Sets the alarm, or takes it away. False if it did not work.
    pub(crate) async fn arm(&self, change: Change) -> bool {
        let Some(storage) = self.storage() else {
            return false;
        };
        let result = match change {
            Change::Set(at) => {
                let date = js_sys::Date::new(&JsValue::from_f64(at.as_millis() as f64));
                storage.set_alarm(ScheduledTime::new(date)).await
            }
            Change::Delete => storage.delete_alarm().await,
        };
        self.note_failure("set_alarm", result).is_some()
    }

    pub(crate) fn note_failure<T>(&self, what: &'static str, result: Result<T>) -> Option<T> {
        result
            .inspect_err(|error| self.events.note(&Event::failure(what, error)))
            .ok()
    }

    fn storage(&self) -> Option<Storage> {
        // `State::storage` unwraps this very call.
        self.state.as_raw().storage().ok()?;
        Some(self.state.storage())
    }
}

/// The tag of a subject's sockets.
pub(crate) fn subject_tag(subject: &Subject) -> String {
    format!("sub:{}", subject.name())
}

/// The tag of an address's sockets.
pub(crate) fn address_tag(address: AddressKey) -> String {
    format!("{ADDRESS_TAG}{address}")
}
