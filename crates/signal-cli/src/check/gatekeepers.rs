//! Who else may refuse an upgrade before it gets to the relay: firewalls of web sites, and proxies
//! that ask for a login of HTTP.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// A firewall, and how it is known: a text in this header, and one in the page. An empty one is not
/// looked for. A header alone is enough only where it is not on answers that are passed on.
struct Firewall {
    name: &'static str,
    header: (&'static str, &'static str),
    page: &'static str,
    look: &'static str,
}

/// The first that fits counts.
const FIREWALLS: [Firewall; 10] = [
    Firewall {
        name: "Cloudflare",
        header: ("server", "cloudflare"),
        page: "cloudflare",
        look: "Security → Events there names the rule by the cf-ray of the answer",
    },
    Firewall {
        name: "Cloudflare",
        header: ("server", "cloudflare"),
        page: "error code: 10",
        look: "Security → Events there names the rule by the cf-ray of the answer",
    },
    Firewall {
        name: "AWS WAF at a load balancer",
        header: ("server", "awselb"),
        page: "",
        look: "the sampled requests of its web ACL name the rule",
    },
    Firewall {
        name: "CloudFront, or AWS WAF before it",
        header: ("x-cache", "cloudfront"),
        page: "cloudfront",
        look: "the sampled requests of its web ACL name the rule, and the behavior of the path has to pass all headers on",
    },
    Firewall {
        name: "Azure's Front Door or Application Gateway",
        header: ("x-azure-ref", ""),
        page: "the request is blocked",
        look: "the WAF's log names the rule by the x-azure-ref of the answer",
    },
    Firewall {
        name: "Akamai",
        header: ("server", "akamai"),
        page: "",
        look: "its security events name the rule by the reference on the page",
    },
    Firewall {
        name: "Imperva",
        header: ("", ""),
        page: "incapsula incident",
        look: "its events name the rule by the incident on the page",
    },
    Firewall {
        name: "Sucuri",
        header: ("x-sucuri-id", ""),
        page: "sucuri",
        look: "its audit trail names the rule",
    },
    Firewall {
        name: "an F5 firewall",
        header: ("", ""),
        page: "the requested url was rejected",
        look: "its event log names the rule by the support ID on the page",
    },
    Firewall {
        name: "ModSecurity",
        header: ("", ""),
        page: "mod_security",
        look: "its audit log names the rule",
    },
];

/// What to do where nothing says whose page it is.
const OTHER: &str = "something before the relay refuses this with a page of its own, as firewalls and proxies do: let the path of the \
                     WebSocket through there, or pass what it asks for, such as --origin https://your.app";

/// What to do, if it is such a one that refuses.
pub(super) fn fix(code: u16, headers: &HeaderMap, body: &str) -> Option<String> {
    match code {
        401 => login(headers),
        // 406 is ModSecurity's, where an owner has chosen so.
        403 | 406 => firewall(headers, body),
        _ => None,
    }
}

/// What a proxy asks for that browsers do not send with a WebSocket.
fn login(headers: &HeaderMap) -> Option<String> {
    let asked = headers.get_all(WWW_AUTHENTICATE).iter();
    let asked = asked.filter_map(|value| value.to_str().ok());
    let schemes = asked.filter_map(|value| value.split([' ', ',']).next());
    let mut schemes = schemes.map(str::to_ascii_lowercase);
    let (what, check) = schemes.find_map(|scheme| {
        Some(match scheme.as_str() {
            "basic" => (
                "a name and a password (Basic)",
                "; to check what is behind it, pass --header 'Authorization: Basic …', with NAME:PASSWORD in base64",
            ),
            "digest" => ("a name and a password (Digest)", ""),
            "negotiate" | "ntlm" | "kerberos" => ("a login of Windows (Negotiate)", ""),
            _ => return None,
        })
    })?;
    Some(format!(
        "a proxy before the relay asks for {what}, which pages cannot send with a WebSocket: let this path through without \
         it, and let the relay ask for tokens{check}"
    ))
}

fn firewall(headers: &HeaderMap, body: &str) -> Option<String> {
    let body = body.to_lowercase();
    let header = |name: &str, text: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.to_lowercase().contains(text))
    };
    let fits = |firewall: &&Firewall| {
        let (name, text) = firewall.header;
        let is_page = firewall.page.is_empty() || body.contains(firewall.page);
        is_page && (name.is_empty() || header(name, text))
    };
    let Some(Firewall { name, look, .. }) = FIREWALLS.iter().find(fits) else {
        // Relays answer in plain text.
        return body.starts_with('<').then(|| OTHER.to_owned());
    };
    Some(format!(
        "{name} refuses this, and not the relay: let the path of the WebSocket through its rules; {look}"
    ))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn fix_of(code: u16, headers: &[(&str, &str)], body: &str) -> String {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a name");
            all.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        fix(code, &all, body).unwrap_or_default()
    }

    #[test]
    fn firewalls_are_known_by_what_they_send() {
        for (headers, body, name) in [
            (
                &[("Server", "cloudflare"), ("CF-RAY", "8f-FRA")][..],
                "<title>Attention Required! | Cloudflare</title>",
                "Cloudflare ",
            ),
            (
                &[("server", "cloudflare")],
                "error code: 1020",
                "Cloudflare ",
            ),
            (
                &[("Server", "awselb/2.0")],
                "<title>403 Forbidden</title>",
                "AWS WAF at",
            ),
            (
                &[("X-Cache", "Error from cloudfront")],
                "Request blocked. Generated by cloudfront (CloudFront)",
                "CloudFront",
            ),
            (
                &[("x-azure-ref", "0Zx")],
                "The request is blocked.",
                "Azure",
            ),
            (&[("Server", "AkamaiGHost")], "Access Denied", "Akamai"),
            (
                &[],
                "Request unsuccessful. Incapsula incident ID: 4",
                "Imperva",
            ),
            (
                &[],
                "The requested URL was rejected. Please consult",
                "an F5",
            ),
            (
                &[],
                "This error was generated by Mod_Security.",
                "ModSecurity",
            ),
        ] {
            let said = fix_of(403, headers, body);
            assert!(
                said.starts_with(name) && said.contains("and not the relay"),
                "{said}"
            );
        }
        assert_eq!(fix_of(403, &[("server", "nginx")], "Forbidden"), "");
        assert_eq!(fix_of(403, &[], "<html><title>Blocked</title>"), OTHER);
        // Passed on by one of them, whose page it is not.
        for header in [
            ("server", "cloudflare"),
            ("x-azure-ref", "0Zx"),
            ("x-cache", "Error from cloudfront"),
        ] {
            assert_eq!(fix_of(403, &[header], "no such room"), "");
        }
        assert_eq!(fix_of(404, &[("server", "cloudflare")], "Cloudflare"), "");
    }

    #[test]
    fn a_login_that_pages_cannot_send_is_named() {
        for (asked, name) in [
            (
                &["Basic realm=\"staging\""][..],
                "a name and a password (Basic)",
            ),
            (&["basic"], "(Basic)"),
            (&["Digest realm=\"x\", nonce=\"y\""], "(Digest)"),
            (&["Negotiate", "NTLM"], "a login of Windows"),
            (&["Bearer realm=\"x\"", "Basic realm=\"x\""], "(Basic)"),
        ] {
            let headers: Vec<_> = asked
                .iter()
                .map(|value| ("www-authenticate", *value))
                .collect();
            let said = fix_of(401, &headers, "");
            assert!(
                said.contains(name) && said.contains("cannot send"),
                "{said}"
            );
        }
        assert_eq!(fix_of(401, &[("www-authenticate", "Bearer")], ""), "");
        assert_eq!(fix_of(401, &[], ""), "");
    }
}
