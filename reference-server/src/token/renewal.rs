//! Renews the server's token before it expires, if the operator enables it.
//!
//! The server looks up a token once and renews it after about two thirds of its lifetime, until Vault no longer
//! extends it. If the token cannot be renewed, the server logs that before the token expires. Nothing here ends the
//! server: with an expired token each call returns an error.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::Token;
use crate::{
    redact::Redactor,
    trace::Trace,
    vault::{client::VaultClient, error::VaultError, own_token::Life},
};

/// Interval for checking whether the token has been replaced.
const LOOK: Duration = Duration::from_secs(10);
/// First pause after Vault did not answer; each pause is twice as long as the last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A renewal that extends the lifetime by less counts as none.
const LEAST_GAIN: Duration = Duration::from_secs(1);
/// Ten years, in seconds: a clock cannot represent arbitrarily distant times.
const LONGEST_LIFE: u64 = 10 * 365 * 86400;
/// The part of its lifetime after which the server warns again about a token that it cannot renew.
const LAST_CALL: f64 = 0.9;

/// Renews the token of this client until `shutdown` is cancelled.
pub async fn keep_alive(client: VaultClient, shutdown: CancellationToken) {
    let keeper = Keeper {
        redactor: Redactor::new([client.tokens().clone()]),
        client,
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = keeper.keep() => {}
    }
}

struct Keeper {
    client: VaultClient,
    redactor: Redactor,
}

/// Why the server stops renewing a token.
enum Done {
    /// The token has been replaced.
    Replaced,
    /// The token cannot be renewed any more.
    Left,
}

impl Keeper {
    async fn keep(&self) {
        loop {
            let token = self.client.tokens().current().await;
            if let Done::Left = self.keep_one(&token).await {
                self.until_replaced(&token).await;
            }
        }
    }

    /// Renews one token for as long as renewal has an effect.
    async fn keep_one(&self, token: &Arc<Token>) -> Done {
        let mut pause = FIRST_PAUSE;
        let mut life = loop {
            let asked = Instant::now();
            match self.asking(self.client.look_up_own_token()).await {
                Ok(facts) if !facts.expires() => {
                    tracing::info!("the token does not expire: there is nothing to renew");
                    return Done::Left;
                }
                Ok(facts) => break Remaining::since(asked, facts.life),
                Err(Unanswered::Refused(reason)) => {
                    tracing::warn!(
                        "the token is not renewed, as it cannot look itself up (read on auth/token/lookup-self): {reason}"
                    );
                    return Done::Left;
                }
                Err(Unanswered::NoAnswer(_)) => {}
            }
            if self.replaced_within(jittered(pause), token).await {
                return Done::Replaced;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        while life.renewable {
            tracing::info!("the token ends in {} and is renewed before", life.shown());
            if self.replaced_within(renewed_after(life.ttl), token).await {
                return Done::Replaced;
            }
            match self.renew(token, &life).await {
                Ok(renewed) if renewed.end > life.end + LEAST_GAIN => life = renewed,
                Ok(_) => break,
                Err(done) => return done,
            }
        }
        tracing::warn!(
            "the token cannot be renewed and ends in {}: give the server another one before",
            life.shown()
        );
        let last_call = life.left().mul_f64(LAST_CALL);
        if self.replaced_within(last_call, token).await {
            return Done::Replaced;
        }
        tracing::warn!("the token ends in {}", life.shown());
        Done::Left
    }

    /// Renews a token. Repeats the request while Vault does not answer, until the token has expired.
    async fn renew(&self, token: &Arc<Token>, life: &Remaining) -> Result<Remaining, Done> {
        let mut pause = FIRST_PAUSE;
        while Instant::now() < life.end {
            let asked = Instant::now();
            match self.asking(self.client.renew_own_token()).await {
                Ok(renewed) => return Ok(Remaining::since(asked, renewed)),
                Err(Unanswered::Refused(reason)) => {
                    tracing::warn!(
                        "the token ends in {} and could not be renewed (update on auth/token/renew-self): {reason}",
                        life.shown()
                    );
                    return Err(Done::Left);
                }
                Err(Unanswered::NoAnswer(reason)) => {
                    tracing::warn!(
                        "the token could not be renewed, the server will retry: {reason}"
                    );
                }
            }
            if self.replaced_within(jittered(pause), token).await {
                return Err(Done::Replaced);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        tracing::error!("the token has expired: Vault answered no request to renew it");
        Err(Done::Left)
    }

    /// Sends a request to Vault with a correlation id, which the log contains.
    async fn asking<T>(
        &self,
        request: impl Future<Output = Result<T, VaultError>>,
    ) -> Result<T, Unanswered> {
        let trace = Trace::start();
        let answer = trace.scope(request).await;
        let outcome = if answer.is_ok() { "ok" } else { "failed" };
        tracing::info!(
            vault_path = trace.asked().path,
            outcome,
            correlation_id = trace.correlation_id(),
            "own request"
        );
        answer.map_err(|error| match &error {
            VaultError::Refused(refusal) if refusal.is_final() => {
                let said = format!("{error}: {}", refusal.messages.join("; "));
                let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
                Unanswered::Refused(self.redactor.scrub(&said, &[]))
            }
            _ => Unanswered::NoAnswer(error.to_string()),
        })
    }

    async fn until_replaced(&self, token: &Arc<Token>) {
        while !self.replaced_within(LOOK, token).await {}
    }

    /// Waits for this time, or until the token is replaced.
    async fn replaced_within(&self, time: Duration, token: &Arc<Token>) -> bool {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            sleep(left.min(LOOK)).await;
            if self.client.tokens().current().await != *token {
                return true;
            }
            if left <= LOOK {
                return false;
            }
        }
    }
}

enum Unanswered {
    /// Vault rejected the request, and would reject it again.
    Refused(String),
    /// Vault may answer later.
    NoAnswer(String),
}

/// The remaining lifetime of a token.
struct Remaining {
    ttl: Duration,
    end: Instant,
    renewable: bool,
}

impl Remaining {
    fn since(asked: Instant, life: Life) -> Self {
        let ttl = Duration::from_secs(life.ttl.min(LONGEST_LIFE));
        Self {
            ttl,
            end: asked + ttl,
            renewable: life.renewable,
        }
    }

    fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// The remaining lifetime, for display.
    fn shown(&self) -> String {
        shown(self.left().as_secs())
    }
}

/// A number of seconds for display, such as `7h59m` or `42s`.
pub fn shown(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{}s", seconds % 60),
        (0, _, _) => format!("{hours}h{minutes}m"),
        _ => format!("{days}d{hours}h"),
    }
}

/// After about two thirds of its lifetime, with jitter so that not all tokens are renewed at once.
fn renewed_after(ttl: Duration) -> Duration {
    ttl.mul_f64(rand::random_range(0.60..0.70))
}

fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.75..1.25))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_after_about_two_thirds_of_its_life() {
        for _ in 0..1000 {
            let after = renewed_after(Duration::from_secs(300)).as_secs_f64();
            assert!((180.0..210.0).contains(&after), "{after}");
        }
    }

    #[test]
    fn a_time_is_shown_as_people_say_it() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (61, "1m1s"),
            (8 * 3600 - 1, "7h59m"),
            (32 * 86400 + 3600, "32d1h"),
        ] {
            assert_eq!(shown(seconds), expected);
        }
    }
}
