//! The calls into the runtime, each with its failure as a value. Many methods of `worker::State`
//! unwrap instead.

use signal_core::{Instant, Message, client};
use worker::js_sys::{self, Function, Reflect};
use worker::wasm_bindgen::{JsCast as _, JsValue};
use worker::{
    Result, ScheduledTime, SqlStorage, State, Storage, WebSocket, WebSocketRequestResponsePair,
};

use crate::alarm::{Armed, Change};
use crate::event::{Event, Events};
use crate::settings::Settings;

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

    /// Has the runtime answer the pings of stock clients while the object sleeps: those of this
    /// very text, and no other spelling.
    pub(crate) fn answer_pings_asleep(&self) {
        let pair = WebSocketRequestResponsePair::new(client::PING, Message::PONG.as_str());
        let set = pair.and_then(|pair| self.state.as_raw().set_websocket_auto_response(&pair));
        self.note_failure("auto_response", set.map_err(worker::Error::from));
    }

    /// Takes a socket over, so that it outlasts the object's memory.
    pub(crate) fn accept(&self, socket: &WebSocket) -> Result<()> {
        self.state.as_raw().accept_websocket(socket.as_ref())?;
        Ok(())
    }

    /// When the runtime last answered a ping of a socket by itself. None if it never has.
    pub(crate) fn last_ping(&self, socket: &WebSocket) -> Result<Option<Instant>> {
        // `worker` has no method for it.
        const NAME: &str = "getWebSocketAutoResponseTimestamp";
        let state = self.state.as_raw();
        let method: Function = Reflect::get(state, &JsValue::from_str(NAME))?.dyn_into()?;
        let date = method.call1(state, socket.as_ref())?;
        let date = date.dyn_into::<js_sys::Date>().ok();
        Ok(date.map(|date| Instant::from_millis(date.get_time() as u64)))
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
