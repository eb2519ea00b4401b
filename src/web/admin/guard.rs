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

    /// Lets only requests that are admitted through to `router`.
    pub fn protect(self, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(self, guard))
    }

    fn objection(&self, request: &Request) -> Option<(StatusCode, &'static str)> {
        const FOREIGN: &str = "requests from pages of other sites are refused";
        let headers = request.headers();
        match &self.shown {
            Some(shown) if !shows(headers, shown) => {
                let why = "show the token of admin.token_file: `Authorization: Bearer TOKEN`, or as the \
                           password of the user taraflow";
                return Some((StatusCode::UNAUTHORIZED, why));
            }
            None if !is_called_by_its_name(request.uri(), headers, self.own) => {
                let why = "the Host header must be localhost, a loopback address or the address listened on";
                return Some((StatusCode::FORBIDDEN, why));
            }
            _ => {}
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let is_of_us = |origin: &HeaderValue| match self.shown {
            Some(_) => authority_of(origin).is_some_and(|own| own.as_str() == host),
            None => is_own_origin(origin, self.own),
        };
        // Without an origin a page may still send what it must not read the answer of. Somebody who
        // follows a link to the page here is welcome.
        let is = |name: &str, value: &str| headers.get(name).is_some_and(|given| given == value);
        if !headers.get_all(ORIGIN).iter().all(is_of_us)
            || is("sec-fetch-site", "cross-site") && !is("sec-fetch-mode", "navigate")
        {
            return Some((StatusCode::FORBIDDEN, FOREIGN));
        }
        let is_order = request.method() == Method::POST && request.uri().path().starts_with(PATHS);
        if request.method() != Method::GET && !is_order {
            let why = "use GET; only orders to a replica take POST";
            return Some((StatusCode::METHOD_NOT_ALLOWED, why));
        }
        let length = headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
        (length || headers.contains_key(TRANSFER_ENCODING))
            .then_some((StatusCode::BAD_REQUEST, "a request to this port has no body"))
    }
}

/// Whether a request shows the token, in one of its forms.
fn shows(headers: &HeaderMap, token: &[blake3::Hash]) -> bool {
    let given = headers.get(AUTHORIZATION);
    given.is_some_and(|given| token.contains(&blake3::hash(given.as_bytes())))
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
        Some((status, why)) => refusal(status, why).into_response(),
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
    response
}

fn is_called_by_its_name(uri: &Uri, headers: &HeaderMap, own: IpAddr) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    host.is_some_and(|host| is_own(&host, own))
        && uri.authority().is_none_or(|host| is_own(host, own))
}

fn is_own_origin(origin: &HeaderValue, own: IpAddr) -> bool {
    authority_of(origin).is_some_and(|host| is_own(&host, own))
}

fn authority_of(origin: &HeaderValue) -> Option<Authority> {
    origin.to_str().ok()?.parse::<Uri>().ok()?.into_parts().authority
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
