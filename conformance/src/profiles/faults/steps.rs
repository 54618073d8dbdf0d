//! Steps about failures of Vault.

use cucumber::{given, then, when};

use super::failover;
use crate::{verdict::StepResult, world::World};

#[given("a Vault cluster of two nodes, and a server that uses it")]
async fn on_cluster(world: &mut World) -> StepResult {
    failover::expect_cluster(world.scenario()?).await
}

#[when("the agent writes secrets while the active node steps down and the other node takes over")]
async fn writes_through_failover(world: &mut World) -> StepResult {
    failover::let_agent_write_through_failover(world.scenario()?).await
}

#[then("the server writes secrets again")]
async fn writes_again(world: &mut World) -> StepResult {
    failover::expect_writes_again(world.scenario()?).await
}

#[then("Vault holds every secret that the server reported as written")]
async fn reported_writes_kept(world: &mut World) -> StepResult {
    failover::expect_reported_writes(world.scenario()?).await
}
