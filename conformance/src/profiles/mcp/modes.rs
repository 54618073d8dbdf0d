//! Servers in each of the modes that an adapter describes, and clients that connect to them.

use std::time::Duration;

use crate::{
    profiles::{
        browser,
        custody::own,
        limits::load::{self, Allowance},
        namespace::asking,
        tls::{server, vault},
        traces::log,
    },
    scenario::Scenario,
    target::{launch::Mode, setup::Setup},
    verdict::{StepEnd, StepResult},
};

/// More than the clients of one scenario ask for.
const ALLOWANCE: Allowance = Allowance {
    rate: 50,
    burst: 100,
};
/// A page that may call where the mode is about pages.
const PAGE: &str = "https://app.example.com";
/// How long the server's token lives where the server renews it.
const TOKEN_LIFE: Duration = Duration::from_secs(5);
/// How many clients connect, one after the other.
const CLIENTS: usize = 2;

/// Starts a server in a mode, with all that the mode needs.
///
/// # Errors
/// When it does not start; not applicable where it cannot be started so, or the suite cannot make what the mode
/// needs.
pub(crate) async fn start_in_mode(scenario: &mut Scenario, mode: Mode) -> StepResult {
    match mode {
        Mode::ReadOnly | Mode::PerRequestToken | Mode::TokenFile | Mode::Stateless => {
            scenario.start_server(Setup::of(mode)).await
        }
        Mode::RateLimit | Mode::GlobalLimit => {
            load::start_limited(scenario, Setup::of(mode), ALLOWANCE).await
        }
        Mode::Cors => browser::start_for_pages(scenario, &[PAGE]).await,
        Mode::Tls => server::start_with_certificate(scenario).await,
        Mode::AllInterfaces => start_exposed_if_it_can(scenario).await,
        Mode::VaultCa => vault::start_with_authority(scenario).await,
        Mode::Namespace => asking::start_in_namespace(scenario).await,
        Mode::TokenRenewal => own::start_renewing(scenario, TOKEN_LIFE).await,
        Mode::LogFile => log::start_with_log_file(scenario).await,
        Mode::Session => Err(StepEnd::blocked(format!(
            "the suite connects to no server in the mode {mode}"
        ))),
    }
}

/// Starts a server with a certificate that listens on all addresses. Not every server can do both.
async fn start_exposed_if_it_can(scenario: &mut Scenario) -> StepResult {
    let setup = server::exposed_with_certificate(scenario).await?;
    let demanded = format!("the server starts {setup}");
    match scenario.try_to_start_server(setup).await? {
        None => Ok(()),
        Some(refusal) if refusal.ended => Err(StepEnd::not_claimed(format!(
            "it does not run in both modes at once: {}",
            scenario.secrets().redact(&refusal.to_string())
        ))),
        Some(refusal) => Err(scenario.failed(demanded, &refusal.to_string())),
    }
}

/// Clients must be able to connect, one after the other, and to list the tools.
///
/// # Errors
/// When one is not.
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
