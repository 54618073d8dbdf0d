//! Path types that cannot leave their mount.
//!
//! Paths of a caller are parsed into [`MountPath`], [`SecretPath`] or [`FolderPath`]. A request needs an [`ApiPath`],
//! which is built from these and escaped segment by segment. Every character with a meaning in a URL is therefore
//! sent as a literal, and no name can leave its mount or its endpoint.

use std::fmt;

use thiserror::Error;

use super::{kv::KvVersion, pki::Endpoint};

/// Maximum length of a path, in bytes; far longer than any that Vault stores.
const MAX_PATH_BYTES: usize = 4096;

/// Why a text is not a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PathError {
    /// The text is empty.
    #[error("is empty")]
    Empty,
    /// Two slashes in a row, or an extra one at an end.
    #[error("has an empty segment: remove leading, trailing and doubled slashes")]
    EmptySegment,
    /// A segment is `.` or `..`.
    #[error("has a `.` or `..` segment, which are not allowed")]
    DotSegment,
    /// A control character, such as NUL or a line break.
    #[error("has a control character")]
    ControlCharacter,
    /// More than 4096 bytes.
    #[error("is longer than {MAX_PATH_BYTES} bytes")]
    TooLong,
    /// The name of a mount ends in `/tune`.
    #[error("ends in `/tune`, which Vault takes for a request to tune the mount in front of it")]
    TuneEndpoint,
}

/// One or more non-empty segments joined by `/`.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Segments(String);

impl Segments {
    fn parse(text: &str) -> Result<Self, PathError> {
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(PathError::ControlCharacter);
        }
        for segment in text.split('/') {
            match segment {
                "" => return Err(PathError::EmptySegment),
                "." | ".." => return Err(PathError::DotSegment),
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    fn begin_like_a_v2_endpoint(&self) -> bool {
        const ENDPOINTS: [&str; 7] = [
            "config", "data", "delete", "destroy", "metadata", "subkeys", "undelete",
        ];
        self.iter()
            .next()
            .is_some_and(|first| ENDPOINTS.contains(&first))
    }
}

/// Where a secrets engine is mounted, such as `secret` or `team/a/kv`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MountPath(Segments);

impl MountPath {
    /// Parses a mount path, with or without the trailing slash that Vault shows.
    ///
    /// # Errors
    /// [`PathError`] if the text is invalid.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        Segments::parse(text.strip_suffix('/').unwrap_or(text)).map(Self)
    }

    /// The path without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0.0
    }

    /// Whether the path is reserved for Vault's own engines.
    pub fn is_reserved(&self) -> bool {
        const RESERVED: [&str; 4] = ["auth", "cubbyhole", "identity", "sys"];
        self.0
            .iter()
            .next()
            .is_some_and(|first| RESERVED.contains(&first))
    }
}

/// Where a secret lies within its mount, such as `app/db`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecretPath(Segments);

impl SecretPath {
    /// Parses the path of a secret, relative to its mount.
    ///
    /// # Errors
    /// [`PathError`] if the text is invalid.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        Segments::parse(text).map(Self)
    }

    /// The path as it was given.
    pub fn as_str(&self) -> &str {
        &self.0.0
    }

    /// Whether a KV v2 engine would interpret this KV v1 path as one of its endpoints. Then an answer does not reveal
    /// the version of the mount.
    pub fn is_like_a_v2_endpoint(&self) -> bool {
        self.0.begin_like_a_v2_endpoint()
    }
}

/// A folder of secrets; the default is the root of the mount.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct FolderPath(Option<Segments>);

impl FolderPath {
    /// Parses a folder, with or without the trailing slash of listings; the empty text is the root of the mount.
    ///
    /// # Errors
    /// [`PathError`] if the text is invalid.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        match text {
            "" => Ok(Self(None)),
            text => Segments::parse(text.strip_suffix('/').unwrap_or(text))
                .map(|folder| Self(Some(folder))),
        }
    }

    /// The folder without a trailing slash; empty for the root of the mount.
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or("", |folder| &folder.0)
    }

    /// Whether this is the root of the mount.
    pub fn is_root(&self) -> bool {
        self.0.is_none()
    }

    /// As for [`SecretPath::is_like_a_v2_endpoint`].
    pub fn is_like_a_v2_endpoint(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(Segments::begin_like_a_v2_endpoint)
    }

    /// A folder in this one; `name` as for [`Self::parse`].
    ///
    /// # Errors
    /// [`PathError`] if the result is invalid.
    pub fn join(&self, name: &str) -> Result<Self, PathError> {
        match &self.0 {
            None => Self::parse(name),
            Some(folder) => Self::parse(&format!("{}/{name}", folder.0)),
        }
    }
}

macro_rules! shown_as_its_text {
    ($($path:ty),*) => {$(
        impl fmt::Display for $path {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $path {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }
    )*};
}
shown_as_its_text!(MountPath, SecretPath, FolderPath);

/// A path below `/v1/` of Vault's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiPath {
    plain: String,
    escaped: String,
}

impl ApiPath {
    /// The table of mounts.
    pub fn mounts() -> Self {
        Self::new(["sys", "mounts"].into_iter())
    }

    /// An endpoint for a token's requests about itself; `endpoint` is one segment.
    pub(super) fn own_token(endpoint: &'static str) -> Self {
        Self::new(["auth", "token", endpoint].into_iter())
    }

    /// The entry of one mount in the table of mounts.
    ///
    /// # Errors
    /// [`PathError::TuneEndpoint`] if Vault would interpret the name as another endpoint.
    pub fn mount_entry(mount: &MountPath) -> Result<Self, PathError> {
        if mount.as_str().ends_with("/tune") {
            return Err(PathError::TuneEndpoint);
        }
        Ok(Self::new(
            ["sys", "mounts"].into_iter().chain(mount.0.iter()),
        ))
    }

    /// The mounts on which the token has some right.
    pub fn visible_mounts() -> Self {
        Self::new(["sys", "internal", "ui", "mounts"].into_iter())
    }

    /// The type and version of one mount.
    pub fn mount(mount: &MountPath) -> Self {
        Self::new(
            ["sys", "internal", "ui", "mounts"]
                .into_iter()
                .chain(mount.0.iter()),
        )
    }

    /// The data of a secret.
    pub fn secret(mount: &MountPath, version: KvVersion, path: &SecretPath) -> Self {
        let endpoint = match version {
            KvVersion::V1 => None,
            KvVersion::V2 => Some("data"),
        };
        Self::new(mount.0.iter().chain(endpoint).chain(path.0.iter()))
    }

    /// The metadata of a secret in KV v2: all its versions.
    pub fn metadata(mount: &MountPath, path: &SecretPath) -> Self {
        Self::of_secret(mount, "metadata", path)
    }

    /// The endpoint that undeletes versions of a secret in KV v2.
    pub fn undelete(mount: &MountPath, path: &SecretPath) -> Self {
        Self::of_secret(mount, "undelete", path)
    }

    /// The endpoint that destroys versions of a secret in KV v2.
    pub fn destroy(mount: &MountPath, path: &SecretPath) -> Self {
        Self::of_secret(mount, "destroy", path)
    }

    /// The settings of a KV v2 mount.
    pub fn kv_config(mount: &MountPath) -> Self {
        Self::new(mount.0.iter().chain(["config"]))
    }

    fn of_secret(mount: &MountPath, endpoint: &str, path: &SecretPath) -> Self {
        Self::new(mount.0.iter().chain([endpoint]).chain(path.0.iter()))
    }

    /// The listing of a folder. It has a trailing slash, as in policies and in the audit log.
    pub fn folder(mount: &MountPath, version: KvVersion, folder: &FolderPath) -> Self {
        let endpoint = match version {
            KvVersion::V1 => None,
            KvVersion::V2 => Some("metadata"),
        };
        let folder = folder.0.iter().flat_map(Segments::iter);
        Self::new(mount.0.iter().chain(endpoint).chain(folder)).into_listing()
    }

    /// An endpoint of a PKI engine.
    pub fn pki(mount: &MountPath, endpoint: &Endpoint<'_>) -> Self {
        let path = Self::new(mount.0.iter().chain(endpoint.segments()));
        if endpoint.is_listing() {
            path.into_listing()
        } else {
            path
        }
    }

    fn into_listing(mut self) -> Self {
        self.plain.push('/');
        self.escaped.push('/');
        self
    }

    fn new<'a>(segments: impl Iterator<Item = &'a str>) -> Self {
        let mut path = Self {
            plain: String::new(),
            escaped: String::new(),
        };
        for segment in segments {
            if !path.plain.is_empty() {
                path.plain.push('/');
                path.escaped.push('/');
            }
            path.plain.push_str(segment);
            escape_into(&mut path.escaped, segment);
        }
        path
    }

    /// The path in the form of policies and the audit log.
    pub fn plain(&self) -> &str {
        &self.plain
    }

    /// The path in the form of a URL.
    pub fn escaped(&self) -> &str {
        &self.escaped
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters, so that URL parsers and proxies have nothing to
/// interpret.
fn escape_into(escaped: &mut String, segment: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.push(char::from(HEX[usize::from(byte >> 4)]));
            escaped.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::Url;

    use super::*;

    #[test]
    fn paths_that_climb_or_hide_are_refused() {
        for (text, error) in [
            ("", PathError::Empty),
            ("..", PathError::DotSegment),
            ("a/../b", PathError::DotSegment),
            ("./a", PathError::DotSegment),
            ("a//b", PathError::EmptySegment),
            ("/a", PathError::EmptySegment),
            ("a/", PathError::EmptySegment),
            ("a\0b", PathError::ControlCharacter),
            ("a\r\nX-Vault-Token: b", PathError::ControlCharacter),
        ] {
            assert_eq!(SecretPath::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(
            SecretPath::parse(&"a".repeat(5000)),
            Err(PathError::TooLong)
        );
    }

    #[test]
    fn a_mount_and_a_folder_may_end_in_a_slash() {
        assert_eq!(
            MountPath::parse("team/a/kv/").unwrap().as_str(),
            "team/a/kv"
        );
        assert_eq!(FolderPath::parse("app/").unwrap().as_str(), "app");
        assert!(FolderPath::parse("").unwrap().is_root());
        assert_eq!(MountPath::parse("/"), Err(PathError::Empty));
    }

    #[test]
    fn characters_with_a_meaning_in_a_url_are_literal() {
        let mount = MountPath::parse("secret").unwrap();
        let path = SecretPath::parse("a?b#c;d%2e%2e\\é +@").unwrap();
        assert_eq!(
            ApiPath::secret(&mount, KvVersion::V2, &path).escaped(),
            "secret/data/a%3Fb%23c%3Bd%252e%252e%5C%C3%A9%20%2B%40"
        );
    }

    #[test]
    fn a_listing_asks_for_the_folder_with_its_slash() {
        let mount = MountPath::parse("kv").unwrap();
        let folder = |text| FolderPath::parse(text).unwrap();
        let path = |version, text| {
            ApiPath::folder(&mount, version, &folder(text))
                .plain()
                .to_owned()
        };
        assert_eq!(path(KvVersion::V1, ""), "kv/");
        assert_eq!(path(KvVersion::V2, ""), "kv/metadata/");
        assert_eq!(path(KvVersion::V2, "app"), "kv/metadata/app/");
    }

    /// How a server reads the URL: its path, split and decoded once.
    fn decoded_segments(path: &ApiPath) -> Vec<String> {
        let url = Url::parse(&format!("http://vault.test/v1/{}", path.escaped())).unwrap();
        assert_eq!((url.query(), url.fragment()), (None, None));
        url.path().split('/').skip(1).map(decode).collect()
    }

    fn decode(segment: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = segment.bytes();
        while let Some(byte) = rest.next() {
            if byte == b'%' {
                let hex = [rest.next().unwrap(), rest.next().unwrap()];
                bytes.push(u8::from_str_radix(str::from_utf8(&hex).unwrap(), 16).unwrap());
            } else {
                bytes.push(byte);
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    /// Any text, and texts composed of the pieces of known attacks.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "..", ".", "/", "//", "%2e", "%2F", "%00", "?", "#", ";", "\\", "\0", "\r\n", "a", "é",
            "\u{2024}", "\u{ff0f}", "http://", "@", " ", "data", "sys",
        ]);
        prop_oneof![
            any::<String>(),
            prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
        ]
    }

    proptest! {
        #[test]
        fn no_input_leaves_its_mount_or_its_endpoint(mount in hostile(), path in hostile()) {
            let Ok(mount) = MountPath::parse(&mount) else { return Ok(()) };
            let mut base = vec!["v1"];
            base.extend(mount.as_str().split('/'));
            if let Ok(path) = SecretPath::parse(&path) {
                let mut expected = base.clone();
                expected.push("data");
                expected.extend(path.as_str().split('/'));
                prop_assert_eq!(decoded_segments(&ApiPath::secret(&mount, KvVersion::V2, &path)), expected);
            }
            if let Ok(folder) = FolderPath::parse(&path) {
                let mut expected = base.clone();
                expected.push("metadata");
                expected.extend(folder.as_str().split('/').filter(|segment| !segment.is_empty()));
                expected.push("");
                prop_assert_eq!(decoded_segments(&ApiPath::folder(&mount, KvVersion::V2, &folder)), expected);
            }
        }

        #[test]
        fn every_accepted_name_reaches_vault_unchanged(text in hostile()) {
            if let Ok(path) = SecretPath::parse(&text) {
                prop_assert_eq!(path.as_str(), text);
            }
        }
    }
}
