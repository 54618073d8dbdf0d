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

impl Scene {
    /// Starts a server in a mode, with all that the mode needs.
    ///
    /// # Errors
    /// When it does not start; not applicable where it cannot be started so, or the suite cannot make what the mode
    /// needs.
    pub async fn start_in_mode(&mut self, mode: Mode) -> StepResult {
        match mode {
            Mode::ReadOnly | Mode::PerRequestToken | Mode::TokenFile | Mode::Stateless => {
                self.start_server(Setup::of(mode)).await
            }
            Mode::RateLimit | Mode::GlobalLimit => {
                self.start_limited(Setup::of(mode), ALLOWANCE).await
            }
            Mode::Cors => self.start_for_pages(&[PAGE]).await,
            Mode::Tls => self.start_with_certificate().await,
            Mode::AllInterfaces => self.start_exposed_if_it_can().await,
            Mode::VaultCa => self.start_with_authority().await,
            Mode::Namespace => self.start_in_namespace().await,
            Mode::TokenRenewal => self.start_renewing(TOKEN_LIFE).await,
            Mode::LogFile => self.start_with_log_file().await,
            Mode::Session => Err(Stop::blocked(format!(
                "the suite connects to no server in the mode {mode}"
            ))),
        }
    }

    /// Starts a server with a certificate that listens on all addresses. Not every server can do both.
    async fn start_exposed_if_it_can(&mut self) -> StepResult {
        let setup = self.exposed_with_certificate().await?;
        let demanded = format!("the server starts {setup}");
        match self.try_to_start_server(setup).await? {
            None => Ok(()),
            Some(refusal) if refusal.ended => Err(not_claimed(format!(
                "it does not run in both modes at once: {}",
                self.secrets().redact(&refusal.to_string())
            ))),
            Some(refusal) => Err(self.failed(demanded, &refusal.to_string())),
        }
    }

    /// Clients must be able to connect, one after the other, and to list the tools.
    ///
    /// # Errors
    /// When one is not.
    pub async fn expect_clients_connect(&mut self) -> StepResult {
        let revision = self.planned.revision;
        for client in 1..=CLIENTS {
            let connection = self.connect_again().await?;
            let listed = match connection.begin(Some(revision)).await {
                Ok(_) => connection.list_tools().await,
                Err(problem) => Err(problem),
            };
            self.disconnect().await?;
            if let Err(problem) = listed {
                let expected =
                    format!("client {client} connects in {revision} and lists the tools");
                return Err(self.failed(expected, &problem));
            }
        }
        Ok(())
    }
}
