//! Verifies a certificate up to the CA of its mount, and checks that its private key belongs to it.

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use secrecy::{ExposeSecret as _, SecretString};
use time::OffsetDateTime;
use webpki::{EndEntityCert, Error, KeyUsage};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::{Certificate, moment, pem};

impl Certificate {
    /// Verifies the certificate as a TLS client does that connects to `name`, a DNS name or an IP address. The `root`
    /// must have signed it, directly or through the `chain` (in any order, with or without the root). It must be valid
    /// at that time, for a server, and for that name. Only alternative names count, not the common name. The `root` is
    /// trusted regardless of its signer, but it must be a valid CA. The strength of the certificate's own key is not checked
    /// ([`Certificate::key_kind`]).
    ///
    /// # Errors
    ///
    /// The problem, as text about "it", the certificate.
    pub fn verify(
        &self,
        chain: &[Self],
        root: &Self,
        name: &str,
        at: OffsetDateTime,
    ) -> Result<(), String> {
        if !root.is_ca {
            return Err(format!("its issuer is not a CA certificate ({root})"));
        }
        if !(root.not_before..=root.not_after).contains(&at) {
            return Err(format!("its CA is not valid at {} ({root})", moment(at)));
        }
        let server = ServerName::try_from(name)
            .map_err(|_| format!("`{name}` is neither a DNS name nor an IP address"))?;
        let fault = |error| self.fault(&error, root, name, at);
        let anchor = webpki::anchor_from_trusted_cert(&root.der).map_err(fault)?;
        let leaf = EndEntityCert::try_from(&self.der).map_err(fault)?;
        let chain: Vec<CertificateDer<'_>> = chain.iter().map(|link| link.der.clone()).collect();
        leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &[anchor],
            &chain,
            unix(at),
            KeyUsage::server_auth(),
            None,
            None,
        )
        .map_err(fault)?;
        leaf.verify_is_valid_for_subject_name(&server)
            .map_err(fault)
    }

    /// Whether an issuer signed the certificate: it names the issuer and has its signature. Dates, and whether the
    /// issuer may sign, are not checked. Signatures by RSA keys of fewer than 2048 bits and by P-521 are not accepted,
    /// because ring does not support them.
    #[must_use]
    pub fn signed_by(&self, issuer: &Self) -> bool {
        let Ok((_, parsed)) = X509Certificate::from_der(&self.der) else {
            return false;
        };
        self.issuer == issuer.subject
            && public_key(issuer).is_some_and(|key| parsed.verify_signature(Some(&key)).is_ok())
    }

    /// Whether a private key belongs to the certificate. The first key in the text counts: PKCS#1 (RSA), SEC1 (EC) or
    /// PKCS#8.
    ///
    /// # Errors
    ///
    /// Why the key cannot be read: it is missing or broken, or ring does not support its type (RSA of fewer than 2048
    /// or more than 4096 bits, P-224, P-521).
    pub fn holds(&self, key_pem: &SecretString) -> Result<bool, String> {
        let block = pem::blocks(key_pem.expose_secret())
            .find(pem::Block::is_private_key)
            .ok_or("there is no private key in PEM")?;
        let unreadable = || {
            let label = block.label;
            format!("the {label} cannot be read: it is broken, or of a kind not supported here")
        };
        let key = PrivateKeyDer::try_from(block.der.as_slice()).map_err(|_| unreadable())?;
        let key = any_supported_type(&key).map_err(|_| unreadable())?;
        let public = key.public_key().ok_or_else(unreadable)?;
        Ok(public.as_ref() == self.key)
    }

    fn fault(&self, error: &Error, root: &Self, name: &str, at: OffsetDateTime) -> String {
        let ca = root.common_name().unwrap_or("without a CN");
        match error {
            Error::CertExpired { .. } if self.not_after < at => {
                format!("it has expired, on {}", moment(self.not_after))
            }
            Error::CertExpired { .. } => "a certificate in its chain has expired".into(),
            Error::CertNotValidYet { .. } if at < self.not_before => {
                format!("it is not valid before {}", moment(self.not_before))
            }
            Error::CertNotValidYet { .. } => "a certificate in its chain is not valid yet".into(),
            Error::UnknownIssuer => {
                format!("it is not signed by the mount's CA ({ca}), directly or through the chain")
            }
            Error::InvalidSignatureForPublicKey => format!(
                "it is not signed by the mount's CA ({ca}): a signature in its chain is not \
                 made with the key of the issuer that it names"
            ),
            Error::CertNotValidForName(_) => match self.names() {
                none if none.is_empty() => {
                    format!("it is not valid for {name}: it has no alternative names (SANs)")
                }
                names => format!("it is not valid for {name}, but for {names}"),
            },
            Error::CaUsedAsEndEntity => "it is the certificate of a CA, not of a server".into(),
            Error::EndEntityUsedAsCa => "a certificate in its chain is not that of a CA".into(),
            Error::RequiredEkuNotFoundContext(_) => {
                "it is not for a TLS server: its extended key usage is without serverAuth".into()
            }
            Error::NameConstraintViolation => "its CA may not sign for its names".into(),
            Error::PathLenConstraintViolated => "its chain is longer than a CA in it allows".into(),
            Error::UnsupportedSignatureAlgorithmContext(_)
            | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
                "a signature in its chain is of a kind that TLS clients here do not accept".into()
            }
            other => format!("a TLS client does not accept it: {other}"),
        }
    }
}

/// The public key of a certificate.
pub(super) fn public_key(certificate: &Certificate) -> Option<SubjectPublicKeyInfo<'_>> {
    let (_, key) = SubjectPublicKeyInfo::from_der(&certificate.key).ok()?;
    Some(key)
}

fn unix(at: OffsetDateTime) -> UnixTime {
    let seconds = u64::try_from(at.unix_timestamp()).unwrap_or(0);
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use rcgen::ExtendedKeyUsagePurpose;
    use time::Duration;

    use super::super::{
        pem,
        tests::{NAME, Pki, now, read},
    };

    #[test]
    fn a_certificate_verifies_for_each_of_its_names() {
        let pki = Pki::new();
        for name in [NAME, "b.example.com", "10.0.0.1", "::1"] {
            assert_eq!(pki.verify(name, now()), Ok(()), "{name}");
        }
    }

    #[test]
    fn another_name_is_told_with_those_it_has() {
        let told = Pki::new().verify("c.example.com", now()).unwrap_err();
        assert_eq!(
            told,
            "it is not valid for c.example.com, but for DNS a.example.com b.example.com, IP 10.0.0.1 ::1"
        );
    }

    #[test]
    fn a_common_name_alone_does_not_count() {
        let pki = Pki::with(|params| params.subject_alt_names.clear());
        let told = pki.verify(NAME, now()).unwrap_err();
        assert!(
            told.ends_with("it has no alternative names (SANs)"),
            "{told}"
        );
    }

    #[test]
    fn a_name_that_is_none_is_told() {
        let told = Pki::new().verify("*.example.com", now()).unwrap_err();
        assert_eq!(
            told,
            "`*.example.com` is neither a DNS name nor an IP address"
        );
    }

    #[test]
    fn a_certificate_is_valid_within_its_dates_alone() {
        let pki = Pki::new();
        let late = pki.verify(NAME, now() + Duration::days(4)).unwrap_err();
        assert_eq!(late, "it has expired, on 2027-01-18 08:00:00 UTC");
        let early = pki.verify(NAME, now() - Duration::DAY).unwrap_err();
        assert_eq!(early, "it is not valid before 2027-01-15 07:59:30 UTC");
        let root = pki.verify(NAME, now() + Duration::days(101)).unwrap_err();
        assert!(
            root.starts_with("its CA is not valid at 2027-04-26"),
            "{root}"
        );
    }

    #[test]
    fn a_certificate_of_another_ca_is_told() {
        let (pki, other) = (Pki::new(), Pki::new());
        let chain = [read(&pki.intermediate)];
        let named_alike = pki.leaf.verify(&chain, &read(&other.root), NAME, now());
        assert!(
            named_alike
                .unwrap_err()
                .starts_with("it is not signed by the mount's CA (Root)")
        );
        let unchained = pki.leaf.verify(&[], &read(&pki.root), NAME, now());
        assert_eq!(
            unchained.unwrap_err(),
            "it is not signed by the mount's CA (Root), directly or through the chain"
        );
    }

    #[test]
    fn the_issuing_ca_will_do_as_the_root() {
        let pki = Pki::new();
        let verified = pki.leaf.verify(&[], &read(&pki.intermediate), NAME, now());
        assert_eq!(verified, Ok(()));
    }

    #[test]
    fn what_is_not_for_a_server_is_told() {
        let client = Pki::with(|params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        });
        let told = client.verify(NAME, now()).unwrap_err();
        assert!(told.contains("without serverAuth"), "{told}");
        let root = read(&client.root);
        let told = root.verify(&[], &root, NAME, now()).unwrap_err();
        assert_eq!(told, "it is the certificate of a CA, not of a server");
        let told = root.verify(&[], &client.leaf, NAME, now()).unwrap_err();
        assert!(
            told.starts_with("its issuer is not a CA certificate"),
            "{told}"
        );
    }

    #[test]
    fn a_certificate_is_signed_by_its_issuer_alone() {
        let (pki, other) = (Pki::new(), Pki::new());
        let (root, intermediate) = (read(&pki.root), read(&pki.intermediate));
        assert!(intermediate.signed_by(&root) && root.signed_by(&root));
        assert!(pki.leaf.signed_by(&intermediate) && !pki.leaf.signed_by(&root));
        assert!(!intermediate.signed_by(&read(&other.root)));
    }

    #[test]
    fn a_key_is_that_of_its_certificate_alone() {
        let pki = Pki::new();
        assert_eq!(pki.leaf.holds(&pki.key), Ok(true));
        assert_eq!(pki.leaf.holds(&Pki::new().key), Ok(false));
    }

    #[test]
    fn a_key_that_cannot_be_read_is_told_without_it() {
        let leaf = Pki::new().leaf;
        let told = leaf.holds(&leaf.to_pem().into()).unwrap_err();
        assert_eq!(told, "there is no private key in PEM");
        let broken = pem::encode("EC PRIVATE KEY", b"not a key");
        let told = leaf.holds(&broken.into()).unwrap_err();
        assert!(
            told.starts_with("the EC PRIVATE KEY cannot be read"),
            "{told}"
        );
    }
}
