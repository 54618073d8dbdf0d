//! Starts servers in each mode that an adapter describes, with all that the mode needs.

pub(crate) mod certificate;
pub(crate) mod log_file;
pub(crate) mod vault_certificate;

use std::{sync::Arc, time::Duration};

use crate::{
    adapter::launch::Mode,
    instance::setup::Setup,
    pressure::Allowance,
    scenario::Scenario,
    slot::SlotError,
    vault::{namespaces::Namespaces, policy},
    verdict::{StepEnd, StepResult},
};

/// The limit of the server, if it has one.
#[derive(Default)]
pub(crate) struct Limit(pub(crate) Option<Allowance>);

/// More than the clients of one scenario need.
const ALLOWANCE: Allowance = Allowance {
    rate: 50,
    burst: 100,
};
/// A page that may call the server in the mode for pages.
const PAGE: &str = "https://app.example.com";
/// The TTL of the server's token in the mode in which the server renews it.
const TOKEN_LIFE: Duration = Duration::from_secs(5);

/// Starts a server in a mode, with all that the mode needs.
///
/// # Errors
/// If it does not start; not applicable if it cannot be started this way, or if the suite cannot make what the mode
/// needs.
pub(crate) async fn start_in_mode(scenario: &mut Scenario, mode: Mode) -> StepResult {
    match mode {
        Mode::ReadOnly | Mode::PerRequestToken | Mode::TokenFile | Mode::Stateless => {
            scenario.start_server(Setup::of(mode)).await
        }
        Mode::RateLimit | Mode::GlobalLimit => {
            start_limited(scenario, Setup::of(mode), ALLOWANCE).await
        }
        Mode::Cors => start_for_pages(scenario, &[PAGE]).await,
        Mode::Tls => certificate::start_with_certificate(scenario).await,
        Mode::AllInterfaces => start_exposed_if_it_can(scenario).await,
        Mode::VaultCa => vault_certificate::start_with_authority(scenario).await,
        Mode::Namespace => start_in_namespace(scenario).await,
        Mode::TokenRenewal => start_renewing(scenario, TOKEN_LIFE).await,
        Mode::LogFile => log_file::start_with_log_file(scenario).await,
        Mode::Launcher => Err(StepEnd::blocked(format!(
            "the suite connects to no server in the mode {mode}"
        ))),
    }
}

/// Starts a server with a certificate that listens on all addresses, if it can. Not every server supports both.
async fn start_exposed_if_it_can(scenario: &mut Scenario) -> StepResult {
    let setup = certificate::exposed_with_certificate(scenario).await?;
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

/// Starts a server with this limit.
///
/// # Errors
/// When it does not start.
pub(crate) async fn start_limited(
    scenario: &mut Scenario,
    setup: Setup,
    allowance: Allowance,
) -> StepResult {
    let setup = setup
        .with("rate", allowance.rate.to_string())
        .with("burst", allowance.burst.to_string());
    scenario.start_server(setup).await?;
    scenario.state_mut::<Limit>().0 = Some(allowance);
    Ok(())
}

/// Starts a server for which these origins are allowed.
///
/// # Errors
/// When it does not start.
pub(crate) async fn start_for_pages(scenario: &mut Scenario, origins: &[&str]) -> StepResult {
    let setup = Setup::of(Mode::Cors).with("origins", origins.join(","));
    scenario.start_server(setup).await
}

/// The namespace for a server, where Vault has no namespaces.
const NAMESPACE: &str = "team";

/// Starts a server that uses a namespace. Where Vault has namespaces, the scenario continues in it.
///
/// # Errors
/// If it does not start; not applicable if Vault has namespaces, and makes none for the suite.
pub(crate) async fn start_in_namespace(scenario: &mut Scenario) -> StepResult {
    let provided = scenario.oracle.provide_namespace().await;
    match provided.map_err(StepEnd::blocked)? {
        Namespaces::Ignored => {
            let setup = Setup::of(Mode::Namespace).with("namespace", NAMESPACE);
            scenario.start_server(setup).await
        }
        Namespaces::Made => {
            let name = scenario.oracle.own_namespace();
            start_inside(scenario, &name).await
        }
        Namespaces::Refused(why) => Err(StepEnd::no_evidence(format!(
            "this Vault has namespaces, and the suite cannot make one: {why}"
        ))),
    }
}

/// Starts a server in a namespace that exists, with a token of this namespace.
async fn start_inside(scenario: &mut Scenario, name: &str) -> StepResult {
    scenario.oracle = Arc::new(scenario.oracle.within(name));
    let policy = scenario.path_of("server");
    let oracle = Arc::clone(&scenario.oracle);
    let written = oracle.write_policy(&policy, policy::NONE).await;
    written.map_err(StepEnd::blocked)?;
    let token = oracle.make_token(&policy).await.map_err(StepEnd::blocked)?;
    let kind = scenario.kind(Setup::of(Mode::Namespace).with("namespace", name));
    match scenario.slots.make_on(&oracle, &kind, token).await {
        Ok(slot) => scenario.agents.add("", slot),
        Err(SlotError::Target(refusal)) => {
            let demanded = format!("the server starts {}", kind.setup);
            return Err(scenario.failed(demanded, &refusal.to_string()));
        }
        Err(problem) => return Err(StepEnd::blocked(problem)),
    }
    scenario.allow_all().await
}

/// Starts a server that renews its token, which expires after this time otherwise.
///
/// # Errors
/// When it does not start. Not applicable if the token has expired before it has started: no server renews a token that
/// it does not have yet.
pub(crate) async fn start_renewing(scenario: &mut Scenario, ttl: Duration) -> StepResult {
    let mut setup = Setup::of(Mode::TokenRenewal);
    setup.token_ttl = Some(ttl);
    scenario.start_server(setup).await?;
    let has_token = scenario.oracle.has_token(scenario.token()?).await;
    match has_token.map_err(StepEnd::blocked)? {
        true => Ok(()),
        false => Err(StepEnd::no_evidence(format!(
            "the server takes longer to start than its token lasts, which is {} s",
            ttl.as_secs()
        ))),
    }
}
