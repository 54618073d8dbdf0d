//! The origins whose web pages may call the server: those that the operator listed, and the server's own.
//!
//! Origins are compared as text. Code that parses an origin may read `http://localhost:3000.evil.example` in more
//! than one way, and a browser has only one.

use axum::http::{HeaderMap, HeaderValue, header};
use reqwest::Url;
use thiserror::Error;

/// An item of a list of origins that no browser would ever send.
#[derive(Debug, Error)]
#[error("{item:?} is not an origin: {reason}")]
pub struct OriginError {
    item: String,
    reason: String,
}

/// A request comes from a page that may not call.
#[derive(Debug)]
pub(super) struct ForeignOrigin;

/// The origins whose pages may call the server; none by default.
#[derive(Debug, Clone, Default)]
pub struct AllowedOrigins {
    listed: Vec<String>,
    loopback: bool,
}

impl AllowedOrigins {
    /// The origins in a comma-separated list. With `loopback`, also every origin on this machine.
    ///
    /// # Errors
    /// [`OriginError`] names an item that is not in the form that a browser sends.
    pub fn new(list: &str, loopback: bool) -> Result<Self, OriginError> {
        let items = list.split(',').map(str::trim);
        let listed = items.filter(|item| !item.is_empty()).map(checked);
        Ok(Self {
            listed: listed.collect::<Result<_, _>>()?,
            loopback,
        })
    }

    /// Adds the server's own origin. Its pages make same-origin requests, and clients that always send `Origin` send
    /// this one.
    #[must_use]
    pub(super) fn with_own(mut self, scheme: &str, port: u16) -> Self {
        let own =
            ["127.0.0.1", "[::1]", "localhost"].map(|host| format!("{scheme}://{host}:{port}"));
        self.listed.extend(own);
        self
    }

    /// Whether pages of this origin may call.
    pub fn contains(&self, origin: &str) -> bool {
        self.listed.iter().any(|listed| listed == origin)
            || self.loopback && is_canonical_loopback(origin)
    }

    /// The origin that a request names, if any.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, ForeignOrigin> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Ok(None),
            (Some(origin), None) if origin.to_str().is_ok_and(|origin| self.contains(origin)) => {
                Ok(Some(origin.clone()))
            }
            _ => Err(ForeignOrigin),
        }
    }
}

fn checked(item: &str) -> Result<String, OriginError> {
    let refuse = |reason: &str| {
        Err(OriginError {
            item: item.to_owned(),
            reason: reason.to_owned(),
        })
    };
    if item.contains('*') {
        return refuse("wildcards are not supported, list each origin");
    }
    match canonical(item) {
        Some(origin) if origin == item => Ok(origin),
        Some(origin) => refuse(&format!("a browser would send `{origin}`")),
        None => refuse("it can be like `https://app.example.com` or `http://localhost:3000`"),
    }
}

/// The origin of a page at this address, as a browser sends it (RFC 6454, section 6.2).
fn canonical(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.origin().ascii_serialization())
}

fn is_canonical_loopback(origin: &str) -> bool {
    let host_is_loopback =
        |url: Url| matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    canonical(origin).is_some_and(|canonical| canonical == origin)
        && Url::parse(origin).is_ok_and(host_is_loopback)
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::select};

    use super::*;

    fn headers(origins: &[&str]) -> HeaderMap {
        let value = |origin: &&str| (header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        origins.iter().map(value).collect()
    }

    #[test]
    fn no_page_may_call_unless_its_origin_is_listed() {
        let none = AllowedOrigins::new("", false).unwrap();
        for origin in ["http://localhost:8080", "https://app.example", "null", ""] {
            assert!(none.admit(&headers(&[origin])).is_err(), "{origin}");
        }
        assert!(matches!(none.admit(&HeaderMap::new()), Ok(None)));
        assert!(!none.contains(""));
    }

    #[test]
    fn the_servers_own_origin_may_call_and_no_other_of_this_machine() {
        let own = AllowedOrigins::default().with_own("http", 8080);
        for origin in [
            "http://localhost:8080",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
        ] {
            assert!(own.admit(&headers(&[origin])).is_ok(), "{origin}");
        }
        for origin in [
            "https://localhost:8080",
            "http://localhost:3000",
            "http://localhost",
        ] {
            assert!(own.admit(&headers(&[origin])).is_err(), "{origin}");
        }
    }

    #[test]
    fn a_listed_origin_may_call_and_one_that_looks_like_it_may_not() {
        let list = " https://app.example ,http://localhost:3000,, http://[::1]:8000";
        let origins = AllowedOrigins::new(list, false).unwrap();
        for origin in [
            "https://app.example",
            "http://localhost:3000",
            "http://[::1]:8000",
        ] {
            let admitted = origins.admit(&headers(&[origin]));
            assert_eq!(admitted.unwrap().unwrap(), origin);
        }
        for origin in [
            "http://app.example",
            "https://app.example:443",
            "https://app.example:8443",
            "https://app.example.",
            "https://app.example/",
            "https://app.example.evil",
            "https://APP.example",
            "https://www.app.example",
            "https://evil@app.example",
            "https://app.example@evil",
            "http://localhost:3000.evil.com",
            "http://localhost:30000",
            "http://localhost",
            "http://127.0.0.1:3000",
            "https://app.example, http://localhost:3000",
            "https://app.example https://app.example",
            "null",
            "",
        ] {
            assert!(origins.admit(&headers(&[origin])).is_err(), "{origin}");
        }
        let twice = headers(&["https://app.example", "https://app.example"]);
        assert!(origins.admit(&twice).is_err());
        let mut not_text = HeaderMap::new();
        not_text.insert(header::ORIGIN, HeaderValue::from_bytes(b"\xff").unwrap());
        assert!(origins.admit(&not_text).is_err());
    }

    #[test]
    fn what_no_browser_would_send_is_refused_by_name_and_with_what_it_would() {
        for (item, reason) in [
            ("null", "it can be like"),
            ("app.example", "it can be like"),
            ("localhost:3000", "it can be like"),
            ("//app.example", "it can be like"),
            ("ftp://app.example", "it can be like"),
            ("https://", "it can be like"),
            ("*", "wildcards"),
            ("https://*.app.example", "wildcards"),
            ("http://localhost:*", "wildcards"),
            ("https://app.example/", "`https://app.example`"),
            ("https://app.example/page", "`https://app.example`"),
            ("https://app.example?", "`https://app.example`"),
            ("https://app.example#", "`https://app.example`"),
            ("https://user@app.example", "`https://app.example`"),
            ("https://app.example:443", "`https://app.example`"),
            ("http://app.example:80", "`http://app.example`"),
            ("https://App.Example", "`https://app.example`"),
            ("https:\\\\app.example", "`https://app.example`"),
            ("https://bücher.example", "`https://xn--bcher-kva.example`"),
            ("http://[0:0::1]:80", "`http://[::1]`"),
            ("http://127.1", "`http://127.0.0.1`"),
        ] {
            let list = format!("https://fine.example,{item}");
            let error = AllowedOrigins::new(&list, false).unwrap_err().to_string();
            assert!(error.contains(&format!("{item:?}")), "{error}");
            assert!(error.contains(reason), "{item}: {error}");
        }
    }

    /// An origin that a browser may send, with a non-default port.
    fn origin() -> impl Strategy<Value = String> {
        let host = prop_oneof![
            "[a-z][a-z0-9]{0,8}(\\.[a-z][a-z0-9]{0,8}){0,3}",
            (1..255u8, 1..255u8).prop_map(|(a, b)| format!("10.{a}.0.{b}")),
            (1..u16::MAX).prop_map(|part| format!("[fd00::{part:x}]")),
        ];
        let port = prop_oneof![
            Just(String::new()),
            (1024..=u16::MAX).prop_map(|port| format!(":{port}"))
        ];
        (select(vec!["http", "https"]), host, port)
            .prop_map(|(scheme, host, port)| format!("{scheme}://{host}{port}"))
    }

    proptest! {
        #[test]
        fn a_listed_origin_is_matched_by_itself_alone(
            listed in origin(),
            other in origin(),
            tail in "[ -~]{1,12}",
            at in any::<proptest::sample::Index>(),
        ) {
            let origins = AllowedOrigins::new(&listed, false).unwrap();
            prop_assert!(origins.contains(&listed));
            let longer = format!("{listed}{tail}");
            prop_assert!(!origins.contains(&longer));
            prop_assert!(!origins.contains(&listed[..at.index(listed.len())]));
            prop_assert_eq!(origins.contains(&other), other == listed);
        }

        #[test]
        fn in_development_nothing_but_loopback_itself_is_matched(
            scheme in select(vec!["http://", "https://", "HTTP://", "http:/", "ftp://", ""]),
            parts in proptest::collection::vec(
                select(vec![
                    "localhost", "127.0.0.1", "[::1]", "::1", ":", ":3000", ":80", ":443", ":0080", ":99999",
                    "@", ".", "/", "\\", "#", "?", "%2e", "evil.example", ".evil.example", "null", "*", " ", "\t",
                ]),
                0..4,
            ),
        ) {
            let origin = format!("{scheme}{}", parts.concat());
            let host_and_port = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            let port = host_and_port.and_then(|text| {
                ["localhost", "127.0.0.1", "[::1]"].iter().find_map(|host| text.strip_prefix(host))
            });
            let default = if origin.starts_with("https") { ":443" } else { ":80" };
            let expected = port.is_some_and(|port| {
                port.is_empty() || port != default && matches!(port, ":3000" | ":80" | ":443")
            });
            let origins = AllowedOrigins::new("", true).unwrap();
            prop_assert_eq!(origins.contains(&origin), expected, "{}", origin);
        }

        #[test]
        fn no_list_is_too_strange_to_be_read(list in ".{0,60}") {
            if let Ok(origins) = AllowedOrigins::new(&list, true) {
                for listed in &origins.listed {
                    let canonical = canonical(listed);
                    prop_assert_eq!(canonical.as_ref(), Some(listed));
                }
            }
        }
    }
}
