//! A server to which each request brings its own token, and who rides on whose.

use futures::future::{join, join_all};
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{Asked, Told};
use crate::{
    act::Act,
    mcp::{
        connection::{Connection, Said, meta},
        http::{SESSION, VERSION, routing_headers},
        http_message::HttpAsk,
        inbox::Reply,
        raw::RawHttp,
    },
    scene::{Scene, custody::Custody, talk::opening::opening},
    tap::{Exchange, TokenPrint},
    target::{
        answer::{Answer, carrier},
        launch::Mode,
        setup::Setup,
    },
    transport::Era,
    vault::{oracle::VaultRequest, policy},
    verdict::{StepResult, Stop},
};

/// How often each client asks when both do at once.
const TIMES: usize = 20;
const TOKEN: &str = "{vault_token}";

/// What came of what two clients asked at once.
pub(super) struct SideBySide {
    /// Whether it was the agent's, the secret, and what was told.
    answers: Vec<(bool, String, Answer)>,
    passed: usize,
}

/// Starts a server to which each request brings its own token.
///
/// # Errors
/// When it does not start.
pub(crate) async fn start_per_request(scene: &mut Scene) -> StepResult {
    scene.start_server(Setup::of(Mode::PerRequestToken)).await
}

/// The headers in which a request brings this token; empty ones, which stand for none, without it.
fn bringing(
    scene: &Scene,
    token: Option<&SecretString>,
) -> StepResult<Vec<(String, SecretString)>> {
    let modes = [Mode::PerRequestToken].into();
    let http = scene.target.adapter.in_modes(&modes).http;
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
        true => Err(Stop::blocked(
            "[modes.per_request_token] has no header with {vault_token}",
        )),
    }
}

/// Lets another client come, whose token may do everything in the scene but read this secret.
///
/// # Errors
/// When Vault refuses, or the server does.
pub(crate) async fn let_other_come(scene: &mut Scene, forbidden: &str) -> StepResult {
    let mount = &scene.kv()?.path;
    let mut hcl = policy::sufficient(&scene.prefix);
    for part in ["data/", "metadata/", ""] {
        let path = format!("{mount}/{part}{forbidden}");
        hcl.push_str(&format!(
            "path \"{path}\" {{ capabilities = [\"deny\"] }}\n"
        ));
    }
    let policy = scene.path_of("other");
    let written = scene.oracle.write_policy(&policy, &hcl).await;
    written.map_err(Stop::blocked)?;
    let token = scene.oracle.make_token(&policy).await;
    let token = token.map_err(Stop::blocked)?;
    let secret = token.secret.clone();
    scene.further_tokens.push(token);
    let headers = bringing(scene, Some(&secret))?;
    let other = scene.slot()?.instance.another_with(&headers).await;
    let other = other.map_err(Stop::blocked)?;
    if let Err(why) = other.connection.begin(Some(scene.planned.revision)).await {
        return Err(scene.failed("another client is served that brings its own token", &why));
    }
    scene.state_mut::<Custody>().other = Some(other);
    Ok(())
}

fn other(scene: &Scene) -> StepResult<&Connection> {
    let missing = || Stop::blocked("the scenario let no other client come");
    let other = scene
        .state::<Custody>()
        .other
        .as_ref()
        .ok_or_else(missing)?;
    Ok(&other.connection)
}

fn others_token(scene: &Scene) -> StepResult<&SecretString> {
    let missing = || Stop::blocked("the scenario let no other client come");
    let token = scene.further_tokens.last().ok_or_else(missing)?;
    Ok(&token.secret)
}

/// Vault itself must deny the secret to the other client's token.
async fn expect_denied_by_vault(scene: &Scene, path: &str) -> StepResult {
    let kv = scene.kv()?;
    let part = if kv.version == 2 { "data/" } else { "" };
    let request = VaultRequest::new("GET", format!("{}/{part}{path}", kv.path));
    let answer = scene.oracle.ask(others_token(scene)?, &request).await;
    let answer = answer.map_err(Stop::blocked)?;
    match answer.denied() {
        true => Ok(()),
        false => Err(Stop::blocked(format!(
            "Vault answers {} where the other token is to be denied",
            answer.status
        ))),
    }
}

/// Lets both clients read at once, each a secret of its own, again and again.
///
/// # Errors
/// When there is no such secret; blocked where they did not read at once.
pub(crate) async fn let_both_read(scene: &mut Scene, agents: &str, others: &str) -> StepResult {
    let (agents, others) = (
        Act::read(scene.mount()?, agents),
        Act::read(scene.mount()?, others),
    );
    scene.let_know(&agents);
    scene.let_know(&others);
    let passed = crate::scene::custody::passed(scene);
    let (first, second) = (crate::scene::talk::connection(scene)?, other(scene)?);
    let (first, second) = join(
        call_many(scene, first, &agents),
        call_many(scene, second, &others),
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
    scene.state_mut::<Custody>().side_by_side = Some(SideBySide { answers, passed });
    scene.expect_made_at_once(2)
}

async fn call_many(scene: &Scene, connection: &Connection, act: &Act) -> Vec<StepResult<Answer>> {
    join_all((0..TIMES).map(|_| crate::scene::limits::call_on(scene, connection, act))).await
}

/// Each must have been given its secret, asked for with its own token.
///
/// # Errors
/// When one was not.
pub(crate) fn expect_each_with_its_own(scene: &Scene) -> StepResult {
    let missing = || Stop::blocked("the clients read nothing at once");
    let side_by_side = scene
        .state::<Custody>()
        .side_by_side
        .as_ref()
        .ok_or_else(missing)?;
    let exchanges = crate::scene::custody::asked_since(scene, side_by_side.passed)?;
    for (is_agents, path, answer) in &side_by_side.answers {
        crate::scene::answered::expect_data(scene, answer, scene.held(path)?)?;
        let (whose, token) = match is_agents {
            true => ("the agent's", &scene.token()?.secret),
            false => ("the other client's", others_token(scene)?),
        };
        let token = TokenPrint::of(token);
        let is_foreign = |exchange: &&Exchange| {
            exchange.path.contains(path.as_str())
                && exchange.token.is_some_and(|brought| brought != token)
        };
        if let Some(foreign) = exchanges.iter().find(is_foreign) {
            let expected = format!("{path:?} is read with {whose} token alone");
            let seen = format!("{} {} with another", foreign.method, foreign.path);
            return Err(scene.failed(expected, &seen));
        }
    }
    Ok(())
}

/// Lets the other client read a secret that Vault denies it.
///
/// # Errors
/// Blocked when Vault does not.
pub(crate) async fn let_other_read(scene: &mut Scene, path: &str) -> StepResult {
    expect_denied_by_vault(scene, path).await?;
    let act = Act::read(scene.mount()?, path);
    let passed = crate::scene::custody::passed(scene);
    let answer = Asked::Plainly(crate::scene::limits::call_on(scene, other(scene)?, &act).await?);
    scene.state_mut::<Custody>().told = Some(Told { answer, passed });
    Ok(())
}

/// Asks for a secret in the agent's session, with what a feature words so in place of its token.
///
/// # Errors
/// Blocked when nothing is worded so.
pub(crate) async fn ask_in_session(scene: &mut Scene, path: &str, with: &str) -> StepResult {
    let act = crate::scene::about::reading(scene, path)?;
    let headers = match with {
        "the other client's token" => {
            expect_denied_by_vault(scene, path).await?;
            bringing(scene, Some(others_token(scene)?))?
        }
        "no token" => bringing(scene, None)?,
        "a token that Vault does not know" => {
            let unknown = scene.canary("token that Vault does not know", true);
            bringing(scene, Some(&format!("hvs.{unknown}").into()))?
        }
        "a token that is empty" => Vec::new(),
        _ => return Err(Stop::blocked(format!("nobody asks with {with:?}"))),
    };
    let session = crate::scene::talk::connection(scene)?.session_headers();
    let mut asked = posted(scene, &act, session)?;
    if headers.is_empty() {
        for (name, _) in bringing(scene, None)? {
            asked = asked.with(&name, "");
        }
    }
    ask_raw(scene, &headers, &asked).await
}

/// Asks for a secret as a client does that has no token, or has one only in the address, as the
/// parameter of this name.
///
/// # Errors
/// When there is no such secret.
pub(crate) async fn ask_without_token(
    scene: &mut Scene,
    path: &str,
    parameter: Option<&str>,
) -> StepResult {
    let act = crate::scene::about::reading(scene, path)?;
    let headers = bringing(scene, None)?;
    let query = match parameter {
        Some(name) => Some(format!("{name}={}", scene.token()?.secret.expose_secret())),
        None => None,
    };
    let with_query = |asked: HttpAsk| match &query {
        Some(query) => asked.with_query(query),
        None => asked,
    };
    let http = stranger(scene, &headers).await?;
    let passed = crate::scene::custody::passed(scene);
    let session = session_of_stranger(scene, &http, with_query).await;
    let asked = with_query(posted(scene, &act, session)?);
    let answer = http.send(&asked, crate::scene::talk::patience(scene)).await;
    note_told(scene, Said::over_http(answer), passed);
    Ok(())
}

/// Lets the agent ask for a secret with its token in the header as ever, and in the address besides.
///
/// # Errors
/// When there is no such secret.
pub(crate) async fn ask_with_token_in_address(scene: &mut Scene, path: &str) -> StepResult {
    let act = crate::scene::about::reading(scene, path)?;
    scene.let_know(&act);
    let query = format!("token={}", scene.token()?.secret.expose_secret());
    let session = crate::scene::talk::connection(scene)?.session_headers();
    let asked = posted(scene, &act, session)?.with_query(query);
    ask_raw(scene, &[], &asked).await
}

/// That should have been refused.
///
/// # Errors
/// When it was not.
pub(crate) fn expect_address_refused(scene: &Scene) -> StepResult {
    let missing = || Stop::blocked("nobody asked for the secret yet");
    let told = scene.state::<Custody>().told.as_ref().ok_or_else(missing)?;
    match told.answer.is_success() {
        false => Ok(()),
        true => Err(scene.failed(
            "an error, since addresses are written to logs",
            &told.answer.describe(),
        )),
    }
}

async fn ask_raw(
    scene: &mut Scene,
    headers: &[(String, SecretString)],
    asked: &HttpAsk,
) -> StepResult {
    let http = stranger(scene, headers).await?;
    let passed = crate::scene::custody::passed(scene);
    let answer = http.send(asked, crate::scene::talk::patience(scene)).await;
    note_told(scene, Said::over_http(answer), passed);
    Ok(())
}

fn note_told(scene: &mut Scene, said: Said, passed: usize) {
    let answer = Asked::Raw(said);
    scene.state_mut::<Custody>().told = Some(Told { answer, passed });
}

/// The endpoint, for requests with these headers.
async fn stranger(scene: &Scene, headers: &[(String, SecretString)]) -> StepResult<RawHttp> {
    let missing = || Stop::blocked("the server is not spoken to over HTTP");
    let connected = scene.slot()?.instance.another_with(headers).await;
    let connected = connected.map_err(Stop::blocked)?;
    connected.connection.http().ok_or_else(missing)
}

/// Opens a session without a token, if that can be had; returns the headers of its requests.
async fn session_of_stranger(
    scene: &Scene,
    http: &RawHttp,
    change: impl Fn(HttpAsk) -> HttpAsk,
) -> HeaderMap {
    let revision = scene.planned.revision;
    let mut headers = HeaderMap::new();
    if revision.era() == Era::Stateless {
        return headers;
    }
    let opened = change(HttpAsk::post(&opening("custody-0", revision.name())));
    if let Ok(answer) = http
        .send(&opened, crate::scene::talk::patience(scene))
        .await
        && let Some(id) = answer.headers.get(SESSION)
    {
        headers.insert(SESSION, id.clone());
    }
    if let Ok(name) = revision.name().parse() {
        headers.insert(VERSION, name);
    }
    let told = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let told = change(HttpAsk::post(&told.to_string()).with_all(headers.clone()));
    drop(http.send(&told, crate::scene::talk::patience(scene)).await);
    headers
}

/// The call that carries an act, as it is posted in a session.
fn posted(scene: &Scene, act: &Act, session: HeaderMap) -> StepResult<HttpAsk> {
    let instance = &scene.slot()?.instance;
    let (mapping, tool) = carrier(&scene.target.adapter, instance, act.operation)?;
    let mut params = json!({ "name": tool, "arguments": mapping.arguments(&act.parameters) });
    let revision = scene.planned.revision;
    let stateless = revision.era() == Era::Stateless;
    if stateless {
        params["_meta"] = meta(revision);
    }
    let message =
        json!({ "jsonrpc": "2.0", "id": "custody-1", "method": "tools/call", "params": params });
    let mut asked = HttpAsk::post(&message.to_string()).with_all(session);
    if stateless {
        asked = asked.with(VERSION, revision.name());
        for (name, value) in routing_headers(&message) {
            asked = asked.with(name, &value);
        }
    }
    Ok(asked)
}

/// Lets both clients list the tools.
///
/// # Errors
/// When one is not answered.
pub(crate) async fn let_both_list(scene: &mut Scene) -> StepResult {
    let mut lists = Vec::new();
    for connection in [crate::scene::talk::connection(scene)?, other(scene)?] {
        match connection.request("tools/list", json!({})).await {
            Ok(Reply::Result(page)) => lists.push(page),
            other => {
                let seen = format!("{other:?}");
                return Err(scene.failed("a list of the tools", &seen));
            }
        }
    }
    scene.state_mut::<Custody>().lists = lists;
    Ok(())
}

/// Lists that differ must not be for everybody to keep.
///
/// # Errors
/// When one is.
pub(crate) fn expect_lists_private(scene: &Scene) -> StepResult {
    let [agents, others] = scene.state::<Custody>().lists.as_slice() else {
        return Err(Stop::blocked("the clients listed nothing"));
    };
    let is_public = |page: &Value| page["cacheScope"] == "public";
    if agents["tools"] != others["tools"] && (is_public(agents) || is_public(others)) {
        let seen = "lists that differ by the token, with \"cacheScope\": \"public\"";
        return Err(scene.failed("lists that nobody else is given", seen));
    }
    Ok(())
}
