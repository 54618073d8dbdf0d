//! A failover: the active node of a cluster steps down while the agent writes. Vault refuses requests until the other node
//! is active. The first writes that reach the tap are held there until the active node has stepped down, so that Vault
//! receives them in the middle of the failover, however fast the machine is.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::{FutureExt as _, future::try_join_all};
use parking_lot::Mutex;
use serde_json::json;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    instance::answer::Answer,
    scenario::{Scenario, calls::CallOptions},
    tap::fault::{Fault, FaultAction},
    vault::{api::ApiError, cluster::Cluster, oracle::VaultRequest},
    verdict::{StepEnd, StepResult},
    vocabulary::kv::{kv, writing},
};

/// How many calls are open at the same time.
const AT_ONCE: usize = 4;
/// How many secrets the agent writes at most during the failover.
const WRITES: usize = 200;
/// How long the suite waits until a write of the server reaches Vault, and until Vault accepts one after the failover.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the server may take to write again, once Vault accepts the same write.
const RECOVERY: Duration = Duration::from_secs(20);
const BETWEEN_TRIES: Duration = Duration::from_millis(200);
/// The key of all secrets.
const KEY: &str = "value";

/// What the agent has written.
#[derive(Default)]
struct Written {
    /// The number of the next secret.
    next: usize,
    /// The secrets that the server reported as written.
    reported: Vec<Secret>,
}

/// A secret with one key.
#[derive(Clone)]
struct Secret {
    path: String,
    value: String,
}

/// The scenario must have a cluster, with both nodes running.
///
/// # Errors
/// Blocked otherwise.
pub(crate) async fn expect_cluster(scenario: &mut Scenario) -> StepResult {
    let whole = cluster(scenario)?.is_whole().await;
    whole.map_err(StepEnd::blocked)
}

fn cluster(scenario: &mut Scenario) -> StepResult<&mut Cluster> {
    let missing = || StepEnd::blocked("the scenario has no cluster: it lacks @evidence:cluster");
    scenario.cluster.as_mut().ok_or_else(missing)
}

fn next_secret(scenario: &mut Scenario) -> Secret {
    let written = scenario.state_mut::<Written>();
    written.next += 1;
    let path = format!("failover/{}", written.next);
    let value = scenario.canary(&path, true);
    Secret { path, value }
}

/// Lets the agent write a secret; returns the answer.
async fn write(scenario: &Scenario, secret: &Secret) -> StepResult<Answer> {
    let act = writing(scenario, &secret.path, KEY, &secret.value)?;
    let call = scenario.call(act, CallOptions::default()).await?;
    Ok(call.answer)
}

/// Lets the agent write secrets, makes the active node step down when such a write reaches Vault, and lets requests go to
/// the other node once that is active.
///
/// # Errors
/// Blocked if the failover does not happen. Not applicable if the server cannot write before it.
pub(crate) async fn let_agent_write_through_failover(scenario: &mut Scenario) -> StepResult {
    let first = next_secret(scenario);
    match write(scenario, &first).await? {
        Answer::Success(_) => scenario.state_mut::<Written>().reported.push(first),
        other => {
            let seen = scenario.secrets().redact(&other.describe());
            let why = format!("the server cannot write a secret before the failover: {seen}");
            return Err(StepEnd::precondition(why));
        }
    }
    let queue: VecDeque<_> = (0..WRITES).map(|_| next_secret(scenario)).collect();
    let queue = Mutex::new(queue);
    let stepped = step_down_at_a_write(scenario)?;
    let mut cluster =
        (scenario.cluster.take()).ok_or_else(|| StepEnd::blocked("the scenario has no cluster"))?;
    let shared = &*scenario;
    let over = CancellationToken::new();
    let writers = try_join_all((0..AT_ONCE).map(|_| write_until(shared, &queue, &over)));
    let takeover = async {
        let _ends = over.clone().drop_guard();
        take_over(shared, &mut cluster, stepped).await
    };
    let (written, taken_over) = tokio::join!(writers, takeover);
    let oracle = scenario.oracle_of(&cluster);
    scenario.cluster = Some(cluster);
    scenario.oracle = Arc::new(oracle?);
    taken_over?;
    let written = written?.into_iter().flatten();
    scenario.state_mut::<Written>().reported.extend(written);
    Ok(())
}

/// Lets the next writes wait at the tap until the active node has stepped down, which the first one causes. The returned
/// channel has the result.
fn step_down_at_a_write(
    scenario: &mut Scenario,
) -> StepResult<oneshot::Receiver<Result<(), ApiError>>> {
    let (tell, told) = oneshot::channel();
    let stepping = cluster(scenario)?.step_down();
    let stepped = async move {
        // Without a receiver the step has ended.
        drop(tell.send(stepping.await));
    };
    let stepped = stepped.boxed().shared();
    let mount = &kv(scenario)?.path;
    for _ in 0..AT_ONCE {
        let first = FaultAction::First(stepped.clone().boxed());
        scenario.tap()?.set(Fault::for_write(mount, first));
    }
    Ok(told)
}

/// Writes secrets until the failover is over; returns those that the server reported as written.
async fn write_until(
    scenario: &Scenario,
    queue: &Mutex<VecDeque<Secret>>,
    over: &CancellationToken,
) -> StepResult<Vec<Secret>> {
    let mut reported = Vec::new();
    while !over.is_cancelled() {
        let Some(secret) = queue.lock().pop_front() else {
            break;
        };
        if let Answer::Success(_) = write(scenario, &secret).await? {
            reported.push(secret);
        }
    }
    Ok(reported)
}

/// Waits until the active node has stepped down and the other one is active, and sends the server's requests there.
async fn take_over(
    scenario: &Scenario,
    cluster: &mut Cluster,
    stepped: oneshot::Receiver<Result<(), ApiError>>,
) -> StepResult {
    match timeout(PATIENCE, stepped).await {
        Ok(Ok(stepped)) => stepped.map_err(StepEnd::blocked)?,
        _ => {
            return Err(StepEnd::blocked(format!(
                "no write of the server reached Vault within {} s",
                PATIENCE.as_secs()
            )));
        }
    }
    cluster.await_takeover().await.map_err(StepEnd::blocked)?;
    scenario.tap()?.forward_to(cluster.active());
    Ok(())
}

/// The server must write a secret within [`RECOVERY`], once Vault accepts a write with the same token.
///
/// # Errors
/// If it does not. Blocked if Vault does not accept one, or a node of the cluster has ended.
pub(crate) async fn expect_writes_again(scenario: &mut Scenario) -> StepResult {
    await_allowed_write(scenario).await?;
    let begun = Instant::now();
    loop {
        let secret = next_secret(scenario);
        let seen = match write(scenario, &secret).await? {
            Answer::Success(_) => {
                scenario.state_mut::<Written>().reported.push(secret);
                return Ok(());
            }
            other => other.describe(),
        };
        if begun.elapsed() >= RECOVERY {
            expect_cluster(scenario).await?;
            let expected = format!(
                "the server writes a secret again within {} s after Vault accepts the same write",
                RECOVERY.as_secs()
            );
            return Err(scenario.failed(expected, &seen));
        }
        sleep(BETWEEN_TRIES).await;
    }
}

/// Waits until the active node accepts a write with the token of the server.
async fn await_allowed_write(scenario: &Scenario) -> StepResult {
    let path = format!("{}/data/failover/direct", kv(scenario)?.path);
    let request = VaultRequest::new("POST", path).with(json!({ "data": {} }));
    let token = &scenario.token()?.secret;
    let begun = Instant::now();
    loop {
        let answer = scenario.oracle.ask(token, &request).await;
        let refused = match answer.map_err(StepEnd::blocked)? {
            accepted if accepted.status < 300 => return Ok(()),
            refused => refused.status,
        };
        if begun.elapsed() >= PATIENCE {
            let why = format!("after the failover Vault answers {refused} to a write");
            return Err(StepEnd::blocked(why));
        }
        sleep(BETWEEN_TRIES).await;
    }
}

/// Each secret that the server reported as written must be in Vault.
///
/// # Errors
/// If one is not.
pub(crate) async fn expect_reported_writes(scenario: &mut Scenario) -> StepResult {
    let mount = kv(scenario)?.clone();
    let mut lost = Vec::new();
    let reported = std::mem::take(&mut scenario.state_mut::<Written>().reported);
    for Secret { path, value } in &reported {
        let held = (scenario.oracle)
            .read_secret(&mount.path, mount.version, path)
            .await;
        let held = held.map_err(StepEnd::blocked)?;
        let is_held = held.is_some_and(|data| data.get(KEY) == Some(&json!(value)));
        lost.extend((!is_held).then_some(path.as_str()));
    }
    match lost.first() {
        None => Ok(()),
        Some(path) => {
            expect_cluster(scenario).await?;
            let expected = format!(
                "Vault holds all {} secrets that the server reported as written",
                reported.len()
            );
            let seen = format!("{} are not there, such as {path}", lost.len());
            Err(scenario.failed(expected, &seen))
        }
    }
}
