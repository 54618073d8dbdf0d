//! Namespaces of Vault: to which namespace the server sends requests for each client. The community edition ignores the
//! namespace header, so calls succeed even in a namespace that does not exist. The tap shows the header. In a Vault that
//! has namespaces, the suite makes one for the server, and some below it for its clients.

use futures::future::try_join_all;

use crate::{
    act::Act,
    adapter::{
        launch::{Mode, ModeSettings},
        template,
    },
    instance::{RawConnection, answer::Answer},
    scenario::{Scenario, calls::CallOptions},
    tap::{Exchange, NAMESPACE},
    vault::policy,
    verdict::{StepEnd, StepResult},
    vocabulary::{
        about::contradiction,
        kv::{KvMount, kv, secret_paths},
    },
};

/// The namespaces that clients name, below the server's own, because a server may only allow those.
const BELOW: [&str; 2] = ["a", "b"];
/// How many calls of a client are open at the same time.
const AT_ONCE: usize = 4;
/// Requests that a server may make for itself outside the namespace; Vault answers some of them only in the root
/// namespace.
const ABOUT_ITSELF: [&str; 4] = [
    "/v1/sys/health",
    "/v1/sys/leader",
    "/v1/sys/seal-status",
    "/v1/auth/token/",
];

/// The namespaces of the clients.
#[derive(Default)]
pub(super) struct Namespaces {
    /// The secrets that were requested, with their clients' namespaces.
    asked: Vec<SecretIn>,
}

/// A secret, and the namespace of its client, if it has one.
struct SecretIn {
    secret: String,
    namespace: Option<String>,
}

/// The namespace of the server.
fn own(scenario: &Scenario) -> StepResult<&str> {
    let values = &scenario.slot()?.kind.setup.values;
    let missing = || StepEnd::blocked("the scenario has no server that uses a namespace");
    values
        .get("namespace")
        .map(String::as_str)
        .ok_or_else(missing)
}

/// The namespaces that clients name. Where Vault has namespaces, the suite makes them, with the scenario's mount and its
/// secrets in each, and gives the server's token the same rights there.
///
/// # Errors
/// If Vault rejects a request.
async fn named(scenario: &Scenario) -> StepResult<[String; 2]> {
    let own = own(scenario)?;
    let names = BELOW.map(|name| scenario.path_of(name));
    if scenario.oracle.namespace().is_some() {
        let mut rights = scenario.all_rights();
        for name in &names {
            fill(scenario, name).await?;
            rights += &policy::in_namespace(&scenario.all_rights(), name);
        }
        scenario.set_policy(&rights).await?;
    }
    Ok(names.map(|name| format!("{own}/{name}")))
}

/// Makes a namespace with the scenario's mount and its secrets.
async fn fill(scenario: &Scenario, name: &str) -> StepResult {
    let KvMount { path, version } = kv(scenario)?;
    let inner = scenario.oracle.make_inner_namespace(name).await;
    let inner = inner.map_err(StepEnd::blocked)?;
    let made = inner.make_kv_mount(path, *version).await;
    made.map_err(StepEnd::blocked)?;
    for (secret, data) in &scenario.ledger.holds {
        let written = inner.write_secret(path, *version, secret, data).await;
        written.map_err(StepEnd::blocked)?;
    }
    Ok(())
}

fn namespace_mode(scenario: &Scenario) -> StepResult<&ModeSettings> {
    let mode = scenario.target.adapter.modes.get(&Mode::Namespace);
    mode.ok_or_else(|| StepEnd::not_claimed("the adapter describes no mode namespace"))
}

/// All requests of the last call must have been made in the server's namespace.
///
/// # Errors
/// If one was not, or there is none.
pub(crate) fn expect_in_namespace(scenario: &Scenario) -> StepResult {
    let exchanges = scenario.tap()?.exchanges();
    let mut requests = (exchanges.iter().skip(scenario.last()?.passed))
        .filter(|exchange| {
            !ABOUT_ITSELF
                .iter()
                .any(|own| exchange.path.starts_with(own))
        })
        .peekable();
    let own = own(scenario)?;
    let expected = format!("requests to Vault with {NAMESPACE}: {own}");
    if requests.peek().is_none() {
        return Err(scenario.failed(expected, "no request to Vault"));
    }
    match requests.find(|exchange| !is_in(exchange, Some(own))) {
        None => Ok(()),
        Some(other) => Err(scenario.failed(expected, &told(other))),
    }
}

/// Lets clients read a secret each, at the same time and this many times: two that name a namespace, and one that does
/// not.
///
/// # Errors
/// If a read fails. Not applicable if clients cannot name a namespace. Blocked if the scenario did not make a secret
/// for each, or if the reads were not concurrent.
pub(crate) async fn let_clients_read_in_namespaces(
    scenario: &mut Scenario,
    times: usize,
) -> StepResult {
    let secrets = secret_paths(scenario);
    if secrets.len() != BELOW.len() + 1 {
        let scenario = format!("the scenario made {} secrets", secrets.len());
        return Err(contradiction("three clients with a secret each", scenario));
    }
    let named = named(scenario).await?.map(Some).into_iter().chain([None]);
    let starts_in = match namespace_mode(scenario)?.starts_with("namespace") {
        true => Some(own(scenario)?.to_owned()),
        false => None,
    };
    let mut clients = Vec::new();
    for (secret, named) in secrets.iter().zip(named) {
        let act = Act::read(scenario.mount()?, secret);
        let client = client_in(scenario, named.as_deref()).await?;
        clients.push((client, act));
        scenario.state_mut::<Namespaces>().asked.push(SecretIn {
            secret: secret.clone(),
            namespace: named.or_else(|| starts_in.clone()),
        });
    }
    let shared = &*scenario;
    let reading = clients.iter().map(|(client, act)| async move {
        for first in (0..times).step_by(AT_ONCE) {
            let count = AT_ONCE.min(times - first);
            try_join_all((0..count).map(|_| read_on(shared, client, act))).await?;
        }
        Ok(())
    });
    let read: StepResult<Vec<()>> = try_join_all(reading).await;
    for (client, _) in clients {
        client.stop().await.map_err(StepEnd::blocked)?;
    }
    read?;
    scenario.expect_made_at_once(2)
}

/// Lets a client read one secret, and in the same session name another namespace to read the other one.
///
/// # Errors
/// If the first read fails; not applicable if clients cannot name a namespace.
pub(crate) async fn let_client_change_namespace(
    scenario: &mut Scenario,
    one: &str,
    other: &str,
) -> StepResult {
    let [first, second] = named(scenario).await?;
    let (one, other) = (
        Act::read(scenario.mount()?, one),
        Act::read(scenario.mount()?, other),
    );
    let client = client_in(scenario, Some(&first)).await?;
    read_on(scenario, &client, &one).await?;
    let call = scenario.posted(&other, "in-another")?;
    let mut asked = call.post(client.connection.session_headers());
    for (name, value) in naming(scenario, Some(&second))? {
        asked = asked.with(&name, &value);
    }
    let endpoint = client.connection.http();
    let endpoint = endpoint.ok_or_else(|| StepEnd::blocked("the transport is not HTTP"))?;
    // The answer does not matter; the requests to Vault do.
    let options = CallOptions::default();
    let called = scenario.call_over_http(other.clone(), options, &endpoint, &asked);
    drop(called.await?);
    client.stop().await.map_err(StepEnd::blocked)?;
    for (act, namespace) in [(one, first), (other, second)] {
        scenario.state_mut::<Namespaces>().asked.push(SecretIn {
            secret: act.secret().unwrap_or_default().to_owned(),
            namespace: Some(namespace),
        });
    }
    Ok(())
}

/// The headers with which a client names a namespace; empty without one.
fn naming(scenario: &Scenario, namespace: Option<&str>) -> StepResult<Vec<(String, String)>> {
    let headers = namespace_mode(scenario)?.headers_with("namespace");
    let headers: Vec<_> = headers
        .map(|(name, text)| {
            let value = namespace.map(|namespace| {
                template::fill(text, |name| (name == "namespace").then_some(namespace))
            });
            (name.to_owned(), value.unwrap_or_default())
        })
        .collect();
    match headers.is_empty() {
        false => Ok(headers),
        true => Err(StepEnd::not_claimed(
            "in the adapter's mode namespace clients send no header with {namespace}",
        )),
    }
}

/// A further client that names this namespace, or none.
async fn client_in(scenario: &Scenario, namespace: Option<&str>) -> StepResult<RawConnection> {
    let headers = naming(scenario, namespace)?.into_iter();
    let headers: Vec<_> = headers.map(|(name, value)| (name, value.into())).collect();
    let client = scenario.instance()?.another_with(&headers).await;
    let client = client.map_err(StepEnd::blocked)?;
    match client
        .connection
        .begin(Some(scenario.planned.revision))
        .await
    {
        Ok(_) => Ok(client),
        Err(why) => {
            let expected = "a client that names a namespace is accepted";
            Err(scenario.failed(expected, &why))
        }
    }
}

async fn read_on(scenario: &Scenario, client: &RawConnection, act: &Act) -> StepResult {
    let options = CallOptions::on(&client.connection);
    match scenario.call(act.clone(), options).await?.answer {
        Answer::Success(_) => Ok(()),
        other => Err(scenario.failed("a success to each read", &other.describe())),
    }
}

/// Each secret must have been requested only in the namespace of its client, or not at all.
///
/// # Errors
/// If one was requested in another namespace, or if none was requested.
pub(crate) fn expect_own_namespaces(scenario: &Scenario) -> StepResult {
    let exchanges = scenario.tap()?.exchanges();
    let mut seen = 0;
    for asked in &scenario.state::<Namespaces>().asked {
        let about = |exchange: &&Exchange| exchange.path.contains(&asked.secret);
        for exchange in exchanges.iter().filter(about) {
            seen += 1;
            if !is_in(exchange, asked.namespace.as_deref()) {
                let namespace = asked.namespace.as_deref().unwrap_or("none");
                let expected = format!(
                    "the secret {} is requested with {NAMESPACE}: {namespace}, as its client names it",
                    asked.secret
                );
                return Err(scenario.failed(expected, &told(exchange)));
            }
        }
    }
    match seen {
        0 => Err(scenario.failed("requests to Vault for the secrets", "there is none")),
        _ => Ok(()),
    }
}

/// Whether a request was made in this namespace; Vault ignores slashes around it.
fn is_in(exchange: &Exchange, namespace: Option<&str>) -> bool {
    let named = exchange
        .namespace
        .as_deref()
        .map(|name| name.trim_matches('/'));
    named.filter(|name| !name.is_empty()) == namespace
}

fn told(exchange: &Exchange) -> String {
    match exchange.namespace {
        Some(_) => exchange.to_string(),
        None => format!("{exchange}, in no namespace"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use http::{Method, StatusCode};

    use super::is_in;
    use crate::tap::Exchange;

    fn in_namespace(namespace: Option<&str>) -> Exchange {
        Exchange {
            at: Instant::now(),
            method: Method::GET,
            path: "/v1/kv/data/a".to_owned(),
            status: StatusCode::OK,
            namespace: namespace.map(str::to_owned),
            correlation_id: None,
            token: None,
        }
    }

    #[test]
    fn a_slash_around_a_namespace_makes_no_difference_and_an_empty_one_is_none() {
        for same in ["team/a", "team/a/", "/team/a"] {
            assert!(is_in(&in_namespace(Some(same)), Some("team/a")), "{same}");
        }
        for none in [None, Some(""), Some("/")] {
            assert!(is_in(&in_namespace(none), None), "{none:?}");
            assert!(!is_in(&in_namespace(none), Some("team")), "{none:?}");
        }
        for other in ["team", "team/b", "team/a, team/b"] {
            assert!(
                !is_in(&in_namespace(Some(other)), Some("team/a")),
                "{other}"
            );
            assert!(!is_in(&in_namespace(Some(other)), None), "{other}");
        }
    }
}
