//! Admission to the admin port.
//!
//! A page of any site can make the browser of somebody on this machine send a request here, and a name
//! of its own that it lets point to this machine makes the browser show it the answer. So a request must
//! call this port by a name that nobody else can give away, and so must the page that it comes from. Where
//! a token must be shown, which no such page has, the port may be called by any name.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, HOST, ORIGIN, TRANSFER_ENCODING,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use super::answer::refusal;
use super::orders::PATHS;
use crate::deploy::settings::Secret;

/// The user of whoever is asked by a browser for a name and a password: the token is the password.
const USER: &str = "taraflow";

/// Rules of admission: the address that requests must name, and the token that they must show.
#[derive(Clone)]
pub(super) struct Guard {
    own: IpAddr,
    /// The hashes of the two forms in which the token may be shown, compared in a time that tells nothing.
    shown: Option<[blake3::Hash; 2]>,
}

impl Guard {
    /// Of the port at `address`, with the token that must be shown there.
    pub fn new(address: SocketAddr, token: Option<&Secret>) -> Self {
        let forms = |token: &Secret| {
            let pair = base64(format!("{USER}:{}", &**token).as_bytes());
            [format!("Bearer {}", &**token), format!("Basic {pair}")]
        };
        let hashed = |forms: [String; 2]| forms.map(|form| blake3::hash(form.as_bytes()));
        Self { own: address.ip(), shown: token.map(forms).map(hashed) }
    }

    /// Lets through to `router` only what may be asked.
    pub fn protect(self, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(self, guard))
    }

    fn objection(&self, request: &Request) -> Option<(StatusCode, &'static str)> {
        let Some(shown) = &self.shown else { return objection(request, self.own) };
        let headers = request.headers();
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let given = given.next().map(|given| blake3::hash(given.as_bytes()));
        if !given.is_some_and(|given| shown.contains(&given)) {
            let why = "show the token of admin.token_file: `Authorization: Bearer TOKEN`, or as the \
                       password of the user taraflow";
            return Some((StatusCode::UNAUTHORIZED, why));
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let foreign = |origin: &HeaderValue| {
            let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
            origin.is_none_or(|uri| uri.authority().is_none_or(|own| own.as_str() != host))
        };
        match headers.get_all(ORIGIN).iter().any(foreign) {
            true => Some((StatusCode::FORBIDDEN, "requests from pages of other sites are refused")),
            false => manners(request),
        }
    }
}

/// The usual way to write bytes into a header.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit) & 63) as usize;
            text.push(if digit <= three.len() { DIGITS[value] as char } else { '=' });
        }
    }
    text
}

async fn guard(State(own): State<Guard>, request: Request, next: Next) -> Response {
    let mut response = match own.objection(&request) {
        Some((status, why)) => refusal(status, why),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if response.status() == StatusCode::UNAUTHORIZED {
        let ask = HeaderValue::from_static("Basic realm=\"taraflow\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, ask);
    }
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
        return Some((StatusCode::FORBIDDEN, "requests from pages of other sites are refused"));
    }
    manners(request)
}

/// What is refused whoever asks.
fn manners(request: &Request) -> Option<(StatusCode, &'static str)> {
    let headers = request.headers();
    // Without an origin a page may still ask what it must not read the answer of. Somebody who follows a
    // link to the page here is welcome.
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|given| given == value);
    if is("sec-fetch-site", "cross-site") && !is("sec-fetch-mode", "navigate") {
        return Some((StatusCode::FORBIDDEN, "requests from pages of other sites are refused"));
    }
    let is_order = request.method() == Method::POST && request.uri().path().starts_with(PATHS);
    if request.method() != Method::GET && !is_order {
        return Some((
            StatusCode::METHOD_NOT_ALLOWED,
            "use GET; only orders to a replica take POST",
        ));
    }
    let length = headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    if length || headers.contains_key(TRANSFER_ENCODING) {
        return Some((StatusCode::BAD_REQUEST, "a request to this port has no body"));
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
    fn only_who_shows_the_token_may_ask_by_whatever_name() {
        let token = Secret::new("0123456789abcdef".to_owned());
        let guard = Guard::new("0.0.0.0:7200".parse().unwrap(), Some(&token));
        let code = |headers: &[(&str, &str)]| {
            let mut request = Request::builder().uri("/v1/status").header("host", "db-1:7200");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(axum::body::Body::empty()).unwrap();
            guard.objection(&request).map(|(code, _)| code.as_u16())
        };
        let shown = ("authorization", "Bearer 0123456789abcdef");
        assert_eq!(code(&[shown]), None);
        assert_eq!(code(&[("authorization", "Basic dGFyYWZsb3c6MDEyMzQ1Njc4OWFiY2RlZg==")]), None);
        assert_eq!(code(&[]), Some(401));
        assert_eq!(code(&[("authorization", "Bearer 0123456789abcdeF")]), Some(401));
        assert_eq!(code(&[shown, ("origin", "http://db-1:7200")]), None);
        assert_eq!(code(&[shown, ("origin", "http://example.org")]), Some(403));
    }

    #[test]
    fn bytes_in_headers_are_written_the_usual_way() {
        let written = ["", "f", "fo", "foo", "foob"].map(|text| base64(text.as_bytes()));
        assert_eq!(written, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
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
