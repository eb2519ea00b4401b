//! Who may ask, and how.
//!
//! A page of any site can make the browser of somebody on this machine send a request here, and a name
//! of its own that it lets point to this machine makes the browser show it the answer. So a request must
//! call this port by a name that nobody else can give away, and so must the page that it comes from.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, HOST, ORIGIN, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use super::orders::PATHS;
use super::questions::refusal;

/// Lets through to `router` only what may be asked of `address`.
pub(super) fn around(router: Router, address: SocketAddr) -> Router {
    router.layer(middleware::from_fn_with_state(address.ip(), guard))
}

async fn guard(State(own): State<IpAddr>, request: Request, next: Next) -> Response {
    let mut response = match objection(&request, own) {
        Some((status, why)) => refusal(status, why),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    }
    response.into_response()
}

fn objection(request: &Request, own: IpAddr) -> Option<(StatusCode, &'static str)> {
    let headers = request.headers();
    if !is_called_by_its_name(request.uri(), headers, own) {
        let why =
            "the Host header must be localhost, a loopback address or the address listened on";
        return Some((StatusCode::FORBIDDEN, why));
    }
    if headers.get_all(ORIGIN).iter().any(|origin| !is_own_origin(origin, own)) {
        return Some((StatusCode::FORBIDDEN, "pages of other sites may not ask"));
    }
    // Without an origin a page may still ask what it must not read the answer of. Somebody who follows a
    // link to the page here is welcome.
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|given| given == value);
    if is("sec-fetch-site", "cross-site") && !is("sec-fetch-mode", "navigate") {
        return Some((StatusCode::FORBIDDEN, "pages of other sites may not ask"));
    }
    let is_order = request.method() == Method::POST && request.uri().path().starts_with(PATHS);
    if request.method() != Method::GET && !is_order {
        return Some((
            StatusCode::METHOD_NOT_ALLOWED,
            "everything here is asked with GET, but for orders to a replica",
        ));
    }
    let length = headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    if length || headers.contains_key(TRANSFER_ENCODING) {
        return Some((StatusCode::BAD_REQUEST, "a question has no body"));
    }
    None
}

fn is_called_by_its_name(uri: &Uri, headers: &HeaderMap, own: IpAddr) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    host.is_some_and(|host| is_own(&host, own))
        && uri.authority().is_none_or(|host| is_own(host, own))
}

fn is_own_origin(origin: &HeaderValue, own: IpAddr) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    origin.is_some_and(|uri| uri.authority().is_some_and(|host| is_own(host, own)))
}

/// Whether a name can only mean this machine. Its port does not matter: tunnels change it.
fn is_own(host: &Authority, own: IpAddr) -> bool {
    let name = host.host();
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let is_address = |ip: IpAddr| ip.is_loopback() || ip == own;
    name.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(is_address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_only_mean_this_machine_are_its_own() {
        let own = "10.0.0.7".parse().unwrap();
        let is_own = |host: &str| is_own(&host.parse().unwrap(), own);

        for host in ["localhost", "LOCALHOST:80", "127.0.0.1:7200", "127.9.9.9", "[::1]:1"] {
            assert!(is_own(host), "{host}");
        }
        assert!(is_own("10.0.0.7:7200"));
        for host in ["localhost.example.org", "127.0.0.1.example.org", "10.0.0.8", "example.org"] {
            assert!(!is_own(host), "{host}");
        }
    }

    #[test]
    fn an_origin_that_is_no_site_is_not_ours() {
        let own = "127.0.0.1".parse().unwrap();

        assert!(is_own_origin(&HeaderValue::from_static("http://localhost:7200"), own));
        assert!(!is_own_origin(&HeaderValue::from_static("null"), own));
        assert!(!is_own_origin(&HeaderValue::from_static("http://example.org"), own));
        assert!(!is_own_origin(&HeaderValue::from_static("http://localhost@example.org"), own));
    }
}
