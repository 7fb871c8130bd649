//! The Worker in front of the objects: everything that can be judged without waking one.

use std::sync::Arc;

use signal_core::Grant;
use worker::{Env, Request, Response, ResponseBuilder, Result};

use crate::address::Address;
use crate::event::{Event, Events};
use crate::refusal::{Cause, Refusal};
use crate::routing::{Facts, Route, Upgrade, route};
use crate::runtime::Runtime;
use crate::settings::Settings;
use crate::ticket;
use crate::told;

/// The binding of the Durable Objects.
const OBJECTS: &str = "ROOMS";
/// The binding that limits how often an address may connect, if there is one.
const CONNECTS: &str = "CONNECTS";
/// The longest period of such a binding.
const CONNECTS_PERIOD_SECONDS: u64 = 60;

/// Answers a request; who wants to connect and may is passed on to a Durable Object.
///
/// For the Worker's `fetch` event. Everyone gets every topic; see [`fetch_with`] for tokens.
///
/// # Errors
///
/// The runtime failed.
pub async fn fetch(request: Request, env: Env) -> Result<Response> {
    fetch_with(request, env, everyone).await
}

/// As [`fetch`], and `authorize` decides what each client may do, after all cheaper checks have passed.
///
/// It may await anything that a Worker may, such as another service's answer. Whom it refuses never wakes an object.
///
/// ```
/// use signal_workers::{Grant, Refusal, fetch_with};
/// use worker::{Env, Request, Response, Result};
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
pub async fn fetch_with<A>(request: Request, env: Env, authorize: A) -> Result<Response>
where
    A: AsyncFnOnce(&Request, &Env) -> std::result::Result<Grant, Refusal>,
{
    let events = Events::new(&env);
    let settings = match Settings::from_env(&env) {
        Ok(settings) => settings,
        Err(error) => {
            events.note(&Event::failure("settings", &error));
            return refuse(&Refusal::because(Cause::Settings));
        }
    };
    let admitted = match decide(&request, &settings)? {
        Route::Health => return json(r#"{"status":"ok"}"#),
        Route::Limits => return json(&told::limits(&settings)),
        Route::Preflight => return preflight(),
        Route::Okay => return open(ResponseBuilder::new())?.ok("okay"),
        Route::Refuse(refusal) => Err(refusal),
        Route::Upgrade(upgrade) => admit(&request, &env, &events, &upgrade, authorize)
            .await
            .map(|grant| (upgrade, grant)),
    };
    match admitted {
        Ok((upgrade, grant)) => pass_on(&request, &env, settings, &upgrade, grant).await,
        Err(refusal) => {
            let (cause, status) = (refusal.cause(), refusal.status());
            events.note(&Event::Refuse { cause, status });
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
    if let Some(seconds) = refusal.retry_after_seconds() {
        response = response.with_header("retry-after", &seconds.to_string())?;
    }
    response.ok(refusal.body())
}

fn decide(request: &Request, settings: &Settings) -> Result<Route> {
    let url = request.url()?;
    let headers = request.headers();
    let (upgrade, origin) = (headers.get("upgrade")?, headers.get("origin")?);
    let connecting_ip = headers.get("cf-connecting-ip")?;
    let method = request.method();
    let facts = Facts {
        method: method.as_ref(),
        path: url.path(),
        query: url.query(),
        upgrade: upgrade.as_deref(),
        origin: origin.as_deref(),
        connecting_ip: connecting_ip.as_deref(),
        asks_for_cors: headers.has("access-control-request-method")?,
    };
    Ok(route(facts, settings))
}

async fn admit<A>(
    request: &Request,
    env: &Env,
    events: &Events,
    upgrade: &Upgrade,
    authorize: A,
) -> std::result::Result<Grant, Refusal>
where
    A: AsyncFnOnce(&Request, &Env) -> std::result::Result<Grant, Refusal>,
{
    if let Some(address) = upgrade.address
        && !is_within_connect_rate(env, events, address).await
    {
        let refusal = Refusal::because(Cause::ConnectRate);
        return Err(refusal.retry_after(CONNECTS_PERIOD_SECONDS));
    }
    authorize(request, env).await
}

async fn is_within_connect_rate(env: &Env, events: &Events, address: Address) -> bool {
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
    grant: Grant,
) -> Result<Response> {
    let mut request = request.clone_mut()?;
    let headers = request.headers_mut()?;
    let limits = Arc::new(settings.core);
    headers.set(
        ticket::PEER_HEADER,
        &ticket::write(&limits, grant, Runtime::now()),
    )?;
    match upgrade.address {
        Some(address) => headers.set(ticket::ADDRESS_HEADER, &address.to_string())?,
        None => headers.delete(ticket::ADDRESS_HEADER)?,
    }
    let object = env
        .durable_object(OBJECTS)?
        .id_from_name(&upgrade.object)?
        .get_stub()?;
    object.fetch_with_request(request).await
}

fn json(text: &str) -> Result<Response> {
    let response = open(ResponseBuilder::new())?.with_header("content-type", "application/json")?;
    Ok(response.fixed(text.as_bytes().to_vec()))
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
