//! What a request to the admin address is answered.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use signal_tokio::metrics;
use signal_tokio::metrics::prometheus_client::registry::Registry;

use crate::admin::certificate::CertificateCollector;
use crate::admin::process::ProcessCollector;
use crate::admin::requests::RequestsCollector;
use crate::admin::{Admin, api, cluster, page, status};
use crate::webhook::CountsCollector;

type Answer = Response<Full<Bytes>>;

const TEXT: &str = "text/plain; charset=utf-8";
const PATHS: &str = "/ /status.json /metrics /healthz /readyz";
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

pub(super) async fn answer(
    admin: &Admin,
    from: SocketAddr,
    request: &Parts,
    sent: Incoming,
) -> Answer {
    let mut answer = if !is_called_ours(request, &admin.hosts) {
        text(
            StatusCode::MISDIRECTED_REQUEST,
            "this address answers only to IP addresses, to localhost and to the names in the setting admin_hosts",
        )
    } else if api::has(request.uri.path()) {
        api::answer(admin, from, request, sent).await
    } else if matches!(request.method, Method::GET | Method::HEAD) {
        read(admin, request.uri.path()).await
    } else {
        let mut answer = text(
            StatusCode::METHOD_NOT_ALLOWED,
            "nothing can be changed here",
        );
        let allowed = HeaderValue::from_static("GET, HEAD");
        answer.headers_mut().insert(ALLOW, allowed);
        answer
    };
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (RESOURCE_POLICY, "same-origin"),
    ] {
        let headers = answer.headers_mut();
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

async fn read(admin: &Admin, path: &str) -> Answer {
    match path {
        "/" => {
            let mut answer = body(StatusCode::OK, "text/html; charset=utf-8", page::HTML);
            let headers = answer.headers_mut();
            headers.insert(CONTENT_SECURITY_POLICY, page::POLICY.clone());
            answer
        }
        "/status.json" => body(StatusCode::OK, "application/json", status::json(admin)),
        "/metrics" => body(StatusCode::OK, metrics::CONTENT_TYPE, all_metrics(admin)),
        "/healthz" | "/readyz" => relays_own(admin, path).await,
        _ => text(StatusCode::NOT_FOUND, format!("there is {PATHS}")),
    }
}

/// What the relay's own address answers to this path, whatever the headers of the request are.
async fn relays_own(admin: &Admin, path: &str) -> Answer {
    let request = Request::get(path).header(HOST, "").body(());
    match request {
        Ok(request) => {
            let (parts, _) = request.into_parts();
            let upgrade = admin.relay.upgrade(&parts, None).await;
            upgrade.response.map(Full::new)
        }
        Err(_) => text(StatusCode::BAD_REQUEST, "no path"),
    }
}

fn all_metrics(admin: &Admin) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(admin.relay.collector()));
    registry.register_collector(Box::new(ProcessCollector));
    if let Some(certificate) = &admin.beside.certificate {
        let certificate = CertificateCollector(Arc::clone(certificate));
        registry.register_collector(Box::new(certificate));
    }
    if admin.beside.key.is_some() {
        let requests = RequestsCollector(Arc::clone(&admin.requests));
        registry.register_collector(Box::new(requests));
    }
    if let Some(node) = &admin.beside.node {
        registry.register_collector(cluster::collector(node));
    }
    if let Some(counts) = &admin.beside.webhook {
        registry.register_collector(Box::new(CountsCollector(Arc::clone(counts))));
    }
    metrics::to_text(&registry)
}

/// Whether the `Host` is an address, `localhost` or one of these names. A page of somebody else can
/// have its own name lead to this machine (DNS rebinding) and would then be allowed to read what we
/// answer, but it cannot change the name.
fn is_called_ours(request: &Parts, names: &[String]) -> bool {
    let mut hosts = request.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let Ok(host) = host.to_str() else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    if bare.unwrap_or(name).parse::<IpAddr>().is_ok() {
        return true;
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut names = names.iter().map(String::as_str).chain(["localhost"]);
    names.any(|ours| name.eq_ignore_ascii_case(ours))
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    body(status, TEXT, text)
}

pub(super) fn body(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_no_other_page_can_have_are_ours() {
        let names = ["status.example".to_owned()];
        let is_ours = |host: &str| {
            let request = Request::get("/").header(HOST, host).body(());
            is_called_ours(&request.expect("a request").into_parts().0, &names)
        };
        for ours in [
            "localhost",
            "LocalHost:9444",
            "127.0.0.1:9444",
            "[::1]:9444",
            "[::1]",
            "192.168.0.7",
            "Status.example:9444",
            "status.example.",
        ] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in [
            "evil.example",
            "evil.example:9444",
            "localhost.evil.example",
            "status.example.evil.example",
            "a.status.example",
            "signal",
            "127.0.0.1.evil.example:9444",
            "localhost@evil.example",
            "",
        ] {
            assert!(!is_ours(other), "{other}");
        }
        let none = Request::get("/").body(()).expect("a request");
        assert!(!is_called_ours(&none.into_parts().0, &names), "no host");
    }
}
