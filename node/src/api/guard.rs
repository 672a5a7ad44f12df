//! Who may ask: Host, Origin, Sec-Fetch-Site, token; and what every answer says to browsers.

use super::auth::{Gate, Verdict};
use super::caller::{Caller, Limits, Program, too_fast};
use super::problem::Fault;
use crate::runtime::EngineHandle;
use crate::tokens::Tokens;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;

/// A request that is not answered by then is given up; a command may still take effect.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// Names under which a browser on this machine reaches the API.
const HOSTS: [&str; 4] = ["127.0.0.1", "localhost", "[::1]", "waxwing.localhost"];

/// How a request reached the API.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// Loopback TCP on this port: anybody on the machine, and any page in a browser.
    Tcp(u16),
    /// The Unix socket, from a process of the node's own user.
    Owner,
    /// The Unix socket, from another user who may open it (root).
    Stranger,
}

/// What the guard needs: where the request came in, the tokens, and what a program's request needs.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) way: Way,
    pub(super) gate: Arc<Gate>,
    pub(super) tokens: Arc<Tokens>,
    pub(super) limits: Arc<Limits>,
    pub(super) node: EngineHandle,
}

/// Lets a request through, or answers it; dresses every answer.
pub(super) async fn check(
    State(guard): State<Guard>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut response = match admit(&guard, &request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            match tokio::time::timeout(ANSWER_TIME_MAX, next.run(request)).await {
                Ok(response) => response,
                Err(_) => late().into_response(),
            }
        }
        Err((fault, delay)) => {
            tokio::time::sleep(delay).await;
            fault.into_response()
        }
    };
    dress(&mut response);
    response
}

fn late() -> Fault {
    Fault::new(
        StatusCode::GATEWAY_TIMEOUT,
        "timeout",
        "The node did not answer in time.",
    )
    .hint("ask again with the same Idempotency-Key: it acts once")
}

/// Or why not, and how long the answer waits.
fn admit(guard: &Guard, request: &Request) -> Result<Caller, (Fault, Duration)> {
    let forbid = |code, detail| {
        let fault = Fault::new(StatusCode::FORBIDDEN, code, detail);
        Err((fault, Duration::ZERO))
    };
    let headers = request.headers();
    if let Way::Tcp(port) = guard.way {
        if !host_allowed(headers, request.uri().authority(), port) {
            return forbid(
                "host_not_allowed",
                "The request names a host that is not this node.",
            );
        }
        if !origin_allowed(headers, port) {
            return forbid(
                "origin_not_allowed",
                "Pages of other origins may not ask this node.",
            );
        }
    }
    if !site_allowed(headers) {
        return forbid(
            "site_not_allowed",
            "Pages of other sites may not ask this node.",
        );
    }
    let shown = headers
        .get(header::AUTHORIZATION)
        .map(HeaderValue::as_bytes);
    let now = Duration::ZERO;
    match guard.gate.judge(shown) {
        Verdict::Owner => Ok(Caller::Owner),
        Verdict::Program(token) => match token.take(guard.tokens.now(), 1) {
            Ok(()) => Ok(Caller::Program(Arc::new(Program {
                token,
                tokens: Arc::clone(&guard.tokens),
                node: guard.node.clone(),
                limits: Arc::clone(&guard.limits),
            }))),
            Err(wait) => Err((too_fast(wait), now)),
        },
        // A token that is shown counts, also here; the owner needs none.
        Verdict::Missing if guard.way == Way::Owner => Ok(Caller::Owner),
        Verdict::Missing => Err((unauthorized(), now)),
        Verdict::Wrong(delay) => Err((unauthorized(), delay)),
        Verdict::Over => Err((over(), now)),
        Verdict::TooMany(wait) => {
            let detail = "Too many wrong tokens were shown.";
            let fault = Fault::too_many("too_many_wrong_tokens", detail, wait);
            Err((fault.hint("a right one is taken at any time"), now))
        }
    }
}

fn unauthorized() -> Fault {
    Fault::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "This needs the node's token, or a program's.",
    )
    .hint("send `Authorization: Bearer` with what stands in `api-token` in the home, or with what `waxwing token create` showed")
}

fn over() -> Fault {
    Fault::new(
        StatusCode::UNAUTHORIZED,
        "token_expired",
        "This token has expired.",
    )
    .hint("`waxwing token create` makes a new one")
}

/// Exactly one Host, and it is one of ours with our port (CONTRACT "API"): a page that made its
/// own name point at 127.0.0.1 still sends that name.
fn host_allowed(headers: &HeaderMap, target: Option<&Authority>, port: u16) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let named = host.to_str().is_ok_and(|host| is_ours(host, port));
    named && target.is_none_or(|target| is_ours(target.as_str(), port))
}

/// No Origin (not a browser, or a plain navigation), or our own.
fn origin_allowed(headers: &HeaderMap, port: u16) -> bool {
    headers.get_all(header::ORIGIN).iter().all(|origin| {
        let host = origin.to_str().ok().and_then(|o| o.strip_prefix("http://"));
        host.is_some_and(|host| is_ours(host, port))
    })
}

fn site_allowed(headers: &HeaderMap) -> bool {
    let values = headers.get_all(HeaderName::from_static("sec-fetch-site"));
    values
        .iter()
        .all(|site| site == "same-origin" || site == "none")
}

fn is_ours(host: &str, port: u16) -> bool {
    HOSTS.iter().any(|name| {
        let rest = host
            .get(..name.len())
            .filter(|head| head.eq_ignore_ascii_case(name))
            .map(|_| &host[name.len()..]);
        match rest {
            Some("") => port == 80,
            Some(rest) => rest.strip_prefix(':').is_some_and(|text| {
                // Digits only: `parse` alone would take `+80`.
                text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse() == Ok(port)
            }),
            None => false,
        }
    })
}

fn dress(response: &mut Response) {
    let unauthorized = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if unauthorized {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        map
    }

    #[test]
    fn only_our_own_hosts_with_our_port() {
        let allowed = |host: &str| host_allowed(&headers(&[("host", host)]), None, 4711);
        for good in [
            "127.0.0.1:4711",
            "localhost:4711",
            "LocalHost:4711",
            "[::1]:4711",
            "waxwing.localhost:4711",
        ] {
            assert!(allowed(good), "{good}");
        }
        for bad in [
            "127.0.0.1",
            "127.0.0.1:4712",
            "127.0.0.1:+4711",
            "127.0.0.1:4711.example",
            "localhost.example:4711",
            "evil.example:4711",
            "app.waxwing.localhost:4711",
            "0.0.0.0:4711",
            "",
        ] {
            assert!(!allowed(bad), "{bad}");
        }
    }

    #[test]
    fn two_hosts_none_or_a_foreign_target_are_refused() {
        let ours = ("host", "localhost:4711");
        assert!(!host_allowed(&headers(&[]), None, 4711));
        assert!(!host_allowed(&headers(&[ours, ours]), None, 4711));
        let foreign = Authority::from_static("evil.example:4711");
        assert!(!host_allowed(&headers(&[ours]), Some(&foreign), 4711));
    }

    #[test]
    fn origin_is_absent_or_ours() {
        let allowed = |origin: &str| origin_allowed(&headers(&[("origin", origin)]), 4711);
        assert!(origin_allowed(&headers(&[]), 4711));
        assert!(allowed("http://waxwing.localhost:4711"));
        for bad in [
            "null",
            "https://localhost:4711",
            "http://localhost:4712",
            "http://localhost",
            "http://evil.example",
        ] {
            assert!(!allowed(bad), "{bad}");
        }
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let allowed = |site: &str| site_allowed(&headers(&[("sec-fetch-site", site)]));
        assert!(site_allowed(&headers(&[])));
        assert!(allowed("none") && allowed("same-origin"));
        assert!(!allowed("cross-site") && !allowed("same-site") && !allowed(""));
    }
}
