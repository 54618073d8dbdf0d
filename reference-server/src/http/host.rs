//! The host names under which the server answers.
//!
//! A page can make its own host name resolve to this server (DNS rebinding). Its requests then have no foreign
//! `Origin`, but their `Host` is foreign.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use thiserror::Error;

/// An invalid item of a list of hosts.
#[derive(Debug, Error)]
#[error("{0:?} is neither a host name nor an IP address, without scheme, port and wildcards")]
pub struct HostError(String);

/// The names under which the server answers, regardless of the port.
#[derive(Debug, Clone)]
pub struct AllowedHosts(Vec<String>);

impl AllowedHosts {
    /// The names of loopback, the listening address, and the names in a comma-separated list.
    ///
    /// # Errors
    /// [`HostError`] names an item that is neither a host name nor an IP address.
    pub fn new(list: &str, listening: IpAddr) -> Result<Self, HostError> {
        let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "[::1]"].map(Into::into).into();
        // A server can listen on `0.0.0.0` and `::`, but they name no host.
        if !listening.is_unspecified() {
            hosts.push(as_host(listening));
        }
        for item in list.split(',').map(str::trim) {
            if !item.is_empty() {
                hosts.push(checked(item)?);
            }
        }
        Ok(Self(hosts))
    }

    fn contains(&self, authority: &Authority) -> bool {
        let host = authority.host();
        !authority.as_str().contains('@')
            && self.0.iter().any(|name| name.eq_ignore_ascii_case(host))
    }

    fn admits(&self, request: &Request) -> bool {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return false;
        };
        host.to_str()
            .is_ok_and(|host| host.parse().is_ok_and(|host| self.contains(&host)))
            // The host of an absolute request target has precedence over the header (RFC 9112, section 3.2.2).
            && request.uri().authority().is_none_or(|host| self.contains(host))
    }
}

fn checked(item: &str) -> Result<String, HostError> {
    if let Ok(ip) = item.trim_matches(['[', ']']).parse() {
        return Ok(as_host(ip));
    }
    let is_label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !label.is_empty() && label.bytes().all(allowed)
    };
    match item.split('.').all(is_label) {
        true => Ok(item.to_owned()),
        false => Err(HostError(item.to_owned())),
    }
}

/// An address in the form of the `Host` header.
fn as_host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Rejects requests whose host is not one of the server's names.
pub(super) async fn refuse_foreign(
    State(hosts): State<Arc<AllowedHosts>>,
    request: Request,
    next: Next,
) -> Response {
    if hosts.admits(&request) {
        return next.run(request).await;
    }
    let reason = "the Host header does not name this server (MCP_ALLOWED_HOSTS)";
    (StatusCode::FORBIDDEN, reason).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn admitted(list: &str, listening: &str, target: &str, hosts: &[&str]) -> bool {
        let mut request = Request::builder().uri(target);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        let request = request.body(Body::empty()).unwrap();
        let hosts = AllowedHosts::new(list, listening.parse().unwrap()).unwrap();
        hosts.admits(&request)
    }

    #[test]
    fn the_names_of_loopback_are_its_own_and_no_other() {
        for host in ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080"] {
            assert!(admitted("", "127.0.0.1", "/mcp", &[host]), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "localhost.",
            "user@localhost",
            "127.0.0.1.evil",
            "127.0.0.2",
            "0.0.0.0:8080",
            "[::]:8080",
            "",
        ] {
            assert!(!admitted("", "127.0.0.1", "/mcp", &[host]), "{host}");
        }
        assert!(!admitted("", "127.0.0.1", "/mcp", &[]));
        assert!(!admitted("", "0.0.0.0", "/mcp", &["0.0.0.0"]));
    }

    #[test]
    fn neither_a_second_host_nor_an_absolute_target_gets_past_the_check() {
        let two = ["localhost", "evil.example"];
        assert!(!admitted("", "127.0.0.1", "/mcp", &two));
        let target = "http://evil.example/mcp";
        assert!(!admitted("", "127.0.0.1", target, &["localhost"]));
        let target = "http://localhost/mcp";
        assert!(admitted("", "127.0.0.1", target, &["localhost"]));
    }

    #[test]
    fn listed_names_and_the_address_that_is_listened_on_are_its_own_too() {
        let list = "mcp.example.com, 192.0.2.7,[2001:db8::1],2001:DB8::2";
        for host in [
            "mcp.example.com:8443",
            "MCP.example.com",
            "192.0.2.7:8443",
            "[2001:db8::1]",
            "[2001:db8::2]:1",
            "192.0.2.1:8443",
            "localhost",
        ] {
            assert!(admitted(list, "192.0.2.1", "/mcp", &[host]), "{host}");
        }
        for host in ["example.com", "www.mcp.example.com", "192.0.2.8"] {
            assert!(!admitted(list, "192.0.2.1", "/mcp", &[host]), "{host}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused_by_name() {
        for item in [
            "https://mcp.example.com",
            "mcp.example.com:8443",
            "*.example.com",
            "*",
            "mcp..example.com",
            "mcp.example.com/",
            "user@mcp.example.com",
            "bücher.example",
        ] {
            let listening = IpAddr::from([127, 0, 0, 1]);
            let error = AllowedHosts::new(item, listening).unwrap_err().to_string();
            assert!(error.contains(item), "{error}");
        }
    }
}
