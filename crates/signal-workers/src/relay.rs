use std::cell::Cell;
use std::fmt;
use std::panic::RefUnwindSafe;
use std::rc::Rc;

use signal_access::choose_protocol;
use worker::{
    Env, Error, Request, Response, ResponseBuilder, Result, State, WebSocket,
    WebSocketIncomingMessage,
};

use crate::alarm::{self, Armed};
use crate::event::{Event, Events};
use crate::front;
use crate::host::{Host, Rejection};
use crate::refusal;
use crate::runtime::Runtime;
use crate::settings::Settings;
use crate::ticket;

/// The relay in a Durable Object. The object's handlers of the same names pass everything on to it;
/// see the [crate page](crate).
pub struct Relay {
    runtime: Rc<Runtime>,
    /// Taken out while an event is handled. If an exception ends the event, nothing is put back,
    /// and the next event starts from what the runtime has kept.
    host: Cell<Option<Host>>,
    armed: Cell<Armed>,
    /// Whether the variables cannot be used: the object serves nobody then, rather than by limits
    /// that nobody has set.
    is_shut: bool,
}

/// No event leaves a state that is changed by half: it takes the whole out and puts the whole back.
impl RefUnwindSafe for Relay {}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("runtime", &self.runtime)
            .finish_non_exhaustive()
    }
}

impl Relay {
    /// Wakes the relay: restores each open socket's peer from what is kept with it. For the
    /// object's constructor.
    pub fn new(state: State, env: &Env) -> Self {
        let events = Events::new(env);
        let settings = Settings::of_object(env)
            .inspect_err(|error| events.note(&Event::failure("settings", error)));
        let is_shut = settings.is_err();
        let runtime = Rc::new(Runtime::new(state, settings.unwrap_or_default(), events));
        let host = if is_shut {
            runtime.close_all(1011, "this relay is misconfigured; its log says how");
            None
        } else {
            runtime.answer_pings_asleep();
            Some(Host::wake(Rc::clone(&runtime)))
        };
        Self {
            runtime,
            host: Cell::new(host),
            armed: Cell::default(),
            is_shut,
        }
    }

    /// Accepts a connection that [`fetch`](crate::fetch) has let through.
    ///
    /// # Errors
    ///
    /// The request did not come from there, or the runtime failed.
    pub async fn fetch(&self, request: Request) -> Result<Response> {
        if self.is_shut {
            return front::refuse(&refusal::settings());
        }
        let headers = request.headers();
        let ticket = ticket::read(headers)?
            .ok_or_else(|| Error::from("only signal_workers::fetch may send requests here"))?;
        let client = match self.with(|host| host.accept(ticket)) {
            Ok(client) => client,
            Err(Rejection::Refused(refusal)) => {
                self.runtime.events.note(&Event::refuse(&refusal));
                return front::refuse(&refusal);
            }
            Err(Rejection::Failed(error)) => return Err(error),
        };
        self.settle_alarm().await;
        let mut response = ResponseBuilder::new()
            .with_status(101)
            .with_websocket(client);
        let offered = headers.get("sec-websocket-protocol")?;
        if let Some(chosen) = choose_protocol(offered.as_deref()) {
            response = response.with_header("sec-websocket-protocol", chosen)?;
        }
        Ok(response.empty())
    }

    /// Handles a message.
    ///
    /// # Errors
    ///
    /// None; the type is the handler's.
    pub async fn websocket_message(
        &self,
        socket: WebSocket,
        message: WebSocketIncomingMessage,
    ) -> Result<()> {
        if self.is_shut {
            return Ok(());
        }
        self.with(|host| host.receive(&socket, &message));
        self.settle_alarm().await;
        Ok(())
    }

    /// Forgets a peer that has closed its connection, and completes the closing handshake.
    ///
    /// # Errors
    ///
    /// None; the type is the handler's.
    pub async fn websocket_close(
        &self,
        socket: WebSocket,
        code: usize,
        reason: String,
    ) -> Result<()> {
        if self.is_shut {
            return Ok(());
        }
        self.with(|host| host.closed(&socket, code, &reason));
        self.settle_alarm().await;
        Ok(())
    }

    /// Forgets a peer whose connection broke.
    ///
    /// # Errors
    ///
    /// None; the type is the handler's.
    pub async fn websocket_error(&self, socket: WebSocket, _error: Error) -> Result<()> {
        const ABNORMAL: usize = 1006;
        self.websocket_close(socket, ABNORMAL, String::new()).await
    }

    /// Acts on the deadlines that have come: grants that end, refused peers whose time to be held
    /// is over.
    ///
    /// # Errors
    ///
    /// There is no response to return.
    pub async fn alarm(&self) -> Result<Response> {
        if self.is_shut {
            return Response::empty();
        }
        self.armed.set(Armed::No);
        self.with(Host::handle_timeout);
        self.settle_alarm().await;
        Response::empty()
    }

    fn with<T>(&self, act: impl FnOnce(&mut Host) -> T) -> T {
        let mut host = self
            .host
            .take()
            .unwrap_or_else(|| Host::wake(Rc::clone(&self.runtime)));
        let result = act(&mut host);
        self.host.set(Some(host));
        result
    }

    /// Puts the alarm where the next deadline is.
    async fn settle_alarm(&self) {
        let due = |relay: &Self| relay.with(|host| host.poll_timeout());
        if self.armed.get() == Armed::Unknown && due(self).is_none() {
            let armed = self.runtime.armed().await;
            // Another event may have set one meanwhile.
            if self.armed.get() == Armed::Unknown {
                self.armed.set(armed);
            }
        }
        let Some(change) = alarm::change(self.armed.get(), due(self)) else {
            return;
        };
        self.armed.set(alarm::after(change));
        if !self.runtime.arm(change).await {
            self.armed.set(Armed::Unknown);
        }
    }
}
