//! Direct requests to Vault beside the tool calls of a run. They measure Vault itself under the load of the same run.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::time::{sleep, timeout};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{Measurements, budget, workload::Workload};
use crate::{
    engines::Operation,
    vault::oracle::{Oracle, OracleError},
};

/// The pause between two rounds, so that the run is hardly slower.
const PAUSE: Duration = Duration::from_millis(200);

/// How long the suite waits for the last request.
const LAST: Duration = Duration::from_secs(2);

/// Direct requests in progress. Each operation in turn is one request to Vault with a least-privilege token, over and
/// over until stopped.
///
/// If Vault rejects requests or is gone, the entries have no direct figures. The loss of Vault is reported elsewhere.
pub(crate) struct DirectRequests {
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl DirectRequests {
    /// Begins with the operations that have a budget.
    pub(crate) fn start(
        oracle: Arc<Oracle>,
        operations: impl IntoIterator<Item = Operation>,
        measurements: Arc<Mutex<Measurements>>,
    ) -> Self {
        let operations: Vec<_> = (operations.into_iter())
            .filter(|operation| budget(*operation).is_some())
            .collect();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            if !operations.is_empty() {
                let _ = measure(&oracle, &operations, &measurements, &stopped).await;
            }
        });
        Self {
            stop,
            task: AbortOnDropHandle::new(task),
        }
    }

    /// Stops after the last request, so that nothing more is made in Vault.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        let _ = timeout(LAST, self.task).await;
    }
}

async fn measure(
    oracle: &Oracle,
    operations: &[Operation],
    measurements: &Mutex<Measurements>,
    stop: &CancellationToken,
) -> Result<(), OracleError> {
    let workload = Workload::make(oracle, "direct", operations).await?;
    let policy = format!("{}direct", oracle.prefix());
    oracle.write_policy(&policy, &workload.policy()).await?;
    let token = oracle.make_token(&policy).await?.secret;
    let tasks: Vec<_> = (operations.iter())
        .filter_map(|operation| workload.task(*operation))
        .collect();
    // The first round opens the connection and does not count.
    let mut counts = false;
    while !stop.is_cancelled() {
        for task in &tasks {
            let begun = Instant::now();
            let answer = oracle.ask(&token, &task.direct).await?;
            if counts && answer.status < 300 {
                let mut measurements = measurements.lock();
                measurements.add_direct(task.operation, begun.elapsed());
            }
        }
        if counts {
            let _ = stop.run_until_cancelled(sleep(PAUSE)).await;
        }
        counts = true;
    }
    Ok(())
}
