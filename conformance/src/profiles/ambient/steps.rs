//! Steps that use what was seen in all scenarios.

use cucumber::then;

use crate::{invariants::Invariant, verdict::StepResult, world::World};

#[then("no output, error or log of the server contained its Vault token")]
fn token_unseen(world: &mut World) -> StepResult {
    let expected = "no message and no log line with the server's Vault token";
    world.expect_unseen(Invariant::TokenSaid, expected)
}

#[then("no output, error or log of the server contained a value that no call had requested")]
fn values_unseen(world: &mut World) -> StepResult {
    let expected = "values only in answers to the client that requested them, and in no log";
    world.expect_unseen(Invariant::ValueSaid, expected)
}

#[then("every message of the server was valid for the revision in use")]
fn messages_valid(world: &mut World) -> StepResult {
    world.expect_unseen(
        Invariant::InvalidMessage,
        "messages that fit the protocol's schema",
    )
}

#[then("the server sent no request or notification that was not negotiated")]
fn only_agreed(world: &mut World) -> StepResult {
    world.expect_unseen(
        Invariant::NotNegotiated,
        "only requests and notifications for which a capability was declared",
    )
}

#[then("the server wrote only protocol messages to standard output")]
fn stdout_clean(world: &mut World) -> StepResult {
    world.expect_unseen(
        Invariant::Noise,
        "nothing but protocol messages on standard output",
    )
}

#[then("the server was still running after every scenario")]
fn alive(world: &mut World) -> StepResult {
    world.expect_unseen(
        Invariant::Ended,
        "a server that runs until the end of every scenario",
    )
}

#[then("Vault's audit log shows that the server used no token other than its own")]
fn own_token(world: &mut World) -> StepResult {
    world.expect_unseen(
        Invariant::ForeignToken,
        "only requests to Vault with the server's own token",
    )
}
