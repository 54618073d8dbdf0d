//! Steps about namespaces of Vault.

use cucumber::{given, then, when};

use crate::{profiles::namespace::asking, verdict::StepResult, vocabulary::start, world::World};

#[given("a server that works in a namespace")]
async fn in_namespace(world: &mut World) -> StepResult {
    start::start_in_namespace(world.scenario()?).await
}

#[when(
    expr = "three clients read one of them each {int} times at once, two that name namespaces and one that names none"
)]
async fn clients_read(world: &mut World, times: usize) -> StepResult {
    let scenario = world.scenario()?;
    asking::let_clients_read_in_namespaces(scenario, times).await
}

#[when(
    expr = "a client reads the secret {string}, and then names another namespace in the same session to read {string}"
)]
async fn namespace_changed(world: &mut World, one: String, other: String) -> StepResult {
    asking::let_client_change_namespace(world.scenario()?, &one, &other).await
}

#[then("every request to Vault for that was made in the namespace")]
fn all_in_namespace(world: &mut World) -> StepResult {
    asking::expect_in_namespace(world.scenario()?)
}

#[then("Vault was asked for each secret in the namespace of its client alone")]
#[then("Vault was asked for no secret in another namespace than was named for it")]
fn own_namespaces(world: &mut World) -> StepResult {
    asking::expect_own_namespaces(world.scenario()?)
}
