//! Refuses requests that a browser sends for a web page of another site: through DNS rebinding, or across sites.
//! A web page cannot forge `Host`, `Origin` and `Sec-Fetch-Site`.

use super::answers::Refusal;
use crate::log_limit::LogLimit;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::header::{HOST, HeaderMap, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{Method, StatusCode, Uri};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The host names of the admin listener.
#[derive(Debug)]
pub struct Hosts {
    listens_on: IpAddr,
    /// Set by the option, in lower case.
    known: Vec<String>,
    /// The machine's host name.
    machine: Option<String>,
    log: LogLimit,
}

impl Hosts {
    pub fn new(listens_on: SocketAddr, known: &[String]) -> Hosts {
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let machine = machine.map(|name| name.trim().to_ascii_lowercase());
        Hosts {
            listens_on: listens_on.ip().to_canonical(),
            known: known.iter().map(|host| host.to_ascii_lowercase()).collect(),
            machine: machine.filter(|name| !name.is_empty()),
            log: LogLimit::default(),
        }
    }

    /// Whether a name or an address is this listener's.
    fn has(&self, host: &str) -> bool {
        let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        if self.known.contains(&host) || host == "localhost" || host.ends_with(".localhost") {
            return true;
        }
        match host.parse::<IpAddr>().map(|it| it.to_canonical()) {
            // DNS rebinding cannot affect an IP address.
            Ok(address) => {
                let listens_on = self.listens_on;
                address.is_loopback() || address == listens_on || listens_on.is_unspecified()
            }
            Err(_) => self.machine.as_deref() == Some(&host) && !self.listens_on.is_loopback(),
        }
    }

    /// Why a request is refused, if it is.
    fn fault(&self, method: &Method, headers: &HeaderMap) -> Option<String> {
        let host = headers.get(HOST).map(|host| host.to_str().unwrap_or_default());
        let host = host.map(|host| host.parse::<Authority>().ok());
        if let Some(host) = &host
            && !host.as_ref().is_some_and(|it| self.has(it.host()))
        {
            let name = host.as_ref().map_or("?", Authority::host);
            return Some(format!(
                "The Host {name} is not one of this listener's. Use its address, or add the host with --admin-host."
            ));
        }
        if let Some(origin) = headers.get(ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            if !self.is_own(origin, host.flatten().as_ref()) {
                return Some(format!(
                    "The Origin {origin} is another site's, whose web pages may not manage the cache. To allow it, add its host with --admin-host."
                ));
            }
        }
        let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
        let is_foreign = site.is_some_and(|site| site != b"same-origin" && site != b"none");
        if is_foreign && !method.is_safe() {
            return Some("A web page of another site may not manage the cache; Sec-Fetch-Site shows that one sent this request.".to_owned());
        }
        None
    }

    /// Whether this origin is the listener's own, or is allowed by an option.
    fn is_own(&self, origin: &str, host: Option<&Authority>) -> bool {
        let Ok(origin) = origin.parse::<Uri>() else { return false };
        let Some(from) = origin.authority() else { return false };
        let default = if origin.scheme_str() == Some("https") { 443 } else { 80 };
        let port = |it: &Authority| it.port_u16().unwrap_or(default);
        let is_same = host.is_some_and(|host| {
            host.host().eq_ignore_ascii_case(from.host()) && port(host) == port(from)
        });
        is_same || self.known.contains(&from.host().to_ascii_lowercase())
    }
}

/// Forwards requests that no web page of another site can have sent.
pub async fn refuse(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    // The response of `/healthz` is public, and load balancers use any host name.
    if request.uri().path() == "/healthz" {
        return next.run(request).await;
    }
    match hosts.fault(request.method(), request.headers()) {
        None => next.run(request).await,
        Some(fault) => {
            if hosts.log.allow("foreign") {
                tracing::warn!("a request to the admin listener is refused: {fault}");
            }
            Refusal::new(StatusCode::FORBIDDEN, fault).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_known_names_are_accepted_and_others_are_not() {
        let at = |address: &str| {
            let address = address.parse().expect("an address");
            Hosts::new(address, &["Cache.example".to_owned()])
        };
        let loopback = at("127.0.0.1:9294");
        for own in
            ["127.0.0.1", "127.9.9.9", "[::1]", "LOCALHOST", "cache.example", "cache.example."]
        {
            assert!(loopback.has(own), "{own}");
        }
        for other in
            ["192.0.2.1", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", ""]
        {
            assert!(!loopback.has(other), "{other:?}");
        }
        assert!(at("0.0.0.0:9294").has("192.0.2.1"));
        assert!(at("192.0.2.1:9294").has("192.0.2.1") && !at("192.0.2.1:9294").has("192.0.2.2"));
    }
}
