//! Starts a server in each mode that its adapter describes, and connects clients to it.

use crate::{scenario::Scenario, verdict::StepResult};

/// How many clients connect, one after the other.
const CLIENTS: usize = 2;

/// Clients must be able to connect, one after the other, and to list the tools.
///
/// # Errors
/// If this is not the case.
pub(crate) async fn expect_clients_connect(scenario: &mut Scenario) -> StepResult {
    let revision = scenario.planned.revision;
    for client in 1..=CLIENTS {
        let connection = scenario.connect_again().await?;
        let listed = match connection.begin(Some(revision)).await {
            Ok(_) => connection.list_tools().await,
            Err(problem) => Err(problem),
        };
        scenario.disconnect().await?;
        if let Err(problem) = listed {
            let expected = format!("client {client} connects in {revision} and lists the tools");
            return Err(scenario.failed(expected, &problem));
        }
    }
    Ok(())
}
