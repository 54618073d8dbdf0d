//! Clients that call more often than a limit allows, and how many of their calls reach Vault.
//!
//! The clients call until the calls suffice for a verdict ([`crate::pressure`]). If that takes long, more calls are in
//! flight at once. If the calls never suffice, for example on a busy machine, the scenario is blocked.

use std::{
    cell::{Cell, RefCell},
    sync::LazyLock,
    time::{Duration, Instant},
};

use futures::future::{join, try_join_all};
use regex::Regex;
use tokio::time::{sleep, sleep_until};

use crate::{
    act::Act,
    instance::{RawConnection, answer::Answer, setup::Setup},
    mcp::{
        http::{SESSION, made_up_session},
        transcript::Speaker,
    },
    pressure::{Allowance, Call, Finding, TOLERANCE},
    scenario::{Scenario, calls::CallOptions},
    tap::{Exchange, Tap},
    verdict::{StepEnd, StepResult},
    vocabulary::{given, start::Limit},
};

/// How many calls are in flight at full speed.
const AT_ONCE: Workers = Workers { first: 4, most: 16 };
/// How many clients come and go at the same time.
const VISITORS: Workers = Workers { first: 2, most: 8 };
/// How many calls each of many clients has in flight.
const OF_EACH: Workers = Workers { first: 1, most: 3 };
/// The pause between two calls, so that immediate refusals do not cause a flood.
const PAUSE: Duration = Duration::from_millis(5);
/// The pause for each of many clients, which call faster than allowed, but without a flood.
const STEP: Duration = Duration::from_millis(50);
/// How long the clients call at most.
const LONGEST: Duration = Duration::from_secs(10);
/// How many sessions are made up.
const MADE_UP: usize = 400;
/// How many calls a client makes during one visit.
const CALLS_OF_A_VISIT: usize = 4;
/// How many calls of the modest client are needed while the server refuses calls of the greedy one.
const BESIDE: usize = 3;
/// How long a limit of at least one call a second takes to let one more through.
const REST: Duration = Duration::from_millis(1200);

/// Words of a log line that calls a setting invalid.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static INVALID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)invalid|default|ignor|malformed|cannot (be )?(parse|read|use)|not a (valid )?(number|rate|limit)").unwrap()
});
/// Words of a log line about a limit.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static LIMIT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?i)limit|rate|quota|many").unwrap());
/// Words that say when to try again: a number with a unit, or a name for it.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static RETRY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)(retry|again|wait|reset)[^0-9]{0,40}\d|\d+(\.\d+)?\s*(ms|s|sec|seconds?|milliseconds?)\b").unwrap()
});

/// The result of calling at full speed.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// How long the clients called.
    time: Duration,
    /// The calls that were answered in that time.
    calls: Vec<Call>,
    /// How many reads reached Vault in that time, one number for each secret.
    reached: Vec<usize>,
    /// How many reads had reached Vault when all calls were answered.
    reached_at_last: usize,
    /// How many calls succeeded.
    succeeded: usize,
    /// How many were refused.
    refused: usize,
    /// A refusal that does not say when to try again.
    untold: Option<String>,
    /// The calls of the modest client: when each was sent, and its answer.
    modest: Vec<(Duration, Answer)>,
}

impl Load {
    /// How many calls of this client were answered.
    fn offered_by(&self, client: usize) -> usize {
        self.calls
            .iter()
            .filter(|call| call.client == client)
            .count()
    }
}

/// The number of concurrent workers.
#[derive(Clone, Copy)]
struct Workers {
    /// At the start.
    first: usize,
    /// The maximum, if the calls do not suffice in the expected time.
    most: usize,
}

/// Calls that continue until they suffice.
struct Pressing<'e> {
    begun: Instant,
    /// The minimum duration.
    length: Duration,
    /// Whether these calls, made in this time, suffice.
    enough: &'e dyn Fn(&[Call], Duration) -> bool,
    calls: RefCell<Vec<Call>>,
    /// How long it took, once it has ended.
    ended: Cell<Option<Duration>>,
}

impl<'e> Pressing<'e> {
    fn begin(length: Duration, enough: &'e dyn Fn(&[Call], Duration) -> bool) -> Self {
        Self {
            begun: Instant::now(),
            length,
            enough,
            calls: RefCell::default(),
            ended: Cell::default(),
        }
    }

    fn time(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Whether another call is needed.
    fn goes_on(&self) -> bool {
        let time = self.time();
        let is_over = || time >= LONGEST || (self.enough)(&self.calls.borrow(), time);
        if self.ended.get().is_none() && time >= self.length && is_over() {
            self.ended.set(Some(time));
        }
        self.ended.get().is_none()
    }

    /// Ends it.
    fn end(&self) {
        if self.ended.get().is_none() {
            self.ended.set(Some(self.time()));
        }
    }

    /// Records a call that was sent at this time and is answered now. Answers after the end do not count.
    fn note(&self, client: usize, sent: Duration, refused: bool) {
        if self.ended.get().is_none() {
            self.calls.borrow_mut().push(Call {
                client,
                sent,
                answered: self.time(),
                refused,
            });
        }
    }

    /// Makes a call of this client, and records it if it is answered.
    async fn noting(
        &self,
        client: usize,
        call: impl Future<Output = StepResult<Answer>>,
    ) -> StepResult<Answer> {
        let sent = self.time();
        let answer = call.await?;
        match &answer {
            Answer::Success(_) => self.note(client, sent, false),
            Answer::Error(_) => self.note(client, sent, true),
            Answer::Nothing(_) => {}
        }
        Ok(answer)
    }

    /// Lets each worker call again and again until the calls suffice.
    async fn let_work<F>(
        &self,
        workers: Workers,
        pause: Duration,
        ask: impl Fn() -> F,
    ) -> StepResult
    where
        F: Future<Output = StepResult>,
    {
        let ask = &ask;
        let working = (0..workers.most).map(|worker| async move {
            if worker >= workers.first {
                sleep_until((self.begun + self.length).into()).await;
            }
            while self.goes_on() {
                ask().await?;
                sleep(pause).await;
            }
            Ok(())
        });
        try_join_all(working).await.map(drop)
    }

    /// The duration, and the calls in that time.
    fn seen(self) -> (Duration, Vec<Call>) {
        self.end();
        (
            self.ended.get().unwrap_or_default(),
            self.calls.into_inner(),
        )
    }
}

/// A server with an invalid limit must not start, or log that it uses another one.
///
/// # Errors
/// If this is not the case.
pub(crate) async fn expect_limit_refused(
    scenario: &mut Scenario,
    setup: Setup,
    nonsense: &str,
) -> StepResult {
    let setup = setup.with("rate", nonsense).with("burst", nonsense);
    match scenario.lease(setup).await? {
        Err(refusal) if refusal.ended => Ok(()),
        Err(refusal) => Err(scenario.failed("the server ends", &refusal.to_string())),
        Ok(slot) => {
            let lines = slot.instance.connection.transcript().lines();
            let logs = lines.iter().filter(|line| line.speaker == Speaker::Log);
            let mut logs = logs.map(|line| line.text.as_str());
            let says_so = logs.any(|line| INVALID.is_match(line) && LIMIT.is_match(line));
            scenario.end_server(slot).await?;
            let demanded = "the server refuses to start, or logs that the limit is invalid";
            match says_so {
                true => Ok(()),
                false => Err(scenario.failed(demanded, "it starts, and no log line says so")),
            }
        }
    }
}

/// The requests for a secret that Vault has answered since then. Other requests of the server do not count.
fn reads_at_vault(scenario: &Scenario, path: &str, since: Instant) -> Vec<Exchange> {
    let tap = scenario.tap().ok();
    let exchanges = tap.map(Tap::exchanges).unwrap_or_default();
    let is_read = |exchange: &Exchange| exchange.at >= since && exchange.path.contains(path);
    exchanges.into_iter().filter(is_read).collect()
}

/// Stores how long the clients called, their calls, and how many reads of these secrets reached Vault.
fn conclude(scenario: &mut Scenario, paths: &[&str], pressing: Pressing<'_>) {
    let begun = pressing.begun;
    let (time, calls) = pressing.seen();
    let reads: Vec<_> = (paths.iter())
        .map(|path| reads_at_vault(scenario, path, begun))
        .collect();
    let in_time = |exchange: &&Exchange| exchange.at <= begun + time;
    let reached = reads
        .iter()
        .map(|reads| reads.iter().filter(in_time).count());
    let rush = scenario.state_mut::<Load>();
    rush.reached = reached.collect();
    rush.reached_at_last = reads.iter().map(Vec::len).sum();
    (rush.time, rush.calls) = (time, calls);
}

/// Makes one call, which shows that calls can succeed.
async fn expect_first_read(scenario: &Scenario, act: &Act, pressing: &Pressing<'_>) -> StepResult {
    match pressing.noting(0, read_once(scenario, act)).await? {
        Answer::Success(_) => Ok(()),
        other => Err(scenario.failed("the first read succeeds", &other.describe())),
    }
}

/// Lets the agent read a secret as fast as it can, and a modest client once in each period `every`. Both continue for
/// `length` at least, and until the calls show whether the limit is kept.
///
/// # Errors
/// If the secret does not exist, or a call is not answered.
pub(crate) async fn let_agent_rush(
    scenario: &mut Scenario,
    path: &str,
    length: Duration,
    every: Option<Duration>,
) -> StepResult {
    let (act, allowance) = (Act::read(scenario.mount()?, path), allowance(scenario)?);
    let modest = RefCell::new(Vec::new());
    let enough = |calls: &[Call], time: Duration| {
        allowance.is_pressed(calls.len(), time)
            && shows_what_is_granted(allowance, calls)
            && (every.is_none() || beside(calls, &modest.borrow()) >= BESIDE)
    };
    let pressing = Pressing::begin(length, &enough);
    expect_first_read(scenario, &act, &pressing).await?;
    let other = match every {
        Some(_) => Some(visit(scenario).await?),
        None => None,
    };
    // The first read counts, too.
    let told = RefCell::new(Load {
        succeeded: 1,
        ..Load::default()
    });
    let rushing = pressing.let_work(AT_ONCE, PAUSE, || async {
        let answer = pressing.noting(0, read_once(scenario, &act)).await?;
        let mut told = told.borrow_mut();
        match answer {
            Answer::Success(_) => told.succeeded += 1,
            Answer::Error(text) => {
                told.refused += 1;
                let untold = Some(text).filter(|text| !RETRY.is_match(text));
                told.untold = told.untold.take().or(untold);
            }
            Answer::Nothing(why) => {
                return Err(scenario.failed("an answer to every call", &why.to_string()));
            }
        }
        Ok(())
    });
    let asking_beside = async {
        while let (Some(other), Some(every)) = (&other, every)
            && pressing.goes_on()
        {
            let sent = pressing.time();
            let answer = read_by(scenario, other, &act).await?;
            modest.borrow_mut().push((sent, answer));
            sleep(every).await;
        }
        Ok(())
    };
    let (rushed, asked_beside) = join(rushing, asking_beside).await;
    scenario.calls.note_unanswered(rushed.is_err());
    rushed.and(asked_beside)?;
    if let Some(other) = other {
        other.stop().await.map_err(StepEnd::blocked)?;
    }
    conclude(scenario, &[path], pressing);
    let told = told.into_inner();
    let rush = scenario.state_mut::<Load>();
    (rush.succeeded, rush.refused) = (told.succeeded, told.refused);
    (rush.untold, rush.modest) = (told.untold, modest.into_inner());
    Ok(())
}

/// Lets clients come and go, each of which reads a secret a few times. They continue for `length` at least, and until
/// their calls show whether the limit is kept.
///
/// # Errors
/// If the secret does not exist.
pub(crate) async fn let_clients_come_and_go(
    scenario: &mut Scenario,
    path: &str,
    length: Duration,
) -> StepResult {
    let (act, allowance) = (Act::read(scenario.mount()?, path), allowance(scenario)?);
    let enough = |calls: &[Call], time| allowance.is_pressed(calls.len(), time);
    let pressing = Pressing::begin(length, &enough);
    expect_first_read(scenario, &act, &pressing).await?;
    let visiting = pressing.let_work(VISITORS, PAUSE, || async {
        // A client that cannot connect has requested nothing.
        let Ok(client) = visit(scenario).await else {
            return Ok(());
        };
        for _ in 0..CALLS_OF_A_VISIT {
            let call = read_by(scenario, &client, &act);
            pressing.noting(0, call).await?;
        }
        client.stop().await.map_err(StepEnd::blocked)
    });
    visiting.await?;
    conclude(scenario, &[path], pressing);
    Ok(())
}

/// Lets many clients read concurrently, each a secret of its own and more often than its limit allows. They continue
/// for `length` at least, and until the calls of each show whether its limit is kept.
///
/// # Errors
/// If Vault rejects the secrets, or the server rejects a client.
pub(crate) async fn let_clients_crowd(
    scenario: &mut Scenario,
    count: usize,
    length: Duration,
) -> StepResult {
    let allowance = allowance(scenario)?;
    let paths: Vec<_> = (0..count)
        .map(|one| format!("client-{one:03}/database"))
        .collect();
    let mut clients = Vec::new();
    for path in &paths {
        given::make_secret(scenario, path, &["password"]).await?;
        let act = Act::read(scenario.mount()?, path);
        clients.push((visit(scenario).await?, act));
    }
    let enough = |calls: &[Call], time| {
        let mut offered = vec![0; count];
        for call in calls {
            offered[call.client] += 1;
        }
        offered
            .into_iter()
            .all(|of_one| allowance.is_pressed(of_one, time))
    };
    let pressing = Pressing::begin(length, &enough);
    let shared = &*scenario;
    let reading = clients.iter().enumerate().map(|(number, (client, act))| {
        let pressing = &pressing;
        pressing.let_work(OF_EACH, STEP, move || async move {
            let call = read_by(shared, client, act);
            pressing.noting(number, call).await.map(drop)
        })
    });
    try_join_all(reading).await?;
    for (client, _) in clients {
        client.stop().await.map_err(StepEnd::blocked)?;
    }
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    conclude(scenario, &paths, pressing);
    Ok(())
}

/// Lets clients read a secret, each in a session that the server never issued.
///
/// # Errors
/// Not applicable if there are no sessions.
pub(crate) async fn let_clients_make_up_sessions(
    scenario: &mut Scenario,
    path: &str,
    length: Duration,
) -> StepResult {
    let (act, allowance) = (Act::read(scenario.mount()?, path), allowance(scenario)?);
    let enough = |calls: &[Call], time| allowance.is_pressed(calls.len(), time);
    let pressing = Pressing::begin(length, &enough);
    expect_first_read(scenario, &act, &pressing).await?;
    let instance = scenario.instance()?;
    let headers = instance.connection.session_headers();
    let id = headers.get(SESSION).and_then(|id| id.to_str().ok());
    let (Some(session), Some(endpoint)) = (id.map(str::to_owned), instance.endpoint()) else {
        return Err(StepEnd::not_claimed("the server issues no sessions"));
    };
    // Each request has an id of its own, because several are open at the same time.
    let posted = (0..MADE_UP).map(|number| scenario.posted(&act, &format!("made-up-{number}")));
    let posted: Vec<_> = posted.collect::<StepResult<_>>()?;
    let asks: Vec<_> = posted
        .into_iter()
        .map(|posted| {
            let session = made_up_session(&session, &mut scenario.random);
            posted.post(headers.clone()).with(SESSION, &session)
        })
        .collect();
    let asks = RefCell::new(asks.into_iter());
    let shared = &*scenario;
    let asking = pressing.let_work(AT_ONCE, PAUSE, || async {
        let Some(asked) = asks.borrow_mut().next() else {
            pressing.end();
            return Ok(());
        };
        let sent = pressing.time();
        let call = shared.call_over_http(act.clone(), CallOptions::default(), &endpoint, &asked);
        // The answer does not matter: only the requests that reach Vault count.
        if call.await?.1.is_ok() {
            pressing.note(0, sent, false);
        }
        Ok(())
    });
    asking.await?;
    conclude(scenario, &[path], pressing);
    Ok(())
}

/// A further client, which has opened its connection.
async fn visit(scenario: &Scenario) -> StepResult<RawConnection> {
    let instance = scenario.instance()?;
    let client = instance.another().await.map_err(StepEnd::blocked)?;
    let revision = Some(scenario.planned.revision);
    client
        .connection
        .begin(revision)
        .await
        .map_err(StepEnd::blocked)?;
    Ok(client)
}

/// Lets the agent read, without a snapshot.
async fn read_once(scenario: &Scenario, act: &Act) -> StepResult<Answer> {
    let record = scenario.call(act.clone(), CallOptions::default()).await?;
    Ok(record.answer)
}

/// Lets a client read.
async fn read_by(scenario: &Scenario, client: &RawConnection, act: &Act) -> StepResult<Answer> {
    let options = CallOptions::on(&client.connection);
    Ok(scenario.call(act.clone(), options).await?.answer)
}

fn allowance(scenario: &Scenario) -> StepResult<Allowance> {
    let missing = || StepEnd::blocked("the scenario gave the server no limit");
    scenario.state::<Limit>().0.ok_or_else(missing)
}

/// No more calls of any client may have reached Vault than its limit allows.
///
/// # Errors
/// If more reads of one client have, or no read at all. Blocked if a client could not call often enough.
pub(crate) fn expect_each_within_limit(scenario: &Scenario) -> StepResult {
    match reads_were_seen(scenario) || scenario.state::<Load>().calls.is_empty() {
        true => expect_within_limit(scenario),
        false => Err(scenario.failed("reads at Vault", "none of any client")),
    }
}

fn reads_were_seen(scenario: &Scenario) -> bool {
    scenario
        .state::<Load>()
        .reached
        .iter()
        .any(|reached| *reached > 0)
}

/// No more calls may have reached Vault than the limit allows.
///
/// # Errors
/// If more have. Blocked if a client could not call often enough, or no read is seen at Vault.
pub(crate) fn expect_within_limit(scenario: &Scenario) -> StepResult {
    let (allowance, time) = (allowance(scenario)?, scenario.state::<Load>().time);
    let reached = &scenario.state::<Load>().reached;
    let found = |(client, reached): (usize, &usize)| {
        let offered = scenario.state::<Load>().offered_by(client);
        (
            allowance.at_most(offered, *reached, time),
            offered,
            *reached,
        )
    };
    let found: Vec<_> = reached.iter().enumerate().map(found).collect();
    let first = |wanted| found.iter().find(|(finding, ..)| *finding == wanted);
    if let Some((_, _, reached)) = first(Finding::Missed) {
        return Err(missed(scenario, "at most", *reached, allowance));
    }
    match first(Finding::Unproven) {
        Some((_, offered, _)) => Err(unproven(scenario, *offered, allowance)),
        None if reads_were_seen(scenario) => Ok(()),
        None => Err(StepEnd::blocked("no read of a secret is seen at Vault")),
    }
}

/// Almost as many calls must have reached Vault as the limit allows.
///
/// # Errors
/// If fewer have. Blocked if the calls do not show how many the server had to let through.
pub(crate) fn expect_limit_used(scenario: &Scenario) -> StepResult {
    let (allowance, calls) = (allowance(scenario)?, &scenario.state::<Load>().calls);
    let reached = scenario.state::<Load>().reached.iter().sum();
    match allowance.at_least(calls, reached, scenario.state::<Load>().time) {
        Finding::Kept => Ok(()),
        Finding::Missed => Err(missed(scenario, "about", reached, allowance)),
        Finding::Unproven => Err(unproven(scenario, calls.len(), allowance)),
    }
}

fn missed(scenario: &Scenario, word: &str, reached: usize, allowance: Allowance) -> StepEnd {
    let time = scenario.state::<Load>().time;
    let expected = format!(
        "{word} {:.0} reads at Vault in {:.1} s (within {:.0} %)",
        allowance.in_all(time),
        time.as_secs_f64(),
        TOLERANCE * 100.0
    );
    scenario.failed(expected, &format!("{reached} reads at Vault"))
}

/// The verdict if the calls of a client do not show whether the limit is kept.
fn unproven(scenario: &Scenario, offered: usize, allowance: Allowance) -> StepEnd {
    let time = scenario.state::<Load>().time;
    StepEnd::blocked(format!(
        "the limit was not put to the test: {offered} calls of a client were answered in {:.1} s, at least {:.0} in \
         close succession are needed to see whether the server lets {:.0} through; run the suite on a less busy \
         machine (a server that delays calls instead of refusing them looks the same)",
        time.as_secs_f64(),
        allowance.to_offer(time).ceil(),
        allowance.in_all(time)
    ))
}

/// The server must have refused calls.
///
/// Blocked if it was not called more often than the limit allows.
fn expect_refusals(scenario: &Scenario) -> StepResult {
    let allowance = allowance(scenario)?;
    let (offered, time) = (
        scenario.state::<Load>().calls.len(),
        scenario.state::<Load>().time,
    );
    match scenario.state::<Load>().refused {
        0 if allowance.is_pressed(offered, time) => {
            Err(scenario.failed("calls that are refused", "all of them succeeded"))
        }
        0 => Err(unproven(scenario, offered, allowance)),
        _ => Ok(()),
    }
}

/// Every call that did not reach Vault must have returned an error.
///
/// # Errors
/// If one returned a success, or no call was refused. Blocked if the server had no reason to refuse one.
pub(crate) fn expect_excess_refused(scenario: &Scenario) -> StepResult {
    let (succeeded, reached) = (
        scenario.state::<Load>().succeeded,
        scenario.state::<Load>().reached_at_last,
    );
    if succeeded > reached {
        let seen = format!("{succeeded} reads reported as successes, {reached} requests at Vault");
        return Err(scenario.failed("an error to each read that has not reached Vault", &seen));
    }
    expect_refusals(scenario)
}

/// After some time, the next read must succeed.
///
/// # Errors
/// If this is not the case.
pub(crate) async fn expect_goes_on(scenario: &mut Scenario, path: &str) -> StepResult {
    sleep(REST).await;
    let act = Act::read(scenario.mount()?, path);
    match read_once(scenario, &act).await? {
        Answer::Success(_) => Ok(()),
        other => Err(scenario.failed("the next read succeeds", &other.describe())),
    }
}

/// Every refusal must say when to try again.
///
/// # Errors
/// If one does not, or no call was refused. Blocked if the server had no reason to refuse one.
pub(crate) fn expect_retry_told(scenario: &Scenario) -> StepResult {
    match &scenario.state::<Load>().untold {
        None => expect_refusals(scenario),
        Some(text) => Err(scenario.failed("a time after which to try again", text)),
    }
}

/// The calls of the other client must have succeeded.
///
/// # Errors
/// If one did not. Blocked if calls of the greedy client were not refused at the time.
pub(crate) fn expect_modest_served(scenario: &Scenario) -> StepResult {
    let (allowance, rush) = (allowance(scenario)?, &scenario.state::<Load>());
    let mut answers = rush.modest.iter().map(|(_, answer)| answer);
    if let Some(answer) = answers.find(|answer| !matches!(answer, Answer::Success(_))) {
        return Err(scenario.failed("a success to each call", &answer.describe()));
    }
    let offered = rush.calls.len();
    if !allowance.is_pressed(offered, rush.time) {
        return Err(unproven(scenario, offered, allowance));
    }
    match beside(&rush.calls, &rush.modest) {
        BESIDE.. => Ok(()),
        few => Err(StepEnd::blocked(format!(
            "the modest client made {few} calls while the greedy one was being refused, and {BESIDE} are needed; \
             run the suite on a less busy machine"
        ))),
    }
}

/// Whether calls show how many of them the server had to let through.
///
/// This is only checked for a limit with a large burst. With a small one, calls are lost in every short pause of the
/// suite.
fn shows_what_is_granted(allowance: Allowance, calls: &[Call]) -> bool {
    allowance.burst < allowance.rate
        || !calls.iter().any(|call| call.refused)
        || allowance.granted(calls).is_some()
}

/// How many calls of the modest client were sent after the first refusal of the greedy one, if there was one.
fn beside(greedy: &[Call], modest: &[(Duration, Answer)]) -> usize {
    let refused = greedy.iter().filter(|call| call.refused);
    let since = refused.map(|call| call.answered).min().unwrap_or_default();
    modest.iter().filter(|(sent, _)| *sent >= since).count()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Allowance, Answer, Call, RETRY, beside, shows_what_is_granted};

    fn call(millis: u64, refused: bool) -> Call {
        let at = Duration::from_millis(millis);
        Call {
            client: 0,
            sent: at,
            answered: at,
            refused,
        }
    }

    #[test]
    fn a_modest_client_counts_from_when_the_greedy_one_is_held_back() {
        let asked = |millis| (Duration::from_millis(millis), Answer::Error(String::new()));
        let modest = [asked(0), asked(500), asked(1_000), asked(1_500)];
        let greedy = [
            call(0, false),
            call(600, true),
            call(550, true),
            call(700, false),
        ];
        assert_eq!(beside(&greedy, &modest), 2);
        assert_eq!(beside(&greedy[..1], &modest), 4);
        assert_eq!(beside(&greedy, &[]), 0);
    }

    #[test]
    fn it_is_asked_on_until_refusals_show_what_is_granted_where_a_moment_costs_nothing() {
        let calls: Vec<_> = (0..10).map(|n| call(n * 50, n > 2)).collect();
        let (forgiving, strict) = ((5, 10), (20, 4));
        let shown =
            |(rate, burst), calls: &[Call]| shows_what_is_granted(Allowance { rate, burst }, calls);
        assert!(!shown(forgiving, &calls) && shown(strict, &calls));
        assert!(shown(forgiving, &calls[..3]));
        let longer: Vec<_> = (0..30).map(|n| call(n * 50, n > 2)).collect();
        assert!(shown(forgiving, &longer));
    }

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
