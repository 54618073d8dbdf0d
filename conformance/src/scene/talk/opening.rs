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

impl Scene {
    /// The server must have said who it is, in which version, and that it has tools.
    ///
    /// # Errors
    /// When it has not.
    pub fn expect_identity(&self) -> StepResult {
        let greeting = self.greeting()?;
        let named = |field: &str| {
            let text = greeting["serverInfo"][field].as_str();
            text.is_some_and(|text| !text.is_empty())
        };
        if named("name") && named("version") && greeting["capabilities"]["tools"].is_object() {
            return Ok(());
        }
        let expected = "serverInfo with name and version, and the capability tools";
        Err(self.failed(expected, &greeting.to_string()))
    }

    /// Asks for each revision that the suite speaks, for one that there is not, and for all
    /// that are offered then, each on a connection of its own.
    ///
    /// # Errors
    /// When the target does not start again.
    pub async fn ask_for_revisions(&mut self) -> StepResult {
        for revision in [
            Revision::R2025_06_18.name(),
            Revision::R2025_11_25.name(),
            NO_REVISION,
        ] {
            self.ask_for_revision(revision).await?;
        }
        let offered = |(_, offer): &(String, Option<String>)| offer.clone();
        let offered: Vec<_> = self
            .state::<Talk>()
            .offers
            .iter()
            .filter_map(offered)
            .collect();
        for revision in offered {
            if !self
                .state::<Talk>()
                .offers
                .iter()
                .any(|(asked, _)| *asked == revision)
            {
                self.ask_for_revision(&revision).await?;
            }
        }
        Ok(())
    }

    /// Asks for a revision on a connection of its own.
    ///
    /// # Errors
    /// When the target does not start again.
    pub async fn ask_for_revision(&mut self, revision: &str) -> StepResult {
        let text = opening("probe-1", revision);
        let said = self.connect_again().await?.say(&text, true).await;
        self.disconnect().await?;
        let offer = said
            .success()
            .and_then(|result| result["protocolVersion"].as_str());
        self.state_mut::<Talk>()
            .offers
            .push((revision.to_owned(), offer.map(str::to_owned)));
        self.state_mut::<Talk>().said = Some(said);
        Ok(())
    }

    /// Every revision that was offered must have been agreed to when it was asked for.
    ///
    /// # Errors
    /// When one was not.
    pub fn expect_offers_kept(&self) -> StepResult {
        for (asked, offer) in &self.state::<Talk>().offers {
            let offered_else = |(other, offered): &&(String, Option<String>)| {
                offered.as_ref() == Some(asked) && other != asked
            };
            if let Some((other, _)) = self.state::<Talk>().offers.iter().find(offered_else)
                && offer.as_ref() != Some(asked)
            {
                let expected = format!(
                    "{asked}, when it is asked for: that is what it offers to who asks for {other}"
                );
                let seen = offer.clone().unwrap_or_else(|| "no revision".to_owned());
                return Err(self.failed(expected, &seen));
            }
        }
        Ok(())
    }

    fn last_offer(&self) -> StepResult<(&str, Option<&str>)> {
        let missing = || Stop::blocked("the scenario asked for no revision");
        let (asked, offer) = self.state::<Talk>().offers.last().ok_or_else(missing)?;
        Ok((asked, offer.as_deref()))
    }

    /// The revision that was asked for last must not have been agreed to: it was an error, or
    /// another one was offered.
    ///
    /// # Errors
    /// When it was.
    pub fn expect_not_agreed(&self) -> StepResult {
        let (asked, offer) = self.last_offer()?;
        let said = self.said()?;
        let answered = offer.is_some_and(|offer| offer != asked) || said.error().is_some();
        let refused = said
            .status
            .is_some_and(|status| (400..500).contains(&status));
        match answered || refused {
            true => Ok(()),
            false => Err(self.failed("another revision, or an error", &said.describe())),
        }
    }

    /// Another revision must have been offered in place of the one that was asked for.
    ///
    /// # Errors
    /// When it was not.
    pub fn expect_other_offered(&self) -> StepResult {
        let (asked, offer) = self.last_offer()?;
        match offer.is_some_and(|offer| offer != asked) {
            true => Ok(()),
            false => Err(self.failed("another revision", &self.said()?.describe())),
        }
    }

    /// What the server says it can do must work.
    ///
    /// # Errors
    /// When something does not.
    pub async fn expect_capabilities_work(&mut self) -> StepResult {
        let greeting = self.greeting()?;
        for (capability, method, params) in [
            ("tools", "tools/list", json!({})),
            ("prompts", "prompts/list", json!({})),
            ("resources", "resources/list", json!({})),
            ("logging", "logging/setLevel", json!({ "level": "error" })),
        ] {
            if !greeting["capabilities"][capability].is_object() {
                continue;
            }
            let reply = self.request(method, params).await?;
            if !matches!(reply, Ok(Reply::Result(_))) {
                let expected = format!("a result of {method}, as it says that it has {capability}");
                return Err(self.failed(expected, &format!("{reply:?}")));
            }
        }
        Ok(())
    }

    /// A ping must be answered with a result that is empty.
    ///
    /// # Errors
    /// When it is not.
    pub async fn expect_ping(&mut self) -> StepResult {
        self.greeting()?;
        let reply = self.request("ping", json!({})).await?;
        if let Ok(Reply::Result(Value::Object(result))) = &reply
            && result.keys().all(|name| name == "_meta")
        {
            return Ok(());
        }
        Err(self.failed("an empty result", &format!("{reply:?}")))
    }

    /// Opens the connection again that is open.
    ///
    /// # Errors
    /// When it was not opened so.
    pub async fn open_again(&mut self) -> StepResult {
        self.greeting()?;
        let revision = self.instance()?.server.revision;
        let before = self.snapshot().await?;
        let reply = self
            .request("initialize", opening_of(revision.name()))
            .await?;
        if matches!(reply, Ok(Reply::Result(_))) {
            let connection = self.connection()?;
            connection
                .notify("notifications/initialized", json!({}))
                .await;
        }
        if self.snapshot().await? != before {
            return Err(self.failed("nothing in Vault changes", "Vault has changed"));
        }
        Ok(())
    }
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
