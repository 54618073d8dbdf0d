//! A server to which each request brings its own token, and whether one client's request ever uses another client's
//! token.

use futures::future::{join, join_all};
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::VaultToken;
use crate::{
    act::Act,
    adapter::launch::Mode,
    instance::{
        answer::{Answer, Arguments},
        setup::Setup,
    },
    mcp::{
        connection::{Connection, Said},
        http::{SESSION, VERSION},
        http_message::HttpAsk,
        inbox::Reply,
        raw::RawHttp,
        request::initialize,
    },
    scenario::{Scenario, calls::CallOptions},
    tap::{Exchange, TokenPrint},
    transport::Era,
    vault::{oracle::VaultRequest, policy},
    verdict::{StepEnd, StepResult},
    vocabulary::{
        about, answered,
        kv::kv,
        token_use::{self, Heard, TokenUse, Told},
    },
};

/// How many requests each client makes when both run concurrently.
const TIMES: usize = 20;
const TOKEN: &str = "{vault_token}";
/// The options of a call that the server must reject.
const DENIED: CallOptions<'static> = CallOptions {
    connection: None,
    arguments: Arguments::All,
    snapshot: false,
    is_denied: true,
};

/// The results of concurrent calls of two clients.
pub(super) struct SideBySide {
    /// For each call: whether it was the agent's, the secret, and the answer.
    answers: Vec<(bool, String, Answer)>,
    passed: usize,
}

/// Starts a server to which each request brings its own token.
///
/// # Errors
/// If it does not start.
pub(crate) async fn start_per_request(scenario: &mut Scenario) -> StepResult {
    scenario
        .start_server(Setup::of(Mode::PerRequestToken))
        .await
}

/// The headers with which a request brings this token; without a token, empty headers, which are not sent.
fn bringing(
    scenario: &Scenario,
    token: Option<&SecretString>,
) -> StepResult<Vec<(String, SecretString)>> {
    let modes = [Mode::PerRequestToken].into();
    let http = scenario.target.adapter.in_modes(&modes).http;
    let headers = http.map(|http| http.headers).unwrap_or_default();
    let bringing = headers
        .into_iter()
        .filter(|(_, value)| value.contains(TOKEN));
    let filled = |value: String| match token {
        Some(token) => value.replace(TOKEN, token.expose_secret()).into(),
        None => SecretString::default(),
    };
    let bringing: Vec<_> = bringing
        .map(|(name, value)| (name, filled(value)))
        .collect();
    match bringing.is_empty() {
        false => Ok(bringing),
        true => Err(StepEnd::blocked(
            "[modes.per_request_token] has no header with {vault_token}",
        )),
    }
}

/// Adds another client, whose token has all rights in the scenario except to read this secret.
///
/// # Errors
/// If Vault or the server rejects a request.
pub(crate) async fn let_other_come(scenario: &mut Scenario, forbidden: &str) -> StepResult {
    let mount = &kv(scenario)?.path;
    let mut hcl = policy::sufficient(&scenario.prefix);
    for part in ["data/", "metadata/", ""] {
        let path = format!("{mount}/{part}{forbidden}");
        hcl.push_str(&format!(
            "path \"{path}\" {{ capabilities = [\"deny\"] }}\n"
        ));
    }
    let policy = scenario.path_of("other");
    let written = scenario.oracle.write_policy(&policy, &hcl).await;
    written.map_err(StepEnd::blocked)?;
    let token = scenario.oracle.make_token(&policy).await;
    let token = token.map_err(StepEnd::blocked)?;
    let secret = token.secret.clone();
    scenario.agents.further_tokens.push(token);
    let headers = bringing(scenario, Some(&secret))?;
    let other = scenario.instance()?.another_with(&headers).await;
    let other = other.map_err(StepEnd::blocked)?;
    if let Err(why) = other
        .connection
        .begin(Some(scenario.planned.revision))
        .await
    {
        return Err(scenario.failed("another client that brings its own token is served", &why));
    }
    scenario.state_mut::<VaultToken>().other = Some(other);
    Ok(())
}

fn other(scenario: &Scenario) -> StepResult<&Connection> {
    let missing = || StepEnd::blocked("the scenario has no other client");
    let other = scenario
        .state::<VaultToken>()
        .other
        .as_ref()
        .ok_or_else(missing)?;
    Ok(&other.connection)
}

fn others_token(scenario: &Scenario) -> StepResult<&SecretString> {
    let missing = || StepEnd::blocked("the scenario has no other client");
    let token = scenario.agents.further_tokens.last().ok_or_else(missing)?;
    Ok(&token.secret)
}

/// Vault itself must deny the secret to the other client's token.
async fn expect_denied_by_vault(scenario: &Scenario, path: &str) -> StepResult {
    let kv = kv(scenario)?;
    let part = if kv.version == 2 { "data/" } else { "" };
    let request = VaultRequest::new("GET", format!("{}/{part}{path}", kv.path));
    let answer = scenario.oracle.ask(others_token(scenario)?, &request).await;
    let answer = answer.map_err(StepEnd::blocked)?;
    match answer.denied() {
        true => Ok(()),
        false => Err(StepEnd::blocked(format!(
            "Vault answers {} although it should deny the other token",
            answer.status
        ))),
    }
}

/// Lets both clients read concurrently, each a secret of its own, again and again.
///
/// # Errors
/// If the secret does not exist; blocked if the reads were not concurrent.
pub(crate) async fn let_both_read(
    scenario: &mut Scenario,
    agents: &str,
    others: &str,
) -> StepResult {
    let (agents, others) = (
        Act::read(scenario.mount()?, agents),
        Act::read(scenario.mount()?, others),
    );
    let passed = token_use::passed(scenario);
    let (first, second) = (scenario.connection()?, other(scenario)?);
    let (first, second) = join(
        call_many(scenario, first, &agents),
        call_many(scenario, second, &others),
    )
    .await;
    let told = |is_agents: bool, act: &Act, answers: Vec<StepResult<Answer>>| {
        let path = act.secret().unwrap_or_default().to_owned();
        let answers = answers.into_iter();
        let answers = answers.map(|answer| Ok((is_agents, path.clone(), answer?)));
        answers.collect::<StepResult<Vec<_>>>()
    };
    let mut answers = told(true, &agents, first)?;
    answers.extend(told(false, &others, second)?);
    scenario.state_mut::<VaultToken>().side_by_side = Some(SideBySide { answers, passed });
    scenario.expect_made_at_once(2)
}

async fn call_many(
    scenario: &Scenario,
    connection: &Connection,
    act: &Act,
) -> Vec<StepResult<Answer>> {
    let calls = (0..TIMES).map(|_| async {
        let called = scenario.call(act.clone(), CallOptions::on(connection));
        Ok(called.await?.answer)
    });
    join_all(calls).await
}

/// Each client must have received its secret, read with its own token.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_each_with_its_own(scenario: &Scenario) -> StepResult {
    let missing = || StepEnd::blocked("the clients made no concurrent reads");
    let side_by_side = scenario
        .state::<VaultToken>()
        .side_by_side
        .as_ref()
        .ok_or_else(missing)?;
    let exchanges = token_use::asked_since(scenario, side_by_side.passed)?;
    for (is_agents, path, answer) in &side_by_side.answers {
        answered::expect_data(scenario, answer, scenario.held(path)?)?;
        let (whose, token) = match is_agents {
            true => ("the agent's", &scenario.token()?.secret),
            false => ("the other client's", others_token(scenario)?),
        };
        let token = TokenPrint::of(token);
        let is_foreign = |exchange: &&Exchange| {
            exchange.path.contains(path.as_str())
                && exchange.token.is_some_and(|brought| brought != token)
        };
        if let Some(foreign) = exchanges.iter().find(is_foreign) {
            let expected = format!("{path:?} is only read with {whose} token");
            let seen = format!("{} {} with another", foreign.method, foreign.path);
            return Err(scenario.failed(expected, &seen));
        }
    }
    Ok(())
}

/// Lets the other client read a secret that Vault denies to it.
///
/// # Errors
/// Blocked if Vault does not deny it.
pub(crate) async fn let_other_read(scenario: &mut Scenario, path: &str) -> StepResult {
    expect_denied_by_vault(scenario, path).await?;
    let act = Act::read(scenario.mount()?, path);
    let passed = token_use::passed(scenario);
    let options = CallOptions {
        is_denied: true,
        ..CallOptions::on(other(scenario)?)
    };
    let answer = Heard::Plainly(scenario.call(act, options).await?.answer);
    scenario.state_mut::<TokenUse>().told = Some(Told { answer, passed });
    Ok(())
}

/// Requests a secret in the agent's session, with another credential that a feature names.
///
/// # Errors
/// Blocked if the feature's words are unknown.
pub(crate) async fn ask_in_session(scenario: &mut Scenario, path: &str, with: &str) -> StepResult {
    let act = about::reading(scenario, path)?;
    let headers = match with {
        "the other client's token" => {
            expect_denied_by_vault(scenario, path).await?;
            bringing(scenario, Some(others_token(scenario)?))?
        }
        "no token" => bringing(scenario, None)?,
        "a token that Vault does not know" => {
            let unknown = scenario.canary("token that Vault does not know", true);
            bringing(scenario, Some(&format!("hvs.{unknown}").into()))?
        }
        "a token that is empty" => Vec::new(),
        _ => {
            return Err(StepEnd::blocked(format!(
                "the step does not support {with:?}"
            )));
        }
    };
    let session = scenario.connection()?.session_headers();
    let mut asked = scenario.posted(&act, "vault-token-1")?.post(session);
    if headers.is_empty() {
        for (name, _) in bringing(scenario, None)? {
            asked = asked.with(&name, "");
        }
    }
    ask_raw(scenario, act, DENIED, &headers, &asked).await
}

/// Requests a secret as a client without a token, or with a token only in the URL, as the parameter with this name.
///
/// # Errors
/// If the secret does not exist.
pub(crate) async fn ask_without_token(
    scenario: &mut Scenario,
    path: &str,
    parameter: Option<&str>,
) -> StepResult {
    let act = about::reading(scenario, path)?;
    let headers = bringing(scenario, None)?;
    let query = match parameter {
        Some(name) => Some(format!(
            "{name}={}",
            scenario.token()?.secret.expose_secret()
        )),
        None => None,
    };
    let with_query = |asked: HttpAsk| match &query {
        Some(query) => asked.with_query(query),
        None => asked,
    };
    let http = stranger(scenario, &headers).await?;
    let passed = token_use::passed(scenario);
    let session = session_of_stranger(scenario, &http, with_query).await;
    let asked = with_query(scenario.posted(&act, "vault-token-1")?.post(session));
    let (_, answer) = scenario.call_over_http(act, DENIED, &http, &asked).await?;
    note_told(scenario, Said::over_http(answer), passed);
    Ok(())
}

/// Lets the agent request a secret with its token in the header, and also in the URL: as the parameter with this name.
///
/// # Errors
/// If the secret does not exist.
pub(crate) async fn ask_with_token_in_address(
    scenario: &mut Scenario,
    path: &str,
    parameter: &str,
) -> StepResult {
    let act = about::reading(scenario, path)?;
    let query = format!("{parameter}={}", scenario.token()?.secret.expose_secret());
    let session = scenario.connection()?.session_headers();
    let asked = scenario
        .posted(&act, "vault-token-1")?
        .post(session)
        .with_query(query);
    ask_raw(scenario, act, CallOptions::default(), &[], &asked).await
}

/// The server should have rejected this request.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_address_refused(scenario: &Scenario) -> StepResult {
    let missing = || StepEnd::blocked("no client has requested the secret yet");
    let told = scenario
        .state::<TokenUse>()
        .told
        .as_ref()
        .ok_or_else(missing)?;
    match told.answer.is_success() {
        false => Ok(()),
        true => Err(scenario.failed(
            "an error, since addresses are written to logs",
            &told.answer.describe(),
        )),
    }
}

async fn ask_raw(
    scenario: &mut Scenario,
    act: Act,
    options: CallOptions<'_>,
    headers: &[(String, SecretString)],
    asked: &HttpAsk,
) -> StepResult {
    let http = stranger(scenario, headers).await?;
    let passed = token_use::passed(scenario);
    let (_, answer) = scenario.call_over_http(act, options, &http, asked).await?;
    note_told(scenario, Said::over_http(answer), passed);
    Ok(())
}

fn note_told(scenario: &mut Scenario, said: Said, passed: usize) {
    let answer = Heard::Raw(said);
    scenario.state_mut::<TokenUse>().told = Some(Told { answer, passed });
}

/// The endpoint, for requests with these headers.
async fn stranger(scenario: &Scenario, headers: &[(String, SecretString)]) -> StepResult<RawHttp> {
    let missing = || StepEnd::blocked("the transport is not HTTP");
    let connected = scenario.instance()?.another_with(headers).await;
    let connected = connected.map_err(StepEnd::blocked)?;
    connected.connection.http().ok_or_else(missing)
}

/// Opens a session without a token, if the server allows it; returns the headers of its requests.
async fn session_of_stranger(
    scenario: &Scenario,
    http: &RawHttp,
    change: impl Fn(HttpAsk) -> HttpAsk,
) -> HeaderMap {
    let revision = scenario.planned.revision;
    let mut headers = HeaderMap::new();
    if revision.era() == Era::Stateless {
        return headers;
    }
    let opened = change(HttpAsk::post(&initialize("vault-token-0", revision.name())));
    if let Ok(answer) = http.send(&opened, scenario.patience()).await
        && let Some(id) = answer.headers.get(SESSION)
    {
        headers.insert(SESSION, id.clone());
    }
    if let Ok(name) = revision.name().parse() {
        headers.insert(VERSION, name);
    }
    let told = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let told = change(HttpAsk::post(&told.to_string()).with_all(headers.clone()));
    drop(http.send(&told, scenario.patience()).await);
    headers
}

/// Lets both clients list the tools.
///
/// # Errors
/// If one is not answered.
pub(crate) async fn let_both_list(scenario: &mut Scenario) -> StepResult {
    let mut lists = Vec::new();
    for connection in [scenario.connection()?, other(scenario)?] {
        match connection.request("tools/list", json!({})).await {
            Ok(Reply::Result(page)) => lists.push(page),
            other => {
                let seen = format!("{other:?}");
                return Err(scenario.failed("a list of the tools", &seen));
            }
        }
    }
    scenario.state_mut::<VaultToken>().lists = lists;
    Ok(())
}

/// Lists that differ must not be marked as cacheable for everybody.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_lists_private(scenario: &Scenario) -> StepResult {
    let [agents, others] = scenario.state::<VaultToken>().lists.as_slice() else {
        return Err(StepEnd::blocked("the clients listed nothing"));
    };
    let is_public = |page: &Value| page["cacheScope"] == "public";
    if agents["tools"] != others["tools"] && (is_public(agents) || is_public(others)) {
        let seen = "lists that differ by the token, with \"cacheScope\": \"public\"";
        return Err(scenario.failed("lists that no other client receives", seen));
    }
    Ok(())
}
