//! Steps about namespaces of Vault.

use cucumber::{given, then, when};

use crate::{verdict::StepResult, world::World};

#[given("a server that works in a namespace")]
async fn in_namespace(world: &mut World) -> StepResult {
    crate::scene::namespace::start_in_namespace(world.scene()?).await
}

#[when(
    expr = "three clients read one of them each {int} times at once, two that name namespaces and one that names none"
)]
async fn clients_read(world: &mut World, times: usize) -> StepResult {
    let scene = world.scene()?;
    crate::scene::namespace::let_clients_read_in_namespaces(scene, times).await
}

#[when(
    expr = "a client reads the secret {string}, and then names another namespace in the same session to read {string}"
)]
async fn namespace_changed(world: &mut World, one: String, other: String) -> StepResult {
    crate::scene::namespace::let_client_change_namespace(world.scene()?, &one, &other).await
}

#[then("every request to Vault for that was made in the namespace")]
fn all_in_namespace(world: &mut World) -> StepResult {
    crate::scene::namespace::expect_in_namespace(world.scene()?)
}

#[then("Vault was asked for each secret in the namespace of its client alone")]
#[then("Vault was asked for no secret in another namespace than was named for it")]
fn own_namespaces(world: &mut World) -> StepResult {
    crate::scene::namespace::expect_own_namespaces(world.scene()?)
}
