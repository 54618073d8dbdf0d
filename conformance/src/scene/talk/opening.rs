//! The beginning of a connection: who the server is, which revision is spoken, and what the
//! server says it can do.

use serde_json::{Value, json};

use super::request;
use crate::{
    mcp::inbox::Reply,
    scene::{Scene, talk::Talk},
    transport::Revision,
    verdict::{StepResult, Stop},
};

/// A revision that there is not.
const NO_REVISION: &str = "1.0.0";

/// The server must have said who it is, in which version, and that it has tools.
///
/// # Errors
/// When it has not.
pub(crate) fn expect_identity(scene: &Scene) -> StepResult {
    let greeting = crate::scene::talk::greeting(scene)?;
    let named = |field: &str| {
        let text = greeting["serverInfo"][field].as_str();
        text.is_some_and(|text| !text.is_empty())
    };
    if named("name") && named("version") && greeting["capabilities"]["tools"].is_object() {
        return Ok(());
    }
    let expected = "serverInfo with name and version, and the capability tools";
    Err(scene.failed(expected, &greeting.to_string()))
}

/// Asks for each revision that the suite speaks, for one that there is not, and for all
/// that are offered then, each on a connection of its own.
///
/// # Errors
/// When the target does not start again.
pub(crate) async fn ask_for_revisions(scene: &mut Scene) -> StepResult {
    for revision in [
        Revision::R2025_06_18.name(),
        Revision::R2025_11_25.name(),
        NO_REVISION,
    ] {
        ask_for_revision(scene, revision).await?;
    }
    let offered = |(_, offer): &(String, Option<String>)| offer.clone();
    let offered: Vec<_> = scene
        .state::<Talk>()
        .offers
        .iter()
        .filter_map(offered)
        .collect();
    for revision in offered {
        if !scene
            .state::<Talk>()
            .offers
            .iter()
            .any(|(asked, _)| *asked == revision)
        {
            ask_for_revision(scene, &revision).await?;
        }
    }
    Ok(())
}

/// Asks for a revision on a connection of its own.
///
/// # Errors
/// When the target does not start again.
pub(crate) async fn ask_for_revision(scene: &mut Scene, revision: &str) -> StepResult {
    let text = opening("probe-1", revision);
    let said = crate::scene::talk::connect_again(scene)
        .await?
        .say(&text, true)
        .await;
    crate::scene::talk::disconnect(scene).await?;
    let offer = said
        .success()
        .and_then(|result| result["protocolVersion"].as_str());
    scene
        .state_mut::<Talk>()
        .offers
        .push((revision.to_owned(), offer.map(str::to_owned)));
    scene.state_mut::<Talk>().said = Some(said);
    Ok(())
}

/// Every revision that was offered must have been agreed to when it was asked for.
///
/// # Errors
/// When one was not.
pub(crate) fn expect_offers_kept(scene: &Scene) -> StepResult {
    for (asked, offer) in &scene.state::<Talk>().offers {
        let offered_else = |(other, offered): &&(String, Option<String>)| {
            offered.as_ref() == Some(asked) && other != asked
        };
        if let Some((other, _)) = scene.state::<Talk>().offers.iter().find(offered_else)
            && offer.as_ref() != Some(asked)
        {
            let expected = format!(
                "{asked}, when it is asked for: that is what it offers to who asks for {other}"
            );
            let seen = offer.clone().unwrap_or_else(|| "no revision".to_owned());
            return Err(scene.failed(expected, &seen));
        }
    }
    Ok(())
}

fn last_offer(scene: &Scene) -> StepResult<(&str, Option<&str>)> {
    let missing = || Stop::blocked("the scenario asked for no revision");
    let (asked, offer) = scene.state::<Talk>().offers.last().ok_or_else(missing)?;
    Ok((asked, offer.as_deref()))
}

/// The revision that was asked for last must not have been agreed to: it was an error, or
/// another one was offered.
///
/// # Errors
/// When it was.
pub(crate) fn expect_not_agreed(scene: &Scene) -> StepResult {
    let (asked, offer) = last_offer(scene)?;
    let said = crate::scene::talk::messages::said(scene)?;
    let answered = offer.is_some_and(|offer| offer != asked) || said.error().is_some();
    let refused = said
        .status
        .is_some_and(|status| (400..500).contains(&status));
    match answered || refused {
        true => Ok(()),
        false => Err(scene.failed("another revision, or an error", &said.describe())),
    }
}

/// Another revision must have been offered in place of the one that was asked for.
///
/// # Errors
/// When it was not.
pub(crate) fn expect_other_offered(scene: &Scene) -> StepResult {
    let (asked, offer) = last_offer(scene)?;
    match offer.is_some_and(|offer| offer != asked) {
        true => Ok(()),
        false => Err(scene.failed(
            "another revision",
            &crate::scene::talk::messages::said(scene)?.describe(),
        )),
    }
}

/// What the server says it can do must work.
///
/// # Errors
/// When something does not.
pub(crate) async fn expect_capabilities_work(scene: &mut Scene) -> StepResult {
    let greeting = crate::scene::talk::greeting(scene)?;
    for (capability, method, params) in [
        ("tools", "tools/list", json!({})),
        ("prompts", "prompts/list", json!({})),
        ("resources", "resources/list", json!({})),
        ("logging", "logging/setLevel", json!({ "level": "error" })),
    ] {
        if !greeting["capabilities"][capability].is_object() {
            continue;
        }
        let reply = crate::scene::talk::ask(scene, method, params).await?;
        if !matches!(reply, Ok(Reply::Result(_))) {
            let expected = format!("a result of {method}, as it says that it has {capability}");
            return Err(scene.failed(expected, &format!("{reply:?}")));
        }
    }
    Ok(())
}

/// A ping must be answered with a result that is empty.
///
/// # Errors
/// When it is not.
pub(crate) async fn expect_ping(scene: &mut Scene) -> StepResult {
    crate::scene::talk::greeting(scene)?;
    let reply = crate::scene::talk::ask(scene, "ping", json!({})).await?;
    if let Ok(Reply::Result(Value::Object(result))) = &reply
        && result.keys().all(|name| name == "_meta")
    {
        return Ok(());
    }
    Err(scene.failed("an empty result", &format!("{reply:?}")))
}

/// Opens the connection again that is open.
///
/// # Errors
/// When it was not opened so.
pub(crate) async fn open_again(scene: &mut Scene) -> StepResult {
    crate::scene::talk::greeting(scene)?;
    let revision = crate::scene::talk::instance(scene)?.server.revision;
    let before = scene.snapshot().await?;
    let reply = crate::scene::talk::ask(scene, "initialize", opening_of(revision.name())).await?;
    if matches!(reply, Ok(Reply::Result(_))) {
        let connection = crate::scene::talk::connection(scene)?;
        connection
            .notify("notifications/initialized", json!({}))
            .await;
    }
    if scene.snapshot().await? != before {
        return Err(scene.failed("nothing in Vault changes", "Vault has changed"));
    }
    Ok(())
}

/// The parameters of an `initialize` that asks for this revision.
fn opening_of(revision: &str) -> Value {
    json!({
        "protocolVersion": revision,
        "capabilities": {},
        "clientInfo": { "name": "probe", "version": env!("CARGO_PKG_VERSION") },
    })
}

/// An `initialize` that asks for this revision.
pub(in crate::scene) fn opening(id: &str, revision: &str) -> String {
    request(&json!(id), "initialize", opening_of(revision))
}
