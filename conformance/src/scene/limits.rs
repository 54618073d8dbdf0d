//! Clients that ask for more than they are let have, and what of it reaches Vault.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use rand::{RngExt as _, rngs::StdRng};
use regex::Regex;
use serde_json::json;
use tokio::time::sleep;

use super::{Scene, talk::request};
use crate::{
    act::Act,
    mcp::{connection::Connection, http::SESSION, raw::HttpAsk},
    slot::Setup,
    tap::Tap,
    target::{
        answer::{Answer, Manner, carrier, read},
        instance::Bare,
    },
    vault::oracle::Snapshot,
    verdict::{NotApplicable, StepResult, Stop},
};

/// How many calls are under way at full speed.
const AT_ONCE: usize = 4;
/// What lies between two of them, so that what is refused at once does not become a flood.
const PAUSE: Duration = Duration::from_millis(5);
/// The same for each of many, who ask faster than they may and make no flood together either.
const STEP: Duration = Duration::from_millis(50);
/// How many sessions are made up.
const MADE_UP: usize = 400;
/// How many calls a client makes that comes and goes.
const CALLS_OF_A_VISIT: usize = 4;
/// By how much a limit may be missed: clocks, and what is on its way.
const TOLERANCE: f64 = 0.2;
/// How long a limit of at least one a second takes to let one more through.
const REST: Duration = Duration::from_millis(1200);

/// Words that tell when to try again: a number with a unit, or a name for it.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static RETRY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)(retry|again|wait|reset)[^0-9]{0,40}\d|\d+(\.\d+)?\s*(ms|s|sec|seconds?|milliseconds?)\b").unwrap()
});

/// How often a server is to let calls through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Calls a second.
    pub rate: u32,
    /// Calls at once.
    pub burst: u32,
}

impl Allowance {
    /// How many calls that is in so long.
    fn in_all(self, time: Duration) -> f64 {
        f64::from(self.burst) + f64::from(self.rate) * time.as_secs_f64()
    }
}

/// What came of asking at full speed.
#[derive(Debug, Default)]
pub struct Rush {
    allowance: Option<Allowance>,
    took: Duration,
    /// How many calls succeeded.
    succeeded: usize,
    /// What the others were told.
    refusals: Vec<String>,
    /// How many reads of the secret have reached Vault.
    reached: usize,
    /// The same for each of many clients that were there at once.
    crowd: Vec<usize>,
    /// What another client was told that asked beside.
    modest: Vec<Answer>,
}

impl Scene {
    /// Starts a server with this limit.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_limited(&mut self, setup: Setup, allowance: Allowance) -> StepResult {
        let setup = setup
            .with("rate", allowance.rate.to_string())
            .with("burst", allowance.burst.to_string());
        self.start_server(setup).await?;
        self.rush.allowance = Some(allowance);
        Ok(())
    }

    /// A server with a limit that is none must not start.
    ///
    /// # Errors
    /// When it does.
    pub async fn expect_limit_refused(&mut self, setup: Setup, nonsense: &str) -> StepResult {
        let setup = setup.with("rate", nonsense).with("burst", nonsense);
        match self.lease(setup).await? {
            Err(refusal) if refusal.ended => Ok(()),
            Err(refusal) => Err(self.failed("the server ends", &refusal.to_string())),
            Ok(slot) => {
                self.end_server(slot).await?;
                let seen = "it starts, with whatever limit";
                Err(self.failed("the server refuses to start", seen))
            }
        }
    }

    /// How many requests for a secret have reached Vault; what else a server asks for is not counted.
    fn reads_at_vault(&self, path: &str) -> usize {
        let tap = self
            .agents
            .get(self.acting)
            .and_then(|agent| agent.slot.tap.as_ref());
        let exchanges = tap.map(Tap::exchanges).unwrap_or_default();
        exchanges
            .iter()
            .filter(|exchange| exchange.path.contains(path))
            .count()
    }

    /// One call, which shows that there is something to be let through.
    async fn expect_first_read(&self, act: &Act) -> StepResult {
        match self.carry_out_plainly(act).await? {
            Answer::Success(_) => Ok(()),
            other => Err(self.failed("the first read succeeds", &other.describe())),
        }
    }

    /// Lets the agent read a secret as fast as it can, and another agent every so often.
    ///
    /// # Errors
    /// When there is no such secret.
    pub async fn let_agent_rush(
        &mut self,
        path: &str,
        length: Duration,
        every: Option<Duration>,
    ) -> StepResult {
        let act = Act::read(self, path)?;
        self.let_know(&act);
        let before = self.reads_at_vault(path);
        let begun = Instant::now();
        self.expect_first_read(&act).await?;
        let other = match every {
            Some(_) => Some(self.visit().await?),
            None => None,
        };
        let scene = &*self;
        let rushing = (0..AT_ONCE).map(|_| async {
            let mut answers = Vec::new();
            while begun.elapsed() < length {
                answers.push(scene.carry_out_plainly(&act).await?);
                sleep(PAUSE).await;
            }
            Ok::<_, Stop>(answers)
        });
        let beside = async {
            let mut answers = Vec::new();
            while let (Some(other), Some(every)) = (&other, every)
                && begun.elapsed() < length
            {
                answers.push(scene.call_on(&other.connection, &act).await?);
                sleep(every).await;
            }
            Ok::<_, Stop>(answers)
        };
        let (rushed, modest) = tokio::join!(futures::future::try_join_all(rushing), beside);
        let (rushed, modest) = (rushed?.concat(), modest?);
        if let Some(other) = other {
            other.stop().await.map_err(Stop::blocked)?;
        }
        let took = begun.elapsed();
        // The first one.
        self.rush.succeeded = 1;
        for answer in rushed {
            self.take_note(&answer);
            match answer {
                Answer::Success(_) => self.rush.succeeded += 1,
                Answer::Error(text) => self.rush.refusals.push(text),
                Answer::Nothing(why) => {
                    self.unanswered = true;
                    return Err(self.failed("an answer to every call", &why.to_string()));
                }
            }
        }
        self.rush.modest = modest;
        self.rush.took = took;
        self.rush.reached = self.reads_at_vault(path) - before;
        Ok(())
    }

    /// Lets clients come one after the other, each of which reads a secret a few times and goes.
    ///
    /// # Errors
    /// When there is no such secret.
    pub async fn let_clients_come_and_go(&mut self, path: &str, length: Duration) -> StepResult {
        let act = Act::read(self, path)?;
        self.let_know(&act);
        let before = self.reads_at_vault(path);
        let begun = Instant::now();
        self.expect_first_read(&act).await?;
        while begun.elapsed() < length {
            // One that is not even let in has asked for nothing.
            let Ok(client) = self.visit().await else {
                sleep(PAUSE).await;
                continue;
            };
            for _ in 0..CALLS_OF_A_VISIT {
                self.call_on(&client.connection, &act).await?;
            }
            client.stop().await.map_err(Stop::blocked)?;
        }
        self.rush.took = begun.elapsed();
        self.rush.reached = self.reads_at_vault(path) - before;
        Ok(())
    }

    /// Lets many clients at once each read a secret of its own, more often than it may.
    ///
    /// # Errors
    /// When Vault refuses the secrets, or the server one of the clients.
    pub async fn let_clients_crowd(&mut self, count: usize, length: Duration) -> StepResult {
        let paths: Vec<_> = (0..count)
            .map(|one| format!("client-{one:03}/database"))
            .collect();
        let mut clients = Vec::new();
        for path in &paths {
            self.make_secret(path, &["password"]).await?;
            let act = Act::read(self, path)?;
            self.let_know(&act);
            clients.push((self.visit().await?, act));
        }
        let scene = &*self;
        let begun = Instant::now();
        let reading = clients.iter().map(|(client, act)| async {
            while begun.elapsed() < length {
                scene.call_on(&client.connection, act).await?;
                sleep(STEP).await;
            }
            Ok::<_, Stop>(())
        });
        futures::future::try_join_all(reading).await?;
        let took = begun.elapsed();
        for (client, _) in clients {
            client.stop().await.map_err(Stop::blocked)?;
        }
        self.rush.took = took;
        self.rush.crowd = paths.iter().map(|path| self.reads_at_vault(path)).collect();
        Ok(())
    }

    /// For none of them more may have reached Vault than were to be let through.
    ///
    /// # Errors
    /// When for one more have, or for nobody any.
    pub fn expect_each_within_limit(&mut self) -> StepResult {
        let most = self.rush.crowd.iter().max().copied();
        self.rush.reached = most.unwrap_or_default();
        match self.rush.reached {
            0 => Err(self.failed("reads at Vault", "none of any client")),
            _ => self.expect_within_limit(),
        }
    }

    /// Lets clients read a secret, each in a session that was never given out.
    ///
    /// # Errors
    /// Not applicable where there are no sessions.
    pub async fn let_clients_make_up_sessions(
        &mut self,
        path: &str,
        length: Duration,
    ) -> StepResult {
        let act = Act::read(self, path)?;
        self.let_know(&act);
        let before = self.reads_at_vault(path);
        let begun = Instant::now();
        self.expect_first_read(&act).await?;
        let instance = &self.slot()?.instance;
        let headers = instance.connection.session_headers();
        let id = headers.get(SESSION).and_then(|id| id.to_str().ok());
        let (Some(session), Some(endpoint)) = (id.map(str::to_owned), instance.endpoint()) else {
            return Err(Stop::NotApplicable {
                reason: NotApplicable::NotClaimed,
                detail: "the server gives out no sessions".to_owned(),
            });
        };
        let (mapping, tool) = carrier(&self.target.adapter, instance, act.operation)?;
        let params = json!({ "name": tool, "arguments": mapping.arguments(&act.parameters) });
        let asks: Vec<_> = (0..MADE_UP)
            .map(|number| {
                let id = json!(format!("made-up-{number}"));
                HttpAsk::post(&request(&id, "tools/call", params.clone()))
                    .with_all(headers.clone())
                    .with(SESSION, &made_up_id(&session, &mut self.random))
            })
            .collect();
        let patience = self.target.adapter.budgets.call();
        let clients = asks.chunks(MADE_UP / AT_ONCE).map(|asks| async {
            for asked in asks.iter().take_while(|_| begun.elapsed() < length) {
                // Whatever is said to it: what counts is what reaches Vault.
                let _ = endpoint.send(asked, patience).await;
                sleep(PAUSE).await;
            }
        });
        futures::future::join_all(clients).await;
        self.rush.took = begun.elapsed();
        self.rush.reached = self.reads_at_vault(path) - before;
        Ok(())
    }

    /// A further client, which has opened its connection.
    async fn visit(&self) -> StepResult<Bare> {
        let instance = &self.slot()?.instance;
        let client = instance.another().await.map_err(Stop::blocked)?;
        let revision = Some(self.planned.revision);
        client
            .connection
            .begin(revision)
            .await
            .map_err(Stop::blocked)?;
        Ok(client)
    }

    /// Lets an act be carried out on this connection.
    ///
    /// # Errors
    /// As for any act.
    pub(super) async fn call_on(&self, connection: &Connection, act: &Act) -> StepResult<Answer> {
        let (adapter, instance) = (&self.target.adapter, &self.slot()?.instance);
        let (mapping, tool) = carrier(adapter, instance, act.operation)?;
        let call = json!({ "name": tool, "arguments": mapping.arguments(&act.parameters) });
        Ok(match connection.request("tools/call", call).await {
            Ok(reply) => read(act.operation, mapping, &reply),
            Err(why) => Answer::Nothing(why),
        })
    }

    pub(super) async fn carry_out_plainly(&self, act: &Act) -> StepResult<Answer> {
        let nothing = Snapshot::new();
        let deed = self
            .carry_out(act.clone(), nothing, 0, Manner::Whole)
            .await?;
        Ok(deed.answer)
    }

    fn allowance(&self) -> StepResult<Allowance> {
        let missing = || Stop::blocked("the scenario gave the server no limit");
        self.rush.allowance.ok_or_else(missing)
    }

    /// No more may have reached Vault than were to be let through.
    ///
    /// # Errors
    /// When more have.
    pub fn expect_within_limit(&self) -> StepResult {
        let allowed = self.allowance()?.in_all(self.rush.took);
        self.expect_reached(
            |reached| reached <= allowed * (1.0 + TOLERANCE),
            "at most",
            allowed,
        )
    }

    /// Hardly fewer may have reached Vault than were to be let through.
    ///
    /// # Errors
    /// When fewer have.
    pub fn expect_limit_used(&self) -> StepResult {
        let allowed = self.allowance()?.in_all(self.rush.took);
        self.expect_reached(
            |reached| reached >= allowed * (1.0 - TOLERANCE),
            "about",
            allowed,
        )
    }

    fn expect_reached(&self, fits: impl Fn(f64) -> bool, word: &str, allowed: f64) -> StepResult {
        let reached = u32::try_from(self.rush.reached).unwrap_or(u32::MAX);
        if fits(f64::from(reached)) {
            return Ok(());
        }
        let took = self.rush.took.as_secs_f64();
        let expected = format!("{word} {allowed:.0} reads at Vault in {took:.1} s (within 20 %)");
        Err(self.failed(expected, &format!("{reached} reads at Vault")))
    }

    /// Every call that has not reached Vault must have been told as an error.
    ///
    /// # Errors
    /// When one was told as a success, or none was refused.
    pub fn expect_excess_refused(&self) -> StepResult {
        let (succeeded, reached) = (self.rush.succeeded, self.rush.reached);
        if self.rush.refusals.is_empty() {
            return Err(self.failed("calls that are refused", "all of them succeeded"));
        }
        if succeeded <= reached {
            return Ok(());
        }
        let seen = format!("{succeeded} reads that were told as successes, {reached} at Vault");
        Err(self.failed("an error to each read that has not reached Vault", &seen))
    }

    /// Once some time has passed the next read must succeed.
    ///
    /// # Errors
    /// When it does not.
    pub async fn expect_goes_on(&mut self, path: &str) -> StepResult {
        sleep(REST).await;
        let act = Act::read(self, path)?;
        match self.carry_out_plainly(&act).await? {
            Answer::Success(_) => Ok(()),
            other => Err(self.failed("the next read succeeds", &other.describe())),
        }
    }

    /// Every refusal must tell when to try again.
    ///
    /// # Errors
    /// When one does not.
    pub fn expect_retry_told(&self) -> StepResult {
        match self.rush.refusals.iter().find(|text| !RETRY.is_match(text)) {
            None => Ok(()),
            Some(text) => Err(self.failed("a time after which to try again", text)),
        }
    }

    /// What the other client asked must have succeeded.
    ///
    /// # Errors
    /// When something did not.
    pub fn expect_modest_served(&self) -> StepResult {
        let mut refused = self.rush.modest.iter();
        match refused.find(|answer| !matches!(answer, Answer::Success(_))) {
            None if self.rush.modest.is_empty() => Err(Stop::blocked("nobody asked beside")),
            None => Ok(()),
            Some(answer) => Err(self.failed("a success to each call", &answer.describe())),
        }
    }
}

/// An id of the same form, which was never given out.
pub(super) fn made_up_id(id: &str, random: &mut StdRng) -> String {
    let other: String = id
        .chars()
        .map(|letter| match letter {
            '0'..='9' => char::from(random.random_range(b'0'..=b'9')),
            other => other,
        })
        .collect();
    match other == id {
        true => format!("{id}0"),
        false => other,
    }
}

#[cfg(test)]
mod tests {
    use super::RETRY;

    #[test]
    fn a_refusal_tells_when_to_try_again_by_a_number() {
        for text in [
            r#"{"kind":"rate_limited","retry_after_ms":180}"#,
            "rate limit exceeded, retry after 1s",
            "try again in 200 ms",
        ] {
            assert!(RETRY.is_match(text), "{text}");
        }
        for text in ["rate limit exceeded", "session rate limit exceeded", "429"] {
            assert!(!RETRY.is_match(text), "{text}");
        }
    }
}
