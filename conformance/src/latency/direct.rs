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

/// Between two rounds, so that the run is hardly slower for it.
const PAUSE: Duration = Duration::from_millis(200);

/// How long the last request is waited for.
const LAST: Duration = Duration::from_secs(2);

/// Direct requests under way: each operation in turn, by one request to Vault, with a token of
/// least privilege, over and over until stopped.
///
/// Nothing is said of a Vault that refuses or is gone: the entries are without direct figures
/// then, and whoever judges by Vault tells of its loss.
pub(crate) struct DirectRequests {
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl DirectRequests {
    /// Begins with those of the operations that have a budget.
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

    /// Ends them, the last request included, so that nothing is made in Vault any more.
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
    // The first round opens the connection, and is not counted.
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
