//! Servers in each of the modes that an adapter describes, and clients that connect to them.

use std::time::Duration;

use super::not_claimed;
use crate::{
    scene::{Scene, limits::Allowance},
    target::{launch::Mode, setup::Setup},
    verdict::{StepResult, Stop},
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
pub(crate) async fn start_in_mode(scene: &mut Scene, mode: Mode) -> StepResult {
    match mode {
        Mode::ReadOnly | Mode::PerRequestToken | Mode::TokenFile | Mode::Stateless => {
            scene.start_server(Setup::of(mode)).await
        }
        Mode::RateLimit | Mode::GlobalLimit => {
            crate::scene::limits::start_limited(scene, Setup::of(mode), ALLOWANCE).await
        }
        Mode::Cors => crate::scene::browser::start_for_pages(scene, &[PAGE]).await,
        Mode::Tls => crate::scene::tls::start_with_certificate(scene).await,
        Mode::AllInterfaces => start_exposed_if_it_can(scene).await,
        Mode::VaultCa => crate::scene::vault_tls::start_with_authority(scene).await,
        Mode::Namespace => crate::scene::namespace::start_in_namespace(scene).await,
        Mode::TokenRenewal => crate::scene::custody::own::start_renewing(scene, TOKEN_LIFE).await,
        Mode::LogFile => crate::scene::traces::start_with_log_file(scene).await,
        Mode::Session => Err(Stop::blocked(format!(
            "the suite connects to no server in the mode {mode}"
        ))),
    }
}

/// Starts a server with a certificate that listens on all addresses. Not every server can do both.
async fn start_exposed_if_it_can(scene: &mut Scene) -> StepResult {
    let setup = crate::scene::tls::exposed_with_certificate(scene).await?;
    let demanded = format!("the server starts {setup}");
    match scene.try_to_start_server(setup).await? {
        None => Ok(()),
        Some(refusal) if refusal.ended => Err(not_claimed(format!(
            "it does not run in both modes at once: {}",
            scene.secrets().redact(&refusal.to_string())
        ))),
        Some(refusal) => Err(scene.failed(demanded, &refusal.to_string())),
    }
}

/// Clients must be able to connect, one after the other, and to list the tools.
///
/// # Errors
/// When one is not.
pub(crate) async fn expect_clients_connect(scene: &mut Scene) -> StepResult {
    let revision = scene.planned.revision;
    for client in 1..=CLIENTS {
        let connection = crate::scene::talk::connect_again(scene).await?;
        let listed = match connection.begin(Some(revision)).await {
            Ok(_) => connection.list_tools().await,
            Err(problem) => Err(problem),
        };
        crate::scene::talk::disconnect(scene).await?;
        if let Err(problem) = listed {
            let expected = format!("client {client} connects in {revision} and lists the tools");
            return Err(scene.failed(expected, &problem));
        }
    }
    Ok(())
}
