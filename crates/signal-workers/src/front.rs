//! The Worker in front of the objects: everything that can be judged without waking one.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use signal_access::{Access, AddressKey, Judging, Origins, Permit, Refusal, RefusalCause, Refused};
use signal_core::Grant;
use worker::{Context, Env, Request, Response, ResponseBuilder, Result};

use crate::clock;
use crate::event::{Event, Events};
use crate::knock::Knock;
use crate::routing::{Facts, Route, Upgrade, route};
use crate::settings::{Settings, SettingsError};
use crate::tokens::Tokens;
use crate::{refusal, routing, ticket, tokens, told, turn};

/// The binding of the Durable Objects.
const OBJECTS: &str = "ROOMS";
/// The binding that limits how often an address may connect, if there is one.
const CONNECTS: &str = "CONNECTS";
/// What a health check is answered.
const OK: &str = r#"{"status":"ok"}"#;
/// The longest period of such a binding.
const CONNECTS_PERIOD: Duration = Duration::from_secs(60);

thread_local! {
    /// Whether this isolate has said who may come in.
    static STARTED: Cell<bool> = const { Cell::new(false) };
}

/// Answers a request; an upgrade that may connect is passed on to a Durable Object.
///
/// For the Worker's `fetch` event. If there is a secret `TOKEN_KEYS`, or `TOKEN_JWKS_URL` as the
/// address of keys, everyone needs a token that one of the keys has signed, and gets what the token
/// says; otherwise everyone gets every topic. The variable `TOKEN_AUDIENCE` is the audience that
/// tokens must name, `TOKEN_IN` where in a request they may be.
///
/// # Errors
///
/// The runtime failed.
pub async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    let tokens = match Tokens::read(&env).await {
        Ok(tokens) => tokens,
        Err(error) => return misconfigured(&Events::new(&env), &error),
    };
    let judge = Judge {
        authorize: async |request: &Request, env: &Env| tokens.judge(request, env, &context).await,
        is_ready: async |env: &Env| tokens.is_ready(env, &context).await,
        judging: tokens.judging(),
    };
    answer(request, env, judge, |origins| tokens.describe(origins)).await
}

/// As [`fetch`], but `authorize` decides what each client may do, after all cheaper checks have
/// passed.
///
/// It may await anything that a Worker may, such as another service's answer, and returns a
/// [`Grant`] or a [`Permit`]. Whom it refuses never wakes an object. `TOKEN_KEYS` is not read; but
/// what carries a token for [`fetch`] is kept from the object all the same: the parameter `token`,
/// `Authorization` and what is offered after the subprotocol `signal-token`.
///
/// ```
/// use signal_workers::{Grant, Refusal, fetch_with};
/// use worker::{Context, Env, Request, Response, Result};
///
/// async fn judge(request: &Request, env: &Env) -> std::result::Result<Grant, Refusal> {
///     let sent = request.url().ok().and_then(|url| url.query().map(str::to_owned));
///     let token = env.secret("TOKEN").map(|token| format!("token={}", token.to_string()));
///     match (sent, token) {
///         (Some(sent), Ok(token)) if sent == token => Ok(Grant::open()),
///         _ => Err(Refusal::new(401, "wrong token")),
///     }
/// }
///
/// # async fn example(request: Request, env: Env) -> Result<Response> {
/// fetch_with(request, env, judge).await
/// # }
/// ```
///
/// # Errors
///
/// The runtime failed.
pub async fn fetch_with<A, P>(request: Request, env: Env, authorize: A) -> Result<Response>
where
    A: AsyncFnOnce(&Request, &Env) -> std::result::Result<P, Refusal>,
    P: Into<Permit>,
{
    let who = |origins: Origins| {
        let access = Access {
            origins,
            tokens: None,
        };
        format!("{access}, if this Worker's own judge admits them")
    };
    let judge = Judge {
        authorize,
        is_ready: async |_: &Env| true,
        judging: Judging::Costly,
    };
    answer(request, env, judge, who).await
}

/// What judges what a client may do, and what that costs.
struct Judge<A, R> {
    authorize: A,
    /// Whether it can judge now.
    is_ready: R,
    judging: Judging,
}

/// `who` says in words who may come in, if pages of these origins may.
async fn answer<A, R, P>(
    request: Request,
    env: Env,
    judge: Judge<A, R>,
    who: impl FnOnce(Origins) -> String,
) -> Result<Response>
where
    A: AsyncFnOnce(&Request, &Env) -> std::result::Result<P, Refusal>,
    R: AsyncFnOnce(&Env) -> bool,
    P: Into<Permit>,
{
    let events = Events::new(&env);
    let settings = match Settings::from_env(&env).await {
        Ok(settings) => settings,
        Err(error) => return misconfigured(&events, &error),
    };
    let turn_servers = match turn::servers(&env).await {
        Ok(servers) => servers,
        Err(error) => return misconfigured(&events, &error),
    };
    if !STARTED.replace(true) {
        let who = who(settings.origins.clone());
        events.note(&Event::Start { who });
    }
    let admitted = match decide(&request, &settings)? {
        Route::Health => return json(OK),
        Route::Ready => {
            return match (judge.is_ready)(&env).await {
                true => json(OK),
                false => not_ready(),
            };
        }
        Route::Limits => return json(&told::limits(&settings)),
        Route::Preflight => return preflight(),
        Route::Okay => return open(ResponseBuilder::new())?.ok("okay"),
        Route::Refuse(refusal) => Err(refusal),
        Route::Turn(asked) => {
            let Some(servers) = &turn_servers else {
                return no_turn();
            };
            let admitted = match asked {
                Ok(address) => admit(&request, &env, &events, &settings, address, judge).await,
                Err(refusal) => Err(refusal),
            };
            match admitted {
                Ok(permit) => return turn::answer(&request, servers, &permit),
                Err(refusal) => Err(refusal),
            }
        }
        Route::Upgrade(upgrade) => {
            admit(&request, &env, &events, &settings, upgrade.address, judge)
                .await
                .map(|permit| (upgrade, permit))
        }
    };
    match admitted {
        Ok((upgrade, permit)) => pass_on(&request, &env, settings, &upgrade, permit).await,
        Err(refusal) => {
            events.note(&Event::refuse(&refusal));
            refuse(&refusal)
        }
    }
}

/// Lets everyone in, to every topic.
///
/// # Errors
///
/// None.
pub async fn everyone(_request: &Request, _env: &Env) -> std::result::Result<Grant, Refusal> {
    Ok(Grant::open())
}

/// The answer that refuses.
pub(crate) fn refuse(refusal: &Refusal) -> Result<Response> {
    let mut response = open(ResponseBuilder::new())?.with_status(refusal.status());
    if let Some(challenge) = refusal.challenge_value() {
        response = response.with_header("www-authenticate", challenge)?;
    }
    if let Some(seconds) = refusal.retry_after_seconds() {
        response = response.with_header("retry-after", &seconds.to_string())?;
    }
    response.ok(refusal.body())
}

/// With settings that cannot be read nobody is let in: one of them may say who may not.
fn misconfigured(events: &Events, error: &SettingsError) -> Result<Response> {
    events.note(&Event::failure("settings", error));
    refuse(&refusal::settings())
}

fn decide(request: &Request, settings: &Settings) -> Result<Route> {
    let (path, url) = (request.path(), request.inner().url());
    let headers = request.headers();
    let (upgrade, origin) = (headers.get("upgrade")?, headers.get("origin")?);
    let host = headers.get("host")?;
    let connecting_ip = headers.get("cf-connecting-ip")?;
    let method = request.method();
    let facts = Facts {
        method: method.as_ref(),
        path: &path,
        query: routing::query(&url),
        upgrade: upgrade.as_deref(),
        host: host.as_deref(),
        origin: origin.as_deref(),
        connecting_ip: connecting_ip.as_deref(),
        asks_for_cors: headers.has("access-control-request-method")?,
    };
    Ok(route(facts, settings))
}

async fn admit<A, R, P>(
    request: &Request,
    env: &Env,
    events: &Events,
    settings: &Settings,
    address: Option<AddressKey>,
    judge: Judge<A, R>,
) -> std::result::Result<Permit, Refusal>
where
    A: AsyncFnOnce(&Request, &Env) -> std::result::Result<P, Refusal>,
    P: Into<Permit>,
{
    let mut knock = Knock::of(address, settings, judge.judging)?;
    let judged = (judge.authorize)(request, env).await;
    let permit = knock.judged(judged)?.into();
    // Behind the judge: what it refuses is not to use up the connects of those it lets in.
    if let Some(address) = address
        && !address.is_shared()
        && !is_within_connect_rate(env, events, address).await
    {
        let refused = Refused {
            cause: RefusalCause::ConnectRate,
            retry_after: CONNECTS_PERIOD,
        };
        return Err(refused.into());
    }
    Ok(permit)
}

async fn is_within_connect_rate(env: &Env, events: &Events, address: AddressKey) -> bool {
    let Ok(limiter) = env.rate_limiter(CONNECTS) else {
        return true;
    };
    match limiter.limit(address.to_string()).await {
        Ok(outcome) => outcome.success,
        Err(error) => {
            events.note(&Event::failure("connects", &error));
            true
        }
    }
}

async fn pass_on(
    request: &Request,
    env: &Env,
    settings: Settings,
    upgrade: &Upgrade,
    permit: Permit,
) -> Result<Response> {
    let mut request = tokens::cut(request)?;
    let headers = request.headers_mut()?;
    if let Some(protocol) = &permit.protocol {
        headers.set("sec-websocket-protocol", protocol)?;
    }
    let limits = Arc::new(settings.core);
    ticket::write(headers, &limits, permit, upgrade.address, clock::now())?;
    let object = env
        .durable_object(OBJECTS)?
        .id_from_name(&upgrade.object)?
        .get_stub()?;
    object.fetch_with_request(request).await
}

fn json(text: &str) -> Result<Response> {
    json_by(ResponseBuilder::new(), text)
}

fn json_by(response: ResponseBuilder, text: &str) -> Result<Response> {
    let response = open(response)?.with_header("content-type", "application/json")?;
    Ok(response.fixed(text.as_bytes().to_vec()))
}

/// There are no keys to judge tokens by.
fn not_ready() -> Result<Response> {
    let response = ResponseBuilder::new().with_status(503);
    json_by(response, r#"{"ready":false,"reason":"no_keys"}"#)
}

fn no_turn() -> Result<Response> {
    let response = open(ResponseBuilder::new())?.with_status(404);
    response.ok("this relay has no TURN servers")
}

fn preflight() -> Result<Response> {
    let response = open(ResponseBuilder::new())?
        .with_header("access-control-allow-methods", "GET, HEAD, OPTIONS")?
        .with_header("access-control-allow-headers", "*")?
        .with_header("access-control-max-age", "86400")?;
    Ok(response.with_status(204).empty())
}

/// Any page may read these answers: they say nothing that is not public.
fn open(response: ResponseBuilder) -> Result<ResponseBuilder> {
    response.with_header("access-control-allow-origin", "*")
}
