//! The first message of a TLS handshake, built by hand, because no TLS library offers the old versions any more.

/// The record type of a handshake message. A server that answers with one accepts the version.
pub const HANDSHAKE: u8 = 22;

/// A version of TLS, as in a ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.0
    Tls10,
    /// TLS 1.1
    Tls11,
    /// TLS 1.2
    Tls12,
}

impl Version {
    /// The version with this number.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "1.0" => Some(Self::Tls10),
            "1.1" => Some(Self::Tls11),
            "1.2" => Some(Self::Tls12),
            _ => None,
        }
    }

    const fn bytes(self) -> [u8; 2] {
        match self {
            Self::Tls10 => [3, 1],
            Self::Tls11 => [3, 2],
            Self::Tls12 => [3, 3],
        }
    }
}

/// A ClientHello (RFC 5246, section 7.4.1.2) that offers this version and no later one. Its cipher suites are those
/// that servers of that time accept, for certificates with keys of either type.
#[must_use]
pub fn client_hello(version: Version) -> Vec<u8> {
    const CIPHER_SUITES: [[u8; 2]; 8] = [
        // ECDHE with AES-128-GCM for ECDSA and RSA, with AES-128-CBC for both, RSA with AES.
        [0xc0, 0x2b],
        [0xc0, 0x2f],
        [0xc0, 0x09],
        [0xc0, 0x13],
        [0xc0, 0x0a],
        [0xc0, 0x14],
        [0x00, 0x2f],
        [0x00, 0x35],
    ];
    const EXTENSIONS: &[u8] = &[
        // supported_groups: P-256
        0x00, 0x0a, 0x00, 0x04, 0x00, 0x02, 0x00, 0x17, //
        // ec_point_formats: uncompressed
        0x00, 0x0b, 0x00, 0x02, 0x01, 0x00, //
        // signature_algorithms: ECDSA with P-256 and SHA-256, RSA-PSS and PKCS #1 with SHA-256
        0x00, 0x0d, 0x00, 0x08, 0x00, 0x06, 0x04, 0x03, 0x08, 0x04, 0x04, 0x01, //
        // extended_master_secret
        0x00, 0x17, 0x00, 0x00,
    ];
    let mut body = version.bytes().to_vec();
    body.extend([7; 32]);
    // No session.
    body.push(0);
    body.extend(length_of(2 * CIPHER_SUITES.len()));
    body.extend(CIPHER_SUITES.concat());
    // No compression.
    body.extend([1, 0]);
    body.extend(length_of(EXTENSIONS.len()));
    body.extend(EXTENSIONS);
    let mut message = vec![1, 0];
    message.extend(length_of(body.len()));
    message.extend(body);
    let mut record = vec![HANDSHAKE, 3, 1];
    record.extend(length_of(message.len()));
    record.extend(message);
    record
}

fn length_of(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::{Version, client_hello};

    #[test]
    fn a_hello_tells_its_lengths_and_its_version() {
        for (version, minor) in [
            (Version::Tls10, 1),
            (Version::Tls11, 2),
            (Version::Tls12, 3),
        ] {
            let record = client_hello(version);
            let length = |at: usize| usize::from(u16::from_be_bytes([record[at], record[at + 1]]));
            assert_eq!(length(3), record.len() - 5);
            assert_eq!(length(7), record.len() - 9);
            assert_eq!(record[9..11], [3, minor]);
        }
    }
}
