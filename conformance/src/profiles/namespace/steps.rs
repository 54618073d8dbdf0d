//! Steps about namespaces of Vault.

use cucumber::{given, then, when};

use crate::{profiles::namespace::asking, verdict::StepResult, vocabulary::start, world::World};

#[given("a server that uses a Vault namespace")]
async fn in_namespace(world: &mut World) -> StepResult {
    start::start_in_namespace(world.scenario()?).await
}

#[when(
    expr = "three clients concurrently read one secret each {int} times, two with a namespace each and one without"
)]
async fn clients_read(world: &mut World, times: usize) -> StepResult {
    let scenario = world.scenario()?;
    asking::let_clients_read_in_namespaces(scenario, times).await
}

#[when(
    expr = "a client reads the secret {string} and then, in the same session, names another namespace to read {string}"
)]
async fn namespace_changed(world: &mut World, one: String, other: String) -> StepResult {
    asking::let_client_change_namespace(world.scenario()?, &one, &other).await
}

#[then("the server made every request to Vault for the call in its namespace")]
fn all_in_namespace(world: &mut World) -> StepResult {
    asking::expect_in_namespace(world.scenario()?)
}

#[then("the server requested each secret only in the namespace of its client")]
#[then(
    "the server requested no secret in a namespace other than the one that the client named for it"
)]
fn own_namespaces(world: &mut World) -> StepResult {
    asking::expect_own_namespaces(world.scenario()?)
}
