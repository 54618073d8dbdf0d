//! The words by which tools and their arguments are recognised: data, no code. All words are in lower case and singular.

use crate::engines::{Kv, Mounts, Operation, Pki};

/// Words, or names of several words, with a comma between them; the likeliest first where the order counts.
pub(super) type Names = &'static str;

/// The names in a list of names.
pub(super) fn each(names: Names) -> impl Iterator<Item = &'static str> {
    names.split(", ").filter(|name| !name.is_empty())
}

/// Whether a list of names has this one.
pub(super) fn has(names: Names, wanted: &str) -> bool {
    each(names).any(|name| name == wanted)
}

/// Where a list of names has this one.
pub(super) fn position(names: Names, wanted: &str) -> Option<usize> {
    each(names).position(|name| name == wanted)
}

/// The words in the name of a tool that performs an operation.
pub(super) struct OperationWords {
    /// What the tool does; one of these must be in its name or its description.
    pub(super) verbs: Names,
    /// What it acts on.
    pub(super) nouns: Names,
    /// Words that distinguish it from similar operations.
    pub(super) hints: Names,
    /// Words in the name of a tool for something else.
    pub(super) against: Names,
    /// The parameters without which a tool cannot perform it.
    pub(super) needs: Names,
}

const READ: Names = "read, get, fetch, show, view, retrieve, lookup, load, reveal, open, peek, describe, inspect, display";
const LIST: Names = "list, browse, ls, enumerate, index, dir, scan, explore, show, get, find";
const WRITE: Names = "write, put, set, store, save, create, update, upsert, add, patch, replace, merge, stash, insert, change";
const CREATE: Names = "create, make, new, add, enable, mount, generate, define, write, put, set, configure, register, update, upsert, provision, setup, init, build";
const DELETE: Names = "delete, remove, rm, del, drop, erase, forget, unmount, disable, destroy, purge, unset, trash, discard, clear";

const MOUNT: Names = "mount, engine, backend, mountpoint, store";
const SECRET: Names =
    "secret, kv, kv2, kvv2, key, credential, path, folder, entry, item, value, keyvalue";
const FIELD: Names = "secret, kv, kv2, kvv2, key, field, value, attribute, property, entry";
const ISSUER: Names = "issuer, ca, authority";
const ROLE: Names = "role";
const CERT: Names = "certificate, cert";

/// In the name of a tool for secrets these are about something else.
const NOT_SECRET: Names = "mount, engine, backend, pki, role, issuer, ca, certificate, cert, policy, token, auth, lease, transit, audit, health, status, namespace";
/// The same, for tools of other engines.
const NOT_PKI: Names =
    "secret, kv, policy, token, auth, lease, transit, audit, health, status, namespace";
/// The same, for tools about issuers, roles and certificates.
const NOT_ISSUER: Names = "secret, kv, policy, token, auth, lease, transit, audit, health, status, namespace, role, certificate, cert, mount, engine";
const NOT_ROLE: Names = "secret, kv, policy, token, auth, lease, transit, audit, health, status, namespace, issuer, mount, engine";
const NOT_CERT: Names = "secret, kv, policy, token, auth, lease, transit, audit, health, status, namespace, role, issuer, mount, engine";
const NOT_MOUNT: Names = "secret, kv, role, issuer, certificate, cert, policy, token, auth, lease, audit, health, status, namespace, pki";

const fn words(
    verbs: Names,
    nouns: Names,
    hints: Names,
    against: Names,
    needs: Names,
) -> OperationWords {
    OperationWords {
        verbs,
        nouns,
        hints,
        against,
        needs,
    }
}

/// The words of an operation.
pub(super) const fn of(operation: Operation) -> OperationWords {
    match operation {
        Operation::Mounts(operation) => of_mounts(operation),
        Operation::Kv(operation) => of_kv(operation),
        Operation::Pki(operation) => of_pki(operation),
    }
}

const fn of_mounts(operation: Mounts) -> OperationWords {
    match operation {
        Mounts::List => words(LIST, MOUNT, "list", NOT_MOUNT, ""),
        Mounts::Create => words(
            CREATE,
            MOUNT,
            "create, enable, kv",
            "role, issuer, certificate, cert, policy, token, auth, pki, list, delete, disable",
            "mount",
        ),
        Mounts::Delete => words(DELETE, MOUNT, "delete, disable", NOT_MOUNT, "mount"),
    }
}

const fn of_kv(operation: Kv) -> OperationWords {
    match operation {
        Kv::List => words(LIST, SECRET, "list", NOT_SECRET, "path"),
        Kv::ListAll => words(
            "list, browse, ls, enumerate, index, walk, tree, scan, explore, find",
            SECRET,
            "recursive, recursively, tree, walk, all, deep",
            NOT_SECRET,
            "",
        ),
        Kv::Read => words(
            READ,
            SECRET,
            "read, get",
            "mount, engine, backend, pki, role, issuer, ca, certificate, cert, policy, token, auth, lease, transit, audit, health, status, namespace, metadata, version, history, list, meta",
            "path",
        ),
        Kv::ReadVersion => words(
            READ,
            SECRET,
            "read, get, version",
            "mount, engine, backend, pki, role, issuer, ca, certificate, cert, policy, token, auth, lease, transit, audit, health, status, namespace, metadata, history, list, meta",
            "path, version",
        ),
        Kv::Metadata => words(
            "read, get, fetch, show, view, retrieve, lookup, describe, inspect, stat, info, metadata, history, version, detail, meta, list",
            SECRET,
            "metadata, meta, describe, inspect, info, history, version, stat",
            NOT_SECRET,
            "path",
        ),
        Kv::Write => words(
            WRITE,
            SECRET,
            "write, put, replace, set",
            "mount, engine, backend, pki, role, issuer, ca, certificate, cert, policy, token, auth, lease, transit, audit, health, status, namespace, metadata, undelete, meta",
            "path, data",
        ),
        Kv::WriteKey => words(
            WRITE,
            FIELD,
            "key, field, patch, merge, update, set",
            "mount, engine, backend, pki, role, issuer, ca, certificate, cert, policy, token, auth, lease, transit, audit, health, status, namespace, metadata, undelete, meta",
            "path, key, value",
        ),
        Kv::Delete => words(
            DELETE,
            SECRET,
            "delete, remove, soft",
            "mount, engine, backend, pki, role, issuer, ca, certificate, cert, policy, token, auth, lease, transit, audit, namespace, metadata, version, destroy, purge, permanently, wipe, field",
            "path",
        ),
        Kv::DeleteKey => words(DELETE, FIELD, "key, field, unset", NOT_SECRET, "path, key"),
        Kv::Undelete => words(
            "undelete, restore, recover, unremove, revive, undestroy, untrash, resurrect",
            SECRET,
            "undelete, restore, recover",
            NOT_SECRET,
            "path, version",
        ),
        Kv::Destroy => words(
            "destroy, shred, wipe, obliterate, scrub, delete, erase, burn",
            SECRET,
            "destroy, version, shred, permanently, irreversible",
            NOT_SECRET,
            "path, version",
        ),
        Kv::Purge => words(
            "purge, wipe, obliterate, delete, remove, erase, destroy, nuke, expunge",
            SECRET,
            "purge, metadata, permanently, all, everything, history, entirely, completely",
            "mount, engine, backend, pki, role, issuer, ca, certificate, cert, policy, token, auth, lease, transit, audit, namespace",
            "path",
        ),
    }
}

const fn of_pki(operation: Pki) -> OperationWords {
    match operation {
        Pki::Enable => words(
            "enable, mount, create, make, setup, init, add, configure, provision, new",
            "pki, engine, mount, backend",
            "pki, enable, engine, mount",
            "secret, kv, role, issuer, certificate, cert, policy, token, auth, root, intermediate, bundle, list, disable, delete",
            "mount",
        ),
        Pki::CreateRoot => words(
            CREATE,
            ISSUER,
            "root, pki, generate, self",
            "secret, kv, role, policy, token, auth, intermediate, import, bundle, list, read, delete, sign, csr",
            "common_name",
        ),
        Pki::CreateIntermediate => words(
            CREATE,
            ISSUER,
            "intermediate, subordinate, sub, pki",
            "secret, kv, role, policy, token, auth, root, import, bundle, list, read, delete, csr",
            "common_name, root_mount",
        ),
        Pki::ImportBundle => words(
            "import, upload, load, add, create, set, submit, configure, install",
            "issuer, ca, authority, bundle, pem, chain, certificate, cert",
            "import, bundle, pem, existing",
            NOT_PKI,
            "bundle",
        ),
        Pki::ListIssuers => words(LIST, ISSUER, "list, pki", NOT_ISSUER, ""),
        Pki::ReadIssuer => words(READ, ISSUER, "read, pki", NOT_ISSUER, "issuer"),
        Pki::CreateRole => words(
            CREATE,
            ROLE,
            "create, role, pki",
            "secret, kv, policy, token, auth, list, read, get, delete, remove",
            "role",
        ),
        Pki::ListRoles => words(LIST, ROLE, "list, pki", NOT_ROLE, ""),
        Pki::ReadRole => words(READ, ROLE, "read, pki", NOT_ROLE, "role"),
        Pki::DeleteRole => words(DELETE, ROLE, "delete, pki", NOT_ROLE, "role"),
        Pki::Issue => words(
            "issue, create, generate, request, make, new, mint, obtain, get",
            CERT,
            "issue, pki, leaf, generate",
            "secret, kv, policy, token, auth, list, read, revoke, sign, csr, role, mount, engine, issuer, root, intermediate, ca, import",
            "role, common_name",
        ),
        Pki::Sign => words(
            "sign, issue, submit",
            "certificate, cert, csr, request",
            "sign, csr, pki",
            NOT_CERT,
            "role, csr",
        ),
        Pki::Revoke => words(
            "revoke, invalidate, cancel",
            CERT,
            "revoke, pki",
            NOT_CERT,
            "serial",
        ),
        Pki::ListCerts => words(LIST, CERT, "list, pki", NOT_CERT, ""),
        Pki::ReadCert => words(READ, CERT, "read, pki", NOT_CERT, "serial"),
    }
}

/// The names that an argument for a parameter may have, the likeliest first. Words of a name are separated by a blank.
pub(super) const fn of_parameter(operation: Operation, parameter: &str) -> Names {
    match parameter.as_bytes() {
        b"mount" => match operation {
            Operation::Mounts(_) | Operation::Pki(Pki::Enable) => {
                "mount, mount path, mount point, mountpoint, path, engine path, mount name, engine, backend, name, at, where, location, engine name"
            }
            Operation::Kv(_) | Operation::Pki(_) => {
                "mount, mount path, mount point, mountpoint, mount name, engine, engine path, backend, secret engine, kv mount, pki mount, engine mount, secret mount, kv engine, pki path, pki engine, store, kv path, vault mount, engine name, pki, kv, secret backend, at, namespace mount, root"
            }
        },
        b"path" => {
            "path, secret path, secret, name, secret name, key path, location, folder, prefix, dir, directory, subpath, relative path, under, where, entry, item, id, key, uri, address, full path, vault path"
        }
        b"key" => {
            "key, field, key name, field name, attribute, property, secret key, data key, entry, name"
        }
        b"value" => {
            "value, val, secret value, field value, new value, content, text, to, data, secret"
        }
        b"data" => {
            "data, secret data, value, secret, field, pair, key value, kv, content, payload, body, attribute, property, entry, document, json, data json, secret json, key value pair, item"
        }
        b"version" => match operation {
            Operation::Mounts(_) => {
                "version, kv version, engine version, type, engine type, mount type, kind, engine, ver"
            }
            Operation::Kv(_) | Operation::Pki(_) => {
                "version, version number, secret version, revision, ver, v, rev, number, generation, version id"
            }
        },
        b"description" => "description, comment, note, about, desc, summary",
        b"max_ttl" => {
            "max ttl, max lease ttl, maximum ttl, longest ttl, max lifetime, max validity, max duration, ttl"
        }
        b"ttl" => {
            "ttl, lifetime, validity, duration, valid for, expiry, expiration, lease, default ttl, validity period, expires in"
        }
        b"issuer" => {
            "issuer, issuer name, issuer ref, issuer id, name, ca, ca name, authority, ref, id"
        }
        b"common_name" => "common name, cn, subject, subject name, domain, hostname, host, name",
        b"root_mount" => {
            "root mount, parent mount, signing mount, signer mount, root path, parent path, root pki mount, ca mount, issuer mount, signing path, parent"
        }
        b"root_issuer" => {
            "root issuer, parent issuer, signing issuer, signer, root issuer name, parent ca, root ca, root name, signing ca, signed by, parent name"
        }
        b"bundle" => {
            "bundle, pem bundle, pem, ca bundle, certificate bundle, pem content, cert bundle, certificate, chain"
        }
        b"role" => "role, role name, name, profile, template, id",
        b"serial" => "serial, serial number, certificate serial, cert serial, id, sn, certificate",
        b"csr" => "csr, certificate request, signing request, request, pem, csr pem",
        b"alt_names" => {
            "alt name, san, subject alt name, dns san, alternative name, dns name, subject alternative name"
        }
        b"ip_sans" => "ip san, ip, ip address, ip alt name",
        b"allowed_domains" => "allowed domain, domain, domain name, for domain",
        b"allow_subdomains" => "allow subdomain, subdomain, with subdomain",
        b"allow_bare_domains" => "allow bare domain, bare domain, apex",
        b"allow_glob_domains" => "allow glob domain, glob domain, allow wildcard, wildcard, glob",
        b"allow_any_name" => "allow any name, any name, unrestricted",
        b"allow_ip_sans" => "allow ip san, ip san, allow ip",
        b"key_type" => "key type, key algorithm, algorithm, key kind",
        b"key_bits" => "key bit, key size, key length, bit",
        _ => "",
    }
}

/// The names of a fact in an answer, the likeliest first.
pub(super) const fn of_fact(fact: &str) -> Names {
    match fact.as_bytes() {
        b"version" => {
            "version, current version, latest version, kv version, version number, revision, latest, current, rev, ver"
        }
        b"type" => "type, engine type, engine, kind, mount type, plugin",
        b"description" => "description, comment, about, desc, note",
        b"keys" => "key, key name, field, data key, field name, secret key, current key",
        b"created" => {
            "created time, created, created at, creation time, create time, first written"
        }
        b"updated" => {
            "updated time, updated, updated at, last updated, modified, modified at, update time, last modified, last written, changed at"
        }
        b"custom" => "custom metadata, custom, label, tag, annotation, metadata",
        b"deleted" => "deleted, is deleted, state, status, soft deleted, current deleted",
        b"certificate" => "certificate, cert, pem, certificate pem, cert pem, crt",
        b"private_key" => "private key, key, private key pem, key pem",
        b"serial" => "serial number, serial, sn, certificate serial",
        b"name" => "issuer name, name, issuer, display name, label",
        b"ttl" => "ttl, lifetime, default ttl, validity",
        b"max_ttl" => "max ttl, maximum ttl, max lifetime, longest ttl",
        b"key_type" => "key type, key algorithm, algorithm",
        b"key_bits" => "key bit, key size, key length",
        b"allowed_domains" => "allowed domain, domain",
        b"allow_subdomains" => "allow subdomain, subdomain",
        b"allow_bare_domains" => "allow bare domain, bare domain",
        b"allow_glob_domains" => "allow glob domain, glob domain, allow wildcard, wildcard",
        b"allow_any_name" => "allow any name, any name",
        b"allow_ip_sans" => "allow ip san, ip san, allow ip",
        _ => "",
    }
}

/// Boolean arguments that make a tool perform this operation instead of a similar one: their names, and what is sent.
pub(super) const fn flags(operation: Operation) -> &'static [(&'static str, bool)] {
    match operation {
        Operation::Kv(Kv::ListAll) => &[
            ("recursive", true),
            ("recurse", true),
            ("recursively", true),
            ("deep", true),
            ("tree", true),
            ("all", true),
            ("flatten", true),
        ],
        Operation::Kv(Kv::Purge) => &[
            ("purge", true),
            ("permanent", true),
            ("permanently", true),
            ("all version", true),
            ("hard", true),
            ("metadata", true),
            ("delete metadata", true),
            ("everything", true),
            ("all", true),
        ],
        Operation::Kv(Kv::Destroy) => &[
            ("destroy", true),
            ("permanent", true),
            ("permanently", true),
            ("hard", true),
        ],
        Operation::Kv(Kv::Metadata) => &[
            ("metadata only", true),
            ("metadata", true),
            ("include metadata", true),
        ],
        Operation::Kv(Kv::WriteKey) => &[
            ("merge", true),
            ("patch", true),
            ("keep other", true),
            ("replace", false),
            ("overwrite", false),
        ],
        Operation::Kv(Kv::Write) => &[
            ("merge", false),
            ("patch", false),
            ("replace", true),
            ("overwrite", true),
        ],
        _ => &[],
    }
}

/// Required booleans that ask whether the caller means it.
pub(super) const CONFIRMATIONS: Names =
    "confirm, confirmed, force, yes, sure, acknowledge, i am sure";

/// Arguments that select what a tool does.
pub(super) const DISPATCHES: Names = "action, operation, op, command, cmd, method, verb, kind, mode, task, do, subcommand, type, resource, object, entity, request, function, what, step, resource type, object type";

/// Those of them that can be free text, with their values in the description.
pub(super) const ACTIONS: Names = "action, operation, op, command, cmd, method, verb";

/// Whether a word is what a tool does.
pub(super) fn is_verb(word: &str) -> bool {
    let mut all = Operation::ALL
        .into_iter()
        .map(|operation| of(operation).verbs);
    all.any(|verbs| has(verbs, word))
}

/// Arguments that hold the arguments of a tool that dispatches.
pub(super) const ENVELOPES: Names =
    "param, parameter, argument, arg, input, payload, option, body, request, data";

/// Words for an engine, among the values of an argument, and the KV version that they stand for; 0 for another engine.
pub(super) const ENGINE_TYPES: &[(&str, u8)] = &[
    ("kv", 1),
    ("kv1", 1),
    ("kv-v1", 1),
    ("kv_v1", 1),
    ("generic", 1),
    ("kv2", 2),
    ("kv-v2", 2),
    ("kv_v2", 2),
    ("pki", 0),
];

/// Arguments that select the engine of a new mount.
pub(super) const ENGINE_ARGUMENTS: Names =
    "type, engine type, mount type, kind, engine, backend type, plugin";

/// Arguments that select the page of a list.
pub(super) const PAGES: Names = "cursor, page token, next token, page cursor, continuation token, continuation, start after, offset, page, after, next, marker, starting after, next cursor";

/// Fields of an answer that hold what asks for the next page, the likeliest first.
pub(super) const NEXT_PAGES: Names = "next cursor, next page token, next token, next page, next offset, next, continuation token, continuation, next marker, cursor, page token";
