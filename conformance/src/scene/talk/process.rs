//! The process of a server that speaks over its standard streams.

use std::time::Duration;

use serde_json::{Value, json};

use super::{no_evidence, opening::opening};
use crate::{
    scene::{Scene, talk::Talk},
    verdict::{StepResult, Stop},
};

/// How long a process is waited for that is to end: most end at once, and a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(10);

impl Scene {
    /// Starts the server once more, opens the connection, and then closes its standard input
    /// or asks it to end (`how`).
    ///
    /// # Errors
    /// When it does not start or does not answer.
    pub async fn start_and_end(&mut self, how: &str) -> StepResult {
        let revision = self.instance()?.server.revision;
        let connection = self.connect_again().await?;
        let said = connection
            .say(&opening("probe-1", revision.name()), true)
            .await;
        if said.success().is_none() {
            return Err(Stop::blocked(format!(
                "it did not start again: {}",
                said.describe()
            )));
        }
        connection
            .notify("notifications/initialized", json!({}))
            .await;
        let [bare] = self.further.as_mut_slice() else {
            return Err(Stop::blocked("the scenario started the server twice"));
        };
        match how {
            "its input ends" => bare.close_input().await,
            _ => bare.terminate(),
        }
        self.state_mut::<Talk>().ended = bare.ends_within(PATIENCE).await.is_some();
        self.disconnect().await
    }

    /// The process must have ended.
    ///
    /// # Errors
    /// When it has not.
    pub fn expect_ended(&self) -> StepResult {
        match self.state::<Talk>().ended {
            true => Ok(()),
            false => {
                let seen = format!("it still runs after {} s", PATIENCE.as_secs());
                Err(self.failed("its process ends", &seen))
            }
        }
    }

    /// The process must not listen.
    ///
    /// # Errors
    /// When it does; not applicable where that cannot be seen.
    pub async fn expect_no_listener(&self) -> StepResult {
        let ports = self.instance()?.listens_on().await;
        let unseen = || no_evidence("the sockets of its process cannot be seen");
        let ports = ports.ok_or_else(unseen)?;
        match ports.is_empty() {
            true => Ok(()),
            false => {
                let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
                let seen = format!("it listens on port {}", ports.join(", "));
                Err(self.failed("no socket that listens", &seen))
            }
        }
    }

    /// Sends a message of this length, bytes, in one line.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn say_long_line(&mut self, length: usize) -> StepResult {
        let params = json!({ "name": "x".repeat(length), "arguments": Value::Null });
        let text = super::request(&json!("long-1"), "tools/call", params);
        let said = self.connection()?.say(&text, false).await;
        self.heard(said);
        Ok(())
    }
}
