use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

use super::{CertificateAsked, Impossible, MAX_CALLS, put_right, settings_told};
use crate::{act::pki::strict_role, certificate::KeyKind, engines::Parameters};

const NAME: &str = "api.prod.inventory.internal";
const ALL: [&str; 10] = [
    "allowed_domains",
    "allow_subdomains",
    "allow_bare_domains",
    "allow_glob_domains",
    "allow_any_name",
    "allow_ip_sans",
    "key_type",
    "key_bits",
    "ttl",
    "max_ttl",
];
/// The settings that the official server accepts.
const FEW: [&str; 5] = [
    "allowed_domains",
    "allow_glob_domains",
    "allow_any_name",
    "allow_ip_sans",
    "max_ttl",
];

fn asked() -> CertificateAsked {
    CertificateAsked {
        role: "inventory".to_owned(),
        names: vec![NAME.to_owned()],
        addresses: false,
        ttl: "72h".to_owned(),
        key: None,
    }
}

fn role(settings: Value) -> Parameters {
    let mut role = strict_role();
    role.extend(settings.as_object().unwrap().clone());
    role
}

fn refused() -> String {
    format!("common name {NAME} not allowed by this role")
}

/// The differences.
fn changes(before: &Parameters, after: &Parameters) -> Value {
    let changed = after
        .iter()
        .filter(|(name, value)| before.get(*name) != Some(value));
    Value::Object(changed.map(|(n, v)| (n.clone(), v.clone())).collect())
}

#[test]
fn a_role_is_given_the_least_that_lets_the_name_through() {
    let below = "*.prod.inventory.internal";
    for (known, offered, expected) in [
        // Another domain: the name's own is added, and the flag is already set.
        (
            json!({ "allowed_domains": ["a.example"], "allow_subdomains": true }),
            &ALL[..],
            json!({ "allowed_domains": ["a.example", "prod.inventory.internal"] }),
        ),
        (
            json!({ "allowed_domains": ["a.example"], "allow_bare_domains": true }),
            &ALL,
            json!({ "allowed_domains": ["a.example", NAME] }),
        ),
        // A flag would open the other domain as well; a pattern does not.
        (
            json!({ "allowed_domains": ["a.example"] }),
            &ALL,
            json!({ "allowed_domains": ["a.example", below], "allow_glob_domains": true }),
        ),
        // Its domain is in the list.
        (
            json!({ "allowed_domains": ["prod.inventory.internal"] }),
            &ALL,
            json!({ "allow_subdomains": true }),
        ),
        (
            json!({ "allowed_domains": ["Inventory.internal"] }),
            &ALL,
            json!({ "allow_subdomains": true }),
        ),
        // The name itself is in the list.
        (
            json!({ "allowed_domains": [NAME], "allow_subdomains": true, "max_ttl": "720h" }),
            &ALL,
            json!({ "allow_bare_domains": true }),
        ),
        (
            json!({ "allowed_domains": [below] }),
            &ALL,
            json!({ "allow_bare_domains": true, "allowed_domains": [below, NAME] }),
        ),
        // Nothing is in the list: the name, and nothing else.
        (
            json!({}),
            &ALL,
            json!({ "allowed_domains": [NAME], "allow_bare_domains": true }),
        ),
        // Only patterns can be set.
        (
            json!({ "allowed_domains": ["a.example"], "max_ttl": "720h" }),
            &FEW,
            json!({ "allowed_domains": ["a.example", below], "allow_glob_domains": true }),
        ),
    ] {
        let known = role(known);
        let after = put_right(&refused(), Some(&known), &asked(), offered).unwrap();
        assert_eq!(changes(&known, &after), expected, "{known:?}");
    }
}

#[test]
fn a_wildcard_is_let_through_by_its_domain() {
    let mut asked = asked();
    asked.names = vec!["*.prod.inventory.internal".to_owned()];
    let error = "common name *.prod.inventory.internal not allowed by this role";
    let after = put_right(error, Some(&role(json!({}))), &asked, &ALL).unwrap();
    let expected =
        json!({ "allowed_domains": ["prod.inventory.internal"], "allow_subdomains": true });
    assert_eq!(changes(&strict_role(), &after), expected);
}

#[test]
fn a_role_that_is_missing_or_unknown_is_made_for_what_was_asked_alone() {
    let mut asked = asked();
    asked.addresses = true;
    let made = json!({
        "allowed_domains": [NAME],
        "allow_bare_domains": true,
        "allow_ip_sans": true,
        "max_ttl": "72h",
    });
    let stale = role(json!({ "allow_any_name": true }));
    for (error, known) in [
        ("unknown role: inventory", None),
        ("unknown role: inventory", Some(&stale)),
        (refused().as_str(), None),
    ] {
        let after = put_right(error, known, &asked, &ALL).unwrap();
        assert_eq!(changes(&strict_role(), &after), made, "{error}");
    }
}

#[test]
fn addresses_and_keys_are_allowed_where_they_were_asked_for() {
    let mut asked = asked();
    asked.addresses = true;
    asked.key = Some(KeyKind::Rsa(2048));
    let known = role(json!({ "allowed_domains": [NAME], "key_bits": 384 }));
    for (error, expected) in [
        (
            "IP Subject Alternative Names are not allowed in this role, but was provided [192.0.2.7]",
            json!({ "allow_ip_sans": true }),
        ),
        (
            "role requires keys of type ec",
            json!({ "key_type": "rsa", "key_bits": 2048 }),
        ),
    ] {
        let after = put_right(error, Some(&known), &asked, &ALL).unwrap();
        assert_eq!(changes(&known, &after), expected, "{error}");
    }
    asked.key = Some(KeyKind::Ec(256));
    let error = "role requires a minimum of a 384-bit key, but CSR's key is 256 bits";
    let after = put_right(error, Some(&known), &asked, &ALL).unwrap();
    assert_eq!(changes(&known, &after), json!({ "key_bits": 256 }));
}

#[test]
fn what_the_target_cannot_be_told_is_as_in_a_new_role() {
    let known = role(json!({ "allow_subdomains": true, "key_type": "rsa", "key_bits": 4096 }));
    let after = put_right(&refused(), Some(&known), &asked(), &FEW).unwrap();
    assert_eq!(after["allow_subdomains"], false);
    assert_eq!(after["allow_glob_domains"], true);
}

#[test]
fn what_cannot_be_put_right_is_told_with_what_is_missing() {
    let known = role(json!({}));
    let with = |error: &str, offered: &[&str]| {
        put_right(error, Some(&known), &asked(), offered).unwrap_err()
    };
    assert_eq!(with("it failed", &ALL), Impossible::NoReason);
    for error in [
        "common name evil.example not allowed by this role",
        "unknown role: admin",
        "IP Subject Alternative Names are not allowed in this role",
        "role requires keys of type rsa",
    ] {
        let impossible = with(error, &ALL);
        assert!(matches!(impossible, Impossible::NotAskedFor(_)), "{error}");
    }
    for offered in [&["allowed_domains"][..], &["allow_subdomains"], &[]] {
        let impossible = with(&refused(), offered);
        assert!(
            matches!(impossible, Impossible::NotOffered(_)),
            "{offered:?}"
        );
    }
    let mut short = asked();
    short.names = vec!["inventory.internal".to_owned()];
    let error = "common name inventory.internal not allowed by this role";
    let impossible = put_right(error, Some(&known), &short, &FEW).unwrap_err();
    assert!(
        matches!(impossible, Impossible::NotOffered(_)),
        "nothing below a top-level domain is opened"
    );
}

#[test]
fn settings_are_read_in_whatever_form_they_are_told() {
    let plain = json!({
        "allowed_domains": ["a.example", "b.example"],
        "allow_subdomains": true,
        "allow_ip_sans": false,
        "key_bits": 256,
        "max_ttl": 2_592_000,
        "ttl": 0,
    });
    let texts = json!({
        "allowed_domains": "a.example, b.example",
        "allow_subdomains": "true",
        "allow_ip_sans": "false",
        "key_bits": "256",
        "max_ttl": "2592000",
        "ttl": "0",
    });
    let expected = role(json!({
        "allowed_domains": ["a.example", "b.example"],
        "allow_subdomains": true,
        "max_ttl": "2592000s",
    }));
    for told in [plain, texts] {
        assert_eq!(settings_told(told.as_object().unwrap()), expected);
    }
    let told = json!({ "max_ttl": "720h", "allowed_domains": null });
    let settings = settings_told(told.as_object().unwrap());
    assert_eq!(settings["max_ttl"], "720h");
    assert_eq!(settings["allowed_domains"], json!([]));
}

/// Vault's decision, as in `ValidateNames` and `signCert` in its `builtin/logical/pki/issuing`: the first refusal, if
/// there is one.
fn vault(role: Option<&Parameters>, asked: &CertificateAsked) -> Option<String> {
    let Some(role) = role else {
        return Some(format!("unknown role: {}", asked.role));
    };
    let (kind, bits) = match asked.key {
        Some(KeyKind::Rsa(bits)) => ("rsa", bits),
        Some(KeyKind::Ec(bits)) => ("ec", bits),
        _ => ("", 0),
    };
    if !kind.is_empty() && role["key_type"] != kind {
        return Some(format!(
            "role requires keys of type {}",
            role["key_type"].as_str().unwrap()
        ));
    }
    let least = role["key_bits"].as_u64().unwrap();
    if !kind.is_empty() && least > bits as u64 {
        return Some(format!(
            "role requires a minimum of a {least}-bit key, but CSR's key is {bits} bits"
        ));
    }
    for (index, name) in asked.names.iter().enumerate() {
        if !lets_through(role, name) {
            let kind = ["common name", "subject alternate name"][index.min(1)];
            return Some(format!("{kind} {name} not allowed by this role"));
        }
    }
    let refuses = asked.addresses && role["allow_ip_sans"] == false;
    refuses.then(|| {
        "IP Subject Alternative Names are not allowed in this role, but was provided [192.0.2.7]"
            .to_owned()
    })
}

fn lets_through(role: &Parameters, name: &str) -> bool {
    let on = |flag: &str| role[flag] == true;
    let domains = role["allowed_domains"].as_array().unwrap();
    let mut domains = domains.iter().map(|domain| domain.as_str().unwrap());
    on("allow_any_name")
        || domains.any(|domain| {
            (on("allow_bare_domains") && name == domain)
                || (on("allow_subdomains") && name.ends_with(&format!(".{domain}")))
                || (on("allow_glob_domains")
                    && domain
                        .strip_prefix('*')
                        .is_some_and(|end| name.ends_with(end)))
        })
}

fn a_label() -> impl Strategy<Value = String> {
    "[a-z]([a-z0-9-]{0,8}[a-z0-9])?"
}

fn a_role(name: &str) -> impl Strategy<Value = Option<Parameters>> + use<> {
    let parent = name.split_once('.').unwrap().1.to_owned();
    let domains = vec![
        name.to_owned(),
        format!("*.{parent}"),
        parent,
        "other.example".to_owned(),
    ];
    let domains = proptest::sample::subsequence(domains, 0..4);
    let flags = proptest::array::uniform4(any::<bool>());
    let keys = select(vec![("rsa", 2048), ("rsa", 4096), ("ec", 256), ("ec", 384)]);
    let made = (domains, flags, keys).prop_map(|(domains, flags, (kind, bits))| {
        role(json!({
            "allowed_domains": domains,
            "allow_subdomains": flags[0],
            "allow_bare_domains": flags[1],
            "allow_glob_domains": flags[2],
            "allow_ip_sans": flags[3],
            "key_type": kind,
            "key_bits": bits,
            "max_ttl": "720h",
        }))
    });
    proptest::option::weighted(0.9, made)
}

fn a_case() -> impl Strategy<Value = (Option<Parameters>, CertificateAsked)> {
    let name = proptest::collection::vec(a_label(), 3..6).prop_map(|labels| labels.join("."));
    let key = proptest::option::of(select(vec![KeyKind::Rsa(2048), KeyKind::Ec(256)]));
    (name, any::<bool>(), key)
        .prop_flat_map(|(name, addresses, key)| (a_role(&name), Just((name, addresses, key))))
        .prop_map(|(role, (name, addresses, key))| {
            // Signing takes the addresses from the request, and Vault's message differs.
            let addresses = addresses && key.is_none();
            let names = vec![name];
            (
                role,
                CertificateAsked {
                    names,
                    addresses,
                    key,
                    ..asked()
                },
            )
        })
}

proptest! {
    #[test]
    fn any_role_is_put_right_in_few_calls_and_lets_no_stranger_through((before, asked) in a_case()) {
        let mut role = before.clone();
        let mut calls = 1;
        let mut known = None;
        while let Some(error) = vault(role.as_ref(), &asked) {
            // The agent reads the role before it changes one for the first time.
            if known.is_none() && role.is_some() {
                calls += 1;
                known = role.clone();
            }
            let right = put_right(&error, known.as_ref(), &asked, &ALL).unwrap();
            (role, known) = (Some(right.clone()), Some(right));
            calls += 2;
        }
        prop_assert!(calls <= MAX_CALLS, "{calls} calls: {role:?}");
        let after = role.unwrap();
        let name = &asked.names[0];
        let parent = name.split_once('.').unwrap().1;
        for stranger in ["other.example", "a.other.example", "evil.test", &format!("evil{parent}")] {
            let was = before.as_ref().is_some_and(|role| lets_through(role, stranger));
            prop_assert!(was || !lets_through(&after, stranger), "{stranger}: {after:?}");
        }
        prop_assert_eq!(&after["allow_any_name"], false);
        let had = before.is_some_and(|role| role["allow_ip_sans"] == true);
        prop_assert!(had || asked.addresses || after["allow_ip_sans"] == false);
    }
}
